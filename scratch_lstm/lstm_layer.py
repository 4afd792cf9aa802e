"""One layer of the LSTM that trains: whole batches, one backward pass in O(T) time and memory.

Equations (6.51)-(6.56) of NNDL chapter 6, draft of 2019-04-10, and the gradients derived from them.
lstm_textbook.py computes the same as printed; this file computes it fast, and every change is an equality
(derivations/04_accumulated_pass.md and 11_page_to_machine.md):

- W x_t + b for all t is one product before the time loop; only U h_{t-1} has to wait for its turn.
- The four gates are one product: the blocks of i, f, g, o are stacked in W, U and b.
- delta_k = sum_{t >= k} delta_{t,k} obeys the recursion of delta_{t,k}, with dL_k/dh_k added at step k.
  So one pass replaces the double sum of (6.39)-(6.41).
- dW, dU, db, dx sum over all k: one product each, after the loop.

    T time steps, B batch, D input size, H hidden size.
    Outside: x (T, B, D), h (T, B, H), a state (h, c) of two (B, H).
    Inside the time loop features are rows and the batch is across: z_t (4H, B), h_t and c_t (H, B), so
    that each gate is one contiguous block and the line reads z = W x + U h + b.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from .backend import Array, Backend, Workspace

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
    wx = scratch("wx", (4 * H, T * B), dtype)
    xp.matmul(W, x.reshape(T * B, D).T, out=wx)
    wx = wx.reshape(4 * H, T, B)                                        # W x_t for every t
    loop = backend.loop_for(dtype)
    if loop is not None:                                                # the same loop, compiled
        loop.forward(U.astype(dtype, copy=False), b.astype(dtype, copy=False), wx, z, c, tanh_c, h)
    else:
        wx += b[:, None, None]
        for t in range(T):
            xp.matmul(U, h[t], out=z[t])
            z[t] += wx[:, t]                                            # z_t = U h_{t-1} + W x_t + b
            backend.cell.forward(z[t], c[t], c[t + 1], tanh_c[t], h[t + 1])     # (6.51)-(6.56)
    # a copy also where B or H is 1, when the transposed states are already contiguous
    return h[1:].transpose(0, 2, 1).copy(), Cache(x, hc, tanh_c, z)


def layer_backward(dh_above: Array, d_state: State | None, W: Array, U: Array, cache: Cache, backend: Backend,
                   dtype: Any, scratch: Workspace, gradients: list[Array]) -> tuple[Array, Array]:
    """One layer: dh_above (T, B, H) = dL_t/dh_t, d_state (dh_n, dc_n) each (B, H) or None for zeros ->
    dx (T, B, D), and (dh_0, dc_0) as one (2, B, H) in scratch memory. Adds to the gradients of W, U, b."""
    xp = backend.xp
    (T, B, D), H = cache.x.shape, U.shape[1]
    h, c = cache.hc[0], cache.hc[1]
    dh_t = scratch("dh_above", (T, H, B), dtype)
    dh_t[...] = dh_above.transpose(0, 2, 1)                             # features are rows
    delta = scratch("delta", (4 * H, T, B), dtype)                      # delta_k, (6.36) for the LSTM
    sums = scratch("sums", (4 * H,), dtype)                             # of delta_k over k and the batch
    d_hc = scratch("d_hc", (2, H, B), dtype)                            # dh over dc, from step k+1
    dh, dc = d_hc[0], d_hc[1]
    if d_state is None:
        d_hc[...] = 0
    else:
        dh[...], dc[...] = d_state[0].T, d_state[1].T
    loop = backend.loop_for(dtype)
    if loop is not None:                                                # the same loop, compiled
        loop.backward(U.astype(dtype, copy=False), cache.gates, c, cache.tanh_c, dh_t, delta, sums, dh, dc)
    else:
        dz = scratch("dz", (4 * H, B), dtype)                           # of one step
        for t in reversed(range(T)):
            dh += dh_t[t]                                               # dL/dh_t, complete
            backend.cell.backward(cache.gates[t], c[t], cache.tanh_c[t], dh, dc, dz)
            delta[:, t] = dz
            xp.matmul(U.T, dz, out=dh)                                  # what h_{t-1} receives through z_t
        xp.matmul(delta.reshape(4 * H, T * B), xp.ones(T * B, dtype), out=sums)
    delta = delta.reshape(4 * H, T * B)
    h_prev = h[:T].transpose(0, 2, 1).reshape(T * B, H)
    dW, dU, db = gradients
    backend.products.add_product(dW, delta, cache.x.reshape(T * B, D))  # (6.40), one sum over k
    backend.products.add_product(dU, delta, h_prev)                     # (6.39), one sum over k
    db += sums                                                          # (6.41), one sum over k
    return (delta.T @ W).reshape(T, B, D), d_hc.transpose(0, 2, 1)
