"""The textbook backward pass: every delta_{t,k}, with the mistakes along the paths as parameters.

From step k+1 back to step k, page 7 of derivations/ (the RNN has the first path only, (6.34)-(6.36)):

    path through h     dL/dh_k = dL_k/dh_k + U^T delta_{k+1}
    path along c       dL/dc_k = f_{k+1} * dL/dc_{k+1} + o_k (1 - tanh(c_k)^2) * dL/dh_k

All losses L_t are carried side by side in rows t, as in delta_{t,k}: what a file adds up is a sum over rows.
The arriving derivatives are kept by the row of the state they belong to, so that a state that two steps
use collects from both, and a loop in the wrong direction only changes which row comes next.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from .forward import Array, Mistakes, States, for_backward, gates_of, recurrent
from .problem import GATES, Problem
from .slopes import cell_slope_of, coefficients


@dataclass(frozen=True)
class Deltas:
    """Blocks in the order of the file's stacked arrays; t is the loss, k the step."""

    z: Array        # (T, T, G, H) delta_{t,k}
    a: Array        # (T, T, G, H) the same before the activation's derivative
    h0: Array       # (H,) what the last step back gives for h_0
    c0: Array       # (H,), of the RNN empty


def direct(dh: Array, value: str) -> Array:
    """(T, T, H): row t, column k is what L_t gives at h_k: dh[t] at k = t, where all is right."""
    T = len(dh)
    where = {"last": np.diag([0.0] * (T - 1) + [1.0]), "first": np.diag([1.0] + [0.0] * (T - 1)),
             "all at the last": np.eye(T)[:, -1:] @ np.ones((1, T)), "reversed": np.eye(T)[::-1],
             "step before": np.eye(T, k=-1), "step after": np.eye(T, k=1)}.get(value, np.eye(T))
    return where.T[:, :, None] * dh[:, None]       # where[k, t]


def through(matrix: Array, d: Array, d_before: Array, value: str, other: Array) -> Array:
    """matrix^T delta for each row, (T, inputs), or what is there in its place; matrix (G, H, inputs)."""
    if value in ("dropped", "zero"):
        return np.zeros((len(d), matrix.shape[2]))
    if value == "not transposed":
        return np.einsum("gij,tgj->ti", matrix, d)
    if value == "other matrix":
        matrix = other
    if value == "before f'":
        d = d_before
    if value.startswith("only "):
        kept = [GATES.index(gate) for gate in value[5:]]
        matrix, d = matrix[kept], d[:, kept]
    return np.einsum("gij,tgi->tj", matrix, d)


def along_c(value: str, dc: Array, local: Array, f: Array, k: int, s: States) -> Array:
    """What goes from dL/dc of this step to the one before: f * dL/dc, or what is there in its place."""
    if value in ("dropped", "zero"):
        return 0 * dc
    part = {"through h only": local}.get(value, dc)
    instead: dict[str, Callable[[], Any]] = {
               "without f": lambda: 1.0, "f of the step before": lambda: f[max(k - 1, 0)],
               "f of the step after": lambda: f[min(k + 1, len(f) - 1)],
               "f (1 - f)": lambda: f[k] * (1 - f[k]), "i": lambda: s.a[k, 0], "o": lambda: s.a[k, 3]}
    return part * instead.get(value, lambda: f[k])()


def between(value: str, slopes: Array, s: States, k: int) -> Array:
    """The RNN's f'(z_k) for what comes back from step k+1, or what is there in its place."""
    if value == "missing":
        return np.ones_like(slopes[k])
    if value in ("h_k", "h_{k+1}"):
        return s.h[min(k + (2 if value == "h_{k+1}" else 1), len(slopes))]
    return slopes[min(k + 1, len(slopes) - 1) if value == "f' of k+1" else k]


def kept(value: str, T: int, k: int) -> Array:
    """(T, 1): which of the T losses go on from step k+1 to step k of the book, in a pass that is cut: each
    after n steps ("window of n"), or all of them between two pieces of n steps; derivations/, 4.5."""
    n = int(value.rpartition(" ")[2]) if value and not value.startswith("end") else T
    if value.startswith("pieces"):
        return np.full((T, 1), k % n != 0 or k == 0)
    return (np.arange(T) < k - 1 + n)[:, None] | (k == 0)


def clipped(m: Mistakes, what: str, value: Array) -> Array:
    """The value, or cut to [-c, c] where "clip" names it: "dh 5.0", "dh and dc 5.0"."""
    names, _, limit = m.get("clip", "").rpartition(" ")
    cut = what == names or names == "dh and dc" and what in ("dh", "dc")
    return np.clip(value, -float(limit), float(limit)) if cut else value


