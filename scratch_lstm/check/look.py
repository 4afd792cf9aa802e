"""From a file and the sizes of a problem to an observation in the checker's own order of gates.

dh is small (2^-20 of the usual size): a backward pass is linear in dh, so nothing changes except for a file
that clips, and that is then seen by the same problem with a large dh.

Some files are made for a part of the problem only, by design: their states start from zero, or their loss is
at the last step. `settle` finds that out, or the file says it (START, LOSS), and the problems are made so.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from . import contract
from .forward import forward
from .observation import Observation, same
from .problem import GATES, Array, Problem, draw
from .program import Program, StudentError, as_array, reordered

SMALL, LARGE = 2.0 ** -20, 2.0 ** 20
Remarks = list[tuple[str, dict[str, Any]]]


@dataclass(frozen=True)
class Form:
    """How a file is called: `answer` gets the program, a problem in the file's order of gates, and that
    order.

    `gates`: the order that the form prescribes, if it does. `zero_c0`: the form knows no c_0. `gives_dc0`:
    whether a complete file of this form returns the gradient of c_0. `batch`: how many sequences it gets;
    then `answer` also takes the place of the problem's own sequence among them.
    """

    answer: Callable[..., contract.Answer]
    gates: str | None = None
    zero_c0: bool = False
    gives_dc0: bool = True
    batch: int = 1


PLAIN = Form(contract.answer)


class Looker:
    """Asks a file once for each problem and remembers the answer."""

    def __init__(self, program: Program, form: Form = PLAIN) -> None:
        self.program, self.form = program, form
        self.network = program.network
        self.gates = program.setting("GATES", None) and program.gates or form.gates or GATES
        self.start = program.choice("START", ("zero", "given"))
        self.loss = program.choice("LOSS", ("last", "all"))
        self.missing: set[str] = set()
        self.added: set[str] = set()            # gradients that start from something other than zero
        self.zero_start = self.start == "zero"
        self.last_loss = self.loss == "last"
        self.two_for_one = False                # a file that cannot run T = 1 gets T = 2, the loss at step 1
        self.small = SMALL
        self._seen: dict[tuple[Any, ...], Observation] = {}

    def __call__(self, T: int, H: int, D: int, seed: int, size: float | None = None) -> Observation:
        """The file's answer to the problem of these sizes; dh has the given size. Raises StudentError."""
        size = self.small if size is None else size
        key = T, H, D, seed, size
        if key not in self._seen:
            if T == 1 and self.two_for_one:
                self._seen[key] = _first_step(self.asked(self.problem(2, H, D, seed, size), 1))
            else:
                self._seen[key] = self.asked(self.problem(T, H, D, seed, size))
        return self._seen[key]

    def problem(self, T: int, H: int, D: int, seed: int, size: float = 1.0) -> Problem:
        """The problem of these sizes, as far as the file is made for it."""
        p = draw(self.network, T, H, D, seed)
        dh = p.dh * size
        if self.last_loss:
            dh[:-1] = 0
        return replace(p, dh=dh, h0=p.h0 * (not self.zero_start),
                       c0=p.c0 * (not self.zero_start and not self.form.zero_c0))

    def asked(self, problem: Problem, losses: int | None = None) -> Observation:
        """The answer, without what the gradients start from; `losses` at the first steps only."""
        if losses is not None:
            problem = replace(problem, dh=problem.dh * (np.arange(len(problem.dh)) < losses)[:, None])
        seen = self.on(problem)
        if self.added:
            start = self.on(replace(problem, dh=0 * problem.dh)).gradients
            for name in self.added & set(seen.gradients) & set(start):
                seen.gradients[name] = seen.gradients[name] - start[name]
        for name in {"h0", "c0"} & set(seen.gradients) if self.zero_start else ():
            if not np.any(seen.gradients[name]):          # right: nothing depends on a state that is not used
                del seen.gradients[name]
        return seen

    def on(self, problem: Problem) -> Observation:
        """The file's answer to one problem, as it is. Raises StudentError."""
        theirs = contract.in_file_order(problem, self.gates)
        self.program.written()
        h, returned, missing = self.form.answer(self.program, theirs, self.gates)
        self.missing.update(missing)
        if h is not None and h.shape != problem.dh.shape:
            raise StudentError("shape of h", shape=h.shape, due=problem.dh.shape, rows=_rows(h, problem))
        seen = Observation(problem, None if h is None else h.astype(np.float64))
        seen.written = self.program.written()
        for name, value in returned.items():
            if name in (*contract.TENSORS[self.network], "delta"):
                self._keep(seen, name, as_array(value, name))
            else:
                seen.unknown.append(str(name))
        if h is not None and h.dtype.kind == "f" and h.dtype.itemsize < 8:
            seen.single.add("h")
        return seen

    def _keep(self, seen: Observation, name: str, array: Array) -> None:
        due = seen.problem.shape(name)
        if array.shape != due and array.size == int(np.prod(due)) and 1 in array.shape and len(due) == 1:
            array = array.reshape(due)                          # a column (H, 1) for a vector (H,)
        if array.shape != due:
            seen.misshapen[name] = array.shape
            return
        if array.dtype.kind == "f" and array.dtype.itemsize < 8:
            seen.single.add(name)
        whole, array = array.dtype.kind in "iub", array.astype(np.float64)
        if self.network == "lstm" and self.gates != GATES and name in ("W", "U", "b", "delta"):
            array = reordered(array, self.gates, GATES, 2 if name == "delta" else 0)
        (seen.whole if whole else seen.gradients)[name] = array

    def settle(self, seed: int) -> Remarks:
        """Find out what the file is made for, and say it. Nothing is found where the file does not run."""
        try:
            p = self.problem(3, 3, 3, seed + 5, 1.0)
            first = self.on(p)
            if not _answers_are_equal(first, self.on(p)):
                return [("random", {})]
        except StudentError:
            return []
        remarks: Remarks = []
        if self.start is None and first.h is not None:
            states = [name for name in ("h0", "c0") if np.any(getattr(p, name))]
            moved = [self.on(replace(p, **{name: getattr(p, name) + 1})) for name in states]
            later = self.on(replace(p, x=p.x + np.array([[1.0], [0], [0]])))     # step 1 reaches step 3
            if states and all(_equal(other.h, first.h) for other in moved) and \
                    later.h is not None and not np.any(later.h[-1] == first.h[-1]):
                self.zero_start = True
                remarks.append(("zero start", {"names": ", ".join(states)}))
                p = self.problem(3, 3, 3, seed + 5, 1.0)
                first = self.on(p)
        if not first.gradients:
            return remarks
        if self.loss is None:
            dh = p.dh * np.array([[2.0], [3.0], [1.0]])
            if _answers_are_equal(first, self.on(replace(p, dh=dh))) and not _answers_are_equal(
                    first, self.on(replace(p, dh=2 * p.dh))):
                self.last_loss = True
                remarks.append(("last loss", {}))
        silent, large = (self.on(replace(p, dh=size * p.dh)) for size in (0.0, LARGE))
        start = {name for name, value in silent.gradients.items() if np.any(value)}
        fixed = {name for name in start if _equal(silent.gradients[name], large.gradients.get(name))}
        if fixed:
            names = ", ".join(f"d{name}" for name in sorted(fixed))
            remarks.append(("does not depend on dh", {"names": names}))
        self.added = {name for name in start - fixed if np.all(np.isfinite(silent.gradients[name]))}
        self.small = 1.0 if self.added else SMALL             # beside a start of size 1 a small dh is lost
        return remarks

    def answers_change(self, seed: int) -> bool:
        """Whether the second call of the functions, without running the file anew, has another answer."""
        p = self.problem(3, 3, 3, seed + 5)
        with self.program.kept():
            try:
                first, again = self.on(p), self.on(p)
            except StudentError:
                return True
        return not _answers_are_equal(first, again)

    def uneven(self, seed: int) -> dict[str, bool]:
        """What the second sequence of a batch gets otherwise than the first one, and whether that is nothing
        at all."""
        p = self.problem(3, 3, 3, seed + 5, 1.0)
        theirs = contract.in_file_order(p, self.gates)
        found: dict[str, bool] = {}
        answers = [self.form.answer(self.program, theirs, self.gates, place) for place in range(2)]
        pairs = {"h": [h for h, _, _ in answers], **{name: [returned.get(name) for _, returned, _ in answers]
                                                     for name in answers[0][1]}}
        for name, (a, b) in pairs.items():
            if a is not None and b is not None:
                first, second = as_array(a, name), as_array(b, name)
                if first.shape != second.shape or not same(second, first):
                    found[name] = not np.any(second)
        return found


