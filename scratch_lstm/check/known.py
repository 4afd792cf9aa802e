"""What can be said without knowing the mistake: NaN, one array for all states, whole numbers, rows of h."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from .forward import forward
from .observation import Observation, same

Remarks = list[tuple[str, dict[str, Any]]]


def plain_remarks(seen: list[Observation]) -> Remarks:
    """What each answer shows by itself."""
    remarks: Remarks = []
    returned = [{**one.gradients, **({} if one.h is None else {"h": one.h})} for one in seen]
    names = {name for one in returned for name, value in one.items() if not np.all(np.isfinite(value))}
    remarks += _of("not finite", names)
    longest = max(seen, key=lambda one: one.problem.sizes[0])
    if longest.h is not None and len(longest.h) > 1 and np.all(longest.h == longest.h[0]):
        remarks.append(("same rows" if np.any(longest.h) else "h is zero", {}))
    remarks += _of("unknown keys", {name for one in seen for name in one.unknown}, "")
    shapes = {name: (shape, one.problem.shape(name)) for one in seen for name, shape in one.misshapen.items()}
    remarks += [("shape", {"name": name, "shape": shape, "due": due})
                for name, (shape, due) in sorted(shapes.items())]
    remarks += _of("whole numbers", {name for one in seen for name in one.whole})
    remarks += _of("written", {name for one in seen for name in one.written}, "")
    return remarks


def _of(code: str, names: set[str], d: str = "d") -> Remarks:
    """A remark about these tensors, if there are any; d is what stands before the name of a gradient."""
    return [(code, {"names": listed(names, d)})] if names else []


def listed(names: Iterable[str], d: str = "d") -> str:
    """The tensors in the order in which a student writes them, with d before the name of a gradient."""
    return ", ".join(name if name == "h" else d + name for name in sorted(names, key=written_order))


def rows_of_h(seen: list[Observation]) -> Remarks:
    """Rows of the right h in other places than theirs."""
    longer = [one for one in seen if one.h is not None and len(one.h) > 1]
    right = [forward(one.problem, {}).h for one in longer]
    for code, rows in (("h of the step before", np.s_[:-1]), ("h reversed", np.s_[:0:-1])):
        if longer and all(one.h is not None and same(one.h, h[rows]) for one, h in zip(longer, right)):
            return [(code, {})]
    return []


def written_order(name: str) -> int:
    """For sorting: parts and gradients in the order in which a student writes them."""
    order = ("forward", "cell_forward", "delta", "backward", "cell_backward", "b", "U", "W", "x", "h0", "c0")
    return order.index(name) if name in order else len(order)
