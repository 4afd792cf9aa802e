"""The LSTM that trains: stacked layers, whole batches, one backward pass in O(T) time and memory.

Equations (6.51)-(6.56) of NNDL chapter 6, draft of 2019-04-10, and the gradients derived from them.
lstm_textbook.py says the same as printed; this file says it fast, and every change is an equality
(derivations/04_accumulated_pass.md and 11_page_to_machine.md):

- W x_t for all t is one product before the time loop; only U h_{t-1} has to wait for its turn.
- The four gates are one product: W, U, b of i, f, g, o stand under each other.
- delta_k = sum_{t >= k} delta_{t,k} obeys the recursion of delta_{t,k}, with dL_k/dh_k added at step k.
  So one pass replaces the double sum of (6.39)-(6.41).
- dW, dU, db, dx sum over all k: one product each, after the loop.

    T time steps, B batch, D input size, H hidden size, L layers.
    Outside: x (T, B, D), h (T, B, H), a state (h, c) of two (L, B, H).
    Inside the time loop features stand down and the batch across: z_t (4H, B), h_t and c_t (H, B), so
    that each gate is one contiguous block and the line reads z = W x + U h + b.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from .backend import Array, Backend, Workspace, get_backend

State = tuple[Array, Array]


class Saved(NamedTuple):
    """What one layer keeps from its forward pass for its backward pass."""

    x: Array        # (T, B, D)
    state: Array    # (2, T+1, H, B): h and c, h[0] and c[0] the initial state
    tanh_c: Array   # (T, H, B)
    gates: Array    # (T, 4H, B)
    mask: Array     # (T, B, H) dropout on the layer's output, or None


class LSTM:
    """Stacked LSTM layers with hand-written gradients.

    parameters: W{l} (4H, D or H), U{l} (4H, H), b{l} (4H,) for each layer l, gates in the order i, f, g, o.
    They start as torch's do: uniform in (-1/sqrt(H), 1/sqrt(H)), and b, in whose place torch adds two biases,
    as the sum of two such draws. gradients has the same keys; backward adds to it. dropout acts between
    layers, while `training` is true.
    """

    def __init__(self, input_size: int, hidden_size: int, num_layers: int = 1, dropout: float = 0.0,
                 backend: str | Backend = "numpy", dtype: Any = "float32",
                 seed: int | np.random.Generator = 0) -> None:
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
        self.saved: list[Saved] = []
        self.workspace = Workspace(self.backend.xp)

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

        state: (h_0, c_0), each (L, B, H), zeros by default. What is returned is the caller's own; x must
        stay as it is until backward has run. Raises ValueError for a wrong shape.
        """
        xp = self.backend.xp
        if x.ndim != 3 or x.shape[2] != self.input_size or 0 in x.shape:
            raise ValueError(f"x has shape {x.shape}; it must be (T, B, {self.input_size})")
        T, B, _ = x.shape
        self._check(state, B, "state")
        dtype = xp.result_type(x, self.dtype, *(state or ()))
        last = xp.empty((2, self.num_layers, B, self.hidden_size), dtype)
        self.saved = []
        for l in range(self.num_layers):
            x, saved = self._forward_layer(l, x, state, dtype)
            self.saved.append(saved)
            last[:, l] = saved.state[:, T].transpose(0, 2, 1)
        return x, (last[0], last[1])

    def backward(self, dh: Array, d_state: State | None = None) -> tuple[Array, State]:
        """dh (T, B, H) = dL/dh, d_state = (dh_n, dc_n) each (L, B, H), zeros by default.

        Adds to `gradients`; returns dx (T, B, D) and (dh_0, dc_0), each (L, B, H). Belongs to the latest
        forward, changes nothing it is given, and may be called again. Raises RuntimeError before any
        forward, ValueError for a wrong shape.
        """
        if not self.saved:
            raise RuntimeError("backward needs a forward before it")
        xp = self.backend.xp
        T, B, _ = self.saved[0].x.shape
        if dh.shape != (T, B, self.hidden_size):
            raise ValueError(f"dh has shape {dh.shape}; it must be {(T, B, self.hidden_size)}")
        self._check(d_state, B, "d_state")
        dtype = xp.result_type(dh, self.saved[0].gates, *(d_state or ()))
        first = xp.empty((2, self.num_layers, B, self.hidden_size), dtype)
        for l in reversed(range(self.num_layers)):
            dh, d_first = self._backward_layer(l, dh, d_state, dtype)
            first[:, l] = d_first.transpose(0, 2, 1)
        return dh, (first[0], first[1])

    def _forward_layer(self, l: int, x: Array, initial: State | None, dtype: Any) -> tuple[Array, Saved]:
        """x (T, B, D) and the state (h_0, c_0) of all layers -> the layer's output (T, B, H), and Saved."""
        xp, cell, H = self.backend.xp, self.backend.cell, self.hidden_size
        W, U, b = (self.parameters[f"{name}{l}"] for name in "WUb")
        T, B, D = x.shape
        state = self.workspace(f"state{l}", (2, T + 1, H, B), dtype)
        h, c = state[0], state[1]
        tanh_c = self.workspace(f"tanh_c{l}", (T, H, B), dtype)
        z = self.workspace(f"z{l}", (T, 4 * H, B), dtype)               # net input, then gates
        if initial is None:
            state[:, 0] = 0
        else:
            h[0], c[0] = initial[0][l].T, initial[1][l].T
        from_x = self.workspace("from_x", (4 * H, T * B), dtype)
        xp.matmul(W, x.reshape(T * B, D).T, out=from_x)
        from_x += b[:, None]
        from_x = from_x.reshape(4 * H, T, B)                            # W x_t + b for every t
        if self._compiled(dtype):
            self.backend.loop.forward(U.astype(dtype, copy=False), from_x, z, c, tanh_c, h)
        else:
            for t in range(T):
                xp.matmul(U, h[t], out=z[t])
                z[t] += from_x[:, t]                                    # z = W x + U h_prev + b
                cell.forward(z[t], c[t], c[t + 1], tanh_c[t], h[t + 1])     # (6.51)-(6.56)
        y = h[1:].transpose(0, 2, 1).copy()                             # (T, B, H), also where B or H is 1
        mask = None
        if self.dropout and self.training and l < self.num_layers - 1:
            mask = self.backend.dropout_mask(self.rng, self.dropout, y.shape, self.dtype)
            y *= mask
        return y, Saved(x, state, tanh_c, z, mask)

    def _backward_layer(self, l: int, dy: Array, d_last: State | None, dtype: Any) -> tuple[Array, Array]:
        """dy (T, B, H) and (dh_n, dc_n) of all layers -> dx (T, B, D), and dh_0 over dc_0 (2, H, B)."""
        xp, cell, H = self.backend.xp, self.backend.cell, self.hidden_size
        W, U = self.parameters[f"W{l}"], self.parameters[f"U{l}"]
        saved = self.saved[l]
        h, c = saved.state[0], saved.state[1]
        T, B, D = saved.x.shape
        if saved.mask is not None:
            dy = dy * saved.mask
        d_from_above = self.workspace("dy", (T, H, B), dtype)
        d_from_above[...] = dy.transpose(0, 2, 1)                       # dL_t/dh_t, features down
        dz = self.workspace("dz", (T, 4 * H, B), dtype)                 # delta_k, (6.36) for the LSTM
        d_state = self.workspace("d_state", (2, H, B), dtype)
        dh, dc = d_state[0], d_state[1]
        if d_last is None:
            d_state[...] = 0
        else:
            dh[...], dc[...] = d_last[0][l].T, d_last[1][l].T
        if self._compiled(dtype):
            self.backend.loop.backward(U.astype(dtype, copy=False), saved.gates, c, saved.tanh_c,
                                       d_from_above, dz, dh, dc)
        else:
            for t in reversed(range(T)):
                dh += d_from_above[t]                                   # both ways that h_t reaches the loss
                cell.backward(saved.gates[t], c[t], saved.tanh_c[t], dh, dc, dz[t])
                xp.matmul(U.T, dz[t], out=dh)                           # through z_t to h_{t-1}
        delta = self.workspace("delta", (4 * H, T, B), dtype)
        delta[...] = dz.transpose(1, 0, 2)
        delta = delta.reshape(4 * H, T * B)                             # delta_k for every k
        h_prev = h[:T].transpose(0, 2, 1).reshape(T * B, H)
        self.gradients[f"W{l}"] += delta @ saved.x.reshape(T * B, D)    # (6.40), one sum over k
        self.gradients[f"U{l}"] += delta @ h_prev                       # (6.39), likewise
        self.gradients[f"b{l}"] += delta.sum(axis=1)                    # (6.41), likewise
        return (delta.T @ W).reshape(T, B, D), d_state

    def _compiled(self, dtype: Any) -> bool:
        """Whether the time loop is one compiled call: the backend has it, and for this dtype."""
        return self.backend.loop is not None and np.dtype(dtype).kind == "f"

    def _check(self, state: State | None, B: int, name: str) -> None:
        """Raise ValueError for a pair of another shape than (L, B, H)."""
        shape = (self.num_layers, B, self.hidden_size)
        if state is not None and (state[0].shape != shape or state[1].shape != shape):
            raise ValueError(f"{name} has shapes {state[0].shape} and {state[1].shape}; "
                             f"both must be (L, B, H) = {shape}")
