"""The embedding's scatter-add in one compiled pass."""

from __future__ import annotations

import numpy as np

from .jit import jit


def scatter_add(table: np.ndarray, rows: np.ndarray, values: np.ndarray, order: None = None) -> None:
    """As numpy_scatter.scatter_add."""
    sums = np.zeros_like(table)                                                         # (V, E)
    _scatter_add(sums, rows, values)
    table += sums


@jit()
def _scatter_add(sums, rows, values):
    for n in range(len(rows)):
        for e in range(values.shape[1]):
            sums[rows[n], e] += values[n, e]
