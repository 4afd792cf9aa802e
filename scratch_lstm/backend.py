"""The array module, chosen once and carried by one object.

Everything that differs from one device to another stands here: which module holds the arrays, how they
travel between host and device, how rows are scattered, which hand works the cell, the loss and Adam. The
mathematics asks a `Backend` and never a device.
"""

from __future__ import annotations

import math
from importlib.util import find_spec
from types import ModuleType
from typing import Any

import numpy as np

from . import functional
from .errors import InputError
from .kernels import numpy_adam, numpy_cell

Array = Any  # numpy.ndarray, or the array of another module with its interface


class Backend:
    """NumPy on the host. Other backends have the same members.

    xp:      the array module
    cell:    one time step of the LSTM cell, `forward` and `backward` (kernels/numpy_cell.py)
    loop:    the time loops of lstm.py as one call, `forward` and `backward`, for real dtypes; or None
    loss:    `softmax_cross_entropy` and its backward (functional.py)
    adam:    `update` (kernels/numpy_adam.py)
    shards:  whether several threads share a batch (shards.py), or are left to the matrix library
    """

    name = "numpy"
    xp: ModuleType = np
    cell: Any = numpy_cell
    loop: Any = None
    loss: Any = functional
    adam: Any = numpy_adam
    shards = False

    def to_device(self, array: np.ndarray) -> Array:
        """A host array, where this backend computes."""
        return array

    def to_host(self, array: Array) -> np.ndarray:
        """An array of this backend as a NumPy array."""
        return np.asarray(array)

    def scatter_add(self, target: Array, rows: Array, values: Array) -> None:
        """target[rows[n]] += values[n], also where a row is named more than once.

        target (V, E), rows (N,) integers, values (N, E). Summed up first and added once, so that doing it
        twice gives exactly twice; over a flat array, because `np.add.at` is several times slower on rows.
        """
        sums = np.zeros_like(target)                                                    # (V, E)
        places = rows[:, None] * target.shape[1] + np.arange(target.shape[1])           # (N, E)
        np.add.at(sums.reshape(-1), places.reshape(-1), values.reshape(-1))
        target += sums

    def uniform(self, rng: np.random.Generator, bound: float, shape: tuple[int, ...], dtype: Any,
                draws: int = 1) -> Array:
        """Uniform in [-bound, bound), or the sum of so many draws. Always drawn on the host in float64, so
        that every backend and every dtype starts from the same numbers."""
        total = rng.uniform(-bound, bound, (draws, *shape)).sum(axis=0)
        return self.to_device(total.astype(dtype))

    def dropout_mask(self, rng: np.random.Generator, rate: float, shape: tuple[int, ...],
                     dtype: Any) -> Array:
        """0 with probability `rate`, else 1 / (1 - rate): the mean of what passes is kept."""
        return self.to_device((rng.random(shape) >= rate).astype(dtype) / np.asarray(1 - rate, dtype))


class NumbaBackend(Backend):
    """NumPy arrays, and passes over them that Numba compiles into one (extra `fast`).

    Compiled code is kept on disk, so only the first start waits for it.
    """

    name = "numba"
    shards = True

    def __init__(self) -> None:
        # Numba finds the matrix products there; loaded now, so that limits on threads reach them
        from scipy.linalg import cython_blas  # noqa: F401

        from .kernels import numba_adam, numba_loop, numba_loss
        self.loop, self.loss, self.adam = numba_loop, numba_loss, numba_adam
        self.scatter = numba_adam.scatter_add

    def scatter_add(self, target: Array, rows: Array, values: Array) -> None:
        sums = np.zeros_like(target)                                                    # (V, E)
        self.scatter(sums, rows, values)
        target += sums


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
    """The backend of that name: `numpy`, `numba`, or `auto` for the fastest that is there.

    Nothing falls back silently: a backend that cannot be had raises InputError.
    """
    if isinstance(name, Backend):
        return name
    if name == "numpy":
        return Backend()
    if name == "numba":
        try:
            return NumbaBackend()
        except ImportError:
            raise InputError("backend 'numba' needs Numba and SciPy: "
                             "pip install 'scratch-lstm[fast]'") from None
    if name == "auto":
        return NumbaBackend() if find_spec("numba") and find_spec("scipy") else Backend()
    if name == "cupy":
        raise InputError("backend 'cupy' is not built yet; take --backend numpy")
    raise InputError(f"backend '{name}' is not one of this project's own: auto, numpy, numba, cupy")
