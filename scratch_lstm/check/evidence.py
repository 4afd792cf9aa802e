"""What was compared, and what each comparison decides: the states of the five stages, and where a mistake is.

The gradients are compared with a reference on several problems: the textbook's, that of the mistakes of the
forward pass that were found, or differences of the file's own forward pass. A stage is "right" only if a
tensor agrees that would not if the stage were wrong:

    forward        h
    one step       delta_{T,T}: at T = 1 one of db, dW, dU, every delta
    through time   every delta_{t,k}: one of db, dW, dU, every delta, at each T > 1; they are sums of the
                   deltas, with random factors, so that they agree if the deltas do
    sums           dW, dU, db themselves
    ends           dx, dh_0, dc_0 themselves
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from .observation import BOUND, Observation, error, same
from .problem import GATES, Array, Problem

STAGES = ("forward", "one step", "through time", "sums", "ends")
RIGHT, INHERITS, WRONG = "right", "no mistake of its own", "wrong"
NOT_WRITTEN, NOT_LOOKED_AT = "not written", "not looked at"
FROM_DELTAS = ("b", "delta", "W", "U")
SUMS = ("W", "U", "b")


@dataclass
class Where:
    """What is known of a mistake without a name. `least` is the smallest T that shows it, there in the
    gradients `first` and the blocks `gates`; `up_to` is the T up to which all agrees. `own`: the reference is
    the file's own forward pass. `large`: only a large dh shows it."""

    pass_: str | None = None
    tensors: list[str] = field(default_factory=list)
    right: list[str] = field(default_factory=list)
    cannot_tell: list[str] = field(default_factory=list)
    gates: list[str] = field(default_factory=list)
    first: list[str] = field(default_factory=list)
    least: int | None = None
    up_to: int | None = None
    multiples: dict[str, float] = field(default_factory=dict)
    deltas_right: bool = False
    own: bool = False
    large: bool = False

    def as_dict(self) -> dict[str, Any]:
        return {"pass": self.pass_, "tensors": self.tensors, "right": self.right, "first": self.first,
                "gates": self.gates, "steps": self.least, "up_to": self.up_to, "multiples": self.multiples,
                "large_dh": self.large,
                "compared_with": "own forward pass" if self.own else "textbook"}


@dataclass
class Pair:
    """One gradient on one problem, its reference, and whether they agree; None: nobody can tell."""

    name: str
    problem: Problem
    value: Array | None         # None where it came in another shape
    reference: Array
    agrees: bool | None
    large: bool = False         # dh is large, where a clip acts
    elsewhere: bool = False     # it is wrong, and something else than this comparison shows it

    @property
    def T(self) -> int:
        return self.problem.sizes[0]

    def blocks(self) -> list[tuple[Array, Array]]:
        """The blocks of the gates; of the RNN, and of x, h0, c0, the whole."""
        if self.value is None:
            return []
        if self.problem.network == "rnn" or self.name not in FROM_DELTAS:
            return [(self.value, self.reference)]
        axis = 2 if self.name == "delta" else 0
        return list(zip(np.split(self.value, 4, axis), np.split(self.reference, 4, axis)))


