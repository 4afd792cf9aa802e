"""From the keys of a hypothesis to mistakes with names: what belongs together is one mistake.

The same order of the gates in dW, dU and db is one wrong order; a factor of all tensors is one factor; h_0
and c_0 exchanged is one exchange. A mistake keeps the tensors it was seen in. """

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from .dictionary import COURSE, DICTIONARY
from .forward import Mistakes

SHARED_BY_TENSORS = ("order", "scale", "sum", "before", "input", "outer", "filled",
                     *(f"filled.{gate}" for gate in "ifgo"))
SHARED_BY_GATES = ("forward.bias", "block.b", "slope", "source", "forward.activation")


@dataclass(frozen=True)
class Named:
    """One mistake. `key` and `value` find its words; `gates` and `tensors` say where it was seen."""

    site: str
    key: str
    value: str
    gates: str
    tensors: tuple[str, ...]
    equation: str
    section: str

    @property
    def gate(self) -> str | None:
        return self.gates if len(self.gates) == 1 else None


def named(network: str, mistakes: Mistakes, returned: list[str]) -> list[Named]:
    """The mistakes of a hypothesis, merged; `returned` are the tensors that the file gives."""
    known, left = DICTIONARY[network], dict(mistakes)
    left.pop("backward.of", None)
    _drop_followers(left)
    found: list[Named] = []
    while left:
        name, value = next(iter(left.items()))
        key, family = known[name], name.rpartition(".")[0]
        together = [name]
        if (family in SHARED_BY_TENSORS and key.tensor) or (family in SHARED_BY_GATES and key.gate):
            together = [other for other in left if other.rpartition(".")[0] == family
                        and left[other] == value]
        for other in together:
            del left[other]
        gates = "".join(dict.fromkeys(known[other].gate or "" for other in together))
        tensors = tuple(dict.fromkeys(t for other in together if (t := known[other].tensor)))
        found.append(_merged(Named(key.site, name, value, gates, tensors, key.equation, key.section),
                             returned))
    return found


def _drop_followers(left: dict[str, str]) -> None:
    """A path that is dropped gives a zero at the end as well; h_0 for c_0 is also c_0 for h_0."""
    for end in ("end.h0", "end.c0"):
        if left.get(end) == "right":
            del left[end]
    if left.get("path.h") == "dropped" and left.get("end.h0") == "zero":
        del left["end.h0"]
    if left.get("path.c") == "dropped" and left.get("end.c0") == "zero":
        del left["end.c0"]
    if left.get("end.h0") == "c0" and left.get("end.c0") == "h0":
        del left["end.c0"]
        left["end.h0"] = "exchanged"


def plainer(network: str, mistakes: Mistakes, returned: list[str]) -> Iterator[dict[str, str]]:
    """Other hypotheses that a reader would think of first; whether they give the same is for the caller to
    see. Where every sum lacks a term there are two: the sums, or a path that is never taken. A student with
    one tensor is on the way back through time, and three sums with the same fault are one path."""
    sums = [f"sum.{name}" for name in returned if f"sum.{name}" in DICTIONARY[network] or name == "delta"]
    rest = {name: value for name, value in mistakes.items() if name not in sums}
    if sums and all(mistakes.get(name) == "k = t only" for name in sums):
        dropped = {"path.h": "dropped", **({"path.c": "dropped"} if network == "lstm" else {})}
        ends = [name for name in ("end.h0", "end.c0", "from.x") if name in rest]
        for n in range(len(ends), -1, -1):
            yield {**{name: value for name, value in rest.items() if name not in ends[:n]}, **dropped}
    if len(sums) == 1 and mistakes.get(sums[0]) == "t = T only":
        yield {**rest, "direct": "last"}
    if mistakes.get("loop") == "forward":              # the same where only the last step has a loss
        yield {**{name: value for name, value in mistakes.items() if name != "loop"}, "cut": "end after 1"}
    if mistakes.get("input.U") == "x_k" and mistakes.get("input.W") == "h_{k-1}":
        yield {**{name: value for name, value in mistakes.items() if name not in ("input.U", "input.W")},
               "columns": "exchanged"}


def _merged(one: Named, returned: list[str]) -> Named:
    """A sum that is wrong in the same way everywhere has a name of its own."""
    sums = {name for name in returned if name in ("W", "U", "b")}
    everywhere = sums <= set(one.tensors) and len(sums) > 1
    site, section, equation = one.site, one.section, one.equation
    if one.site == "sum-over-time" and one.value == "mean" and everywhere:
        site = "scaled"
    elif one.site == "sum-over-time" and (one.value in COURSE or one.value == "first" and everywhere):
        site, section = "course-sum", {"first": "3.6", "t times k = 1": "3.6", "counted twice": "3.7",
                                       "k = t only": "2.4", "t = T only": "2.4"}[one.value]
        equation = "(6.31)" if section[0] == "3" else one.equation
    elif one.value == "left out":                             # a gate, of the equations of the states
        site, equation = "forward-state", "(6.52)" if one.gates == "o" else "(6.51)"
    elif (one.site, one.value) == ("scaled", "twice") and 1 < len(returned) == len(one.tensors):
        return Named("direct-loss", "direct", "twice", "", one.tensors, "(6.30)", "4.2")
    return Named(site, one.key, one.value, one.gates, one.tensors, equation, section)
