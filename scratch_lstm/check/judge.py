"""The verdict on a file: right, incomplete, wrong with the mistakes named, unknown, or error.

What is said has been seen. A name is given only where the named mistakes reproduce everything that the file
returned to 1e-9, on problems that the search never saw; "right" is said only of what was compared and agrees;
what a file does by design (its states start from zero, it clips at the end) is a remark.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field

import numpy as np

from .clip import clipping
from .dictionary import DICTIONARY
from .evidence import INHERITS, NOT_LOOKED_AT, NOT_WRITTEN, RIGHT, SUMS, WRONG, Evidence, Where
from .known import Remarks, plain_remarks, rows_of_h, written_order
from .look import LARGE, Looker
from .naming import Named, named, plainer
from .observation import BOUND, Observation, same
from .own_forward import against_own_forward
from .precision import only_rounding_of_float32
from .problem import TENSORS, Array, Problem
from .program import StudentError
from .search import Found, backward_mistakes, forward_mistakes, residual
from .tensors import Result

PROBLEMS = ((1, 3, 2), (2, 2, 3), (3, 4, 2), (9, 3, 3), (30, 2, 2))     # T, H, D


@dataclass
class Verdict:
    """`residual` is the error of what is claimed: of the file itself if right, else of the named mistakes
    together; inf where nothing was found. `stages` maps each stage to its state, see evidence.py; `missing`
    is what a complete file has and this one has not. `base` are the mistakes of the forward pass, None where
    it is wrong and they are not known; `design` is what was found and is a remark, no mistake."""

    verdict: str
    network: str = "lstm"
    mistakes: list[Named] = field(default_factory=list)
    found: dict[str, str] = field(default_factory=dict)
    where: Where = field(default_factory=Where)
    residual: float = float("inf")
    missing: list[str] = field(default_factory=list)
    returned: list[str] = field(default_factory=list)
    remarks: Remarks = field(default_factory=list)
    stages: dict[str, str] = field(default_factory=dict)
    base: dict[str, str] | None = field(default_factory=dict)
    design: dict[str, str] = field(default_factory=dict)


def judge(look: Looker, seed: int = 0) -> Verdict:
    """The verdict; StudentError becomes the verdict "error" with a remark that says why."""
    try:
        return _judge(look, seed)
    except StudentError as problem:
        return Verdict("error", remarks=[(problem.code, problem.details)])


def _judge(look: Looker, seed: int) -> Verdict:
    remarks = look.settle(seed)
    seen = _observations(look, seed, remarks)
    returned = sorted({name for one in seen for name in (*one.gradients, *one.misshapen, *one.whole)},
                      key=written_order)
    if seen[0].h is None and not returned:
        raise StudentError("nothing written", missing=sorted(look.missing, key=written_order))
    verdict = Verdict("right", look.network, returned=returned, missing=_missing(look, returned),
                      remarks=remarks + plain_remarks(seen), residual=residual({}, seen))
    float32 = verdict.residual > BOUND and only_rounding_of_float32(look, seen)
    if float32:
        verdict.remarks.append(("float32", {"error": verdict.residual}))
    elif verdict.residual > BOUND:
        _name(verdict, look, seen, seed)
    if returned:
        _judge_the_numbers(verdict, look, seen, seed)
    if verdict.verdict == "unknown" and verdict.base is not None:
        _look_between(verdict, look, seen, seed)
    evidence = _evidence(verdict, look, seen, seed, 1e-4 if float32 else BOUND)
    verdict.stages = _stages(verdict, evidence, seen, look)
    if verdict.verdict in ("wrong", "unknown"):
        verdict.where = evidence.where()
        verdict.where.own = verdict.base is None or bool(verdict.base)
        if verdict.stages["forward"] == WRONG:
            verdict.where.pass_ = "forward"
    if verdict.verdict == "right" and (seen[0].h is None or not set(SUMS) <= set(returned)):
        verdict.verdict = "incomplete"
    elif verdict.verdict == "right" and verdict.missing:
        verdict.remarks.append(("not returned", {"names": _list(tuple(verdict.missing))}))
    return verdict


def _observations(look: Looker, seed: int, remarks: Remarks) -> list[Observation]:
    """What the file gives on each problem that it can run; what it cannot run is a remark. Raises
    StudentError where no problem with several steps is left."""
    seen: list[Observation] = []
    failed: dict[int | str, StudentError] = {}
    for T, H, D in PROBLEMS:
        for size in dict.fromkeys(((T, H, D), (T, H, H))):
            try:
                seen.append(look(*size, seed + 7))
            except StudentError as problem:
                failed.setdefault(T, problem)
                continue
            if T in failed:
                failed["only D = H"] = failed.pop(T)
            break
    look.two_for_one = 1 in failed
    first = next(iter(failed.values()), None)
    if first is not None and not any(len(one.problem.x) > 2 for one in seen):
        raise failed.get(3, first)
    for what, reason in failed.items():
        code, details = ("fails at", {"T": what}) if isinstance(what, int) else (what, {})
        remarks.append((code, {**details, "code": reason.code, "details": reason.details}))
    return seen


def _look_between(verdict: Verdict, look: Looker, seen: list[Observation], seed: int) -> None:
    """Where all is right up to some T and wrong at a much larger one: the T in between."""
    where = _evidence(verdict, look, seen, seed, BOUND).where()
    for T in range((where.up_to or 0) + 1, where.least or 0) if where.up_to else ():
        with contextlib.suppress(StudentError):
            seen.append(look(T, 3, 3, seed + 7))


def _missing(look: Looker, returned: list[str]) -> list[str]:
    """What a complete file has and this one has not: functions; gradients, if it returns some."""
    functions = look.missing - {*TENSORS[look.network]}
    if not returned:
        return sorted(functions or look.missing, key=written_order)
    if returned == ["delta"]:
        return sorted({*functions, "backward"}, key=written_order)
    return sorted(functions | (set(SUMS) | _ends(look)) - set(returned), key=written_order)


def _ends(look: Looker) -> set[str]:
    """The gradients of x and of the first states that a complete file gives."""
    states = set() if look.zero_start else {"h0", "c0"} & set(TENSORS[look.network])
    return {"x"} | states - (set() if look.form.gives_dc0 else {"c0"})


def _name(verdict: Verdict, look: Looker, seen: list[Observation], seed: int) -> None:
    """Search for the mistakes."""
    if residual({}, seen, ("h",)) > BOUND:
        base = forward_mistakes(look, seed)
        verdict.base = base.mistakes if base and residual(base.mistakes, seen, ("h",)) <= BOUND else None
    found: Found | None = None
    if verdict.base is not None:
        found = Found(verdict.base, 0.0)
        if any(one.gradients or one.misshapen for one in seen):
            try:
                found = backward_mistakes(look, seed, verdict.base)
            except StudentError:                  # it cannot run one of the search's problems
                found = None
    names = sorted({name for one in seen for name in one.gradients})
    possible = [] if found is None else [*plainer(look.network, found.mistakes, names), found.mistakes]
    verdict.found = next((one for one in possible if one and _agrees(one, seen)), {})
    if not verdict.found:
        verdict.verdict = "unknown"
        if verdict.base:
            verdict.mistakes = named(look.network, verdict.base, names)
            verdict.remarks.append(("forward known", {}))
        elif verdict.base is None:
            verdict.remarks += rows_of_h(seen)
        return
    verdict.verdict, verdict.residual = "wrong", residual(verdict.found, seen)
    verdict.mistakes = named(look.network, verdict.found, names)
    if verdict.base and all(one.key.startswith("forward") for one in verdict.mistakes) and names:
        of = verdict.found.get("backward.of")
        fits = of == "own" or "left out" in verdict.found.values() and of != "names"
        verdict.remarks.append(("backward fits" if fits else "backward right", {}))


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
            if not same(value, expected):
                return False
    return True


def _judge_the_numbers(verdict: Verdict, look: Looker, seen: list[Observation], seed: int) -> None:
    """A mean together with a loss at the last step, clips, whole numbers, sums that start from something."""
    means = [one for one in verdict.mistakes if one.value in ("mean", "mean over T")
             or one.value == "half" and look.form.batch == 2]
    if look.last_loss and means and set(SUMS) <= {name for one in means for name in one.tensors}:
        verdict.mistakes = [one for one in verdict.mistakes if one not in means]
        values = {one.value for one in means}
        verdict.design = {name: value for name, value in verdict.found.items()
                          if name.rpartition(".")[0] in ("sum", "scale") and value in values}
        verdict.remarks.append(("mean over the batch" if means[0].value == "half" else "mean over T", {}))
    for name in sorted(look.added & set(verdict.returned), key=written_order):
        equation, section = next((key.equation, key.section) for key in DICTIONARY[look.network].values()
                                 if key.tensor == name)
        verdict.mistakes.append(Named("sum-over-time", "start", "not zero", "", (name,), equation, section))
    if verdict.verdict != "unknown":
        clip = clipping(look, verdict.found, seed)
        if clip and clip.kind in ("", "inside"):
            verdict.mistakes += [clip.mistake] if clip.mistake else []
            verdict.remarks += [] if clip.mistake else [("not linear", {"names": _list(clip.names)})]
            verdict.verdict = "wrong" if clip.mistake else "unknown"
            seen.append(look(3, 3, 3, seed + 11, LARGE))
        elif clip:
            verdict.remarks.append((f"clip {clip.kind}", {"limit": clip.limit, "names": _list(clip.names)}))
    if verdict.verdict != "unknown":
        _whole_numbers(verdict, look, seed)
    if verdict.verdict == "unknown":                      # what is withdrawn is withdrawn everywhere
        verdict.mistakes = verdict.mistakes if verdict.base and not verdict.found else []
        verdict.found, verdict.residual = {}, residual({}, seen)
        verdict.remarks += [("added", {"names": _list(tuple(look.added))})] if look.added else []
    else:
        verdict.verdict = "wrong" if verdict.mistakes else "right"


def _list(names: tuple[str, ...]) -> str:
    return ", ".join(f"d{name}" for name in sorted(names, key=written_order))


def _whole_numbers(verdict: Verdict, look: Looker, seed: int) -> None:
    """A gradient in whole numbers: with a large dh it is what it should be, without what stands behind the
    point; then that is the mistake."""
    large = look(3, 3, 3, seed + 11, LARGE)
    for name, value in large.whole.items():
        expected = Result(large.problem, verdict.found).tensor(name)
        key = next(key for key in DICTIONARY[look.network].values() if key.tensor == name)
        one = Named("number-kind", "whole", "numbers", "", (name,), key.equation, key.section)
        if not np.any(value):
            one = Named("never-filled", f"filled.{name}", "zero", "", (name,), key.equation, key.section)
        elif not any(np.array_equal(value, cut(expected)) for cut in (np.trunc, np.rint, np.floor)):
            verdict.verdict = "unknown"
            return
        verdict.mistakes.append(one)


def _evidence(verdict: Verdict, look: Looker, seen: list[Observation], seed: int, bound: float) -> Evidence:
    """The comparisons of the gradients: with the textbook's; where the forward pass is wrong, with those that
    belong to it."""
    if verdict.base is None:
        try:
            return against_own_forward(look, seed)
        except StudentError:
            return Evidence([])
    mistakes = {**verdict.design, **verdict.base, **({"backward.of": "own"} if verdict.base else {})}
    results: dict[int, Result] = {}

    def reference(problem: Problem, name: str) -> Array:
        return results.setdefault(id(problem), Result(problem, mistakes)).tensor(name)

    return Evidence.of(seen, reference, bound, look.added)


def _stages(verdict: Verdict, evidence: Evidence, seen: list[Observation], look: Looker) -> dict[str, str]:
    """The state of each stage; where the mistakes are named, also what they prove of the other stages."""
    forward = NOT_WRITTEN if seen[0].h is None else RIGHT if verdict.base == {} else WRONG
    stages = {"forward": forward, **evidence.stages(
        verdict.returned, _ends(look) | {"h0", "c0"} & set(verdict.returned))}
    if verdict.verdict == "wrong":
        wrong = {_stage_of(one, verdict.network) for one in verdict.mistakes}
        proven = any(np.any(value) for one in seen for value in one.gradients.values())
        for stage, state in stages.items():
            if stage in wrong:
                stages[stage] = WRONG
            elif state in (NOT_LOOKED_AT, WRONG):             # all that is not zero comes out of the mistakes
                stages[stage] = INHERITS if proven else NOT_LOOKED_AT
    return stages


def _stage_of(one: Named, network: str) -> str:
    key = DICTIONARY[network].get(one.key)
    if one.key == "clipped inside" or key is not None and key.part == "path":
        return "through time"
    if key is not None and key.part in ("forward", "local"):
        return "forward" if key.part == "forward" else "one step"
    return "ends" if set(one.tensors) & {"x", "h0", "c0"} else "sums"
