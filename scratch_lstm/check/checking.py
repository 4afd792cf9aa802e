"""From the text of a file to its verdict: the form that the file names, and the judge."""

from __future__ import annotations

from .forms_batch import BATCHED
from .forms_loss import LOSS
from .forms_torch import TORCH
from .judge import Verdict, judge
from .look import PLAIN, Form, Looker
from .program import NotWritten, Program, StudentError

FORMS: dict[str, Form] = {"plain": PLAIN, **BATCHED, "torch": TORCH, "loss": LOSS}


def check_source(source: str, path: str) -> tuple[Verdict, str]:
    """The verdict on the text of a file, and the order of the gates that the file names."""
    try:
        program = Program(source, path)
        form = program.setting("FORM", "plain")
        if form not in FORMS:
            raise StudentError("form", value=form, known=", ".join(sorted(FORMS)))
        look = Looker(program, FORMS[form])
        return judge(look), look.gates
    except NotWritten:
        return Verdict("error", notes=[("nothing written", {})]), "ifgo"
    except StudentError as problem:
        return Verdict("error", notes=[(problem.code, problem.details)]), "ifgo"
