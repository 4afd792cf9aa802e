"""How Numba compiles the kernels, and where it keeps the compiled code.

Numba's own cache looks at the file of a compiled function, but not at the files of the functions that it
calls: a change in cell.py would not reach the time loop in loop.py. So the cache is a folder
named by the hash of all these sources. Where no such folder can be written, each process compiles anew.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

import numba
import numba.core.config

HERE = Path(__file__).resolve().parent
Function = TypeVar("Function", bound=Callable[..., Any])
config: Any = numba.core.config


def source_hash() -> str:
    """A hash of every module of this folder and of Numba's version."""
    sources = [path.read_bytes() for path in sorted(HERE.glob("*.py"))]
    return hashlib.sha256(b"\0".join([numba.__version__.encode(), *sources])).hexdigest()[:16]


def cache_folder() -> Path | None:
    """The first folder that can be written: NUMBA_CACHE_DIR, beside the source, the user's cache; or None."""
    of_user = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    named = [Path(config.CACHE_DIR)] if config.CACHE_DIR else []
    for parent in (*named, HERE / "__pycache__", Path(of_user) / "scratch-lstm"):
        folder = parent / f"numba-{source_hash()}"
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError:
            continue
        if os.access(folder, os.W_OK):
            return folder
    return None


def keep_if_possible(compiled: Any) -> None:
    """A kernel whose compiled code cannot be kept after all (a full disk, a quota) works as well."""
    cache = getattr(compiled, "_cache", None)     # none with NUMBA_DISABLE_JIT=1
    if cache is None:
        return
    save = cache.save_overload

    def save_if_possible(signature: Any, data: Any) -> None:
        with suppress(OSError):
            save(signature, data)

    cache.save_overload = save_if_possible


FOLDER = cache_folder()


def jit(**options: Any) -> Callable[[Function], Function]:
    """numba.njit for a kernel: without the interpreter's lock, IEEE division, compiled code in FOLDER."""
    def compile_later(function: Function) -> Function:
        before = config.CACHE_DIR
        try:
            if FOLDER is not None:
                config.CACHE_DIR = str(FOLDER)    # read when the function is decorated
            compiled = numba.njit(cache=FOLDER is not None, nogil=True, error_model="numpy",
                                  **options)(function)
            keep_if_possible(compiled)
            return compiled
        finally:
            config.CACHE_DIR = before
    return compile_later
