"""The embedding's scatter-add on an NVIDIA GPU: one launch, the terms always in the same order."""

from __future__ import annotations

from typing import Any

import cupy
import numpy as np

from .raw_kernels import launch

Array = Any
THREADS = 256


def scatter_add(table: Array, rows: Array, values: Array, order: Array | None = None) -> None:
    """As numpy_scatter.scatter_add. order (N,): which argsort of the rows, a stable one; without it the rows
    are sorted here."""
    order = cupy.argsort(rows) if order is None else order
    N, columns = values.shape
    launch("sums.cu", "add_rows", (N, -(-columns // 32)), THREADS,
           (rows, order, cupy.ascontiguousarray(values), table, np.int32(N), np.int32(columns)), table.dtype,
           THREADS * table.dtype.itemsize)
