"""Sums that are added to a gradient on an NVIDIA GPU, in one launch each."""

from __future__ import annotations

from typing import Any

import cupy
import numpy as np
from cupy import cublas

from .cupy_kernels import launch

Array = Any
THREADS = 1024


def add_product(total: Array, a: Array, b: Array) -> None:
    """total += a @ b, matrices; a and b contiguous, or the transpose of what is."""
    if total.dtype == a.dtype == b.dtype:
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
    """Whether products of float32 may round their factors to TF32 (10 bits of mantissa)."""
    from cupy._core import _routines_linalg
    from cupy_backends.cuda.libs import cublas as library
    _routines_linalg.set_compute_type("f", _routines_linalg.COMPUTE_TYPE_TF32 if on
                                      else _routines_linalg.COMPUTE_TYPE_DEFAULT)
    library.setMathMode(cupy.cuda.device.get_cublas_handle(), library.CUBLAS_TF32_TENSOR_OP_MATH if on
                        else library.CUBLAS_DEFAULT_MATH)
