"""The array module, chosen once and carried by one object.

Everything that differs from one device to another is here: which module makes the arrays, how they travel
between host and device, and which implementation runs the cell, the time loop, the loss, Adam and the
embedding's scatter-add (kernels/protocols.py). The mathematics asks a `Backend` and never a device.
"""

from __future__ import annotations

import math
from importlib.util import find_spec
from types import ModuleType
from typing import Any

import numpy as np

from . import functional
from .errors import InputError
from .kernels import numpy_adam, numpy_cell, numpy_scatter
from .kernels.protocols import AdamUpdate, Cell, Loss, ScatterAdd, TimeLoop

Array = Any  # numpy.ndarray, or the array of another module with its interface
DTYPES = ("float32", "float64", "complex64", "complex128")   # of parameters; inputs may be float16 too


class Backend:
    """NumPy on the host. Other backends have the same members.

    xp:       the array module
    cell:     one time step of the LSTM cell
    loop:     the time loops of lstm.py as one call, for float32 and float64; None: lstm.py's own loop runs
    loss:     softmax with cross-entropy
    adam:     Adam's update
    scatter:  the embedding's scatter-add
    threads_share_batch: whether several threads each take a part of a batch (training/data_parallel.py);
              otherwise the threads belong to the matrix library
    """

    name = "numpy"
    xp: ModuleType = np
    cell: Cell = numpy_cell
    loop: TimeLoop | None = None
    loss: Loss = functional
    adam: AdamUpdate = numpy_adam
    scatter: ScatterAdd = numpy_scatter
    threads_share_batch = False

    def to_device(self, array: np.ndarray) -> Array:
        """A host array, where this backend computes."""
        return array

    def to_host(self, array: Array) -> np.ndarray:
        """An array of this backend as a NumPy array."""
        return np.asarray(array)

    def loop_for(self, dtype: Any) -> TimeLoop | None:
        """The compiled time loop, if the backend has one and this dtype is float32 or float64."""
        return self.loop if np.dtype(dtype).kind == "f" else None

    def as_array(self, values: Any, name: str, dtype: Any) -> Array:
        """`values` (an array, lists, a tensor) as an array of this backend: floating-point numbers stay
        as they are, integers become `dtype`. Raises ValueError for anything else."""
        try:
            array = self.xp.asarray(values)
        except Exception as error:   # whatever the object's own conversion raises
            raise ValueError(f"{name}: a {type(values).__name__} that cannot be read as an array "
                             f"({error})") from None
        if array.dtype.kind in "iub":
            return array.astype(dtype)
        if array.dtype.name not in ("float16", *DTYPES):
            raise ValueError(f"{name} has dtype {array.dtype}; it must be float16 or {', '.join(DTYPES)}")
        return array

    def check_indices(self, indices: Array, size: int, name: str) -> None:
        """Raise ValueError unless every integer is in [0, size)."""
        functional.check_indices(indices, size, name)

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
    threads_share_batch = True

    def __init__(self) -> None:
        # Numba finds the matrix products there; loaded now, so that limits on threads reach them
        from scipy.linalg import cython_blas  # noqa: F401

        from .kernels import numba_adam, numba_loop, numba_loss, numba_scatter
        self.loop, self.loss, self.adam, self.scatter = numba_loop, numba_loss, numba_adam, numba_scatter


class CupyBackend(Backend):
    """CuPy arrays on an NVIDIA GPU. Raises InputError, which says what is missing and how to install it."""

    name = "cupy"

    def __init__(self) -> None:
        from .kernels.cupy_device import import_cupy
        self.xp = import_cupy()
        from .kernels import cupy_adam, cupy_cell, cupy_loop, cupy_loss, cupy_scatter
        self.cell, self.loop, self.loss = cupy_cell, cupy_loop, cupy_loss
        self.adam, self.scatter = cupy_adam, cupy_scatter

    def to_device(self, array: Array) -> Array:
        return self.xp.asarray(array)

    def to_host(self, array: Array) -> np.ndarray:
        return self.xp.asnumpy(array)

    def check_indices(self, indices: Array, size: int, name: str) -> None:
        """Host arrays only. A check on the device would make the host wait for it in every step; there
        kernels/cupy_loss.py gives the loss NaN for a wrong target."""
        if isinstance(indices, np.ndarray):
            functional.check_indices(indices, size, name)


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


def check_settings(dropout: float, dtype: Any, **sizes: int) -> None:
    """Raise ValueError for a size, a dropout rate or a dtype that no network can have."""
    for name, size in sizes.items():
        if not isinstance(size, (int, np.integer)) or size < 1:
            raise ValueError(f"{name} is {size}; it must be an integer, 1 or more")
    if not 0 <= dropout < 1:
        raise ValueError(f"dropout is {dropout}; it must be from 0 to below 1")
    if np.dtype(dtype).name not in DTYPES:
        raise ValueError(f"dtype is {np.dtype(dtype).name}; it must be one of {', '.join(DTYPES)}")


def get_backend(name: str | Backend = "numpy") -> Backend:
    """The backend of that name: numpy, numba, cupy, or `auto`: CuPy where a device answers, else Numba where
    it can be imported, else NumPy. Print `.name`: with 'auto' the caller cannot know which one it got.

    Nothing else falls back: a backend that is not installed, or does not work, raises InputError.
    """
    if isinstance(name, Backend):
        return name
    if name == "numpy":
        return Backend()
    if name == "numba":
        try:
            return NumbaBackend()
        except ImportError as error:
            raise InputError(f"backend 'numba' needs Numba and SciPy ({' '.join(str(error).split())}): "
                             "pip install 'scratch-lstm[fast]'") from None
    if name == "cupy":
        return CupyBackend()
    if name == "auto":
        for better in ("cupy", "numba"):
            if find_spec(better):
                try:
                    return get_backend(better)
                except InputError:
                    pass
        return Backend()
    raise InputError(f"backend '{name}' is not one of auto, numpy, numba, cupy")
