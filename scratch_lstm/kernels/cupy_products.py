"""Sums that are added to a gradient on an NVIDIA GPU, in one launch each."""

from __future__ import annotations

from typing import Any

import cupy
import numpy as np
from cupy import cublas

from .cupy_kernels import launch

Array = Any
THREADS = 1024
STATE = {"tf32": False}            # cublas.gemm itself knows nothing of it


def add_product(total: Array, a: Array, b: Array) -> None:
    """total += a @ b, matrices; a and b contiguous, or the transpose of what is."""
    if total.dtype == a.dtype == b.dtype and not (STATE["tf32"] and a.dtype == "float32"):
        cublas.gemm("N", "N", a, b, out=total, beta=1.0)
    else:
        total += a @ b


def add_column_sum(total: Array, a: Array) -> None:
    """total (n,) += the sum of a (N, n) over its rows, always in the same order."""
    if total.dtype == a.dtype and a.dtype.kind == "f":
        N, columns = a.shape
        launch("sums.cu", "add_column_sum", -(-columns // 32), THREADS,
               (a, total, np.int32(N), np.int32(columns)), a.dtype, THREADS * a.dtype.itemsize)
    else:
        total += a.sum(axis=0)


def use_tf32(on: bool) -> None:
    """Whether products of float32 may round their factors to TF32, 10 bits of mantissa. The variable
    CUPY_TF32 of the environment has no effect once this has been called."""
    types = cupy._core._routines_linalg
    cupy._core.set_compute_type("f", types.COMPUTE_TYPE_TF32 if on else types.COMPUTE_TYPE_DEFAULT)
    STATE["tf32"] = on