def _equal(first: Array | None, second: Array | None) -> bool:
    return first is second or first is not None and second is not None and np.array_equal(
        first, second, equal_nan=True)


def _answers_are_equal(first: Observation, second: Observation) -> bool:
    return _equal(first.h, second.h) and first.gradients.keys() == second.gradients.keys() and all(
        _equal(value, second.gradients[name]) for name, value in first.gradients.items())


def _first_step(seen: Observation) -> Observation:
    """The answer to T = 2 with a loss at step 1 only, as that to T = 1: what comes after adds nothing."""
    p = seen.problem
    gradients = {name: value[:1] if name == "x" else value[:1, :1] if name == "delta" else value
                 for name, value in seen.gradients.items()}
    return replace(seen, problem=replace(p, x=p.x[:1], dh=p.dh[:1]), h=None if seen.h is None else seen.h[:1],
                   gradients=gradients)


def _rows(h: Array, problem: Problem) -> str:
    """Which rows of the textbook's h an h with one row more or less has: "first", "last" is missing, or "h_0"
    is there too; "" where it is none of these."""
    states = forward(problem, {}).h
    found = {"first missing": states[2:], "last missing": states[1:-1], "h_0 too": states}
    return next((name for name, rows in found.items() if h.ndim == 2 and rows.size and same(h, rows)), "")
