"""What is known of a mistake without its name: the pass, the tensors, the gates, and plain faults."""

from __future__ import annotations

from typing import Any

import numpy as np

from .observation import BOUND, Observation, same
from .problem import GATES
from .search import residual
from .tensors import Result


def plain_faults(seen: list[Observation]) -> list[tuple[str, dict[str, Any]]]:
    """What can be said without knowing the mistake: NaN, and one array in place of all states."""
    notes: list[tuple[str, dict[str, Any]]] = []
    returned = [{**one.gradients, **({} if one.h is None else {"h": one.h})} for one in seen]
    names = sorted({name for one in returned for name, value in one.items()
                    if not np.all(np.isfinite(value))})
    if names:
        notes.append(("not finite", {"names": ", ".join(n if n == "h" else f"d{n}" for n in names)}))
    longest = max(seen, key=lambda one: one.problem.sizes[0])
    if longest.h is not None and np.all(longest.h == longest.h[0]):
        notes.append(("same rows", {}))
    return notes


def written_order(name: str) -> int:
    """For sorting: parts and gradients in the order in which a student writes them."""
    order = ("forward", "cell_forward", "delta", "backward", "cell_backward", "b", "U", "W", "x", "h0", "c0")
    return order.index(name) if name in order else len(order)


def where(seen: list[Observation], base: dict[str, str], forward_unknown: bool) -> dict[str, Any]:
    """What is known of a mistake without its name: the pass, the tensors, the gates, whether one step shows
    it."""
    if forward_unknown:
        at_one = any(one.h is not None and not same(one.h, Result(one.problem, {}).states.h[1:])
                     for one in seen if one.problem.sizes[0] == 1)
        return {"pass": "forward", "tensors": ["h"], "gates": [],
                "steps": "one step" if at_one else "several steps"}
    tensors: dict[str, None] = {}
    gates: set[str] = set()
    at_one = False
    forward_wrong = residual({}, seen, ("h",)) > BOUND
    for one in seen:
        right = Result(one.problem, {})
        T, H, _ = one.problem.sizes
        tensors.update(dict.fromkeys(one.misshapen))
        at_one |= T == 1 and bool(one.misshapen)
        for name, value in one.gradients.items():
            expected = right.tensor(name)
            if same(value, expected):
                continue
            tensors[name] = None
            at_one |= T == 1
            if one.problem.network == "lstm" and name in ("W", "U", "b", "delta"):
                axis = 2 if name == "delta" else 0
                pairs = zip(GATES, np.split(value, 4, axis), np.split(expected, 4, axis))
                gates.update(gate for gate, a, b in pairs if not same(a, b))
        if forward_wrong and one.h is not None and not same(one.h, right.states.h[1:]):
            at_one |= T == 1
    return {"pass": "forward" if forward_wrong else "backward",
            "tensors": ["h"] * forward_wrong + sorted(tensors, key=written_order),
            "gates": [gate for gate in GATES if gate in gates],
            "steps": "one step" if at_one else "several steps"}
