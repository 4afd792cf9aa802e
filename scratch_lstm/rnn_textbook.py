"""The simple recurrent network as printed: states, every delta_{t,k}, the double sums, and RTRL.

    z_k = U h_{k-1} + W x_k + b        h_k = f(z_k)        k = 1, ..., T

Equations (6.28)-(6.47) of Qiu Xipeng, Neural Networks and Deep Learning (NNDL), chapter 6, with the
numbers of the draft of 2019-04-10. Slow and plain on purpose: read it next to the printed page, and
next to derivations/, where pages 1 to 5 derive them.

Sizes: T time steps, D inputs, H hidden units. One sequence, no batch.
Rows: h_k is h[k], with h_0 in h[0]. Python counts the other arrays from 0, so that the step k of the
book is row k-1 of x and z, and delta_{t,k} is delta[t-1, k-1]. Inside a loop over rows k = 0, ..., T-1
h[k] is therefore the *previous* state, the book's h_{k-1}, that belongs to x[k] and z[k].

A loss is a sum L = L_1 + ... + L_T (6.29), and L_t depends on h_t (6.28). All that is needed of it is
dL_dh (T, H), whose row is dL_t/dh_t. Every function follows the dtype of its inputs, complex
ones too, and nothing is ever conjugated: the complex step can differentiate all of it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from .functional import sigmoid

Array = np.ndarray


def _tanh_derivative(z: Array) -> Array:
    return 1 - np.tanh(z) ** 2


def _logistic_derivative(z: Array) -> Array:
    return sigmoid(z) * (1 - sigmoid(z))


def _identity(z: Array) -> Array:
    return z


# name: (f, f')
ACTIVATIONS: dict[str, tuple[Callable[[Array], Array], Callable[[Array], Array]]] = {
    "tanh": (np.tanh, _tanh_derivative),
    "logistic": (sigmoid, _logistic_derivative),
    "identity": (_identity, np.ones_like),
}


@dataclass(frozen=True)
class States:
    h: Array  # (T+1, H), h[0] = h_0
    z: Array  # (T, H)
    activation: str


def forward(x: Array, h0: Array, W: Array, U: Array, b: Array,
            activation: str = "tanh") -> States:
    """x (T, D), h0 (H,), W (H, D), U (H, H), b (H,) -> States. KeyError for an unknown activation."""
    f, _ = ACTIVATIONS[activation]
    T, H = len(x), len(b)
    dtype = np.result_type(x, h0, W, U, b)
    h, z = np.empty((T + 1, H), dtype), np.empty((T, H), dtype)
    h[0] = h0
    for k in range(T):
        z[k] = U @ h[k] + W @ x[k] + b
        h[k + 1] = f(z[k])
    return States(h, z, activation)


# Backward: from the losses to every net input

def delta(states: States, U: Array, dL_dh: Array) -> Array:
    """delta[t, k] = dL_t/dz_k, shape (T, T, H), zero for k > t: what comes later has no effect."""
    _, df = ACTIVATIONS[states.activation]
    T, H = states.z.shape
    delta = np.zeros((T, T, H), np.result_type(states.z, U, dL_dh))
    for t in range(T):
        delta[t, t] = df(states.z[t]) * dL_dh[t]                      # delta_{t,t}
        for k in reversed(range(t)):
            delta[t, k] = df(states.z[k]) * (U.T @ delta[t, k + 1])   # (6.34), (6.35), (6.36)
    return delta


def product_form(states: States, U: Array, dL_dh: Array, t: int, k: int) -> Array:
    """delta_{t,k} (H,) with the recursion written out as a product; rows t >= k."""
    _, df = ACTIVATIONS[states.activation]
    product = np.eye(len(U), dtype=U.dtype)
    for i in range(k, t):
        product = product @ (np.diag(df(states.z[i])) @ U.T)          # (6.47)
    return product @ (df(states.z[t]) * dL_dh[t])                     # ... delta_{t,t}


# From every net input to the parameters

def immediate_partial(a: Array, i: int, j: int, size: int) -> Array:
    """I_i([a]_j): the vector of that size whose row i is [a]_j, the rest 0.

    With a = h_{k-1} it is d+z_k/du_ij: h_{k-1} is kept fixed, though it depends on u_ij as well. What
    goes through h_{k-1} is counted by the steps before k, each with its own direct partial and its
    own delta. With a = x_k it is dz_k/dw_ij, and with a = (1) dz_k/db_i.
    """
    direct = np.zeros(size, a.dtype)
    direct[i] = a[j]                                                  # (6.33)
    return direct


class HasStates(Protocol):
    """The states of any network: of both networks h is an array (T+1, H) with h_0 in h[0]."""

    @property
    def h(self) -> Array: ...


def gradients(delta: Array, states: HasStates, x: Array) -> tuple[Array, Array, Array]:
    """dL/dW (H, D), dL/dU (H, H), dL/db (H,): L_t depends on them through every z_k with k <= t.

    Of the states only h is used, so that this is true of any network with z_k = U h_{k-1} + W x_k + b.
    """
    T, _, rows = delta.shape                  # rows = H; the LSTM has 4H
    dtype = np.result_type(delta, states.h, x)
    dW, dU = np.zeros((rows, x.shape[1]), dtype), np.zeros((rows, states.h.shape[1]), dtype)
    db = np.zeros(rows, dtype)
    for t in range(T):
        for k in range(t + 1):
            dU += np.outer(delta[t, k], states.h[k])                  # (6.39)
            dW += np.outer(delta[t, k], x[k])                         # (6.40)
            db += delta[t, k]                                         # (6.41)
    return dW, dU, db


def input_gradients(delta: Array, W: Array, U: Array) -> tuple[Array, Array]:
    """dL/dx (T, D) and dL/dh_0 (H,), from z_k = U h_{k-1} + W x_k + b in the same way."""
    dx = np.zeros((len(delta), W.shape[1]), np.result_type(delta, W))
    dh0 = np.zeros(U.shape[1], np.result_type(delta, U))
    for t in range(len(delta)):
        dh0 += U.T @ delta[t, 0]
        for k in range(t + 1):
            dx[k] += W.T @ delta[t, k]
    return dx, dh0


# Forward mode: no pass backward, but a derivative of h for each parameter

def rtrl(x: Array, h0: Array, W: Array, U: Array, b: Array, dL_dh: Array,
         activation: str = "tanh") -> tuple[Array, Array, Array]:
    """Real-time recurrent learning: dL/dW (H, D), dL/dU (H, H), dL/db (H,), as in `gradients`.

    (U W b) side by side are one matrix with the input a_k = (h_{k-1}, x_k, 1): z_k = (U W b) a_k. Its
    entry ij is the u_ij of the book, so that W and b need no lines of their own.
    """
    states = forward(x, h0, W, U, b, activation)
    _, df = ACTIVATIONS[activation]
    (T, D), H = x.shape, len(b)
    dtype = np.result_type(states.h, dL_dh)
    dh = np.zeros((H, H, H + D + 1), dtype)   # [:, i, j] = dh_t/du_ij, zero at t = 0
    dL = np.zeros((H, H + D + 1), dtype)      # [i, j] = dL/du_ij
    for t in range(T):                        # from h_t to h_{t+1}, as (6.42) counts
        a = np.concatenate([states.h[t], x[t], np.ones(1, x.dtype)])   # (H+D+1,)
        slope = df(states.z[t])
        for i, j in np.ndindex(dL.shape):
            direct = immediate_partial(a, i, j, H)                     # (6.33)
            dh[:, i, j] = slope * (direct + U @ dh[:, i, j])           # (6.43), (6.44), (6.45)
            dL[i, j] += dh[:, i, j] @ dL_dh[t]                         # (6.46)
    return dL[:, H:-1], dL[:, :H], dL[:, -1]
