"""Stacked LSTM layers with dropout between them: lstm_layer.py, one layer above the other.

    T time steps, B batch, D input size, H hidden size, L layers.
    x (T, B, D), h (T, B, H), a state (h, c) of two (L, B, H). Time comes first (torch's default; a
    batch_first array needs x.transpose(1, 0, 2)).

The last layer may have another size. Then a state has no rectangular array: h and c are tuples of L arrays
(B, H_l).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from .backend import Array, Backend, Workspace, check_settings, get_backend
from .kernels.one_blas_thread import one_blas_thread_in
from .kernels.protocols import Layer
from .lstm_layer import Cache, layer_backward, layer_forward

State = tuple[Any, Any]      # (h, c): each one array (L, B, H), or L arrays (B, H_l)


@one_blas_thread_in("forward", "run", "backward", "run_backward")
class LSTM:
    """Stacked LSTM layers with hand-written gradients.

    parameters: W{l} (4H, D or H), U{l} (4H, H), b{l} (4H,) for each layer l, gates in the order i, f, g, o.
    They start as torch's do: uniform in (-1/sqrt(H), 1/sqrt(H)); torch adds two biases, so b starts as the
    sum of two such draws. gradients has the same keys; backward adds to it. dropout acts between layers,
    while `training` is true; with shared_masks all time steps have one mask. output_size is the size of the
    last layer, hidden_size by default. With backend "numba" the matrix library has one thread while a method
    runs, whatever it has outside: its threads would wait for each other beside other programs.

    Raises ValueError for sizes below 1, a dropout outside [0, 1), or a dtype that is not float32, float64,
    complex64 or complex128.
    """

    def __init__(self, input_size: int, hidden_size: int, num_layers: int = 1, dropout: float = 0.0,
                 backend: str | Backend = "numpy", dtype: Any = "float32",
                 seed: int | np.random.Generator = 0, *, output_size: int | None = None,
                 shared_masks: bool = False) -> None:
        output_size = hidden_size if output_size is None else output_size
        check_settings(dropout, dtype, input_size=input_size, hidden_size=hidden_size, num_layers=num_layers,
                       output_size=output_size)
        self.backend = get_backend(backend)
        self.input_size, self.num_layers = input_size, num_layers
        self.hidden_sizes = [hidden_size] * (num_layers - 1) + [output_size]
        self.dropout, self.shared_masks, self.training = dropout, shared_masks, True
        self.dtype = np.dtype(dtype)
        self.rng = np.random.default_rng(seed)
        shapes = self.shapes(input_size, hidden_size, num_layers, output_size)
        self.parameters = {
            name: self.backend.uniform(self.rng, 1 / math.sqrt(shape[0] // 4), shape, self.dtype,
                                       draws=2 if name[0] == "b" else 1) for name, shape in shapes.items()}
        self.gradients = {name: self.backend.xp.zeros_like(p) for name, p in self.parameters.items()}
        self.caches: list[Cache] = []
        self.masks: list[Array | None] = []         # (T or 1, B, H): dropout on the output of each layer
        self.fast: list[Layer | None] = []          # the backend's own code of each layer, where it ran
        self.own = [Workspace(self.backend.xp) for _ in range(num_layers)]
        self.scratch = Workspace(self.backend.xp)

    @staticmethod
    def shapes(input_size: int, hidden_size: int, num_layers: int,
               output_size: int | None = None) -> dict[str, tuple[int, ...]]:
        """The shapes of the parameters, by name; the layers above the first take h for their x."""
        sizes = [input_size] + [hidden_size] * (num_layers - 1) + [output_size or hidden_size]
        return {name: shape for l, (D, H) in enumerate(zip(sizes, sizes[1:]))
                for name, shape in ((f"W{l}", (4 * H, D)), (f"U{l}", (4 * H, H)), (f"b{l}", (4 * H,)))}

    def zero_gradients(self) -> None:
        """Set every gradient to zero."""
        for gradient in self.gradients.values():
            gradient[...] = 0

    def forward(self, x: Array, state: State | None = None) -> tuple[Array, State]:
        """x (T, B, D) -> h (T, B, H) of the last layer, and the state (h_n, c_n) of every layer.

        state: (h_0, c_0), each (L, B, H), zeros by default. Lists and integers are converted. The widest
        dtype of x, the state and the parameters is the dtype of the results, so float64 x in a float32 layer
        takes twice the memory. Nothing that is returned shares memory with the layer or with an input, and
        x is copied: the caller may change both. Raises ValueError for a wrong shape or dtype.
        """
        x = self.backend.as_array(x, "x", self.dtype)
        if x.ndim != 3 or x.shape[2] != self.input_size or 0 in x.shape:
            raise ValueError(f"x has shape {x.shape}; it must be (T, B, {self.input_size}): time, batch, "
                             "input, each at least 1. For one sequence (T, D) pass x[:, None]")
        T, B, _ = x.shape
        h_0, c_0 = self._layers(state, B, "state")
        h = self.run(x.copy(), h_0, c_0)
        return h, self._stacked([cache.hc[:, T].transpose(0, 2, 1) for cache in self.caches])

    def run(self, x: Array, h_0: Sequence[Array] = (), c_0: Sequence[Array] = ()) -> Array:
        """`forward` without its checks: x (T, B, D) is kept, not copied -> h (T, B, H), a new array.
        h_0, c_0: L arrays (B, H_l) each, or none."""
        backend, (T, B, _) = self.backend, x.shape
        dtype = np.result_type(x.dtype, self.dtype, *(a.dtype for a in (*h_0, *c_0)))
        self.caches, self.masks, h = [], [], x
        self.fast = [backend.layer_for(dtype, (T, B, H)) for H in self.hidden_sizes]
        for l in range(self.num_layers):
            W, U, b = (self.parameters[f"{name}{l}"] for name in "WUb")
            initial = (h_0[l], c_0[l]) if h_0 else None
            fast = self.fast[l]
            if fast is not None:
                h, kept = fast.layer_forward(h, initial, W, U, b, dtype, self.own[l])
                cache = Cache(*kept)
            else:
                h, cache = layer_forward(h, initial, W, U, b, backend, dtype, self.own[l], self.scratch)
            mask = None
            if self.dropout and self.training and l < self.num_layers - 1:
                shape = (1 if self.shared_masks else T, *h.shape[1:])
                mask = backend.dropout_mask(self.rng, self.dropout, shape, self.dtype)
                h *= mask
            self.caches.append(cache)
            self.masks.append(mask)
        return h

    def backward(self, dh: Array, d_state: State | None = None) -> tuple[Array, State]:
        """dh (T, B, H) = dL/dh, d_state = (dh_n, dc_n) each (L, B, H), zeros by default.

        Adds to `gradients`; returns dx (T, B, D) and (dh_0, dc_0), each (L, B, H), the caller's own. Belongs
        to the latest forward, changes nothing it is given, and may be called again. Raises RuntimeError
        before any forward, ValueError for a wrong shape or dtype.
        """
        if not self.caches:
            raise RuntimeError("backward needs a forward before it")
        T, B, _ = self.caches[0].x.shape
        dh = self.backend.as_array(dh, "dh", self.dtype)
        if dh.shape != (T, B, self.hidden_sizes[-1]):
            raise ValueError(f"dh has shape {dh.shape}; it must be {(T, B, self.hidden_sizes[-1])}")
        dh_n, dc_n = self._layers(d_state, B, "d_state")
        dx, d_initial = self.run_backward(dh, dh_n, dc_n)
        return dx, self._stacked(d_initial)

    def run_backward(self, dh: Array, dh_n: Sequence[Array] = (), dc_n: Sequence[Array] = (),
                     keep: bool = True) -> tuple[Array, list[Array]]:
        """`backward` without its checks -> dx, and for each layer (dh_0, dc_0) as one (2, B, H_l); none of
        them with keep False."""
        dtype = np.result_type(*(a.dtype for a in (dh, self.caches[0].gates, *dh_n, *dc_n)))
        d_initial: list[Array] = []
        for l in reversed(range(self.num_layers)):
            if self.masks[l] is not None:
                dh = dh * self.masks[l]
            d_final = (dh_n[l], dc_n[l]) if dh_n else None
            W, U, cache = self.parameters[f"W{l}"], self.parameters[f"U{l}"], self.caches[l]
            gradients = [self.gradients[f"{name}{l}"] for name in "WUb"]
            fast = self.fast[l]
            if fast is not None:
                dh, d_first = fast.layer_backward(dh, d_final, W, U, cache, dtype, self.scratch, gradients)
            else:
                dh, d_first = layer_backward(dh, d_final, W, U, cache, self.backend, dtype, self.scratch,
                                             gradients)
            if keep:
                d_initial.insert(0, d_first.copy())
        return dh, d_initial

    def _stacked(self, pairs: list[Array]) -> State:
        """L arrays (2, B, H_l) -> a state of new arrays."""
        if len(set(self.hidden_sizes)) == 1:
            stacked = self.backend.xp.stack(pairs, axis=1)              # (2, L, B, H)
            return stacked[0], stacked[1]
        return tuple(pair[0].copy() for pair in pairs), tuple(pair[1].copy() for pair in pairs)

    def _layers(self, state: Any, B: int, name: str) -> tuple[list[Array], list[Array]]:
        """A state as two lists of L arrays (B, H_l), empty ones for None; ValueError for another number or
        another shape."""
        if state is None:
            return [], []
        L, sizes, as_array = self.num_layers, self.hidden_sizes, self.backend.as_array
        is_array = len(set(sizes)) == 1
        wanted = f"(L, B, H) = {(L, B, sizes[0])}" if is_array else f"L = {L} arrays (B, H_l), H_l of {sizes}"
        if len(state) != 2:
            raise ValueError(f"{name} has {len(state)} entries; it must be a pair (h, c), each {wanted}")
        if is_array:
            h, c = (as_array(part, name, self.dtype) for part in state)
            if not h.shape == c.shape == (L, B, sizes[0]):
                raise ValueError(f"{name} has shapes {h.shape} and {c.shape}; both must be {wanted}")
            return [h[l] for l in range(L)], [c[l] for l in range(L)]
        h, c = ([as_array(part, name, self.dtype) for part in parts] for parts in state)
        for parts in (h, c):
            if [part.shape for part in parts] != [(B, H) for H in sizes]:
                raise ValueError(f"{name} has shapes {[part.shape for part in parts]}; h and c must each be "
                                 f"{wanted}, B = {B}")
        return h, c
