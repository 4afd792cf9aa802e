"""Is the file linear in dh? A backward pass is; one that clips its gradients is not.

The search works with a small dh, where no clip acts. Here the same file gets a dh that is larger by 2^30,
and what comes out shows the clip: entries cut to [-c, c], or a tensor (or all of them) shrunk to the norm
c. """

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from .forward import Array, Mistakes
from .look import Looker
from .naming import Named
from .observation import BOUND, error, same
from .problem import draw
from .tensors import Result

LARGE = 2.0 ** 20
Pairs = dict[str, tuple[Array, Array]]
Notes = list[tuple[str, dict[str, Any]]]


def clipping(look: Looker, mistakes: Mistakes, seed: int) -> tuple[list[Named], Notes] | None:
    """None if the file is linear in dh; else the clip as a mistake, or no mistake and a note."""
    problem = draw(look.network, 3, 3, 3, seed + 11)
    problem = replace(problem, dh=problem.dh * LARGE, c0=problem.c0 * (not look.form.zero_c0))
    seen, expected = look.on(problem), Result(problem, mistakes)
    pairs = {name: (value, expected.tensor(name)) for name, value in seen.gradients.items()}
    changed = {name: pair for name, pair in pairs.items() if error(*pair) > BOUND and name not in seen.single}
    if not changed or all(error(*pair) < 1e-4 for pair in changed.values()):
        return None
    for kind, limit in _kinds(pairs, changed):
        mistake = Named("scaled", "clip", kind, "", tuple(changed), "(6.39)", "9.1")
        return [mistake], [("clip", {"limit": limit})]
    return [], [("not linear", {"names": ", ".join(changed)})]


def _kinds(pairs: Pairs, changed: Pairs) -> list[tuple[str, float]]:
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
