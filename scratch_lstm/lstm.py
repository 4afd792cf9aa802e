"""The LSTM that trains: stacked layers, whole batches, one backward pass in O(T) time and memory.

Equations (6.51)-(6.56) of NNDL chapter 6, draft of 2019-04-10, and the gradients derived from them.
lstm_textbook.py computes the same as printed; this file computes it fast, and every change is an equality
(derivations/04_accumulated_pass.md and 11_page_to_machine.md):

- W x_t + b for all t is one product before the time loop; only U h_{t-1} has to wait for its turn.
- The four gates are one product: the blocks of i, f, g, o are stacked in W, U and b.
- delta_k = sum_{t >= k} delta_{t,k} obeys the recursion of delta_{t,k}, with dL_k/dh_k added at step k.
  So one pass replaces the double sum of (6.39)-(6.41).
- dW, dU, db, dx sum over all k: one product each, after the loop.

    T time steps, B batch, D input size, H hidden size, L layers.
    Outside: x (T, B, D), h (T, B, H), a state (h, c) of two (L, B, H). Time comes first (torch's default;
    a batch_first array needs x.transpose(1, 0, 2)).
    Inside the time loop features are rows and the batch is across: z_t (4H, B), h_t and c_t (H, B), so
    that each gate is one contiguous block and the line reads z = W x + U h + b.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from .backend import Array, Backend, Workspace, check_settings, get_backend

State = tuple[Array, Array]


class Cache(NamedTuple):
    """What the forward pass of one layer keeps for its backward pass."""

    x: Array        # (T, B, D)
    hc: Array       # (2, T+1, H, B): h over c; row 0 is the initial state
    tanh_c: Array   # (T, H, B)
    gates: Array    # (T, 4H, B)


def layer_forward(x: Array, state: State | None, W: Array, U: Array, b: Array, backend: Backend, dtype: Any,
                  own: Workspace, scratch: Workspace) -> tuple[Array, Cache]:
    """One layer: x (T, B, D), state (h_0, c_0) each (B, H) or None for zeros -> h (T, B, H), a new array,
    and a Cache. `own` keeps the Cache's arrays until the next forward; all layers share `scratch`."""
    xp = backend.xp
    (T, B, D), H = x.shape, U.shape[1]
    hc = own("hc", (2, T + 1, H, B), dtype)
    h, c = hc[0], hc[1]
    if state is None:
        hc[:, 0] = 0
    else:
        h[0], c[0] = state[0].T, state[1].T
    tanh_c = own("tanh_c", (T, H, B), dtype)
    z = own("z", (T, 4 * H, B), dtype)                                  # net input, then the gates
    wx_plus_b = scratch("wx_plus_b", (4 * H, T * B), dtype)
    xp.matmul(W, x.reshape(T * B, D).T, out=wx_plus_b)
    wx_plus_b += b[:, None]
    wx_plus_b = wx_plus_b.reshape(4 * H, T, B)                          # W x_t + b for every t
    loop = backend.loop_for(dtype)
    if loop is not None:                                                # the same loop, compiled
        loop.forward(U.astype(dtype, copy=False), wx_plus_b, z, c, tanh_c, h)
    else:
        for t in range(T):
            xp.matmul(U, h[t], out=z[t])
            z[t] += wx_plus_b[:, t]                                     # z_t = U h_{t-1} + W x_t + b
            backend.cell.forward(z[t], c[t], c[t + 1], tanh_c[t], h[t + 1])     # (6.51)-(6.56)
    # a copy also where B or H is 1, when the transposed states are already contiguous
    return h[1:].transpose(0, 2, 1).copy(), Cache(x, hc, tanh_c, z)


def layer_backward(dh_above: Array, d_state: State | None, W: Array, U: Array, cache: Cache, backend: Backend,
                   dtype: Any, scratch: Workspace) -> tuple[Array, Array, tuple[Array, Array, Array]]:
    """One layer: dh_above (T, B, H) = dL_t/dh_t, d_state (dh_n, dc_n) each (B, H) or None for zeros ->
    dx (T, B, D), (dh_0, dc_0) as one (2, B, H) in scratch memory, and (dW, dU, db)."""
    xp = backend.xp
    (T, B, D), H = cache.x.shape, U.shape[1]
    h, c = cache.hc[0], cache.hc[1]
    dh_t = scratch("dh_above", (T, H, B), dtype)
    dh_t[...] = dh_above.transpose(0, 2, 1)                             # features are rows
    dz = scratch("dz", (T, 4 * H, B), dtype)                            # delta_k, (6.36) for the LSTM
    d_hc = scratch("d_hc", (2, H, B), dtype)                            # dh over dc, from step k+1
    dh, dc = d_hc[0], d_hc[1]
    if d_state is None:
        d_hc[...] = 0
    else:
        dh[...], dc[...] = d_state[0].T, d_state[1].T
    loop = backend.loop_for(dtype)
    if loop is not None:                                                # the same loop, compiled
        loop.backward(U.astype(dtype, copy=False), cache.gates, c, cache.tanh_c, dh_t, dz, dh, dc)
    else:
        for t in reversed(range(T)):
            dh += dh_t[t]                                               # dL/dh_t, complete
            backend.cell.backward(cache.gates[t], c[t], cache.tanh_c[t], dh, dc, dz[t])
            xp.matmul(U.T, dz[t], out=dh)                               # what h_{t-1} receives through z_t
    delta = scratch("delta", (4 * H, T, B), dtype)
    delta[...] = dz.transpose(1, 0, 2)
    delta = delta.reshape(4 * H, T * B)                                 # delta_k for every k
    h_prev = h[:T].transpose(0, 2, 1).reshape(T * B, H)
    dW = delta @ cache.x.reshape(T * B, D)                              # (6.40), one sum over k
    dU = delta @ h_prev                                                 # (6.39), one sum over k
    db = delta.sum(axis=1)                                              # (6.41), one sum over k
    dx = (delta.T @ W).reshape(T, B, D)
    return dx, d_hc.transpose(0, 2, 1), (dW, dU, db)


