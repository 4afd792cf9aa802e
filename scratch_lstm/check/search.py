"""Find the fewest mistakes that reproduce what a file returned: forward, one step, through time, then all.

A hypothesis is a dict from keys to values. T = 1 gives the local mistakes (`search_local.py`); with these
fixed, T = 3 gives the mistakes along the paths, and for each of them every returned tensor is explained
alone (`search_tensors.py`). In the end the hypothesis must reproduce problems that the search never saw.

A search ends after a number of hypotheses, not of seconds: the same file has the same verdict on a slow
machine, and beside busy neighbours.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import chain, combinations, product
from typing import Any

import numpy as np

from .dictionary import keys
from .forward import Mistakes, forward
from .observation import BOUND, Observation, error, same
from .problem import GATES
from .search_deltas import could_be, readings
from .search_local import local_mistakes
from .search_tensors import Choice, Work, all_orders, explain
from .tensors import Result

Look = Callable[[int, int, int, int], Observation]      # T, H, D, seed -> what the file gives
SEARCHED = ((1, 4, 4), (3, 4, 4))                       # T, H, D: with D = H nothing fails for its shape
LONGEST = 30
FRESH = ((1, 2, 2), (2, 3, 3), (4, 3, 3), (7, 2, 2), (LONGEST, 2, 2))
LOCALS = 8               # of the sets of local mistakes that fit, the cheapest
HIDDEN_AT_ONE = ("c_{k-2}",)        # of the factors of delta^f, what is right at T = 1
PASS = 10                # a pass back through time takes as long as this many tensors
# Of 400 pairs and triples of mistakes in an LSTM the middle one needs 215, one in a hundred more than 15,500,
# the hardest 55,500; seven need more than 200,000. 60,000 take about two seconds.
FORWARD_WORK = BACKWARD_WORK = 60_000

LEVELS = ((0, 1), (1, 1), (0, 2), (2, 1), (1, 2), (2, 2), (3, 1),
          (0, 3))      # mistakes along the paths, in each tensor


@dataclass(frozen=True)
class Found:
    """The mistakes, and the largest error with which they reproduce what was seen."""

    mistakes: dict[str, str]
    residual: float


def combinations_of(names: list[Any], most: int) -> Iterator[dict[str, str]]:
    """Hypotheses with 0, 1, ..., `most` of these keys wrong."""
    for n in range(most + 1):
        for some in combinations(names, n):
            for values in product(*(key.values for key in some)):
                yield {key.name: value for key, value in zip(some, values)}


def residual(mistakes: Mistakes, seen: list[Observation], passes: tuple[str, ...] = ("h", "gradients"),
             shapes: bool = True) -> float:
    """The largest error of any returned tensor, the file against the textbook with these mistakes; with
    `shapes`, inf for one that came in another shape."""
    worst = 0.0
    for one in seen:
        result = Result(one.problem, mistakes)
        if "h" in passes and one.h is not None:
            worst = max(worst, error(one.h, result.states.h[1:]))
        if "gradients" in passes:
            for name, value in one.gradients.items():
                expected = result.tensor(name)
                worst = max(worst, error(value, expected) if value.shape == expected.shape else float("inf"))
            if one.misshapen and shapes:
                worst = float("inf")
    return worst


def wrong_in(one: Observation) -> set[str]:
    """The tensors of one answer, h too, that are not the textbook's."""
    right = Result(one.problem, {})
    found = {name for name, value in one.gradients.items() if not same(value, right.tensor(name))}
    found |= {"h"} if one.h is not None and not same(one.h, right.states.h[1:]) else set()
    return found | set(one.misshapen)


