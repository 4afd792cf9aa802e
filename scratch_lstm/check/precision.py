"""Is an error only the rounding of float32? Two signs that no mistake leaves behind.

A number that went through float32 can be written in float32 without a loss; and a change of the inputs, or of
dh, by 1e-12 does not reach it, because float32 cannot see such a change. The error must be of that size too.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from .forward import Array
from .look import Looker
from .observation import BOUND, Observation, error
from .problem import Problem
from .tensors import Result

LARGEST = 1e-4      # float32 has 6e-8; a few hundred roundings later


def only_rounding_of_float32(look: Looker, seen: list[Observation]) -> bool:
    """True if every tensor that is wrong is wrong by a rounding of float32."""
    for one in seen:
        right = Result(one.problem, {})
        pairs = {name: (value, right.tensor(name)) for name, value in one.gradients.items()}
        if one.h is not None:
            pairs["h"] = (one.h, right.states.h[1:])
        wrong = [name for name, (value, reference) in pairs.items() if error(value, reference) > BOUND]
        if one.misshapen or any(error(*pairs[name]) > LARGEST for name in wrong):
            return False
        moved = [look.on(_moved(one, names)) for names in (("x", "h0", "c0", "W", "U", "b"), ("dh",))]
        for name in wrong:
            value = pairs[name][0]
            after = [other.h if name == "h" else other.gradients.get(name) for other in moved]
            stays = any(other is not None and np.array_equal(value, other) for other in after)
            if not (name in one.single or _fits(value) or stays):
                return False
    return True


def _fits(value: Array) -> bool:
    return bool(np.array_equal(value.astype(np.float32).astype(np.float64), value))


def _moved(one: Observation, names: tuple[str, ...]) -> Problem:
    moved: dict[str, Array] = {name: getattr(one.problem, name) * (1 + 1e-12) for name in names}
    return replace(one.problem, **moved)        # type: ignore[arg-type]
