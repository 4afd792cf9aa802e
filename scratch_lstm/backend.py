"""The array module, chosen once and carried by one object.

Everything that differs from one device to another stands here: which module holds the arrays, how they
travel between host and device, how rows are scattered, which hand works the cell. The mathematics asks
a `Backend` and never a device.
"""

from __future__ import annotations

import math
from types import ModuleType
from typing import Any

import numpy as np

from .errors import InputError
from .kernels import numpy_cell

Array = Any  # numpy.ndarray, or the array of another module with its interface

NOT_BUILT_YET = ("numba", "cupy", "torch")


class Backend:
    """NumPy on the host. Other backends have the same members.

    xp:     the array module
    cell:   one time step of the LSTM cell, `forward` and `backward` (see kernels/)
    chunk:  how many numbers an elementwise pass should touch at a time to stay in the cache
    """

    name = "numpy"
    xp: ModuleType = np
    cell: ModuleType = numpy_cell
    chunk = 1 << 14

    def to_device(self, array: np.ndarray) -> Array:
        """A host array, where this backend computes."""
        return array

    def to_host(self, array: Array) -> np.ndarray:
        """An array of this backend as a NumPy array."""
        return np.asarray(array)

    def scatter_add(self, target: Array, rows: Array, values: Array) -> None:
        """target[rows[n]] += values[n], also where a row is named more than once.

        target (V, E), rows (N,) integers, values (N, E). Equal rows are brought together and summed in
        one pass: `target[rows] += values` would keep only the last of them.
        """
        order = np.argsort(rows, kind="stable")                   # (N,)
        rows = rows[order]
        first = np.flatnonzero(np.diff(rows, prepend=-1))         # where each distinct row begins
        target[rows[first]] += np.add.reduceat(values[order], first, axis=0)

    def uniform(self, rng: np.random.Generator, bound: float, shape: tuple[int, ...],
                dtype: Any) -> Array:
        """Uniform draws from [-bound, bound): always drawn on the host in float64, so that every backend
        and every dtype starts from the same numbers."""
        return self.to_device(rng.uniform(-bound, bound, shape).astype(dtype))

    def dropout_mask(self, rng: np.random.Generator, rate: float, shape: tuple[int, ...],
                     dtype: Any) -> Array:
        """0 with probability `rate`, else 1 / (1 - rate): the mean of what passes is kept."""
        return self.to_device((rng.random(shape) >= rate).astype(dtype) / np.asarray(1 - rate, dtype))


class Workspace:
    """Named scratch arrays, allocated once and grown when a larger one is asked for."""

    def __init__(self, xp: ModuleType) -> None:
        self.xp = xp
        self.flat: dict[tuple[str, np.dtype], Array] = {}

    def __call__(self, name: str, shape: tuple[int, ...], dtype: Any) -> Array:
        """An uninitialised array. What an earlier call of this name returned is overwritten by its use."""
        key, size = (name, np.dtype(dtype)), math.prod(shape)
        if key not in self.flat or self.flat[key].size < size:
            self.flat[key] = self.xp.empty(size, dtype)
        return self.flat[key][:size].reshape(shape)


def get_backend(name: str | Backend = "numpy") -> Backend:
    """The backend of that name: `numpy`, or `auto` for the fastest that answers.

    Nothing falls back silently: a backend that cannot be had raises InputError.
    """
    if isinstance(name, Backend):
        return name
    if name in ("numpy", "auto"):
        return Backend()
    if name in NOT_BUILT_YET:
        raise InputError(f"backend '{name}' is not built yet; take --backend numpy")
    raise InputError(f"no backend is called '{name}'; there are auto, numpy, {', '.join(NOT_BUILT_YET)}")