class LSTM:
    """Stacked LSTM layers with hand-written gradients.

    parameters: W{l} (4H, D or H), U{l} (4H, H), b{l} (4H,) for each layer l, gates in the order i, f, g, o.
    They start as torch's do: uniform in (-1/sqrt(H), 1/sqrt(H)); torch adds two biases, so b starts as the
    sum of two such draws. gradients has the same keys; backward adds to it. dropout acts between layers,
    while `training` is true.

    Raises ValueError for sizes below 1, a dropout outside [0, 1), or a dtype that is not float32, float64,
    complex64 or complex128.
    """

    def __init__(self, input_size: int, hidden_size: int, num_layers: int = 1, dropout: float = 0.0,
                 backend: str | Backend = "numpy", dtype: Any = "float32",
                 seed: int | np.random.Generator = 0) -> None:
        check_settings(dropout, dtype, input_size=input_size, hidden_size=hidden_size, num_layers=num_layers)
        self.backend = get_backend(backend)
        self.input_size, self.hidden_size, self.num_layers = input_size, hidden_size, num_layers
        self.dropout, self.training = dropout, True
        self.dtype = np.dtype(dtype)
        self.rng = np.random.default_rng(seed)
        bound = 1 / math.sqrt(hidden_size)
        self.parameters = {
            name: self.backend.uniform(self.rng, bound, shape, self.dtype, draws=2 if name[0] == "b" else 1)
            for name, shape in self.shapes(input_size, hidden_size, num_layers).items()}
        self.gradients = {name: self.backend.xp.zeros_like(p) for name, p in self.parameters.items()}
        self.caches: list[Cache] = []
        self.masks: list[Array | None] = []         # (T, B, H): dropout on the output of each layer
        self.own = [Workspace(self.backend.xp) for _ in range(num_layers)]
        self.scratch = Workspace(self.backend.xp)

    @staticmethod
    def shapes(input_size: int, hidden_size: int, num_layers: int) -> dict[str, tuple[int, ...]]:
        """The shapes of the parameters, by name; the layers above the first take h for their x."""
        D, H = input_size, hidden_size
        return {name: shape for l in range(num_layers)
                for name, shape in ((f"W{l}", (4 * H, D if l == 0 else H)),
                                    (f"U{l}", (4 * H, H)), (f"b{l}", (4 * H,)))}

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
                             "input. For one sequence (T, D) pass x[:, None]")
        T, B, _ = x.shape
        state = self._pair(state, B, "state")
        dtype = self.backend.xp.result_type(x, self.dtype, *(state or ()))
        final = self.backend.xp.empty((2, self.num_layers, B, self.hidden_size), dtype)
        self.caches, self.masks, h = [], [], x.copy()
        for l in range(self.num_layers):
            W, U, b = (self.parameters[f"{name}{l}"] for name in "WUb")
            initial = None if state is None else (state[0][l], state[1][l])
            h, cache = layer_forward(h, initial, W, U, b, self.backend, dtype, self.own[l], self.scratch)
            mask = None
            if self.dropout and self.training and l < self.num_layers - 1:
                mask = self.backend.dropout_mask(self.rng, self.dropout, h.shape, self.dtype)
                h *= mask
            self.caches.append(cache)
            self.masks.append(mask)
            final[:, l] = cache.hc[:, T].transpose(0, 2, 1)
        return h, (final[0], final[1])

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
        if dh.shape != (T, B, self.hidden_size):
            raise ValueError(f"dh has shape {dh.shape}; it must be {(T, B, self.hidden_size)}")
        d_state = self._pair(d_state, B, "d_state")
        dtype = self.backend.xp.result_type(dh, self.caches[0].gates, *(d_state or ()))
        d_initial = self.backend.xp.empty((2, self.num_layers, B, self.hidden_size), dtype)
        for l in reversed(range(self.num_layers)):
            if self.masks[l] is not None:
                dh = dh * self.masks[l]
            d_final = None if d_state is None else (d_state[0][l], d_state[1][l])
            dh, d_initial[:, l], sums = layer_backward(
                dh, d_final, self.parameters[f"W{l}"], self.parameters[f"U{l}"], self.caches[l], self.backend,
                dtype, self.scratch)
            for name, gradient in zip("WUb", sums):
                self.gradients[f"{name}{l}"] += gradient
        return dh, (d_initial[0], d_initial[1])

    def _pair(self, state: Any, B: int, name: str) -> State | None:
        """A state as two arrays (L, B, H); ValueError for another number or another shape."""
        if state is None:
            return None
        shape = (self.num_layers, B, self.hidden_size)
        if len(state) != 2:
            raise ValueError(f"{name} has {len(state)} entries; it must be a pair (h, c), "
                             f"each (L, B, H) = {shape}")
        h, c = (self.backend.as_array(part, name, self.dtype) for part in state)
        if h.shape != shape or c.shape != shape:
            raise ValueError(f"{name} has shapes {h.shape} and {c.shape}; both must be (L, B, H) = {shape}")
        return h, c
