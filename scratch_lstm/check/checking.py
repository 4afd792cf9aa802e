"""From the text of a file to its verdict: the form that the file names, and the judge."""

from __future__ import annotations

from typing import Any

from .blindness import Blindness, blindness
from .evidence import NOT_LOOKED_AT, STAGES
from .forms_batch import BATCHED
from .forms_loss import LOSS, of_any_loss
from .forms_torch import TORCH
from .judge import Verdict, judge
from .known import Remarks
from .look import PLAIN, Form, Looker
from .problem import GATES
from .program import NotWritten, Program, StudentError, call, function_of

FORMS: dict[str, Form] = {"plain": PLAIN, **BATCHED, "torch": TORCH, "loss": LOSS}


def check_source(source: str, path: str) -> tuple[Verdict, str]:
    """The verdict on the text of a file, and the order of the gates that the file names."""
    try:
        program = Program(source, path)
        form = program.setting("FORM", "plain")
        if not isinstance(form, str) or form not in FORMS:
            raise StudentError("form", value=form, known=", ".join(sorted(FORMS)))
        if form == "loss" and program.setting("PARAMETERS", None) is not None:
            return _any_loss(program), "ifgo"
        look = Looker(program, FORMS[form])
        return judge(look), look.gates
    except NotWritten:
        return Verdict("error", remarks=[("nothing written", {})]), "ifgo"
    except StudentError as problem:
        return Verdict("error", remarks=[(problem.code, problem.details)]), "ifgo"


def look_at_check(source: str, path: str) -> Blindness | Verdict:
    """What the check of a file, check(forward, backward) -> bool, cannot see; an error as a verdict."""
    try:
        program = Program(source, path)
        theirs = function_of(program.fresh(), "check")

        def check(forward: Any, backward: Any) -> bool:
            accepted = call(program.path, "check", theirs, forward, backward)
            if accepted is None:
                raise StudentError("no answer")
            return bool(accepted)

        return blindness(check, program.network, program.gates if program.network == "lstm" else GATES)
    except NotWritten:
        return Verdict("error", remarks=[("nothing written", {})])
    except StudentError as problem:
        return Verdict("error", remarks=[(problem.code, problem.details)])


def _any_loss(program: Program) -> Verdict:
    """The verdict on gradients of a loss of the file's own, from differences of that loss."""
    where, worst = of_any_loss(program)
    compared = [*where.tensors, *where.right, *where.cannot_tell]
    missing = [str(name) for name in program.settings["PARAMETERS"] if str(name) not in compared]
    if not compared:
        return Verdict("error", remarks=[("nothing written", {})])
    remarks: Remarks = [("any loss", {})]
    if where.cannot_tell and not where.tensors:
        names = ", ".join(f"d{name}" for name in where.cannot_tell)
        return Verdict("error", where=where, remarks=[("not smooth", {"names": names})], missing=missing)
    verdict = "unknown" if where.tensors else "incomplete" if missing else "right"
    return Verdict(verdict, where=where, residual=float("inf") if where.tensors else worst, missing=missing,
                   returned=compared, remarks=remarks, stages=dict.fromkeys(STAGES, NOT_LOOKED_AT))
