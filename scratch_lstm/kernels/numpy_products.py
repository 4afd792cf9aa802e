"""Matrix products, and sums that are added to a gradient, in NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np

Array = Any


def product(a: Array, b: Array, out: Array | None = None) -> Array:
    """a (m, k) @ b (k, n) -> (m, n), in `out` if it is given."""
    return np.matmul(a, b, out=out)


def add_product(total: Array, a: Array, b: Array) -> None:
    """total (m, n) += a (m, k) @ b (k, n)."""
    total += a @ b


def add_column_sum(total: Array, a: Array) -> None:
    """total (n,) += the sum of a (N, n) over its rows."""
    total += a.sum(axis=0)
