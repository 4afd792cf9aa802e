"""The array module, chosen once and carried by one object.

Everything that differs from one device to another stands here: which module holds the arrays, how they
travel between host and device, how rows are scattered, which hand works the cell, the loss and Adam. The
mathematics asks a `Backend` and never a device.
"""

from __future__ import annotations

import math
from collections.abc import Callable
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
    shards:  whether several threads share a batch (training/data_parallel.py), or the matrix library has them
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


class CupyBackend(Backend):
    """CuPy arrays on an NVIDIA GPU. Raises InputError, which says what is missing and how to install it."""

    name = "cupy"

    def __init__(self) -> None:
        install = ("pip install 'scratch-lstm[cuda13x]' for a driver of CUDA 13, "
                   "'scratch-lstm[cuda12x]' for one of CUDA 12")
        try:
            import cupy
        except ImportError as error:
            raise InputError(f"backend 'cupy': CuPy cannot be imported ({_one_line(error)}); "
                             f"{install}") from None
        probes: dict[str, Callable[[], float]] = {
            "no driver, or one too old for this CuPy": cupy.cuda.runtime.driverGetVersion,
            "no device": cupy.cuda.runtime.getDeviceCount,
            "a device that takes no array": lambda: cupy.zeros(3).size,
            "kernels do not compile (NVRTC, or another version of CUDA)":
                lambda: float(cupy.ElementwiseKernel("T x", "T y", "y = 2 * x", "probe")(cupy.ones(1)).sum()),
            "no matrix product (cuBLAS)": lambda: float((cupy.ones((2, 3)) @ cupy.ones((3, 2))).sum())}
        for what, probe in probes.items():
            try:
                if not probe():
                    raise RuntimeError("it counts 0")
            except Exception as error:   # CuPy has a class of its own for each library
                raise InputError(f"backend 'cupy': {what}: {_one_line(error)}; {install}") from None
        from .kernels import cupy_cell
        self.xp, self.cell, self.loop = cupy, cupy_cell, cupy_cell.Loop
        self.loss, self.adam = cupy_cell.Loss, cupy_cell

    def to_device(self, array: Array) -> Array:
        return self.xp.asarray(array)

    def to_host(self, array: Array) -> np.ndarray:
        return self.xp.asnumpy(array)

    def scatter_add(self, target: Array, rows: Array, values: Array) -> None:
        self.xp.add.at(target, rows, values)   # atomically, in any order


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__


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
    """The backend of that name: numpy, numba, cupy, or `auto`: CuPy where a device answers, else Numba where
    it is installed, else NumPy. Whoever asks for auto should tell the `name` of what came.

    Nothing else falls back: a backend that cannot be had raises InputError.
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
    if name == "cupy":
        return CupyBackend()
    if name == "auto":
        if find_spec("cupy"):
            try:
                return CupyBackend()
            except InputError:
                pass
        return NumbaBackend() if find_spec("numba") and find_spec("scipy") else Backend()
    raise InputError(f"backend '{name}' is not one of this project's own: auto, numpy, numba, cupy")
