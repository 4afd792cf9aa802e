"""From every delta_{t,k} to the gradients that a file returns, with the mistakes of the sums as parameters.

    dU = sum_t sum_{k<=t} delta_{t,k} h_{k-1}^T   (6.39)        dx_k = W^T sum_{t>=k} delta_{t,k}
    dW = sum_t sum_{k<=t} delta_{t,k} x_k^T       (6.40)        dh_0 = U^T sum_t delta_{t,1}
    db = sum_t sum_{k<=t} delta_{t,k}             (6.41)        dc_0 = f_1 * sum_t dL_t/dc_1

Each tensor has keys of its own, which no other tensor depends on: the search uses that.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from .backward import Deltas, backward, through
from .forward import Array, Mistakes, States, bias_of, forward, remembered
from .problem import GATES, Problem


def weights(value: str, T: int) -> Array:
    """(T, T): how often the term t, k is counted in the double sum; it should be once."""
    t, k = np.indices((T, T))
    counted: dict[str, Array] = {
        "last": k == T - 1, "first": k == 0, "without the first": k > 0, "without the last": k < T - 1,
        "t times k = 1": (k == 0) * (t + 1), "counted twice": np.maximum(t - k + 1, 0),
        "k = t only": k == t, "t = T only": t == T - 1, "last twice": 1 + (k == T - 1),
    }
    return counted[value].astype(float)


def rows_of_input(value: str, problem: Problem, s: States) -> Array:
    """(T, inputs): the second factor of the outer products."""
    x, h, c = problem.x, s.h, s.c
    if value == "h_{k-1}" or value == "x_k":
        return s.previous_h if value == "h_{k-1}" else x
    if value in ("x_{k-1}", "x_{k+1}"):                       # zero where there is none
        return np.vstack([0 * x[:1], x[:-1]] if value == "x_{k-1}" else [x[1:], 0 * x[:1]])
    if value == "h_{k-1}, h_0 = 0":
        return np.vstack([0 * h[:1], h[1:-1]])
    if value == "h_{k-1}, h_1 for h_0":
        return np.vstack([h[1:2], h[1:-1]])
    if value == "h_{k-1}, h_T for h_0":                       # index -1 of a list without h_0
        return np.roll(h[1:], 1, 0)
    if value == "h_{k-2}, h_T for h_{-1}":                    # index k-2 of a list that has h_0
        return np.roll(h, 1, 0)[:-1]
    if value == "h_T, h_0 for k = 1":                         # one array in all places but the first
        return np.vstack([h[:1], np.repeat(h[-1:], len(x) - 1, 0)])
    if value == "h_{k-2}":
        return h[np.maximum(np.arange(len(x)) - 1, 0)]
    return {"x_{k-1} or x_T": lambda: np.roll(x, 1, 0), "h_k": lambda: h[1:], "c_{k-1}": lambda: c[:-1],
            "c_k": lambda: c[1:], "h_0": lambda: np.repeat(h[:1], len(x), 0),
            "z_k": lambda: s.z[:, 0]}[value]()


def scale(value: str, T: int, H: int) -> float:
    """The factor of a whole tensor."""
    return {"half": 0.5, "twice": 2.0, "minus": -1.0, "mean over T": 1 / T, "mean over H": 1 / H,
            "sum over H": float(H)}.get(value, 1.0)


def blocks_of(name: str, value: Array, network: str, m: Mistakes) -> list[Array]:
    """Views of what is zero in every entry: the tensor, or the blocks of some gates."""
    if f"filled.{name}" in m:
        return [value]
    if network == "rnn" or name not in ("W", "U", "b"):
        return []
    return [block for gate, block in zip(GATES, np.split(value, 4)) if f"filled.{gate}.{name}" in m]


class Result:
    """The gradients of one problem under some mistakes, each computed when it is asked for."""

    def __init__(self, problem: Problem, mistakes: Mistakes, states: States | None = None) -> None:
        self.problem, self.mistakes = problem, mistakes
        states = forward(problem, mistakes) if states is None else states
        if "backward.of" not in mistakes:            # the textbook's backward pass looks one step back
            plain = list(range(len(problem.x)))
            states = replace(states, sources_h=plain, sources_c=plain, keeps=(True, True))
        self.states = states
        self.read = remembered(states, problem.network, mistakes.get("remembered", ""))
        self._deltas: dict[tuple[str, str], Deltas] = {}

    def deltas(self, m: Mistakes) -> Deltas:
        ends = (m.get("end.h0", ""), m.get("end.c0", ""))
        if ends not in self._deltas:
            self._deltas[ends] = backward(self.problem, self.read, m)
        return self._deltas[ends]

    def tensor(self, name: str, own: Mistakes | None = None) -> Array:
        """The gradient `name` ("W", ..., or "delta"); `own` are the keys that concern it alone."""
        m = {**self.mistakes, **(own or {})}
        T, H, _ = self.problem.sizes
        value = self._vector(name, m) if name in ("x", "h0", "c0") else self._sum(name, m)
        value = value * scale(m.get(f"scale.{name}", ""), T, H)
        for block in blocks_of(name, value, self.problem.network, m):
            block[...] = 0
        return value

    def all(self) -> dict[str, Array]:
        """Every tensor of the network."""
        names = ["W", "U", "b", "x", "h0"] + ["c0"] * (self.problem.network == "lstm")
        return {name: self.tensor(name) for name in names}

    def _vector(self, name: str, m: Mistakes) -> Array:
        if name != "x":
            value = m.get(f"end.{name}", "")
            d = self.deltas(m if value not in ("h0", "c0")
                            else {k: v for k, v in m.items() if k[:3] != "end"})
            return d.c0 if (name == "c0") != (value in ("h0", "c0")) else d.h0
        d, value = self.deltas(self.mistakes), m.get("from.x", "right")
        z, before = d.z.sum(axis=0), d.a.sum(axis=0)                                  # (T, G, H)
        if value == "k = t only":
            z = np.einsum("kkgi->kgi", d.z)
        shape = z.shape[1:] + (-1,)
        dx = through(self.problem.W.reshape(shape), z, before, value, self.problem.U.reshape(shape))
        if value in ("step before", "step after"):
            return np.eye(len(dx), k=-1 if value == "step before" else 1) @ dx
        if value == "last step only":
            dx = np.eye(len(dx))[:, -1:] * dx
        return dx[::-1] if value == "reversed" else dx

    def _sum(self, name: str, m: Mistakes) -> Array:
        d, T = self.deltas(self.mistakes), len(self.problem.x)
        z = d.a if m.get(f"before.{name}") == "before f'" else d.z
        order = m.get(f"order.{name}")
        if order:
            z = z[:, :, [GATES.index(gate) for gate in order]]
        if name == "delta":
            return z.reshape(T, T, -1)
        value = m.get(f"sum.{name}", "right")
        if value in ("right", "mean"):
            summed = z.sum(axis=0) / (T if value == "mean" else 1)                    # (T, G, H)
        else:
            summed = np.einsum("tk,tkgi->kgi", weights(value, T), z)
        if name == "b":
            total = summed.sum(axis=0)                       # (6.41)
            if m.get("units.b") == "summed":
                total = np.full_like(total, total.sum())
            return self._bias(total, m).reshape(-1)
        right = {"W": "x_k", "U": "h_{k-1}"}
        if "columns" in m:                                    # [x, h] in place of [h, x]
            rows = [rows_of_input(m.get(f"input.{n}", right[n]), self.problem, self.read) for n in "WU"]
            both = np.einsum("kgi,kj->gij", summed, np.hstack(rows))
            width = rows[1].shape[1]
            product = both[:, :, :width] if name == "U" else both[:, :, width:]
            return product.reshape(-1, product.shape[2])
        inputs = rows_of_input(m.get(f"input.{name}", right[name]), self.problem, self.read)
        product = np.einsum("kgi,kj->gij", summed, inputs)                            # (6.39), (6.40)
        turned = m.get(f"outer.{name}") == "transposed"
        if turned != (name == "U" and "forward.U" in m and m.get("backward.of") == "own"):
            product = product.transpose(0, 2, 1)
        return product.reshape(-1, inputs.shape[1])

    def _bias(self, total: Array, m: Mistakes) -> Array:
        """db (G, H); of the file's own forward pass, where that one has a mistake in its biases."""
        if self.problem.network == "lstm":
            total = total[[GATES.index(m.get(f"block.b.{gate}", gate)) for gate in GATES]]
        if m.get("backward.of") != "own":
            return total
        taken = np.zeros_like(total)
        for block, (n, often) in zip(total, bias_of(self.problem.network, m)):
            taken[n] += often * block
        return taken
