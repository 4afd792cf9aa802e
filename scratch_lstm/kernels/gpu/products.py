"""Matrix products, and sums that are added to a gradient, on an NVIDIA GPU: one launch each.

cuBLAS is called with pointers: of a small product CuPy's own functions take twice the time to start it.
"""

from __future__ import annotations

from typing import Any

import cupy
import numpy as np

from .raw_kernels import launch

Array = Any
THREADS = 1024
STATE = {"tf32": False}            # cuBLAS's sgemm itself knows nothing of it
GEMM = {"f": cupy.cuda.cublas.sgemm, "d": cupy.cuda.cublas.dgemm}
FACTORS = {char: np.array([0, 1], char) for char in GEMM}                      # cuBLAS reads them by address
ADDRESSES = {char: (both.ctypes.data, both[1:].ctypes.data) for char, both in FACTORS.items()}


def product(a: Array, b: Array, out: Array | None = None) -> Array:
    """a (m, k) @ b (k, n) -> (m, n), in `out` if it is given."""
    if out is None:
        out = cupy.empty((a.shape[0], b.shape[1]), np.result_type(a.dtype, b.dtype))
    return out if gemm(a, b, out, 0) else cupy.matmul(a, b, out=out)


def add_product(total: Array, a: Array, b: Array) -> None:
    """total (m, n) += a (m, k) @ b (k, n)."""
    if not gemm(a, b, total, 1):
        total += a @ b


def gemm(a: Array, b: Array, out: Array, keep: int) -> bool:
    """out = a @ b + keep * out, keep 0 or 1, where cuBLAS can do it: float32 or float64 without TF32, out
    contiguous, a and b contiguous or the transpose of what is. Otherwise nothing is done, and False returned.

    cuBLAS counts columns first: in the memory of a contiguous matrix it sees the transpose. So it is asked
    for out^T = b^T a^T.
    """
    char, one, other = out.dtype.char, a.flags, b.flags
    if not (a.dtype.char == b.dtype.char == char in GEMM and out.flags.c_contiguous
            and (one.c_contiguous or one.f_contiguous) and (other.c_contiguous or other.f_contiguous)
            and not (STATE["tf32"] and char == "f")):
        return False
    (m, k), n, factors = a.shape, b.shape[1], ADDRESSES[char]
    a_is, a_line = (0, k) if one.c_contiguous else (1, m)             # 1: to be transposed
    b_is, b_line = (0, n) if other.c_contiguous else (1, k)
    GEMM[char](cupy.cuda.device.get_cublas_handle(), b_is, a_is, n, m, k, factors[1], b.data.ptr, b_line,
               a.data.ptr, a_line, factors[keep], out.data.ptr, n)
    return True


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
