"""Is the file linear in dh? A backward pass is; one that clips its gradients is not.

The search works with a small dh, where no clip acts. Here the same file gets a dh that is larger by 2^30,
and what comes out shows the clip: at the end, as min-char-rnn does it (entries cut to [-c, c], or a tensor,
or all of them, shrunk to the norm c), which is a remark; or at each step of the loop, which is a mistake.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .forward import Array, Mistakes
from .look import LARGE, Looker
from .naming import Named
from .observation import BOUND, Observation, error, same
from .tensors import Result

Pairs = dict[str, tuple[Array, Array]]
_H, _C = ("path-through-h", "(6.36)", "2.3"), ("path-through-c", "(6.51)", "7.3")
INSIDE = {"dh": _H, "dc": _C, "dh and dc": _C, "dh with the loss": _H, "δ": _H}


@dataclass(frozen=True)
class Clip:
    """`kind`: "value", "norm", "norm of all" at the end; "inside", with the mistake; "" for what has no name.
    `names` are the gradients that a large dh changes."""

    kind: str
    names: tuple[str, ...]
    limit: float = 0.0
    mistake: Named | None = None


def clipping(look: Looker, mistakes: Mistakes, seed: int) -> Clip | None:
    """None if the file is linear in dh, else what it does. `mistakes` are those that are known."""
    seen = look(3, 3, 3, seed + 11, LARGE)
    expected = Result(seen.problem, mistakes)
    pairs = {name: (value, expected.tensor(name)) for name, value in seen.gradients.items()}
    changed = {name: pair for name, pair in pairs.items() if error(*pair) > BOUND and name not in seen.single}
    if not changed or all(error(*pair) < 1e-4 for pair in changed.values()):
        return None
    for kind, limit in _at_the_end(changed):
        return Clip(kind, tuple(changed), limit)
    for what in INSIDE:
        inside = _limit(look, mistakes, what, seed)
        if inside is not None:
            site, equation, section = INSIDE[what]
            mistake = Named(site, "clipped inside", f"{what} {inside:.6g}", "", (), equation, section)
            return Clip("inside", tuple(changed), inside, mistake)
    return Clip("", tuple(changed))


def _at_the_end(changed: Pairs) -> list[tuple[str, float]]:
    """The clips that give what was seen, each with its limit."""
    limits = {name: float(np.max(np.abs(value))) for name, (value, _) in changed.items()}
    if all(same(value, np.clip(reference, -limits[name], limits[name]))
           for name, (value, reference) in changed.items()):
        return [("value", max(limits.values()))]
    ratios = {name: float(np.sum(value * reference) / np.sum(reference * reference))
              for name, (value, reference) in changed.items()}
    if not all(same(value, ratios[name] * reference) for name, (value, reference) in changed.items()):
        return []
    norms = {name: float(np.sqrt(np.sum(value * value))) for name, (value, _) in changed.items()}
    if len(set(np.round(list(norms.values()), 6))) == 1:
        return [("norm", max(norms.values()))]
    if len(set(np.round(np.array(list(ratios.values())) / max(ratios.values()), 6))) == 1:
        return [("norm of all", float(np.sqrt(sum(norm ** 2 for norm in norms.values()))))]
    return []


def _limit(look: Looker, mistakes: Mistakes, what: str, seed: int) -> float | None:
    """The limit with which a clip of `what` at each step gives everything that was seen; None if none does.

    With T = 2 and a loss at step 2 only, all that goes back is cut to +-limit: what comes out is linear in
    it. The number is then tried on problems where some entries are cut and some are not."""
    p = look.problem(2, 3, 3, seed + 13, LARGE)
    p.dh[0] = 0
    if look.network == "rnn" and "dc" in what:
        return None
    seen = look.asked(p)
    limits = []
    for name, value in seen.gradients.items():
        if value.shape == p.shape(name) and name != "delta":
            none, one = (Result(p, {**mistakes, "clip": f"{what} {c}"}).tensor(name) for c in (0.0, 1.0))
            if np.any(one - none):
                limits.append(float(np.sum((value - none) * (one - none)) / np.sum((one - none) ** 2)))
    if not limits:
        return None
    limit = round(limits[0], 6)
    full = {**mistakes, "clip": f"{what} {limit!r}"}
    if not limit > 0:
        return None
    tried = [seen, look(3, 3, 3, seed + 11, LARGE), look(4, 3, 3, seed + 11, 2 * limit + 0.5)]
    return limit if all(_gives(full, one) for one in tried) else None


def _gives(mistakes: Mistakes, seen: Observation) -> bool:
    result = Result(seen.problem, mistakes)
    return all(same(value, result.tensor(name)) for name, value in seen.gradients.items())
