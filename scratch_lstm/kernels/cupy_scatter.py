"""The embedding's scatter-add on an NVIDIA GPU: one launch, atomic, in any order."""

from __future__ import annotations

from typing import Any

import cupy

Array = Any


def scatter_add(table: Array, rows: Array, values: Array) -> None:
    """As numpy_scatter.scatter_add; the order of the additions, and so the last bit, may differ each time."""
    cupy.add.at(table, rows, values)
