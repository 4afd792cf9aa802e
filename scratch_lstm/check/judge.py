"""The verdict on a file: right, wrong with the mistakes named, unknown, or error.

A name is given only where the named mistakes reproduce everything that the file returned to 1e-9, on
problems that the search never saw. The stages are the order in which a student writes: the forward pass,
one step back, the paths through time, the sums, the ends. """

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from .clip import clipping
from .dictionary import DICTIONARY
from .known import plain_faults, where, written_order
from .look import Looker
from .naming import Named, named, plainer
from .observation import BOUND, Observation, same
from .precision import only_rounding_of_float32
from .program import StudentError
from .search import Found, backward_mistakes, cost, forward_mistakes, residual
from .tensors import Result

PROBLEMS = ((1, 3, 2), (2, 2, 3), (3, 4, 2), (9, 3, 3))     # T, H, D
STAGES = ("forward", "one step", "through time", "sums", "ends")


@dataclass
class Verdict:
    """`residual` is the error of what is claimed: of the file itself if right, else of the named mistakes
    together; inf where nothing was found. `stages` maps each stage to "right", "wrong", "not written",
    "?"."""

    verdict: str
    network: str = "lstm"
    mistakes: list[Named] = field(default_factory=list)
    found: dict[str, str] = field(default_factory=dict)
    where: dict[str, Any] = field(default_factory=lambda: {"pass": None, "tensors": [], "gates": [],
                                                           "steps": None})
    residual: float = float("inf")
    missing: list[str] = field(default_factory=list)
    returned: list[str] = field(default_factory=list)
    notes: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    stages: dict[str, str] = field(default_factory=dict)


def judge(look: Looker, seed: int = 0) -> Verdict:
    """The verdict; StudentError becomes the verdict "error" with a note that says why."""
    try:
        return _judge(look, seed)
    except StudentError as problem:
        return Verdict("error", notes=[(problem.code, problem.details)])


def _judge(look: Looker, seed: int) -> Verdict:
    notes: list[tuple[str, dict[str, Any]]] = []
    sizes: tuple[tuple[int, int, int], ...] = PROBLEMS
    try:
        seen = [look(*size, seed + 7) for size in sizes]
    except StudentError as problem:            # perhaps only because D and H differ
        sizes = tuple((T, H, H) for T, H, _ in sizes)
        seen = [look(*size, seed + 7) for size in sizes]
        notes.append(("only D = H", {"code": problem.code, "details": problem.details}))
    network, missing = look.network, sorted(look.missing, key=written_order)
    returned = sorted({name for one in seen for name in (*one.gradients, *one.misshapen)}, key=written_order)
    extra = sorted({note for one in seen for note in one.notes})
    notes += [("unknown keys", {"names": ", ".join(extra)})] if extra else []
    notes += [("shape", {"name": name, "shape": shape, "due": seen[0].problem.shape(name)})
              for name, shape in sorted(seen[0].misshapen.items())]
    notes += plain_faults(seen)
    has_h = seen[0].h is not None
    if not has_h and not returned:
        raise StudentError("nothing written", missing=missing)
    verdict = Verdict("right", network, missing=missing, returned=returned, notes=notes,
                      residual=residual({}, seen))
    if verdict.residual > BOUND:
        if only_rounding_of_float32(look, seen):
            notes.append(("float32", {"error": verdict.residual}))
        else:
            _name(verdict, look, seen, seed)
    if verdict.verdict == "right" and returned and any(note == "only D = H" for note, _ in notes):
        verdict.verdict = "unknown"
    if verdict.verdict != "unknown" and returned:
        clip = clipping(look, verdict.found, seed)
        if clip:
            verdict.verdict = "wrong" if clip[0] else "unknown"
            verdict.mistakes += clip[0]
            verdict.notes += clip[1]
    verdict.stages = _stages(verdict, has_h, returned, look.form.gives_dc0)
    return verdict


