"""A gradient always has a referee: differences of the file's own function.

Where h is not the textbook's, the loss sum_t dh_t . h_t of the file's own h is moved by a small step of each
number; so is a loss of the file's own. Richardson's extrapolation of these differences is the gradient that
the backward pass has to give, to 1e-7. Where two of them, with different steps, do not agree so well, a
smaller step is taken; where these do not agree either, nobody can tell.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from ..gradcheck import richardson
from .contract import TENSORS
from .evidence import Evidence, Pair
from .look import Looker
from .observation import error
from .problem import Array
from .program import StudentError

DIFFERENCES = 1e-7       # what differences can be trusted to, see derivations/, page 10
SIZES = ((1, 2, 3), (2, 2, 3), (4, 2, 2), (9, 2, 2), (30, 1, 1))    # T, H, D: each number is a call
STEPS = ((2.0 ** -7, 2.0 ** -9), (2.0 ** -12, 2.0 ** -14))


def referee(value: Array | None, function: Callable[[Array], np.float64],
            x: Array) -> tuple[bool | None, Array]:
    """Whether the gradient of the function at x is this one, and the one that it has to be; None: nobody can
    tell; a value that came in another shape is None."""
    reference = np.zeros_like(x)
    for steps in STEPS:
        coarse, reference = (richardson(function, x, step) for step in steps)
        if error(coarse, reference) <= DIFFERENCES:
            fits = value is not None and error(value, reference) <= DIFFERENCES
            if fits or value is None or _smooth(function, x, value, reference):
                return fits, reference
    return None, reference


def _smooth(function: Callable[[Array], np.float64], x: Array, value: Array, reference: Array) -> bool:
    """Whether the function is smooth where both differ most: then f(x + h) - 2 f(x) + f(x - h) falls like
    h^2, at a kink like h."""
    move, at = np.zeros_like(x), np.unravel_index(int(np.argmax(np.abs(value - reference))), x.shape)
    bends = []
    for h in (2.0 ** -10, 2.0 ** -12):
        move[at] = h
        bends.append(abs(float(function(x + move) - 2 * function(x) + function(x - move))) / h)
    return not (bends[1] > bends[0] / 2 and bends[1] > DIFFERENCES * float(np.max(np.abs(reference))))


def against_own_forward(look: Looker, seed: int, wrong: set[str]) -> Evidence:
    """Each gradient against differences of the file's own forward pass; `wrong` are known to be."""
    pairs = []
    for T, H, D in SIZES:
        try:
            pairs += _pairs(look, T, H, D, seed, wrong)
        except StudentError:                                  # with D = H, if that is all that it can run
            with contextlib.suppress(StudentError):
                pairs += _pairs(look, T, H, H, seed, wrong) if H != D else []
    return Evidence(pairs)


def _pairs(look: Looker, T: int, H: int, D: int, seed: int, wrong: set[str]) -> list[Pair]:
    problem = look.problem(T, H, D, seed + 17, 1.0)
    seen = look.asked(problem)
    pairs = []
    for name in TENSORS[look.network]:
        if name not in (*seen.gradients, *seen.misshapen, *seen.whole) or not np.any(getattr(problem, name)) \
                or name == "x" and T > 9:
            continue

        def loss(moved: Array, name: str = name) -> np.float64:
            changed: dict[str, Array] = {name: moved}
            h = look.on(replace(problem, **changed)).h                  # type: ignore[arg-type]
            return np.float64(np.nan) if h is None else np.float64(np.sum(problem.dh * h))

        value = seen.gradients.get(name, seen.whole.get(name))
        agrees, reference = referee(value, loss, getattr(problem, name))
        pairs.append(Pair(name, problem, value, reference, agrees and name not in wrong,
                          elsewhere=bool(agrees) and name in wrong))
    return pairs


def multiple(value: Array, reference: Array) -> float | None:
    """The number that all of a gradient is too large by, as far as differences can tell."""
    size = float(np.sum(reference ** 2))
    ratio = float(np.sum(value * reference)) / size if size else 0.0
    return float(f"{ratio:.6g}") if ratio and error(value, ratio * reference) <= 10 * DIFFERENCES else None
