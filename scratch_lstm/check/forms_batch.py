"""Other people's forms with a batch: CS231n's functions, the classes of "deep learning from scratch 2",
and per-gate matrices over [h, x] in a dict (Coursera's assignment).

Each is called with a batch of two: the sequence of the problem in one place, and another one without a loss,
which adds nothing to any gradient. So a mean over the batch where a sum belongs shows; and with the sequence
in the other place, what is done to the first one only.
Shapes here: N sequences, T steps, D inputs, H hidden units.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .contract import Answer
from .look import Form
from .problem import Array, Problem
from .program import NotWritten, Program, StudentError, as_array, call, function_of, kind_of


def _called(names: dict[str, Any], path: str, name: str, count: int, *arguments: Any) -> tuple[Any, ...]:
    """What a function returns, as a tuple of so many; of None only, as a skeleton gives it, is not written
    yet."""
    result = call(path, name, function_of(names, name), *arguments)
    if isinstance(result, tuple) and result and all(part is None for part in result):
        raise NotWritten(name)
    if not isinstance(result, (tuple, list)) or len(result) != count:
        some = f"{len(result)}" if isinstance(result, (tuple, list)) else kind_of(result)
        raise StudentError("no tuple", where=name, count=count, kind=some)
    return tuple(result)


def _batch(array: Array, place: int, axis: int = 0, other: float = -1.0) -> Array:
    """An array of the sequence in its place, and `other` times that for the other one of the batch."""
    return np.stack([array if n == place else other * array for n in range(2)], axis)


def _own(array: Any, name: str, place: int, axis: int = 0) -> Array:
    """The part of the sequence in this place. Raises StudentError if there are not two."""
    values = as_array(array, name)
    if values.ndim <= axis or values.shape[axis] != 2:
        raise StudentError("batch shape", name=name, shape=values.shape)
    return values.take(place, axis=axis)


def cs231n(program: Program, p: Problem, gates: str, place: int = 0) -> Answer:
    """(lstm|rnn)_forward(x, h0, Wx, Wh, b) -> h, cache; _backward(dh, cache) -> dx, dh0, dWx, dWh, db.
    x (N, T, D), Wx (D, 4H): x @ Wx; gates i, f, o, g; c_0 = 0."""
    names, path, kind, give = program.fresh(), program.path, p.network, program.give
    parameters = give("Wx", p.W.T), give("Wh", p.U.T), give("b", p.b)
    try:
        given = give("x", _batch(p.x, place)), give("h0", _batch(p.h0, place)), *parameters
        h, cache = _called(names, path, f"{kind}_forward", 2, *given)
    except NotWritten:
        return None, {}, ["forward", "backward"]
    h = _own(h, "h", place)
    try:
        dh = give("dh", _batch(p.dh, place, other=0))
        dx, dh0, dW, dU, db = _called(names, path, f"{kind}_backward", 5, dh, cache)
    except NotWritten:
        return h, {}, ["backward"]
    found = {"x": dx, "h0": dh0, "W": dW, "U": dU, "b": db}
    missing = [name for name, value in found.items() if value is None]
    turned = {name: _own(value, name, place) if name in ("x", "h0") else as_array(value, name).T
              for name, value in found.items() if value is not None}
    return h, turned, missing


def from_scratch_2(program: Program, p: Problem, gates: str, place: int = 0) -> Answer:
    """A class TimeLSTM(Wx, Wh, b, stateful): set_state(h, c), forward(xs) -> hs, backward(dhs) -> dxs, then
    grads = [dWx, dWh, db] and dh, the gradient of h_0. xs (N, T, D); gates f, g, i, o."""
    names, path, give = program.fresh(), program.path, program.give
    name = "TimeLSTM" if p.network == "lstm" else "TimeRNN"
    both = give("h", _batch(p.h0, place)), give("c", _batch(p.c0, place))
    states = both[:2 if p.network == "lstm" else 1]

    parameters = give("Wx", p.W.T), give("Wh", p.U.T), give("b", p.b)
    layer = call(path, name, function_of(names, name), *parameters, True)
    for method in ("set_state", "forward", "backward"):
        if not callable(getattr(layer, method, None)):
            raise StudentError("no function", name=f"{name}.{method}")
    try:
        call(path, "set_state", layer.set_state, *states)
        h = _own(call(path, "forward", layer.forward, give("xs", _batch(p.x, place))), "h", place)
    except NotWritten:
        return None, {}, ["forward", "backward"]
    try:
        dx = call(path, "backward", layer.backward, give("dhs", _batch(p.dh, place, other=0)))
    except NotWritten:
        return h, {}, ["backward"]
    grads = getattr(layer, "grads", None)
    if not isinstance(grads, (tuple, list)) or len(grads) != 3:
        raise StudentError("no grads", kind=kind_of(grads))
    dW, dU, db = (as_array(value, "grads").T for value in grads)
    found = {"x": _own(dx, "x", place), "W": dW, "U": dU, "b": db}
    dh0 = getattr(layer, "dh", None)
    return h, {**found, **({} if dh0 is None else {"h0": _own(dh0, "h0", place)})}, ["h0"] * (dh0 is None)


LETTERS = {"i": "i", "f": "f", "g": "c", "o": "o"}          # their names of our gates


def coursera(program: Program, p: Problem, gates: str, place: int = 0) -> Answer:
    """lstm_forward(x, a0, parameters) -> a, y, c, caches; lstm_backward(da, caches) -> a dict of gradients.
    x (D, N, T), a (H, N, T); parameters Wf, bf, Wi, bi, Wc, bc, Wo, bo over [a_{t-1}, x_t], and Wy, by; c_0
    = 0. The RNN has Wax, Waa, ba."""
    names, path, H = program.fresh(), program.path, len(p.h0)
    x, a0, da = _batch(p.x.T, place, 1), _batch(p.h0, place, 1), _batch(p.dh.T, place, 1, other=0)
    parameters = {"Wy": np.ones((1, H)), "Wya": np.ones((1, H)), "by": np.zeros((1, 1))}
    if p.network == "lstm":
        for n, letter in enumerate(LETTERS[gate] for gate in gates):
            rows = slice(n * H, n * H + H)
            parameters[f"W{letter}"] = np.hstack([p.U[rows], p.W[rows]])
            parameters[f"b{letter}"] = p.b[rows, None].copy()
    else:
        parameters |= {"Wax": p.W.copy(), "Waa": p.U.copy(), "ba": p.b[:, None].copy()}
    kind, count = p.network, 4 if p.network == "lstm" else 3
    parameters = {name: program.give(name, value) for name, value in parameters.items()}
    try:
        a, *_, caches = _called(names, path, f"{kind}_forward", count, program.give("x", x),
                                program.give("a0", a0), parameters)
    except NotWritten:
        return None, {}, ["forward", "backward"]
    h = _own(a, "a", place, 1).T
    try:
        back = f"{kind}_backward"
        d = call(path, back, function_of(names, back), program.give("da", da), caches)
    except NotWritten:
        return h, {}, ["backward"]
    if not isinstance(d, dict):
        raise StudentError("no dict", where=f"{kind}_backward", kind=kind_of(d))
    return h, *_from_dict(d, p, gates, place)


def _from_dict(d: dict[str, Any], p: Problem, gates: str, place: int) -> tuple[dict[str, Any], list[str]]:
    """The gradients in this package's names, and what is not there."""
    d, H = {name: as_array(value, name) for name, value in d.items() if value is not None}, len(p.h0)
    found: dict[str, Any] = {}
    if "dx" in d:
        found["x"] = _own(d["dx"], "dx", place, 1).T
    if "da0" in d:
        found["h0"] = _own(d["da0"], "da0", place, 1)
    letters = [LETTERS[gate] for gate in gates] if p.network == "lstm" else []
    if letters and all(f"dW{letter}" in d for letter in letters):
        for letter in letters:
            if d[f"dW{letter}"].shape != (H, H + p.x.shape[1]):
                raise StudentError("shape", name=f"W{letter}", shape=d[f"dW{letter}"].shape,
                                   due=(H, H + p.x.shape[1]))
        both = np.vstack([d[f"dW{letter}"] for letter in letters])
        found |= {"U": both[:, :H], "W": both[:, H:]}
    if letters and all(f"db{letter}" in d for letter in letters):
        found["b"] = np.concatenate([d[f"db{letter}"].reshape(-1) for letter in letters])
    for theirs, ours in (("dWax", "W"), ("dWaa", "U"), ("dba", "b")):
        if theirs in d:
            found[ours] = d[theirs].reshape(-1) if ours == "b" else d[theirs]
    return found, [name for name in ("W", "U", "b", "x", "h0") if name not in found]


BATCHED = {"cs231n": Form(cs231n, "ifog", zero_c0=True, gives_dc0=False, batch=2),
           "dlfs2": Form(from_scratch_2, "fgio", gives_dc0=False, batch=2),
           "coursera": Form(coursera, "ifgo", zero_c0=True, gives_dc0=False, batch=2)}
