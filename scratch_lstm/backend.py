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

from .errors import InputError
from .kernels.compiled.backend import NumbaBackend
from .kernels.gpu.backend import CupyBackend
from .kernels.numpy_backend import DTYPES, Array, Backend

__all__ = ["DTYPES", "Array", "Backend", "CupyBackend", "NumbaBackend", "Workspace", "check_settings",
           "get_backend"]


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
