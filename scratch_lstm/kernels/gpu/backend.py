"""The backend that computes on an NVIDIA GPU with CuPy, in few launches of the kernels beside it."""

from __future__ import annotations

from typing import Any

import numpy as np

from ... import functional
from ..numpy_backend import Array, Backend
from ..protocols import Layer


class CupyBackend(Backend):
    """CuPy arrays on an NVIDIA GPU. Raises InputError, which says what is missing and how to install it.

    Batches are cut out of the corpus on the host. Each is sent in one copy, together with its sort order.
    """

    name = "cupy"

    def __init__(self) -> None:
        from .device import import_cupy
        self.xp = import_cupy()
        from . import adam, cell, dropout, layer, loop, loss, products, scatter
        self.cell, self.loop, self.loss, self.layer = cell, loop, loss, layer
        self.adam, self.clipped_adam, self.scatter = adam, adam, scatter
        self.products, self.fits, self.dropout = products, layer.fits, dropout
        self.use_tf32(False)

    def use_tf32(self, on: bool) -> None:
        from .products import use_tf32
        use_tf32(on)

    def to_device(self, array: Array) -> Array:
        return self.xp.asarray(array)

    def to_host(self, array: Array) -> np.ndarray:
        return self.xp.asnumpy(array)

    def layer_for(self, dtype: Any, shape: tuple[int, int, int]) -> Layer | None:
        return self.layer if self.fits(dtype, shape) else None

    def keep_corpus(self, array: np.ndarray) -> np.ndarray:
        return array

    def send_tokens(self, tokens: Array, last: bool = True) -> tuple[Array, Array | None]:
        if not isinstance(tokens, np.ndarray):
            return super().send_tokens(tokens, last)
        if not last:
            return self.to_device(tokens.astype(np.int64)), None
        inputs = tokens[:-1].reshape(-1)
        # of 16 bits a stable sort is a radix sort, several times as fast
        order = np.argsort(inputs.astype(np.uint16) if inputs.max() < 2**16 else inputs, kind="stable")
        sent = self.to_device(np.concatenate([tokens.reshape(-1), order]).astype(np.int64, copy=False))
        return sent[:tokens.size].reshape(tokens.shape), sent[tokens.size:]

    def check_indices(self, indices: Array, size: int, name: str) -> None:
        """Host arrays only. A check on the device would make the host wait for it in every step; there
        kernels/gpu/loss.py gives the loss NaN for a wrong target."""
        if isinstance(indices, np.ndarray):
            functional.check_indices(indices, size, name)

    def dropout_mask(self, rng: np.random.Generator, rate: float, shape: tuple[int, ...],
                     dtype: Any) -> Array:
        return self.dropout.dropout_mask(rng, rate, shape, dtype)
