"""The verdict on a file: right, incomplete, wrong with the mistakes named, unknown, or error.

What is said has been seen. A name is given only where the named mistakes reproduce everything that the file
returned to 1e-9, on problems that the search never saw; "right" is said only of what was compared and agrees;
what a file does by design (its states start from zero, it clips at the end) is a remark.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field, replace

import numpy as np

from .clip import clipping, not_linear
from .dictionary import DICTIONARY
from .evidence import INHERITS, NOT_LOOKED_AT, NOT_WRITTEN, RIGHT, SUMS, WRONG, Evidence, Pair, Where
from .known import Remarks, listed, plain_remarks, rows_of_h, written_order
from .look import LARGE, Looker
from .naming import Named, named, plainer
from .observation import BOUND, Observation, error, same
from .own_forward import against_own_forward
from .precision import rounded
from .problem import GATES, TENSORS, Array, Problem
from .program import Kept, StudentError
from .search import Found, backward_mistakes, forward_mistakes, leaves_out_a_gate, residual, wrong_in
from .tensors import Result

PROBLEMS = ((1, 3, 2), (2, 2, 3), (3, 4, 2), (9, 3, 3), (30, 2, 2))     # T, H, D


@dataclass
class Verdict:
    """`residual` is the error of what is claimed: of the file itself if right, else of the named mistakes
    together; inf where nothing was found. `stages` maps each stage to its state, see evidence.py; `missing`
    is what a complete file has and this one has not. `base` are the mistakes of the forward pass, None where
    it is wrong and they are not known; `design` is what was found and is a remark, no mistake;
    `rounded` are the tensors that are right but for the rounding of float32."""

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
    rounded: set[str] = field(default_factory=set)


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
    if verdict.residual > BOUND:
        verdict.rounded = rounded(look, seen)
        _name(verdict, look, seen, seed)
    wrong = set(look.added)
    if returned:
        wrong |= _judge_the_numbers(verdict, look, seed)
    if verdict.verdict == "unknown" and verdict.base is not None:
        _look_between(verdict, look, seen, seed)
    evidence = _evidence(verdict, look, seen, seed, wrong)
    if verdict.verdict in ("wrong", "unknown"):
        evidence.pairs += _where_dh_is_large(look, seed, returned)
    verdict.stages = _stages(verdict, evidence, seen, look)
    if verdict.verdict in ("wrong", "unknown"):
        verdict.where = evidence.where()
        verdict.where.own = verdict.base is None or bool(verdict.base)
        if verdict.stages["forward"] == WRONG:
            verdict.where.pass_ = "forward"
    if verdict.verdict == "right" and (seen[0].h is None or not set(SUMS) <= set(returned)):
        verdict.verdict = "incomplete"
    elif verdict.verdict == "right" and verdict.missing:
        verdict.remarks.append(("not returned", {"names": listed(verdict.missing)}))
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
    where = _evidence(verdict, look, seen, seed, set()).where()
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
    off = {name for one in seen for name in wrong_in(one)}
    if off and off <= verdict.rounded:
        verdict.remarks.append(("float32", {"error": verdict.residual}))
        return
    if verdict.rounded or any(one.single for one in seen):
        verdict.remarks.append(("float32 inside", {}))
    if residual({}, seen, ("h",)) > BOUND and "h" not in verdict.rounded:
        base = forward_mistakes(look, seed)
        verdict.base = base.mistakes if base and residual(base.mistakes, seen, ("h",)) <= BOUND else None
    found: Found | None = None
    if verdict.base is not None and not verdict.rounded:
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
    verdict.verdict, verdict.residual = "wrong", residual(verdict.found, seen, shapes=False)
    verdict.mistakes = named(look.network, verdict.found, names)
    if verdict.base and all(one.key.startswith("forward") for one in verdict.mistakes) and names:
        of = verdict.found.get("backward.of")
        fits = of == "own" or leaves_out_a_gate(verdict.found) and of != "names"
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


def _judge_the_numbers(verdict: Verdict, look: Looker, seed: int) -> set[str]:
    """A mean together with a loss at the last step, clips, whole numbers, what is added, the sequences of a
    batch, a second call. Returns the gradients that are wrong for one of these reasons."""
    means = [one for one in verdict.mistakes if one.value in ("mean", "mean over T")
             or one.value == "half" and look.form.batch == 2]
    if look.last_loss and means and set(SUMS) <= {name for one in means for name in one.tensors}:
        verdict.mistakes = [one for one in verdict.mistakes if one not in means]
        values = {one.value for one in means}
        verdict.design = {name: value for name, value in verdict.found.items()
                          if name.rpartition(".")[0] in ("sum", "scale") and value in values}
        verdict.remarks.append(("mean over the batch" if "half" in values else "mean over T", {}))
    if added := sorted(look.added & set(verdict.returned), key=written_order):
        verdict.mistakes.append(replace(_of_tensor("sum-over-time", "start", "not zero", added[0]),
                                        tensors=tuple(added)))
    uneven = look.uneven(seed) if look.form.batch == 2 else {}
    verdict.mistakes += [_of_tensor("batch", "batch", "first only", name)
                         for name, nothing in uneven.items() if nothing and name in SUMS]
    if any(not nothing or name not in SUMS for name, nothing in uneven.items()):
        verdict.verdict = "unknown"
        verdict.remarks.append(("batch", {"names": listed(uneven)}))
    clip = None if verdict.verdict == "unknown" else clipping(look, verdict.found, seed)
    if clip and clip.kind in ("", "inside"):
        verdict.mistakes += [clip.mistake] if clip.mistake else []
        verdict.verdict = "wrong" if clip.mistake else "unknown"
    elif clip:
        verdict.remarks.append((f"clip {clip.kind}", {"limit": clip.limit, "names": clip.said}))
    random = ("random", {}) in verdict.remarks
    if verdict.verdict == "unknown" and not (clip and clip.kind) and not random:
        names = [name for name in verdict.returned if name in not_linear(look, 3, seed)]
        verdict.remarks += [("not linear", {"names": listed(names)})] if names else []
    if verdict.verdict != "unknown":
        _whole_numbers(verdict, look, seed)
    if isinstance(look.program, Kept) and random:
        verdict.remarks = [("keeps state", {})]
        verdict.verdict = "unknown"
    elif not random and look.answers_change(seed):
        verdict.remarks.append(("another call", {}))
    if verdict.verdict == "unknown":                      # what is withdrawn is withdrawn everywhere
        verdict.mistakes = [one for one in verdict.mistakes if one.key in (verdict.base or {})]
        verdict.found = {}
        verdict.remarks += [("added", {"names": listed(look.added)})] if look.added else []
    else:
        verdict.verdict = "wrong" if verdict.mistakes else "right"
    return set(uneven)


def _of_tensor(site: str, key: str, value: str, tensor: str) -> Named:
    """A mistake of one gradient that is in no hypothesis, with the equation of that gradient."""
    equation, section = {"W": ("(6.40)", "2.5"), "U": ("(6.39)", "2.4"), "b": ("(6.41)", "2.5"),
                         "c0": ("(6.51)", "7.5")}.get(tensor, ("(6.36)", "2.6"))
    return Named(site, key, value, "", (tensor,), equation, section)


def _whole_numbers(verdict: Verdict, look: Looker, seed: int) -> None:
    """A gradient in whole numbers: with a large dh it is what it should be, without what stands behind the
    point; then that is the mistake."""
    large = look(3, 3, 3, seed + 11, LARGE)
    for name, value in large.whole.items():
        expected = Result(large.problem, verdict.found).tensor(name)
        if not np.any(value):
            verdict.mistakes.append(_of_tensor("never-filled", f"filled.{name}", "zero", name))
        elif any(np.array_equal(value, cut(expected)) for cut in (np.trunc, np.rint, np.floor)):
            verdict.mistakes.append(_of_tensor("number-kind", "whole", "numbers", name))
        else:
            verdict.verdict = "unknown"


def _where_dh_is_large(look: Looker, seed: int, returned: list[str]) -> list[Pair]:
    """The gradients that are not proportional to dh, at T = 1 and 3: there they are wrong."""
    pairs = []
    for T in (1, 3):
        with contextlib.suppress(StudentError):
            for name, (value, expected) in not_linear(look, T, seed).items():
                problem = look(T, 3, 3, seed + 11, LARGE).problem
                pairs.append(Pair(name, problem, value, expected, False, large=True))
    return pairs


def _evidence(verdict: Verdict, look: Looker, seen: list[Observation], seed: int,
              wrong: set[str]) -> Evidence:
    """The comparisons of the gradients: with the textbook's; where the forward pass is wrong, with those that
    belong to it."""
    if verdict.base is None:
        try:
            return against_own_forward(look, seed, wrong)
        except StudentError:
            return Evidence([])
    mistakes = {**verdict.design, **verdict.base, **({"backward.of": "own"} if verdict.base else {})}
    results: dict[int, Result] = {}

    def reference(problem: Problem, name: str) -> Array:
        return results.setdefault(id(problem), Result(problem, mistakes)).tensor(name)

    return Evidence.of(seen, reference, verdict.rounded, wrong)


# for each stage mistakes that every gradient which could show one shows
PROBES = {"one step": [{f"slope.{gate}": "squared"} for gate in GATES] + [{"slope": "squared"}],
          "through time": [{"path.h": "not transposed"}, {"path.c": "without f"}],
          "sums": [{f"scale.{name}": "half"} for name in SUMS],
          "ends": [{f"scale.{name}": "half"} for name in ("x", "h0", "c0")]}


def _stages(verdict: Verdict, evidence: Evidence, seen: list[Observation], look: Looker) -> dict[str, str]:
    """The state of each stage. Where the mistakes are named they prove something of the other stages too: all
    that was seen comes out of them, and with a mistake of that stage it would not."""
    forward = NOT_WRITTEN if seen[0].h is None else RIGHT if verdict.base == {} else WRONG
    if any(pair.name == "h" for pair in evidence.pairs):
        forward = WRONG
    stages = {"forward": forward, **evidence.stages(
        verdict.returned, _ends(look) | {"h0", "c0"} & set(verdict.returned))}
    if verdict.verdict == "wrong":
        wrong = {_stage_of(one, verdict.network) for one in verdict.mistakes}
        for stage, state in stages.items():
            if stage in wrong:
                stages[stage] = WRONG
            elif state in (NOT_LOOKED_AT, WRONG):
                shown = all(_shows(probe, verdict, seen) for probe in PROBES[stage]
                            if next(iter(probe)) in DICTIONARY[verdict.network]
                            and (stage != "ends" or next(iter(probe))[6:] in verdict.returned))
                stages[stage] = INHERITS if shown else NOT_LOOKED_AT
    return stages


def _shows(probe: dict[str, str], verdict: Verdict, seen: list[Observation]) -> bool:
    """Whether one of the gradients would be another one if this mistake were there too."""
    one = next(one for one in seen if 2 < len(one.problem.x) < 9)
    without, with_it = Result(one.problem, verdict.found), Result(one.problem, {**verdict.found, **probe})
    return any(error(with_it.tensor(name), without.tensor(name)) > 1e-6 for name in one.gradients)


def _stage_of(one: Named, network: str) -> str:
    key = DICTIONARY[network].get(one.key)
    if one.key == "clipped inside" or key is not None and key.part == "path":
        return "through time"
    if key is not None and key.part in ("forward", "local"):
        return "forward" if key.part == "forward" else "one step"
    return "ends" if set(one.tensors) & {"x", "h0", "c0"} else "sums"
