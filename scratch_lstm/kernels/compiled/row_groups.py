"""Small products in place of a large one, where the matrix library is faster so.

OpenBLAS copies both matrices of a product into blocks before it multiplies. Its kernels for AVX-512 leave
that out where M N K is at most a million. U h and U^T dz of one time step are just above it, so several
smaller products, each with some rows of the left matrix, take two thirds of the time of the whole. So do
tiles of the vocabulary layer's three products, above all of dh = dlogits^T W, whose packing is the slowest.
Kernels for AVX2 have no such path, and lose.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

SMALL = 10 ** 6                                          # M N K up to here: no packing
TILE = 64                                                # predictions and words: the fastest of 32 to 128
WIDEST = 128                                             # hidden size up to which tiles gain
ARCHITECTURES = {"SkylakeX", "Cooperlake", "SapphireRapids"}


@cache
def small_products_are_faster() -> bool:
    """Whether the library that compiled code calls is OpenBLAS with kernels for AVX-512."""
    from threadpoolctl import threadpool_info
    return any(library["internal_api"] == "openblas" and library.get("architecture") in ARCHITECTURES
               for library in threadpool_info() if "scipy" in library["filepath"])


def rows_at_once(M: int, K: int, N: int, dtype: Any) -> int:
    """How many rows of A (M, K) one product of A B, B (K, N), should take: a multiple of 16, or M."""
    rows = SMALL // (K * N) // 16 * 16
    if not 0 < rows < M or np.dtype(dtype) != np.float32 or not small_products_are_faster():
        return M
    return rows


def tiles_are_faster(H: int, dtype: Any) -> bool:
    """Whether products of TILE by TILE by H are, than those of all words at a time."""
    return np.dtype(dtype) == np.float32 and H <= WIDEST and small_products_are_faster()