def ends(m: Mistakes) -> tuple[str, str]:
    """What happens at h_0 and c_0: as at every step, if nothing else is said; a path that is dropped
    between the steps is not thereby dropped here."""
    between = {"h": m.get("path.h", "right"), "c": m.get("path.c", "right")}
    right = ("dropped", "delta of k+2", "f of the step before", "f of the step after")
    found = {name: "right" if value in right else value for name, value in between.items()}
    return m.get("end.h0", found["h"]), m.get("end.c0", found["c"])


def backward(problem: Problem, s: States, m: Mistakes) -> Deltas:
    """Every delta_{t,k} of the network with these mistakes. Long: the one loop where all of them act."""
    T, H, _ = problem.sizes
    s = for_backward(s, m)
    lstm = problem.network == "lstm"
    gates = gates_of(problem.network)
    own = m.get("backward.of") == "own"
    U, W = recurrent(problem, m if own else {}), problem.W.reshape(len(gates), H, -1)
    A, A_before, C = coefficients(s, problem.network, m)
    own_order = m.get("forward.order", GATES) if m.get("backward.of") == "own" else GATES
    blocks = [GATES.index(gate) for gate in own_order] if lstm else [0]
    exchanged = [GATES.index(gate) for gate in m.get("exchange", GATES)] if lstm else [0]
    source = np.array([m.get(f"source.{gate}", "dh" if gate == "o" else "dc") == "dh" for gate in GATES])
    path_h, path_c, cell = m.get("path.h", "right"), m.get("path.c", "right"), m.get("cell", "right")
    end_h, end_c = ends(m)
    cut = m.get("cut", "")
    slope_c = cell_slope_of(s, m) if lstm else s.squashed
    from_h, from_c = (s.sources_h, s.sources_c) if own else (list(range(T)), list(range(T)))
    keeps_h, keeps_c = s.keeps if own else (True, True)
    steps = list(range(T)) if m.get("loop") == "forward" else list(range(T))[::-1]
    given = direct(problem.dh, m.get("direct", "right"))
    if "clip" in m:                        # no longer linear: all losses together, in one row
        given = given.sum(axis=0, keepdims=True)
    R = len(given)
    at_h, at_c = np.zeros((T + 2, R, H)), np.zeros((T + 2, R, len(problem.c0)))   # dL_t/dh, dL_t/dc
    at_h[1:T + 1] = given.transpose(1, 0, 2)
    z, a = np.zeros((R, T, len(gates), H)), np.zeros((R, T, len(gates), H))
    if cut.startswith("end after"):
        steps = steps[:int(cut.rpartition(" ")[2])]
    for n, k in enumerate(steps):
        dh = clipped(m, "dh with the loss", at_h[k + 1])
        to_h, to_c = (k + 2, k + 2) if m.get("loop") == "forward" else (from_h[k], from_c[k])
        if lstm:
            local, carried = dh * C[k], at_c[k + 1]
            if cell == "h part at the last step only" and n:
                local = 0 * local
            if cell == "carry times tanh'":
                carried = carried * slope_c[k]
            dc = carried + local
            gated = {"gates without carry": local, "gates from carry": carried if n else dc}.get(cell, dc)
            above = np.where(source[:, None], dh[:, None], gated[:, None])            # (T, 4, H)
            z[:, k], a[:, k] = above * A[k], above * A_before[k]
            if "product" in m:
                z[:, k] = z[:, k].sum(axis=2, keepdims=True)
            z[:, k], a[:, k] = z[:, k, exchanged], a[:, k, exchanged]
            value = end_c if n == len(steps) - 1 else path_c
            carry = clipped(m, "dc", along_c(value, dc, local, s.a[:, 1], k, s))
            at_c[to_c] += kept(cut, R, k) * carry * keeps_c
        else:
            slope = between(m.get("between", ""), A[:, 0], s, k)
            z[:, k] = (given[:, k] * A[k, 0] + (dh - given[:, k]) * slope)[:, None]
            if "product" in m:
                z[:, k] = z[:, k].sum(axis=2, keepdims=True)
            a[:, k] = dh[:, None]
        z[:, k], a[:, k] = clipped(m, "δ", z[:, k, blocks]), a[:, k, blocks]
        value = end_h if n == len(steps) - 1 else path_h
        later = value == "delta of k+2" and n
        d, d_before = (z[:, steps[n - 1]], a[:, steps[n - 1]]) if later else (z[:, k], a[:, k])
        if value == "delta of k+2" and not n:
            d = 0 * d
        arrives = dh if value == "no U^T" else through(U, d, d_before, value, W)
        at_h[to_h] += kept(cut, R, k) * clipped(m, "dh", arrives) * keeps_h
    end = T + 1 if m.get("loop") == "forward" else T - len(steps)
    if 0 < end <= T:                         # a loop that ends early has not seen the loss of this step
        at_h[end] -= given[:, end - 1]
    return Deltas(z, a, at_h[end].sum(axis=0), at_c[end].sum(axis=0) if lstm else problem.c0)