def forward_mistakes(look: Look, seed: int) -> Found | None:
    """The fewest mistakes that give the file's h; None if none do. One gate at a time costs least to see
    with c_0 = 0, but three mistakes at once are few enough to try them all."""
    seen = [look(*sizes, seed) for sizes in SEARCHED]
    fresh = [look(*sizes, seed + 1) for sizes in FRESH]
    network = seen[0].problem.network
    at_once = [key for key in keys(network, "forward") if key.name not in ("forward.h", "forward.c")]
    later = [key for key in keys(network, "forward") if key.name in ("forward.h", "forward.c")]
    work = Work(FORWARD_WORK)
    for first in combinations_of(at_once + later, 3):
        if not work.take():
            return None
        if any(value not in ("zero start", "left out") for name, value in first.items()
               if name in ("forward.h", "forward.c")):
            continue                          # these do not show at T = 1
        if not _gives(first, seen[0]):
            continue
        for second in combinations_of(later, 2):
            mistakes = {**second, **first}
            if _gives(mistakes, seen[1]) and residual(mistakes, fresh, ("h",)) <= BOUND:
                for name in list(mistakes):               # not one more than it takes
                    fewer = {other: value for other, value in mistakes.items() if other != name}
                    if residual(fewer, [*seen, *fresh], ("h",)) <= BOUND:
                        mistakes = fewer
                return Found(mistakes, residual(mistakes, fresh, ("h",)))
    return None


def _gives(mistakes: Mistakes, seen: Observation) -> bool:
    return seen.h is not None and same(seen.h, forward(seen.problem, mistakes).h[1:])


def never_filled(seen: list[Observation], base: Mistakes) -> dict[str, str]:
    """The gradients, or their blocks of one gate, that are zero in every entry where they must not be: what
    is zero tells nothing, so it is said and not explained."""
    found: dict[str, str] = {}
    results = [Result(one.problem, base) for one in seen]
    for key in keys(seen[0].problem.network, "seen"):
        pairs = [(one.gradients[key.tensor], result.tensor(key.tensor)) for one, result in zip(seen, results)
                 if key.tensor is not None and key.tensor in one.gradients]
        if key.gate is not None:
            n = GATES.index(key.gate)
            pairs = [(np.split(value, 4)[n], np.split(right, 4)[n]) for value, right in pairs]
        if f"filled.{key.tensor}" not in found and any(np.any(right) for _, right in pairs) and \
                not any(np.any(value) for value, _ in pairs):
            found[key.name] = "zero"
    return found


def backward_mistakes(look: Look, seed: int, base: Mistakes) -> Found | None:
    """The fewest mistakes that, with those of the forward pass, give every returned tensor."""
    seen = [look(*sizes, seed) for sizes in SEARCHED]
    fresh = [look(*sizes, seed + 1) for sizes in FRESH]
    if any(one.misshapen or not all(np.all(np.isfinite(value)) for value in one.gradients.values())
           for one in (*seen, *fresh)):
        return None                                           # no mistake of the dictionary gives that
    work = Work(BACKWARD_WORK)
    starts = _starts(seen, fresh, base)
    tried: set[frozenset[Any]] = set()
    for most_path, most_own in LEVELS:
        found: list[dict[str, str]] = []
        for full, local, orders, deltas_right in starts:
            if most_path == 0 or not deltas_right:
                found += _along_paths({**full, **local}, seen[1], most_path, most_own, orders, work)
        for mistakes in sorted(found, key=cost):
            if frozenset(mistakes.items()) in tried:
                continue
            tried.add(frozenset(mistakes.items()))
            for whole in (mistakes, *_cut(mistakes, look, seed)):
                worst = residual(whole, [*seen, *fresh], ("gradients",))
                if worst <= BOUND:
                    return Found(dict(whole), worst)
        if work.left < 0:
            return None
    return None


def _starts(seen: list[Observation], fresh: list[Observation],
            base: Mistakes) -> list[tuple[Mistakes, Mistakes, tuple[str, ...], bool]]:
    """Where the search along the paths begins: the forward pass that the backward pass belongs to, with what
    is zero; the local mistakes; the orders of the gates that were seen; whether every delta is right."""
    kinds = [{}, *({"backward.of": whose} for whose in ("own", "cache"))] if base else [{}]
    if base.get("forward.order", "")[2:3] == "g" or leaves_out_a_gate(base):         # one activation for both
        kinds.append({"backward.of": "names"})
    zeros = never_filled([*seen, *fresh], base)
    blocks = {name for name in zeros if name.count(".") == 2}
    # where the block of a gate is zero, perhaps its delta is: then dx lacks it too
    known = [zeros]
    if blocks:
        known.append({name: value for name, value in zeros.items() if name not in blocks})
    found: list[tuple[Mistakes, Mistakes, tuple[str, ...], bool]] = []
    for full in ({**base, **kind, **some} for some in known for kind in kinds):
        if deltas_are_right(full, [*seen, *fresh]):
            found.append((full, {}, all_orders(seen[0].problem.network), True))
            continue
        some, orders = local_mistakes(seen[0], full)
        found += [(full, local, orders, False) for local in some[:LOCALS]]
    if seen[0].problem.sizes[1] > 1 and not any(right for *_, right in found):
        full = {**base, **zeros, "product": "of vectors"}
        some, orders = local_mistakes(seen[0], full)
        explained = deltas_are_right(full, seen[:1])
        found += [(full, local, orders, False) for local in some if local or explained]
    return found