def _name(verdict: Verdict, look: Looker, seen: list[Observation], seed: int) -> None:
    """Search for the mistakes; where none is found, say what is known."""
    forward_wrong = residual({}, seen, ("h",)) > BOUND
    base: Found | None = Found({}, 0.0)
    if forward_wrong:
        base = forward_mistakes(look, seed)
    found = base
    if base is not None and any(one.gradients or one.misshapen for one in seen):
        found = backward_mistakes(look, seed, base.mistakes)
    verdict.where = where(seen, base.mistakes if base else {}, forward_wrong and base is None)
    if found is not None and not (found.mistakes and _agrees(found.mistakes, seen)):
        found = None
    if found is None:
        verdict.verdict, verdict.residual = "unknown", residual({}, seen)
        if forward_wrong and base is not None:
            verdict.notes.append(("forward known", {"found": base.mistakes}))
        return
    returned = sorted({name for one in seen for name in one.gradients})
    better = (other for other in plainer(verdict.network, found.mistakes, returned)
              if cost(other) <= cost(found.mistakes) + 1 and _agrees(other, seen))
    verdict.found = next(better, found.mistakes)
    verdict.residual = residual(verdict.found, seen)
    verdict.mistakes = named(verdict.network, verdict.found, returned)
    verdict.verdict = "wrong"
    if forward_wrong and all(one.key.startswith("forward") for one in verdict.mistakes) and returned:
        of = found.mistakes.get("backward.of")
        fits = of == "own" or "left out" in found.mistakes.values() and of != "names"
        verdict.notes.append(("backward fits" if fits else "backward right", {}))


def _agrees(mistakes: dict[str, str], seen: list[Observation]) -> bool:
    """The search ran with D = H; do the mistakes also give what was seen elsewhere? A tensor that came in
    another shape, as x and h exchanged give it, cannot be compared there."""
    for one in seen:
        result = Result(one.problem, mistakes)
        if one.h is not None and not same(one.h, result.states.h[1:]):
            return False
        for name, value in one.gradients.items():
            try:
                expected = result.tensor(name)
            except ValueError:                    # U for W, with D and H different
                return False
            if value.shape != expected.shape or not same(value, expected):
                return False
    return True


def _stage_of(name: str, network: str) -> str:
    key = DICTIONARY[network].get(name)
    if key is None or key.part == "path":
        return "through time" if key else "sums"
    if key.part in ("forward", "local"):
        return "forward" if key.part == "forward" else "one step"
    return "ends" if key.tensor in ("x", "h0", "c0") else "sums"


def _stages(verdict: Verdict, has_h: bool, returned: list[str], gives_dc0: bool) -> dict[str, str]:
    stages = dict.fromkeys(STAGES, "right")
    if not has_h:
        stages["forward"] = "not written"
    if not returned:
        stages.update({stage: "not written" for stage in STAGES[1:]})
    elif "delta" not in returned or len(returned) > 1:
        if not {"W", "U", "b"} <= set(returned):
            stages["sums"] = "not written" if not {"W", "U",
                                                   "b"} & set(returned) else "right, not all written"
        ends = {"x", "h0"} | ({"c0"} if verdict.network == "lstm" and gives_dc0 else set())
        if not ends <= set(returned):
            stages["ends"] = "not written" if not ends & set(returned) else "right, not all written"
    else:
        stages["sums"] = stages["ends"] = "not written"
    for one in verdict.mistakes:
        stages[_stage_of(one.key, verdict.network)] = "wrong"
    if verdict.verdict == "unknown":
        seen = verdict.where
        if seen["pass"] == "forward":
            stages["forward"] = "wrong"
        first = "one step" if seen["steps"] == "one step" else "through time"
        for stage in STAGES[STAGES.index(first):] if seen["pass"] == "backward" else ():
            stages[stage] = "?" if stages[stage].startswith("right") else stages[stage]
    return stages
