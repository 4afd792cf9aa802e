"""Any function loss(parameters) -> loss, gradients, a number and a dict with the keys of the parameters.

Without more, parameters is a dict with x, h0, c0, W, U, b and dh, and the loss is sum_t dh_t . h_t, the
loss whose derivative by h_t is row t of dh: then the mistakes can be named. If the file has a dict
PARAMETERS of its own, the loss may be anything: its gradients are compared with central differences of the
loss itself, and nothing is named. """

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np

from .contract import Answer, in_file_order
from .evidence import Where
from .forward import forward
from .look import Form
from .observation import error
from .own_forward import multiple, referee
from .problem import GATES, TENSORS, Array, Problem
from .program import NotWritten, Program, StudentError, as_array, call, function_of, kind_of


def _loss(program: Program, parameters: dict[str, Array]) -> tuple[float, dict[str, Any]]:
    loss_of = function_of(program.fresh(), "loss")
    copies = {name: program.give(name, value) for name, value in parameters.items()}
    result = call(program.path, "loss", loss_of, copies)
    if not isinstance(result, (tuple, list)) or len(result) != 2 or not isinstance(result[1], dict):
        raise StudentError("no loss", kind=kind_of(result))
    loss = as_array(result[0], "loss")
    if loss.size != 1:
        raise StudentError("no loss", kind=f"loss of shape {loss.shape}")
    return float(loss.reshape(())), result[1]


def answer(program: Program, p: Problem, gates: str) -> Answer:
    """The gradients; of the states nothing is seen but the loss, which has to be sum_t dh_t . h_t: if it
    is, the states count as right. Raises StudentError."""
    names = (*TENSORS[p.network], "dh")
    try:
        loss, gradients = _loss(program, {name: getattr(p, name) for name in names})
    except NotWritten:
        return None, {}, ["loss"]
    wanted = TENSORS[p.network]
    found = {name: value for name, value in gradients.items() if name in wanted and value is not None}
    ours = in_file_order(p, GATES, gates)
    for start, losses in product(("given", "zero"), (slice(None), slice(-1, None))):
        zero = {"forward.h": "zero start", "forward.c": "zero start"}
        h = forward(ours, zero if start == "zero" else {}).h[1:]
        terms = (p.dh * h)[losses]
        if abs(loss - float(np.sum(terms))) <= 1e-9 * np.sum(np.abs(terms)):
            break
    else:
        raise StudentError("another loss")
    return h, found, [name for name in wanted if name not in found]


def of_any_loss(program: Program) -> tuple[Where, float]:
    """Each gradient of a file with PARAMETERS against differences of its own loss, and the largest error of
    those that are right. Raises StudentError."""
    given = program.setting("PARAMETERS", None)
    if not isinstance(given, dict):
        raise StudentError("no parameters", kind=kind_of(given))
    parameters = {name: np.array(as_array(value, name), np.float64) for name, value in given.items()}
    _, gradients = _loss(program, parameters)
    where, worst = Where(own=True), 0.0
    for name, value in parameters.items():
        if gradients.get(name) is None:
            continue
        gradient = as_array(gradients[name], name)

        def loss(moved: Array, name: Any = name) -> np.float64:
            return np.float64(_loss(program, {**parameters, name: moved})[0])

        fits, reference = referee(gradient if gradient.shape == value.shape else None, loss, value)
        (where.cannot_tell if fits is None else where.right if fits else where.tensors).append(str(name))
        if fits:
            worst = max(worst, error(gradient, reference))
        elif fits is False and gradient.shape == value.shape and (ratio := multiple(gradient, reference)):
            where.multiples[str(name)] = ratio
    where.pass_ = "backward" if where.tensors else None
    return where, worst


LOSS = Form(answer)
