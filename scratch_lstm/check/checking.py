"""From the text of a file to its verdict: the form that the file names, and the judge."""

from __future__ import annotations

from typing import Any

from .blindness import Blindness, blindness
from .forms_batch import BATCHED
from .forms_loss import LOSS, of_any_loss
from .forms_torch import TORCH
from .judge import Verdict, judge
from .look import PLAIN, Form, Looker
from .problem import GATES
from .program import NotWritten, Program, StudentError, call, function_of

DIFFERENCES = 1e-7       # what central differences can be trusted to, see derivations/, page 10
FORMS: dict[str, Form] = {"plain": PLAIN, **BATCHED, "torch": TORCH, "loss": LOSS}


def check_source(source: str, path: str) -> tuple[Verdict, str]:
    """The verdict on the text of a file, and the order of the gates that the file names."""
    try:
        program = Program(source, path)
        form = program.setting("FORM", "plain")
        if not isinstance(form, str) or form not in FORMS:
            raise StudentError("form", value=form, known=", ".join(sorted(FORMS)))
        if form == "loss" and program.setting("PARAMETERS", None) is not None:
            errors = of_any_loss(program)
            missing = [str(name) for name in program.settings["PARAMETERS"] if name not in errors]
            return _any_loss(errors, missing), "ifgo"
        look = Looker(program, FORMS[form])
        return judge(look), look.gates
    except NotWritten:
        return Verdict("error", notes=[("nothing written", {})]), "ifgo"
    except StudentError as problem:
        return Verdict("error", notes=[(problem.code, problem.details)]), "ifgo"


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
        return Verdict("error", notes=[("nothing written", {})])
    except StudentError as problem:
        return Verdict("error", notes=[(problem.code, problem.details)])


def _any_loss(errors: dict[str, float], missing: list[str]) -> Verdict:
    """The verdict on gradients of a loss of the file's own, from differences of that loss."""
    if not errors:
        return Verdict("error", notes=[("nothing written", {})])
    wrong = [name for name, error in errors.items() if not error <= DIFFERENCES]
    verdict = Verdict("unknown" if wrong else "right", residual=max(errors.values()), missing=missing,
                      notes=[("any loss", {})])
    verdict.where = {"pass": "backward" if wrong else None, "tensors": wrong, "gates": [], "steps": None}
    return verdict
