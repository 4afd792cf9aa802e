"""How Numba compiles the kernels, and where it keeps the compiled code.

Numba's own cache looks at the file of a compiled function, but not at the files of the functions that it
calls: a change in numba_cell.py would not reach the time loop in numba_loop.py. So the cache is a folder
named by the hash of all these sources. Where no such folder can be written, each process compiles anew.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import numba
import numba.core.config

HERE = Path(__file__).resolve().parent
Function = TypeVar("Function", bound=Callable[..., Any])


def source_hash() -> str:
    """Of every numba_*.py in this folder, and of Numba's version."""
    sources = [path.read_bytes() for path in sorted(HERE.glob("numba_*.py"))]
    return hashlib.sha256(b"\0".join([numba.__version__.encode(), *sources])).hexdigest()[:16]


def cache_folder() -> Path | None:
    """The first folder that can be written: next to the source, then in the user's cache; None if neither."""
    for parent in (HERE / "__pycache__", Path(os.path.expanduser("~")) / ".cache" / "scratch-lstm"):
        folder = parent / f"numba-{source_hash()}"
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError:
            continue
        if os.access(folder, os.W_OK):
            return folder
    return None


FOLDER = cache_folder()
config: Any = numba.core.config


def jit(**options: Any) -> Callable[[Function], Function]:
    """numba.njit for a kernel: without the interpreter's lock, IEEE division, compiled code in FOLDER."""
    def compile_later(function: Function) -> Function:
        before = config.CACHE_DIR
        try:
            if FOLDER is not None:
                config.CACHE_DIR = str(FOLDER)    # read when the function is decorated
            cached = FOLDER is not None
            return numba.njit(cache=cached, nogil=True, error_model="numpy", **options)(function)
        finally:
            config.CACHE_DIR = before
    return compile_later
