"""What every backend has, for NumPy on the host: backend.py chooses one, the others derive from it."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import numpy as np

from .. import functional
from ..errors import InputError
from . import numpy_adam, numpy_cell, numpy_products, numpy_scatter
from .protocols import AdamUpdate, Cell, ClippedAdam, FusedLoss, Layer, Loss, Products, ScatterAdd, TimeLoop

Array = Any  # numpy.ndarray, or the array of another module with its interface
DTYPES = ("float32", "float64", "complex64", "complex128")   # of parameters; inputs may be float16 too


class Backend:
    """NumPy on the host. Other backends have the same members.

    xp:       the array module
    cell:     one time step of the LSTM cell
    loop:     the time loop of lstm_layer.py as one call, for float32 and float64; None: its own loop runs
    layer:    a whole layer in few launches, where layer_for gives it; None: lstm_layer.py runs
    products: matrix products, and sums that are added to a gradient
    loss:     softmax with cross-entropy
    fused:    the linear layer to the vocabulary together with the loss, where fused_for gives it; None: one
              after the other
    adam:     Adam's update
    clipped_adam: clipping, Adam's update and the averaged weights together; None: one after the other
    scatter:  the embedding's scatter-add
    threads_share_batch: whether several threads each take a part of a batch (training/data_parallel.py);
              otherwise the threads belong to the matrix library
    """

    name = "numpy"
    xp: ModuleType = np
    cell: Cell = numpy_cell
    loop: TimeLoop | None = None
    layer: Layer | None = None
    products: Products = numpy_products
    loss: Loss = functional
    fused: FusedLoss | None = None
    adam: AdamUpdate = numpy_adam
    clipped_adam: ClippedAdam | None = None
    scatter: ScatterAdd = numpy_scatter
    threads_share_batch = False

    def use_tf32(self, on: bool) -> None:
        """Whether products of float32 may be computed with 10 bits of mantissa, on a GPU. Raises InputError
        where none is used."""
        if on:
            raise InputError(f"--tf32: backend '{self.name}' does not use a GPU; leave it out")

    def to_device(self, array: np.ndarray) -> Array:
        """A host array, where this backend computes."""
        return array

    def to_host(self, array: Array) -> np.ndarray:
        """An array of this backend as a NumPy array."""
        return np.asarray(array)

    def loop_for(self, dtype: Any) -> TimeLoop | None:
        """The compiled time loop, if the backend has one and this dtype is float32 or float64."""
        return self.loop if np.dtype(dtype).kind == "f" else None

    def fused_for(self, dtype: Any) -> FusedLoss | None:
        """The last layer and the loss as one, if the backend has that and dtype is float32 or float64."""
        return self.fused if np.dtype(dtype).kind == "f" else None

    def layer_for(self, dtype: Any, shape: tuple[int, int, int]) -> Layer | None:
        """The backend's own code for a layer of T, B, H = shape, if it has some."""
        return None

    def keep_corpus(self, array: np.ndarray) -> Array:
        """An array of the corpus, where batches are cut out of it."""
        return self.to_device(array)

    def send_tokens(self, tokens: Array, last: bool = True) -> tuple[Array, Array | None]:
        """Checked tokens (T+1, B) as int64 where this backend computes, a copy; and for the scatter-add which
        argsort tokens[:-1] has, flat, if it is wanted there. last: False for tokens that are all inputs."""
        return self.to_device(tokens.astype(np.int64)), None

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
