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
from .problem import GATES, Array, Problem
from .problem import TENSORS as TENSORS
from .program import NotWritten, Program, StudentError, as_array, call, kind_of, reordered

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
        return _step_by_step(program, names, theirs)
    h, cache = None, None
    try:
        h, cache = _forward(program, names, theirs)
    except NotWritten:
        missing.append("forward")
        cache = given_cache(theirs, gates)
    returned: dict[str, Any] = {}
    if "backward" in names or "delta" not in names:
        try:
            if "backward" not in names:
                raise NotWritten("backward")
            dh = program.give("dh", theirs.dh)
            result = _on_cache(path, "backward", names["backward"], dh, cache, h is None)
            if not isinstance(result, dict):
                raise StudentError("no dict", where="backward", kind=kind_of(result))
            returned = {name: value for name, value in result.items() if value is not None}
            missing += [name for name in TENSORS[problem.network] if name not in returned]
        except NotWritten:
            missing.append("backward")
    if "delta" in names:
        try:
            if h is not None:                         # the cache may be used up
                h, cache = _forward(program, names, theirs)
            delta = _on_cache(path, "delta", names["delta"], program.give("dh", theirs.dh), cache, h is None)
            returned = {**returned, "delta": delta}
        except NotWritten:
            missing.append("delta")
    return h, returned, missing


def _forward(program: Program, names: dict[str, Any], problem: Problem) -> tuple[Array, Any]:
    if "forward" not in names:
        raise NotWritten("forward")
    given = (program.give(name, array) for name, array in problem.arguments.items())
    result = call(program.path, "forward", names["forward"], *given)
    if not isinstance(result, (tuple, list)) or len(result) != 2:
        raise StudentError("no pair", where="forward", kind=kind_of(result))
    return np.array(as_array(result[0], "h")), result[1]


def _on_cache(path: str, where: str, function: Any, dh: Array, cache: Any, made_here: bool) -> Any:
    """The student's function; if it fails on a cache that was made here, the error says so."""
    try:
        return call(path, where, function, dh, cache)
    except StudentError as problem:
        if made_here and problem.code == "raised":
            raise StudentError("raised on our cache", **problem.details, names=", ".join(cache)) from None
        raise


def _step_by_step(program: Program, names: dict[str, Any], p: Problem) -> Answer:
    """The loop over the steps is the checker's own: a file of one step can be wrong in that step only."""
    path, give, (T, H, _) = program.path, program.give, p.sizes
    h, c, caches, states = p.h0, p.c0, [], []
    if "cell_forward" not in names or "cell_backward" not in names:
        raise StudentError("half a step")
    for k in range(T):
        try:
            result = call(path, "cell_forward", names["cell_forward"], give("x", p.x[k]), give("h", h),
                          give("c", c), give("W", p.W), give("U", p.U), give("b", p.b))
        except NotWritten:
            return None, {}, ["cell_forward", "cell_backward"]
        if not isinstance(result, (tuple, list)) or len(result) != 3:
            raise StudentError("no triple", where="cell_forward", kind=kind_of(result))
        h, c = np.array(as_array(result[0], "h")), np.array(as_array(result[1], "c"))
        caches.append(result[2])
        states.append(h)
    total: dict[str, Any] = {}
    dh, dc, dx = np.zeros(H), np.zeros(H), {}
    missing: list[str] = []
    for k in reversed(range(T)):
        try:
            d = call(path, "cell_backward", names["cell_backward"], give("dh", p.dh[k] + dh), give("dc", dc),
                     caches[k])
        except NotWritten:
            return np.array(states), {}, ["cell_backward"]
        if not isinstance(d, dict):
            raise StudentError("no dict", where="cell_backward", kind=kind_of(d))
        total.update({name: value for name, value in d.items() if name not in TENSORS["lstm"]})
        missing = [name for name in TENSORS["lstm"] if d.get(name) is None]
        if T > 1 and ("h0" in missing or "c0" in missing):
            return np.array(states), {}, missing       # without them there is no step before
        for name in ("W", "U", "b"):
            if name not in missing:
                value = as_array(d[name], name)
                before = total.get(name)
                total[name] = value if before is None else before + _shaped(value, name, before.shape)
        if "x" not in missing:
            dx[k] = _shaped(as_array(d["x"], "x"), "x", p.x[k].shape)
        dh, dc = (_shaped(as_array(d[name], name), name, p.h0.shape) if name not in missing else np.zeros(H)
                  for name in ("h0", "c0"))
    if len(dx) == T:
        total["x"] = np.array([dx[k] for k in range(T)])
    elif "x" not in missing:                               # some steps have it, some do not
        missing.append("x")
    total.update({name: value for name, value in (("h0", dh), ("c0", dc)) if name not in missing})
    return np.array(states), total, missing


def _shaped(array: Array, name: str, due: tuple[int, ...]) -> Array:
    """The array, of one step. Raises StudentError if it has another shape."""
    if array.shape != due:
        raise StudentError("shape", name=name, shape=array.shape, due=due)
    return array
