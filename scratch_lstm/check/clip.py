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
from .observation import Observation, error, same
from .tensors import Result

Pairs = dict[str, tuple[Array, Array]]
_H, _C = ("path-through-h", "(6.36)", "2.3"), ("path-through-c", "(6.51)", "7.3")
INSIDE = {"dh": _H, "dc": _C, "dh and dc": _C, "dh with the loss": _H, "δ": _H}


@dataclass(frozen=True)
class Clip:
    """`kind`: "value", "norm", "norm of all", "scaled" at the end; "inside", with the mistake; "" for what
    has no name. `said` are the gradients that a large dh changes, in words."""

    kind: str
    said: str
    limit: float = 0.0
    mistake: Named | None = None


def not_linear(look: Looker, T: int, seed: int) -> Pairs:
    """The gradients that are not proportional to dh: with a large dh, and what they had to be there."""
    small, large = (look(T, 3, 3, seed + 11, size) for size in (look.small, LARGE))
    pairs = {name: (value, small.gradients[name] * (LARGE / look.small))
             for name, value in large.gradients.items() if name in small.gradients}
    return {name: pair for name, pair in pairs.items()
            if not error(*pair) <= (1e-4 if name in large.single or name in small.single else 1e-7)}


def clipping(look: Looker, mistakes: Mistakes, seed: int) -> Clip | None:
    """None if the file is linear in dh, else what it does. `mistakes` are those that are known."""
    changed = not_linear(look, 3, seed)
    if not changed:
        return None
    p = look(3, 3, 3, seed + 11, LARGE).problem
    expected = Result(p, mistakes)
    changed = {name: (value, expected.tensor(name)) for name, (value, _) in changed.items()}
    names = ", ".join(f"d{name}" for name in changed)
    limits = {name: float(np.max(np.abs(value))) for name, (value, _) in changed.items()}
    if all(limits[name] > 0 and same(value, np.clip(right, -limits[name], limits[name]))
           for name, (value, right) in changed.items()):
        said = ", ".join(f"d{name} to ±{limit:.6g}" for name, limit in limits.items())
        return Clip("value", said, max(limits.values()))
    parts = [part for name, pair in changed.items() for part in _parts(name, *pair, look.network)]
    if all(_shrunk(*part) for part in parts):
        norms = {name: float(np.sqrt(np.sum(value * value))) for name, (value, _) in changed.items()}
        ratios = [float(np.sum(a * b) / np.sum(b * b)) for a, b in changed.values()]
        if len(set(np.round(list(norms.values()), 6))) == 1:
            return Clip("norm", names, max(norms.values()))
        if len(set(np.round(np.array(ratios) / max(ratios), 6))) == 1:
            return Clip("norm of all", names, float(np.sqrt(sum(norm ** 2 for norm in norms.values()))))
        return Clip("scaled", names)
    for what in INSIDE:
        inside = _limit(look, mistakes, what, seed)
        if inside is not None:
            site, equation, section = INSIDE[what]
            mistake = Named(site, "clipped inside", f"{what} {inside:.6g}", "", (), equation, section)
            return Clip("inside", names, inside, mistake)
    return Clip("", names)


def _parts(name: str, value: Array, right: Array, network: str) -> list[tuple[Array, Array]]:
    """A gradient as a whole if it is a multiple of the right one, else the blocks of its gates."""
    if network == "rnn" or name not in ("W", "U", "b") or _shrunk(value, right):
        return [(value, right)]
    return list(zip(np.split(value, 4), np.split(right, 4)))


def _shrunk(value: Array, right: Array) -> bool:
    """Whether it is the right one, or the right one times a number below 1."""
    ratio = float(np.sum(value * right) / np.sum(right * right)) if np.any(right) else 1.0
    return 0 < ratio <= 1 + 1e-9 and same(value, ratio * right)


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
