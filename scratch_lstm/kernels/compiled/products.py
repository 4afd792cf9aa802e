"""Products in compiled code: added to a sum, and in groups of rows (row_groups.py).

np.dot, also in compiled code, only overwrites. Numba has one function in C for all products, which np.dot
calls with beta = 0. Here beta is 1, so that no second array of the size of `total` is written and read again.
Everything else is NumPy's.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import types
from numba.extending import overload

from ..numpy_products import add_column_sum, product
from .jit import jit

__all__ = ["add_column_sum", "add_product", "product"]


def add_product(total, a, b):
    """total (m, n) += a (m, k) @ b (k, n). In compiled code all must be of one dtype, float32 or float64, and
    contiguous, but a may be the .T of such an array. ValueError for other shapes."""
    arrays = (total, a, b)
    if all(array.flags.c_contiguous and array.dtype == total.dtype for array in arrays) and (
            total.dtype.kind == "f"):
        _add_product(total, a, b)
    else:
        total += a @ b


@jit()
def _add_product(total, a, b):
    add_product(total, a, b)


@overload(add_product)
def _add_product_of(total, a, b):
    dtype, size = total.dtype, types.intp
    pointer, kind = types.CPointer(dtype), ord("s" if dtype == types.float32 else "d")
    # kind, whether A and B are transposed; m, n, k; alpha, A, lda, B, ldb; beta, C, ldc
    gemm: Any = types.ExternalFunction("numba_xxgemm", types.intc(
        types.char, types.char, types.char, size, size, size, pointer, pointer, size, pointer, size,
        pointer, pointer, size))
    no, transposed = ord("n"), a.layout == "F"
    order_of_a = ord("t") if transposed else ord("n")

    def add_product(total, a, b):
        (m, k), n, one = a.shape, b.shape[1], np.ones(1, a.dtype)
        if total.shape != (m, n) or len(b) != k:             # the library would write beyond total
            raise ValueError("total, a and b do not fit")
        # the library's columns are our rows: total^T += b^T a^T
        gemm(kind, no, order_of_a, n, m, k, one.ctypes, b.ctypes, n, a.ctypes, m if transposed else k,
             one.ctypes, total.ctypes, n)

    return add_product


@jit()
def product_in_groups(a, b, out, rows):
    """out (m, n) = a (m, k) b (k, n), with `rows` rows of a at a time."""
    for begin in range(0, len(a), rows):
        np.dot(a[begin:begin + rows], b, out[begin:begin + rows])


@jit()
def add_product_in_groups(total, a, b, rows):
    """total (m, n) += a (m, k) b (k, n), with `rows` rows of a at a time."""
    for begin in range(0, len(a), rows):
        add_product(total[begin:begin + rows], a[begin:begin + rows], b)


@jit()
def add_transposed_product_in_groups(total, a, b, rows):
    """total (m, n) += a^T b, a (k, m), b (k, n), with `rows` rows of a and b at a time."""
    for begin in range(0, len(a), rows):
        add_product(total, a[begin:begin + rows].T, b[begin:begin + rows])
