"""Is an error only the rounding of float32? Two signs that no mistake leaves behind.

A number that went through float32 can be written in float32 without a loss; and a change of the inputs, or of
dh, by 1e-12 does not reach it, because float32 cannot see such a change. The error must be of the size too
that the textbook's pass has in float32.
"""

from __future__ import annotations

import warnings
from dataclasses import replace

import numpy as np

from .forward import Array
from .look import Looker
from .observation import BOUND, Observation, error
from .problem import Problem
from .tensors import Result

TIMES = 30.0        # as large as the error of the textbook's own pass in float32: another order of operations


def rounded(look: Looker, seen: list[Observation]) -> set[str]:
    """The tensors, h too, that are not right to 1e-9, and by no more than a rounding of float32."""
    found: dict[str, bool] = {}
    for one in seen:
        with np.errstate(all="ignore"), warnings.catch_warnings():      # what is too large for float32
            warnings.simplefilter("ignore")
            found = _of_one(look, one, found)
    return {name for name, is_rounding in found.items() if is_rounding}


def _of_one(look: Looker, one: Observation, found: dict[str, bool]) -> dict[str, bool]:
    """What one answer says of each tensor, beside what the others have said."""
    right, single = Result(one.problem, {}), Result(_in_float32(one.problem), {})
    pairs = {} if one.h is None else {"h": (one.h, right.states.h[1:], single.states.h[1:])}
    pairs |= {name: (value, right.tensor(name), single.tensor(name))
              for name, value in one.gradients.items()}
    off = {name: pair for name, pair in pairs.items() if not error(pair[0], pair[1]) <= BOUND}
    if not off:
        return found
    moved = [look.on(_moved(one, names)) for names in (("x", "h0", "c0", "W", "U", "b"), ("dh",))]
    for name, (value, reference, in_single) in off.items():
        after = [other.h if name == "h" else other.gradients.get(name) for other in moved]
        stays = any(other is not None and np.array_equal(value, other) for other in after)
        small = error(value, reference) <= TIMES * max(error(in_single, reference), 1e-7)
        sign = name in one.single or _fits(value) or stays or found.get("h", False)   # made of such an h
        found[name] = found.get(name, True) and small and sign
    return found


def _in_float32(p: Problem) -> Problem:
    names = ("x", "h0", "c0", "W", "U", "b", "dh")
    return replace(p, **{name: getattr(p, name).astype(np.float32) for name in names})


def _fits(value: Array) -> bool:
    return bool(np.array_equal(value.astype(np.float32).astype(np.float64), value))


def _moved(one: Observation, names: tuple[str, ...]) -> Problem:
    moved: dict[str, Array] = {name: getattr(one.problem, name) * (1 + 1e-12) for name in names}
    return replace(one.problem, **moved)        # type: ignore[arg-type]
