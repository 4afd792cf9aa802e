"""The kernels of the .cu files: read, compiled once for each set of sizes, and launched.

A raw kernel takes its arguments as they are: it ignores strides, and a Python number as double or as a 64-bit
integer. So every array given here is contiguous, and every scalar has the kernel's own type.
"""

from __future__ import annotations

from functools import cache, lru_cache
from pathlib import Path
from typing import Any

import cupy
import numpy as np

Array = Any
HERE = Path(__file__).parent
REALS = {"f": "float", "d": "double"}            # by the character of a dtype
WITHOUT_ASKING = 48 * 1024         # bytes of shared memory a block


@lru_cache
def text(file: str) -> str:
    """The CUDA text of a .cu file, after the text that all may use."""
    return "".join((HERE / name).read_text(encoding="utf-8") for name in ("sum_of_block.cuh", file))


@cache
def kernel(file: str, name: str, threads: int, char: str, shared_bytes: int, **defines: int) -> Any:
    """The compiled kernel `name` of that file."""
    all_defines = {"real": REALS[char], "THREADS": threads, **defines}
    made = cupy.RawKernel(text(file), name,
                          options=tuple(f"-D{key}={value}" for key, value in all_defines.items()))
    if shared_bytes > WITHOUT_ASKING:
        made.max_dynamic_shared_size_bytes = shared_bytes
    return made


def launch(file: str, name: str, blocks: int | tuple[int, int], threads: int, arguments: tuple[Any, ...],
           dtype: np.dtype, shared_bytes: int = 0, **defines: int) -> None:
    """One launch. The text sees `real`, THREADS and the other defines."""
    made = kernel(file, name, threads, dtype.char, shared_bytes, **defines)
    made(blocks if isinstance(blocks, tuple) else (blocks,), (threads,), arguments, shared_mem=shared_bytes)


@cache
def limits(device: int) -> tuple[int, int]:
    """Bytes of shared memory that a block may ask for on that device, and its multiprocessors."""
    attributes = cupy.cuda.Device(device).attributes
    return attributes["MaxSharedMemoryPerBlockOptin"], attributes["MultiProcessorCount"]


def limits_now() -> tuple[int, int]:
    """Of the device that is used now."""
    return limits(cupy.cuda.runtime.getDevice())