def leaves_out_a_gate(mistakes: Mistakes) -> bool:
    """Whether a gate is in no equation of the forward pass."""
    return any(name.startswith("forward.activation") and value == "left out"
               for name, value in mistakes.items())


def deltas_are_right(mistakes: Mistakes, seen: list[Observation]) -> bool:
    """Whether one of the tensors that are made of the deltas alone, and of known vectors, is as it should be
    everywhere: then every delta is. With h_0 = 0 there is nothing of delta_{t,1} in dU."""
    results = [Result(one.problem, mistakes) for one in seen]
    for name in ("b", "delta", "W", *(["U"] if np.any(seen[0].problem.h0) else [])):
        if f"filled.{name}" not in mistakes and all(
                name in one.gradients and same(one.gradients[name], result.tensor(name))
                for one, result in zip(seen, results)):
            return True
    return False


def _cut(mistakes: Mistakes, look: Look, seed: int) -> list[dict[str, str]]:
    """The same mistakes in a pass that goes back n > 3 steps only, where they fit up to T = n."""
    if "cut" in mistakes:
        return []
    for T in range(4, LONGEST + 1):
        one = look(T, 2, 2, seed + 1)
        if residual(mistakes, [one], ("gradients",)) > BOUND:
            kinds = ("window of", "pieces of", "end after")
            return [{**mistakes, "cut": f"{kind} {T - 1}"} for kind in kinds]
    return []


def _along_paths(base: Mistakes, seen: Observation, most: int, most_own: int, orders: tuple[str, ...],
                 work: Work) -> list[dict[str, str]]:
    """All sets of mistakes along the paths with which every returned tensor can be explained alone."""
    network = seen.problem.network
    names = keys(network, "path")
    if network == "lstm":
        blind = not np.any(seen.problem.c0)                  # with c_0 = 0 nothing of delta^f shows at T = 1
        hidden = [replace(key, values=key.values if blind else HIDDEN_AT_ONE)
                  for key in keys(network, "local")
                  if key.name in ("factor.f", "slope.f", "source.f")[:3 if blind else 1]]
        names = names + [key for key in hidden if key.name not in base]
    states = forward(seen.problem, base)
    possible = readings(seen, Result(seen.problem, base, states), orders) if most > 1 else []
    found = []
    for path in combinations_of(names, most):
        if len(path) == most or most < 2:
            if not work.take(PASS):
                break
            result = Result(seen.problem, {**base, **path}, states)
            if most > 1 and possible and not could_be(result, possible):
                continue
            whole = explain_all(result, seen, most_own, orders, work)
            if whole is not None:
                found.append({**base, **path, **whole})
    return found


def explain_all(result: Result, seen: Observation, most: int, orders: tuple[str, ...],
                work: Work) -> dict[str, str] | None:
    """The own mistakes of all returned tensors; None as soon as one cannot be explained."""
    own: list[Choice] = []
    for name in ("x", "b", "delta", "U", "W", "c0", "h0"):
        if name in seen.gradients:
            choice = explain(result, name, seen.gradients[name], most, orders, work)
            if choice is None:
                return None
            own.append(choice)
    return dict(chain.from_iterable(own))


def cost(mistakes: Mistakes) -> int:
    """How many mistakes they are to a reader: the same mistake in several tensors or gates is one."""
    return len({(name.split(".")[0], value) for name, value in mistakes.items()
                if name != "backward.of" and value != "right"})
