"""What can a check not see? Run it on the right network and on every mistake of the dictionary.

The calls that the check makes are recorded. For a mistake that it lets through, the recorded problem is
changed one property at a time, until the mistake shows: that property had hidden it. What the check would
have seen is measured by the error of the gradients, not by the check itself, which chooses its own inputs.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from itertools import combinations

import numpy as np

from .naming import Named, named
from .networks import Check, Network, planted
from .observation import error
from .problem import TENSORS, Problem, draw
from .tensors import Result

VISIBLE = 1e-2              # a relative error that any check should see
Change = Callable[[Problem], Problem]


@dataclass
class Hidden:
    """One mistake that the check lets through, and the properties that hide it, as few as possible."""

    mistake: Named
    reasons: tuple[str, ...]
    difference: float       # the error of the gradients that the check looks at, on its own problems


@dataclass
class Blindness:
    """`accepts_right` is False where the check refuses the right network: then nothing else is known."""

    network: str
    accepts_right: bool
    tried: int = 0
    crashed: int = 0
    hidden: list[Hidden] = field(default_factory=list)
    remedy: tuple[str, ...] = ()

    def groups(self) -> dict[tuple[str, ...], list[Named]]:
        """The hidden mistakes by their reasons, the largest group first."""
        found: dict[tuple[str, ...], list[Named]] = {}
        for one in self.hidden:
            found.setdefault(one.reasons, []).append(one.mistake)
        return dict(sorted(found.items(), key=lambda item: -len(item[1])))


def _longer(p: Problem) -> Problem:
    """Four steps in place of fewer, more of the same kind: a dh that is zero or constant stays so."""
    T, H, D = p.sizes
    more = draw(p.network, 4, H, D, 3)
    dh = np.concatenate([0 * more.dh[:4 - T] if T > 1 and not p.dh[:-1].any() else
                         np.full_like(more.dh[:4 - T], p.dh.flat[0]), p.dh])
    return replace(p, x=np.concatenate([more.x[:4 - T], p.x]), dh=dh)


def _wider(p: Problem) -> Problem:
    """Two units at least, as many inputs as units; the biases are zero where they were zero, and so on."""
    T, _, _ = p.sizes
    new = draw(p.network, T, 2, 2, 4)
    kept = {name: getattr(new, name) * bool(np.any(getattr(p, name))) for name in ("h0", "c0", "b")}
    dh = new.dh * (np.any(p.dh, axis=1, keepdims=True))
    return replace(new, **kept, dh=np.ones_like(dh) * (dh != 0) if _ones(p) else dh)


def _ones(p: Problem) -> bool:
    rows = p.dh[np.any(p.dh, axis=1)]
    return rows.size > 1 and bool(np.all(rows == rows.flat[0]))


def _numbers(p: Problem) -> Problem:
    return draw(p.network, *p.sizes, 5)


# property: (is it there?, the same problem without it)
PROPERTIES: dict[str, tuple[Callable[[Problem], bool], Change]] = {
    "one step": (lambda p: p.sizes[0] < 3, lambda p: _longer(p)),
    "one unit": (lambda p: p.sizes[1] < 2, lambda p: _wider(p)),
    "zero states": (lambda p: not (np.any(p.h0) and (p.network == "rnn" or np.any(p.c0))),
                    lambda p: replace(p, h0=_numbers(p).h0, c0=_numbers(p).c0)),
    "zero biases": (lambda p: not np.any(p.b), lambda p: replace(p, b=_numbers(p).b)),
    "some losses": (lambda p: p.sizes[0] > 1 and not np.all(np.any(p.dh, axis=1)),
                    lambda p: replace(p, dh=np.where(np.any(p.dh, 1, keepdims=True), p.dh, p.dh[-1:]))),
    "all ones": (_ones, lambda p: replace(p, dh=_numbers(p).dh * np.any(p.dh, axis=1, keepdims=True))),
    "small weights": (lambda p: max(np.abs(p.W).max(), np.abs(p.U).max()) < 0.05,
                      lambda p: replace(p, W=_numbers(p).W, U=_numbers(p).U)),
}


def blindness(check: Check, network: str = "lstm", gates: str = "ifgo") -> Blindness:
    """Run check(forward, backward) on the right network, where it may fail, then on every mistake."""
    right = Network(network, gates, {})
    if not check(right.forward, right.backward):
        return Blindness(network, False)
    found = Blindness(network, True)
    problems, asked = _largest(right.calls), set(right.asked) & set(TENSORS[network])
    missed: list[tuple[dict[str, str], Hidden]] = []
    for mistakes in planted(network):
        found.tried += 1
        passed = _passes(check, Network(network, gates, mistakes, right.memory))
        found.crashed += passed is None
        if passed:
            name = named(network, mistakes, sorted(asked))[0]
            difference = max((_error(mistakes, p, asked) for p in problems), default=0.0)
            hidden = Hidden(name, reasons(mistakes, problems, asked, difference), difference)
            found.hidden.append(hidden)
            missed.append((mistakes, hidden))
    found.remedy = _remedy(missed, problems, asked)
    return found


def _passes(check: Check, network: Network) -> bool | None:
    """Whether the check accepts; None if it fails with an exception, which a person would notice."""
    try:
        return bool(check(network.forward, network.backward))
    except Exception:
        return None


def _largest(calls: list[Problem]) -> list[Problem]:
    """A few of the recorded problems, the longest first; enough to speak for the others."""
    finite = [p for p in calls if np.all(np.isfinite(p.x)) and p.x.dtype == np.float64 and np.any(p.dh)]
    return sorted(finite, key=lambda p: (-p.sizes[0], -int(np.count_nonzero(p.dh))))[:3]


def _error(mistakes: dict[str, str], p: Problem, asked: set[str]) -> float:
    if any(name.startswith("forward") for name in mistakes):
        return 0.0                                  # forward and backward agree: no gradient is wrong
    right, wrong = Result(p, {}), Result(p, mistakes)
    worst = 0.0
    for name in asked:
        try:
            a, b = wrong.tensor(name), right.tensor(name)
        except ValueError:                          # U for W with D and H different
            return float("inf")
        worst = max(worst, error(a, b) if a.shape == b.shape else float("inf"))
    return worst


def _changed(p: Problem, names: tuple[str, ...]) -> Problem:
    for name, (_, change) in PROPERTIES.items():
        if name in names:
            p = change(p)
    return p


def reasons(mistakes: dict[str, str], problems: list[Problem], asked: set[str],
            difference: float) -> tuple[str, ...]:
    """The smallest set of properties without which the mistake shows."""
    if any(name.startswith("forward") for name in mistakes):
        return ("forward",)
    if difference >= VISIBLE or not problems:
        return ("tolerance",)
    there = [name for name, (holds, _) in PROPERTIES.items() if holds(problems[0])]
    everything = set(TENSORS[problems[0].network])
    there += ["some tensors"] * (asked != everything)
    for n in range(1, len(there) + 1):
        for some in combinations(there, n):
            if _shows(mistakes, problems[0], some, asked):
                return some
    return ("tolerance",)


def _shows(mistakes: dict[str, str], p: Problem, without: tuple[str, ...], asked: set[str]) -> bool:
    tensors = set(TENSORS[p.network]) if "some tensors" in without else asked
    return _error(mistakes, _changed(p, without), tensors) >= VISIBLE


def _remedy(missed: list[tuple[dict[str, str], Hidden]], problems: list[Problem],
            asked: set[str]) -> tuple[str, ...]:
    """The fewest changes with which every missed mistake would show."""
    needed = list(dict.fromkeys(reason for _, hidden in missed for reason in hidden.reasons))
    for name in list(needed):
        rest = tuple(other for other in needed if other != name)
        if name not in ("tolerance", "forward") and problems and all(
                _shows(mistakes, problems[0], rest, asked) for mistakes, hidden in missed
                if hidden.reasons not in (("tolerance",), ("forward",))):
            needed = list(rest)
    return tuple(needed)
