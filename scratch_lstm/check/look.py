"""From a file and the sizes of a problem to an observation in the checker's own order of gates.

dh is small (2^-10 of the usual size): a backward pass is linear in dh, so nothing changes except for a file that
clips, and that is then seen by the same problem with a large dh.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from . import contract
from .observation import Observation
from .problem import GATES, Array, Problem, draw
from .program import Program, StudentError, as_array, reordered

SMALL = 2.0 ** -10
Answering = Callable[[Program, Problem], contract.Answer]


class Looker:
    """Asks a file once for each problem and remembers the answer."""

    def __init__(self, program: Program, answering: Answering = contract.answer) -> None:
        self.program, self.answering = program, answering
        self.network = program.network
        self.missing: set[str] = set()
        self._seen: dict[tuple, Observation] = {}

    def __call__(self, T: int, H: int, D: int, seed: int) -> Observation:
        key = T, H, D, seed
        if key not in self._seen:
            problem = draw(self.network, T, H, D, seed)
            self._seen[key] = self.on(replace(problem, dh=problem.dh * SMALL))
        return self._seen[key]

    def on(self, problem: Problem) -> Observation:
        """The file's answer to one problem. Raises StudentError."""
        h, returned, missing = self.answering(self.program, problem)
        self.missing.update(missing)
        T, H, _ = problem.sizes
        if h is not None and h.shape != (T, H):
            raise StudentError("shape of h", shape=h.shape, due=(T, H))
        seen = Observation(problem, None if h is None else h.astype(np.float64), {}, {}, [])
        for name, value in returned.items():
            if name in (*contract.TENSORS[self.network], "delta"):
                self._keep(seen, name, as_array(value, name))
            else:
                seen.notes.append(str(name))
        if h is not None and h.dtype == np.float32:
            seen.single.add("h")
        return seen

    def _keep(self, seen: Observation, name: str, array: Array) -> None:
        due = seen.problem.shape(name)
        if array.shape != due and array.size == int(np.prod(due)) and 1 in array.shape and len(due) == 1:
            array = array.reshape(due)                          # a column (H, 1) for a vector (H,)
        if array.shape != due:
            seen.misshapen[name] = array.shape
            return
        if array.dtype == np.float32:
            seen.single.add(name)
        array = array.astype(np.float64)
        gates = self.program.gates
        if self.network == "lstm" and gates != GATES and name in ("W", "U", "b", "delta"):
            array = reordered(array, gates, GATES, 2 if name == "delta" else 0)
        seen.gradients[name] = array


def settings(program: Program) -> dict[str, Any]:
    """What the file says about itself, for the report."""
    return {"network": program.network, "gates": program.gates, "form": program.setting("FORM", "plain")}
