"""The textbook forward pass, with every forward mistake of the dictionary as a parameter.

    LSTM (6.51)-(6.59), RNN z_k = U h_{k-1} + W x_k + b, h_k = tanh(z_k)

`Mistakes` maps a key of the dictionary to one of its values; a key that is absent is right, and with no
key at all this is `lstm_textbook.forward` or `rnn_textbook.forward` (a test compares them).
Numbers of the equations: Qiu Xipeng, NNDL, chapter 6, draft of 2019-04-10.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from ..functional import sigmoid
from .problem import GATES, Problem
from .problem import Array as Array

Mistakes = Mapping[str, str]
Pair = tuple[Callable[[Array], Array], Callable[[Array, Array], Array]]


def _hard_sigmoid(z: Array) -> Array:
    return np.clip(0.2 * z + 0.5, 0, 1)


# name: (f(z), f'(z, a) with a = f(z))
ACTIVATIONS: dict[str, Pair] = {
    "sigmoid": (sigmoid, lambda z, a: a * (1 - a)),
    "tanh": (np.tanh, lambda z, a: 1 - a ** 2),
    "none": (lambda z: z, lambda z, a: np.ones_like(z)),
    "relu": (lambda z: np.maximum(z, 0), lambda z, a: (z > 0).astype(z.dtype)),
    "hard sigmoid": (_hard_sigmoid, lambda z, a: np.where((a > 0) & (a < 1), 0.2, 0.0)),
    "left out": (np.ones_like, lambda z, a: np.zeros_like(z)),           # a gate that is in no equation
}


@dataclass(frozen=True)
class States:
    """Row k of `previous_h`, `previous_c` is the state that step k+1 of the book uses."""

    h: Array            # (T+1, H), h[0] = h_0
    c: Array            # (T+1, H), empty rows for the RNN
    z: Array            # (T, G, H)
    a: Array            # (T, G, H), i, f, g, o; of the RNN h itself
    squashed: Array     # (T, H): tanh(c_k), or what is there in its place
    sources_h: list[int]    # the row of h that step k uses: k, where all is right
    sources_c: list[int]
    keeps: tuple[bool, bool] = (True, True)      # whether h and c go on to the next step at all

    @property
    def previous_h(self) -> Array:
        return self.h[self.sources_h] * self.keeps[0]

    @property
    def previous_c(self) -> Array:
        return self.c[self.sources_c] * self.keeps[1]


def for_backward(states: States, mistakes: Mistakes) -> States:
    """The states as the backward pass reads them. With "backward.of": "names" it takes every gate by its
    name, while the forward pass takes it for another, as in c_k = i c_{k-1} + f g, or leaves it out."""
    if mistakes.get("backward.of") != "names":
        return states
    order = [GATES.index(gate) for gate in mistakes.get("forward.order", GATES)]
    z, a = states.z[:, order], states.a[:, order]
    for n, gate in enumerate(GATES):
        if activation("lstm", gate, mistakes) == "left out":
            a[:, n] = sigmoid(z[:, n])
    return replace(states, z=z, a=a)


def remembered(states: States, network: str, value: str) -> States:
    """The states as a backward pass reads them that finds one and the same array in every place of a list:
    what was remembered is what the last step left there. `value` says of what; h_0 and c_0 stay."""
    if not value:
        return states
    s = states
    h, c, z, a, squashed = (array.copy() for array in (s.h, s.c, s.z, s.a, s.squashed))
    if value.startswith("h_T"):
        h[0 if value == "h_T, also for h_0" else 1:] = h[-1]
        if network == "rnn":
            a[:, 0] = h[-1]
    if "c_T" in value:
        c[1:], squashed[:] = c[-1], squashed[-1]
    if value == "h_T, c_T and the gates":
        z[:], a[:] = z[-1], a[-1]
    return replace(states, h=h, c=c, z=z, a=a, squashed=squashed)


def activation(network: str, gate: str, mistakes: Mistakes) -> str:
    """The name of the activation of a gate ("" for the RNN's own)."""
    right = "tanh" if network == "rnn" or gate == "g" else "sigmoid"
    return mistakes.get(f"forward.activation.{gate}" if gate else "forward.activation", right)


def gates_of(network: str) -> str:
    """The names of the blocks; the one block of the RNN has none."""
    return GATES if network == "lstm" else " "


def bias_of(network: str, mistakes: Mistakes) -> list[tuple[int, int]]:
    """For each block the block whose bias it really gets, and how often."""
    everywhere, found = mistakes.get("forward.bias", ""), []
    for n, gate in enumerate(gates_of(network)):
        value = mistakes.get(f"forward.bias.{gate}", "") or everywhere
        found.append((GATES.index(value) if len(value) == 1 else n, {"none": 0, "twice": 2}.get(value, 1)))
    return found


def biases(problem: Problem, mistakes: Mistakes) -> Array:
    """(G, H): the bias that each block really gets."""
    blocks = problem.b.reshape(-1, len(problem.h0))
    return np.array([often * blocks[n] for n, often in bias_of(problem.network, mistakes)])


def recurrent(problem: Problem, mistakes: Mistakes) -> Array:
    """(G, H, H): the blocks of U as the forward pass uses them."""
    H = len(problem.h0)
    U = problem.U.reshape(-1, H, H)
    return U.transpose(0, 2, 1) if "forward.U" in mistakes else U


def sources(T: int, value: str) -> list[int]:
    """For each step the row of the state that is used as the previous one."""
    return {"first": [0] * T, "two back": [max(k - 1, 0) for k in range(T)]}.get(value, list(range(T)))


def forward(problem: Problem, mistakes: Mistakes) -> States:
    """The states of the network with these mistakes in its forward pass."""
    T, H, _ = problem.sizes
    lstm, gates = problem.network == "lstm", gates_of(problem.network)
    names = [activation(problem.network, gate.strip(), mistakes) for gate in gates]
    order = [GATES.index(gate) for gate in mistakes.get("forward.order", GATES)] if lstm else [0]
    W, U = problem.W.reshape(len(gates), H, -1), recurrent(problem, mistakes)
    bias = biases(problem, mistakes)
    squash = ACTIVATIONS[mistakes.get("forward.squash", "tanh")][0]
    start = [problem.h0, problem.c0]
    if mistakes.get("forward.start") == "exchanged":
        start.reverse()
    start = [0 * state if mistakes.get(f"forward.{name}") == "zero start" else state
             for name, state in zip("hc", start)]
    from_h, from_c = (sources(T, mistakes.get(f"forward.{name}", "")) for name in "hc")
    dtype = np.result_type(problem.x, *start, problem.W, problem.U, problem.b)
    h, c = np.empty((T + 1, H), dtype), np.empty((T + 1, len(problem.c0)), dtype)
    z, a = np.empty((T, len(gates), H), dtype), np.empty((T, len(gates), H), dtype)
    squashed = np.empty((T, H), dtype)
    h[0], c[0] = start
    keeps = mistakes.get("forward.h") != "left out", mistakes.get("forward.c") != "left out"
    for k in range(T):
        z[k] = (U @ h[from_h[k]] * keeps[0] + W @ problem.x[k] + bias)[np.argsort(order)]     # (6.57)-(6.59)
        for n, name in enumerate(names):
            a[k, n] = ACTIVATIONS[name][0](z[k, n])                                # (6.53)-(6.56)
        if lstm:
            i, f, g, o = a[k]
            c[k + 1] = f * c[from_c[k]] * keeps[1] + i * g                         # (6.51)
            squashed[k] = squash(c[k + 1])
            h[k + 1] = o * squashed[k]                                             # (6.52)
        else:
            h[k + 1] = a[k, 0]
    return States(h, c, z, a, squashed, from_h, from_c, keeps)
