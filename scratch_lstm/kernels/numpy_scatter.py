"""The embedding's scatter-add in NumPy."""

from __future__ import annotations

import numpy as np


def scatter_add(table: np.ndarray, rows: np.ndarray, values: np.ndarray, order: None = None) -> None:
    """table (V, E), rows (N,) integers, values (N, E): table[rows[n]] += values[n] for every n.

    Summed up first and added once, so that doing it twice adds exactly twice as much; over a flat array,
    because `np.add.at` is several times slower on rows.
    """
    sums = np.zeros_like(table)                                                         # (V, E)
    places = rows[:, None] * table.shape[1] + np.arange(table.shape[1])                 # (N, E)
    np.add.at(sums.reshape(-1), places.reshape(-1), values.reshape(-1))
    table += sums