class Evidence:
    """All comparisons of the gradients of a file."""

    def __init__(self, pairs: list[Pair]) -> None:
        self.pairs = pairs
        self.names = list(dict.fromkeys(pair.name for pair in pairs))

    @classmethod
    def of(cls, seen: Iterable[Observation], reference: Callable[[Problem, str], Array],
           rounded: Iterable[str] = (), wrong: Iterable[str] = ()) -> Evidence:
        """The comparisons with a reference to 1e-9; `rounded` are right but for a rounding, `wrong` are known
        to be wrong."""
        pairs = []
        for one in seen:
            for name in (*one.gradients, *one.misshapen, *one.whole):
                value, right = one.gradients.get(name, one.whole.get(name)), reference(one.problem, name)
                agrees = value is not None and (name in rounded or same(value, right))
                pairs.append(Pair(name, one.problem, value, right, agrees and name not in wrong,
                                  elsewhere=agrees and name in wrong))
        return cls(pairs)

    def agree(self, name: str, where: Callable[[Pair], bool] = lambda pair: True) -> bool | None:
        """Whether a gradient agrees wherever it was compared; None where there is nothing to compare."""
        agrees = [pair.agrees for pair in self.pairs if pair.name == name and where(pair)
                  and (np.any(pair.reference) or pair.agrees is False)]
        if not agrees or None in agrees and False not in agrees:
            return None
        return all(agrees)

    def _sees_step_1(self, pair: Pair) -> bool:
        """Whether delta_{t,1} is in this gradient: in dU only if h_0 is not zero."""
        return pair.name != "U" or bool(np.any(pair.problem.h0))

    @property
    def deltas_right(self) -> bool:
        """Every delta_{t,k}: a tensor that is made of them agrees at each T."""
        return any(self.agree(name, lambda pair: pair.T > 1 and self._sees_step_1(pair)) and self.agree(name)
                   for name in FROM_DELTAS)

    @property
    def step_right(self) -> bool:
        """The delta of one step: T = 1, and no gate is zero there."""
        def decides(pair: Pair) -> bool:
            return pair.T == 1 and self._sees_step_1(pair) and all(np.any(b) for _, b in pair.blocks())

        return self.deltas_right or any(self.agree(name, decides) for name in FROM_DELTAS)

    def stages(self, returned: list[str], ends: set[str]) -> dict[str, str]:
        """What the comparisons say of the stages behind the forward pass; `ends` are the gradients of x and
        of the first states that a complete file gives."""
        found = dict.fromkeys(STAGES[1:], NOT_LOOKED_AT)
        if not returned:
            return dict.fromkeys(STAGES[1:], NOT_WRITTEN)
        deltas = self.deltas_right
        found["one step"] = RIGHT if self.step_right else WRONG if self._consistent(1) else NOT_LOOKED_AT
        found["through time"] = RIGHT if deltas else NOT_LOOKED_AT
        if not deltas and self.step_right and self._consistent(2):
            found["through time"] = WRONG
        for stage, names in (("sums", set(SUMS)), ("ends", ends)):
            given = names & set(returned)
            agrees = [self.agree(name) for name in given]
            if deltas and False in agrees:
                found[stage] = WRONG
            elif given != names:
                found[stage] = NOT_WRITTEN
            elif all(agrees):
                found[stage] = RIGHT
        return found

    def _consistent(self, T: int) -> bool:
        """Whether dW, db and dx are wrong and yet made of the same deltas: then these are what is wrong. At
        T = 1, and at T = 2 where the x_k are independent, dW gives them back."""
        for pair in self.pairs:
            x = pair.problem.x
            if pair.name == "W" and pair.agrees is False and pair.value is not None \
                    and pair.T == T <= x.shape[1]:
                deltas = pair.value @ np.linalg.pinv(x)                               # (GH, T)
                made = {"W": deltas @ x, "b": deltas.sum(axis=1), "x": deltas.T @ pair.problem.W}
                others = [p for p in self.pairs if p.problem is pair.problem and p.name in made]
                return {p.name for p in others} == set(made) and all(
                    p.agrees is False and not p.elsewhere and p.value is not None
                    and same(p.value, made[p.name]) for p in others)
        return False

    def where(self) -> Where:
        """What is known of a mistake in the gradients."""
        wrong = [name for name in self.names if self.agree(name) is False]
        bad = [pair for pair in self.pairs if pair.agrees is False and not pair.elsewhere]
        bad = [pair for pair in bad if not pair.large] or bad
        least = min((pair.T for pair in bad), default=0)
        first = [pair for pair in bad if pair.T == least]
        gates = {GATES[n] for pair in first for n, (a, b) in enumerate(pair.blocks())
                 if pair.problem.network == "lstm" and pair.name in FROM_DELTAS and not same(a, b)}
        at_first, large = {pair.name for pair in first}, bool(first) and first[0].large
        return Where(
            "backward" if wrong else None, wrong, [name for name in self.names if self.agree(name)],
            [name for name in self.names if any(p.agrees is None for p in self.pairs if p.name == name)
             and self.agree(name) is None],
            [gate for gate in GATES if gate in gates], [name for name in wrong if name in at_first],
            least or None, None if large else max((p.T for p in self.pairs if p.T < least), default=None),
            {name: ratio for name in wrong if (ratio := self.multiple(name))}, self.deltas_right,
            large=large)

    def multiple(self, name: str) -> float | None:
        """The number that all of a gradient is too large by, the same on each problem, or None."""
        ratios = []
        for pair in self.pairs:
            if pair.name == name and np.any(pair.reference) and not pair.large and not pair.elsewhere:
                if pair.value is None or not np.any(pair.value):
                    return None
                ratio = float(np.sum(pair.value * pair.reference) / np.sum(pair.reference ** 2))
                if error(pair.value, ratio * pair.reference) > BOUND:
                    return None
                ratios.append(ratio)
        if len(ratios) < 2 or max(ratios) - min(ratios) > 1e-9 * abs(ratios[0]) or round(ratios[0], 7) == 1:
            return None
        return round(ratios[0], 9)
