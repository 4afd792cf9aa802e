"""The plain form of a file: forward(x, h0, c0, W, U, b) -> h, cache; backward(dh, cache) -> dict of
gradients.

Also `delta(dh, cache)` -> (T, T, GH), every delta_{t,k}; and, in place of forward and backward, one step of
the LSTM: `cell_forward(x, h, c, W, U, b) -> h, c, cache` and `cell_backward(dh, dc, cache) -> dict` with x,
h0, c0, W, U, b, which the checker runs through time. A file without a forward pass gets a cache made by the
checker. """

from __future__ import annotations

from typing import Any

import numpy as np

from .forward import forward as textbook_forward
from .program import NotWritten, Program, StudentError, as_array, call, reordered
from .problem import GATES, Array, Problem
from .problem import TENSORS as TENSORS

Answer = tuple[Array | None, dict[str, Any], list[str]]      # h, what backward returned, what is not written


def in_file_order(problem: Problem, wanted: str, given: str = GATES) -> Problem:
    """The same problem with the blocks of W, U, b in another order of the gates."""
    if problem.network == "rnn" or given == wanted:
        return problem
    W, U, b = (reordered(array, given, wanted) for array in (problem.W, problem.U, problem.b))
    return Problem(problem.network, problem.x, problem.h0, problem.c0, W, U, b, problem.dh)


def given_cache(problem: Problem, gates: str) -> dict[str, Array]:
    """What a file without a forward pass gets: x, h and c with the first state in row 0, z and the gates
    (T, GH), and W, U, b; the blocks in the order of the file."""
    s = textbook_forward(in_file_order(problem, GATES, gates), {})
    cache = {"x": problem.x, "h": s.h, "W": problem.W, "U": problem.U, "b": problem.b, "z": s.z, "gates": s.a}
    for name in ("z", "gates"):
        rows = cache[name].reshape(len(problem.x), -1)
        cache[name] = reordered(rows, GATES, gates, 1) if problem.network == "lstm" else rows
    return {**cache, "c": s.c} if problem.network == "lstm" else cache


def answer(program: Program, theirs: Problem, gates: str) -> Answer:
    """Run a file of the plain form on one problem, which is in the file's order. Raises StudentError."""
    names, path, problem = program.fresh(), program.path, theirs
    missing: list[str] = []
    if problem.network == "lstm" and ("cell_forward" in names or "cell_backward" in names):
        return _step_by_step(names, path, theirs)
    h, cache = None, None
    try:
        h, cache = _forward(names, path, theirs)
    except NotWritten:
        missing.append("forward")
        cache = given_cache(theirs, gates)
    returned: dict[str, Any] = {}
    if "backward" in names or "delta" not in names:
        try:
            if "backward" not in names:
                raise NotWritten("backward")
            returned = call(path, "backward", names["backward"], theirs.dh, cache)
            if returned is None:
                raise NotWritten("backward")
            if not isinstance(returned, dict):
                raise StudentError("no dict", where="backward", kind=type(returned).__name__)
            returned = {name: value for name, value in returned.items() if value is not None}
            missing += [name for name in TENSORS[problem.network] if name not in returned]
        except NotWritten:
            missing.append("backward")
    if "delta" in names:
        try:
            if h is not None:                         # the cache may be used up
                h, cache = _forward(names, path, theirs)
            returned = {**returned, "delta": call(path, "delta", names["delta"], theirs.dh, cache)}
        except NotWritten:
            missing.append("delta")
    return h, returned, missing


def _forward(names: dict[str, Any], path: str, problem: Problem) -> tuple[Array, Any]:
    if "forward" not in names:
        raise NotWritten("forward")
    result = call(path, "forward", names["forward"], *problem.arguments)
    if result is None:
        raise NotWritten("forward")
    if not isinstance(result, (tuple, list)) or len(result) != 2:
        raise StudentError("no pair", where="forward", kind=type(result).__name__)
    return np.array(as_array(result[0], "h")), result[1]


def _step_by_step(names: dict[str, Any], path: str, p: Problem) -> Answer:
    """The loop over the steps is the checker's own: a file of one step can be wrong in that step only."""
    T, H, _ = p.sizes
    h, c, caches, states = p.h0, p.c0, [], []
    if "cell_forward" not in names or "cell_backward" not in names:
        raise StudentError("half a step")
    for k in range(T):
        try:
            result = call(path, "cell_forward", names["cell_forward"], p.x[k], h, c, p.W, p.U, p.b)
        except NotWritten:
            return None, {}, ["cell_forward", "cell_backward"]
        if not isinstance(result, (tuple, list)) or len(result) != 3:
            raise StudentError("no triple", where="cell_forward", kind=type(result).__name__)
        h, c = np.array(as_array(result[0], "h")), np.array(as_array(result[1], "c"))
        caches.append(result[2])
        states.append(h)
    total: dict[str, Any] = {}
    dh, dc, dx = np.zeros(H), np.zeros(H), {}
    missing: list[str] = []
    for k in reversed(range(T)):
        try:
            d = call(path, "cell_backward", names["cell_backward"], p.dh[k] + dh, dc, caches[k])
        except NotWritten:
            return np.array(states), {}, ["cell_backward"]
        if not isinstance(d, dict):
            raise StudentError("no dict", where="cell_backward", kind=type(d).__name__)
        missing = [name for name in TENSORS["lstm"] if d.get(name) is None]
        if T > 1 and ("h0" in missing or "c0" in missing):
            return np.array(states), {}, missing       # without them there is no step before
        for name in ("W", "U", "b"):
            if name not in missing:
                total[name] = total.get(name, 0) + as_array(d[name], name)
        if "x" not in missing:
            dx[k] = as_array(d["x"], "x")
        dh, dc = (as_array(d[name], name) if name not in missing else np.zeros(H) for name in ("h0", "c0"))
    if dx:
        total["x"] = np.array([dx[k] for k in range(T)])
    total.update({name: value for name, value in (("h0", dh), ("c0", dc)) if name not in missing})
    return np.array(states), total, missing
