"""From a file and the sizes of a problem to an observation in the checker's own order of gates.

dh is small (2^-10 of the usual size): a backward pass is linear in dh, so nothing changes except for a file
that clips, and that is then seen by the same problem with a large dh. """

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from typing import Any

import numpy as np

from . import contract
from .observation import Observation
from .problem import GATES, Array, Problem, draw
from .program import Program, StudentError, as_array, reordered

SMALL = 2.0 ** -10


@dataclass(frozen=True)
class Form:
    """How a file is called: `answer` gets the program, a problem in the file's order of gates, and that
    order.

    `gates`: the order that the form prescribes, if it does. `zero_c0`: the form knows no c_0. `gives_dc0`:
    whether a complete file of this form returns the gradient of c_0.
    """

    answer: Callable[[Program, Problem, str], contract.Answer]
    gates: str | None = None
    zero_c0: bool = False
    gives_dc0: bool = True


PLAIN = Form(contract.answer)


class Looker:
    """Asks a file once for each problem and remembers the answer."""

    def __init__(self, program: Program, form: Form = PLAIN) -> None:
        self.program, self.form = program, form
        self.network = program.network
        self.gates = program.setting("GATES", None) and program.gates or form.gates or GATES
        self.missing: set[str] = set()
        self._seen: dict[tuple[Any, ...], Observation] = {}

    def __call__(self, T: int, H: int, D: int, seed: int) -> Observation:
        key = T, H, D, seed
        if key not in self._seen:
            problem = draw(self.network, T, H, D, seed)
            problem = replace(problem, dh=problem.dh * SMALL)
            self._seen[key] = self.on(replace(problem, c0=0 * problem.c0) if self.form.zero_c0 else problem)
        return self._seen[key]

    def on(self, problem: Problem) -> Observation:
        """The file's answer to one problem. Raises StudentError."""
        theirs = contract.in_file_order(problem, self.gates)
        h, returned, missing = self.form.answer(self.program, theirs, self.gates)
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
        if self.network == "lstm" and self.gates != GATES and name in ("W", "U", "b", "delta"):
            array = reordered(array, self.gates, GATES, 2 if name == "delta" else 0)
        seen.gradients[name] = array

    def answers_change(self) -> bool:
        """Whether the same problem gets another answer when it is asked again."""
        for first in self._seen.values():
            again = self.on(first.problem)
            pairs = [(value, again.gradients.get(name)) for name, value in first.gradients.items()]
            pairs += [(first.h, again.h)] if first.h is not None else []
            return any(b is None or not np.array_equal(a, b) for a, b in pairs)
        return False
