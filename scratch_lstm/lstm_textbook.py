"""The LSTM as printed: states, every delta_{t,k}, the double sums, and RTRL.

Equations of Qiu Xipeng, Neural Networks and Deep Learning (NNDL), chapter 6, with the numbers of the
draft of 2019-04-10. Slow and plain on purpose: read it next to the printed page. * is the product of
entries, sigma(z) = 1 / (1 + exp(-z)).

Forward:
    (6.51)  c_k = f_k * c_{k-1} + i_k * g_k
    (6.52)  h_k = o_k * tanh(c_k)
    (6.53)  g_k = tanh( W_g x_k + U_g h_{k-1} + b_g)          the book writes c~ for g
    (6.54)  i_k = sigma(W_i x_k + U_i h_{k-1} + b_i)
    (6.55)  f_k = sigma(W_f x_k + U_f h_{k-1} + b_f)
    (6.56)  o_k = sigma(W_o x_k + U_o h_{k-1} + b_o)
    (6.57), (6.58), (6.59)  the same with the four gates stacked: z_k = U h_{k-1} + W x_k + b in R^{4H}.
            The book stacks c~, o, i, f; here the order is i, f, g, o.

Backward: the book leaves it as an exercise (6-3 in this draft, 6-4 in print); page 7 of derivations/ derives
it step by step. delta_{t,k} = dL_t/dz_k is in R^{4H} too. From step k+1 back to step k < t:

    dL_t/dh_k = U^T delta_{t,k+1}                               h_k acts through z_{k+1} alone
    dL_t/dc_k = dL_t/dc_{k+1} * f_{k+1}                         c_k acts through c_{k+1}, by (6.51)
              + dL_t/dh_k * o_k * (1 - tanh(c_k)^2)             and through h_k, by (6.52)

    delta^i = dL_t/dc_k * g_k * i_k (1 - i_k)                   (6.51), (6.54), sigma' = sigma (1 - sigma)
    delta^f = dL_t/dc_k * c_{k-1} * f_k (1 - f_k)               (6.51), (6.55)
    delta^g = dL_t/dc_k * i_k * (1 - g_k^2)                     (6.51), (6.53), tanh' = 1 - tanh^2
    delta^o = dL_t/dh_k * tanh(c_k) * o_k (1 - o_k)             (6.52), (6.56)

At k = t dL_t/dh_t is given and dL_t/dc_t has no first term. Only the last loss may depend on c_T directly:
then its dL_T/dc_T (with h_T fixed) is added at k = t = T.

From delta on, everything is as in rnn_textbook.py: (6.31)-(6.41) only need z_k = U h_{k-1} + W x_k + b.
Sizes, rows and dtypes are the same too: h[0] and c[0] are h_0 and c_0, and in a loop over rows
k = 0, ..., T-1 the rows h[k], c[k] are the previous states that belong to x[k], z[k], gates[k].
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from . import rnn_textbook
from .functional import sigmoid
from .rnn_textbook import immediate_partial

Array = np.ndarray
State = tuple[Array, Array]


@dataclass(frozen=True)
class States:
    h: Array      # (T+1, H), h[0] = h_0
    c: Array      # (T+1, H), c[0] = c_0
    z: Array      # (T, 4H)
    gates: Array  # (T, 4H), i, f, g, o side by side


def forward(x: Array, state: State, W: Array, U: Array, b: Array) -> States:
    """x (T, D), state (h0 (H,), c0 (H,)), W (4H, D), U (4H, H), b (4H,) -> States."""
    (h0, c0), T, H = state, len(x), U.shape[1]
    dtype = np.result_type(x, h0, c0, W, U, b)
    h, c = np.empty((T + 1, H), dtype), np.empty((T + 1, H), dtype)
    z, gates = np.empty((T, 4 * H), dtype), np.empty((T, 4 * H), dtype)
    h[0], c[0] = h0, c0
    for k in range(T):
        z[k] = U @ h[k] + W @ x[k] + b                                # (6.57)-(6.59), stacked
        z_i, z_f, z_g, z_o = np.split(z[k], 4)
        g = np.tanh(z_g)                                              # (6.53)
        i = sigmoid(z_i)                                              # (6.54)
        f = sigmoid(z_f)                                              # (6.55)
        o = sigmoid(z_o)                                              # (6.56)
        c[k + 1] = f * c[k] + i * g                                   # (6.51)
        h[k + 1] = o * np.tanh(c[k + 1])                              # (6.52)
        gates[k] = np.concatenate([i, f, g, o])
    return States(h, c, z, gates)


# Backward: from the losses to every net input

def backward(states: States, U: Array, dL_dh: Array,
             dL_dc_T: Array | None = None) -> tuple[Array, Array]:
    """All delta_{t,k} = dL_t/dz_k, shape (T, T, 4H), and all dL_t/dc_k, shape (T, T+1, H).

    dL_dh (T, H): its row is dL_t/dh_t. dL_dc_T (H,): the last loss's own derivative by c_T with h_T
    fixed; zero by default. In the second result k counts as in c: dL_dc[:, 0] are dL_t/dc_0. Both
    are zero where k > t.
    """
    T, H = len(states.z), U.shape[1]
    dL_dc_T = np.zeros(H, U.dtype) if dL_dc_T is None else dL_dc_T
    dtype = np.result_type(states.z, U, dL_dh, dL_dc_T)
    delta, dL_dc = np.zeros((T, T, 4 * H), dtype), np.zeros((T, T + 1, H), dtype)
    for t in range(T):
        dh, dc_next = dL_dh[t], dL_dc_T if t == T - 1 else np.zeros(H, dtype)
        for k in reversed(range(t + 1)):
            i, f, g, o = np.split(states.gates[k], 4)
            c_prev, tanh_c = states.c[k], np.tanh(states.c[k + 1])
            dc = dc_next + dh * o * (1 - tanh_c ** 2)                 # both paths meet
            d_i = dc * g * i * (1 - i)                                # (6.51), (6.54)
            d_f = dc * c_prev * f * (1 - f)                           # (6.51), (6.55)
            d_g = dc * i * (1 - g ** 2)                               # (6.51), (6.53)
            d_o = dh * tanh_c * o * (1 - o)                           # (6.52), (6.56)
            delta[t, k], dL_dc[t, k + 1] = np.concatenate([d_i, d_f, d_g, d_o]), dc
            dh = U.T @ delta[t, k]                                    # dL_t/dh_{k-1}
            dc_next = dc * f                                          # (6.51)
        dL_dc[t, 0] = dc_next                                         # c_0 has no h_0 above it
    return delta, dL_dc


def delta(states: States, U: Array, dL_dh: Array, dL_dc_T: Array | None = None) -> Array:
    """delta[t, k] = dL_t/dz_k, shape (T, T, 4H), zero for k > t."""
    return backward(states, U, dL_dh, dL_dc_T)[0]


# From every net input to the parameters and the inputs

def gradients(delta: Array, states: States, x: Array) -> tuple[Array, Array, Array]:
    """dL/dW (4H, D), dL/dU (4H, H), dL/db (4H,): the double sums (6.40), (6.39), (6.41)."""
    return rnn_textbook.gradients(delta, states, x)


def input_gradients(delta: Array, dL_dc: Array, W: Array, U: Array) -> tuple[Array, State]:
    """dL/dx (T, D) and (dL/dh_0, dL/dc_0), each (H,), from the two results of `backward`."""
    dx, dh0 = rnn_textbook.input_gradients(delta, W, U)
    return dx, (dh0, dL_dc[:, 0].sum(axis=0))


# Forward mode: no pass backward, but a derivative of h and of c for each parameter

def rtrl(x: Array, state: State, W: Array, U: Array, b: Array, dL_dh: Array,
         dL_dc_T: Array | None = None) -> tuple[Array, Array, Array]:
    """Real-time recurrent learning: dL/dW (4H, D), dL/dU (4H, H), dL/db (4H,), as in `gradients`.

    As in rnn_textbook.rtrl, u_ij is an entry of (U W b), row r and column j here, since i is a gate.
    (6.51) and (6.52) are differentiated where (6.45) has f'.
    """
    states = forward(x, state, W, U, b)
    T, D, H = len(x), x.shape[1], U.shape[1]
    dL_dc_T = np.zeros(H, U.dtype) if dL_dc_T is None else dL_dc_T
    dtype = np.result_type(states.h, dL_dh, dL_dc_T)
    dh = np.zeros((H, 4 * H, H + D + 1), dtype)   # [:, r, j] = dh_t/du_rj, zero at t = 0
    dc = np.zeros((H, 4 * H, H + D + 1), dtype)   # [:, r, j] = dc_t/du_rj, zero at t = 0
    dL = np.zeros((4 * H, H + D + 1), dtype)      # [r, j] = dL/du_rj
    for t in range(T):                            # from h_t to h_{t+1}, as (6.42) counts
        a = np.concatenate([states.h[t], x[t], np.ones(1, x.dtype)])   # (H+D+1,)
        i, f, g, o = np.split(states.gates[t], 4)
        c_prev, tanh_c = states.c[t], np.tanh(states.c[t + 1])
        for r, j in np.ndindex(dL.shape):
            dz = immediate_partial(a, r, j, 4 * H) + U @ dh[:, r, j]   # (6.33), (6.43)
            dz_i, dz_f, dz_g, dz_o = np.split(dz, 4)
            di, df = i * (1 - i) * dz_i, f * (1 - f) * dz_f            # (6.54), (6.55)
            dg, do = (1 - g ** 2) * dz_g, o * (1 - o) * dz_o           # (6.53), (6.56)
            dc[:, r, j] = df * c_prev + f * dc[:, r, j] + di * g + i * dg            # (6.51)
            dh[:, r, j] = do * tanh_c + o * (1 - tanh_c ** 2) * dc[:, r, j]          # (6.52)
            dL[r, j] += dh[:, r, j] @ dL_dh[t]                         # (6.46)
    dL += np.tensordot(dL_dc_T, dc, 1)                                    # dL_T/dc_T, after step T
    return dL[:, H:-1], dL[:, :H], dL[:, -1]
