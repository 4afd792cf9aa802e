"""From a notebook: check(forward, backward) shows the verdict as a table."""

from __future__ import annotations

import html
from collections.abc import Callable
from typing import Any

from .judge import Verdict, judge
from .look import Looker
from .naming import Named
from .pages import page
from .problem import GATES
from .program import Kept, Program, StudentError
from .report import as_json, as_text, remark_text, where_lines
from .sentences import WORDS, how


class Functions(Program, Kept):
    """Functions of a notebook in place of a file: they cannot be loaded anew for every problem."""

    def __init__(self, names: dict[str, Any]) -> None:
        self.path, self.settings, self.given, self._kept = "notebook", names, [], None

    def fresh(self) -> dict[str, Any]:
        return self.settings


class Shown:
    """A verdict that shows itself: as text, and in a notebook as a table."""

    def __init__(self, verdict: Verdict, language: str, hint: int, gates: str) -> None:
        self.verdict, self.language, self.hint, self.gates = verdict, language, hint, gates

    def __repr__(self) -> str:
        return as_text(self.verdict, "check", self.language, self.hint, self.gates).rstrip()

    @property
    def json(self) -> dict[str, Any]:
        """The same object as with --json."""
        return as_json(self.verdict, self.language, self.gates)

    def _repr_html_(self) -> str:
        words, verdict = WORDS[self.language], self.verdict
        rows = [(words.STAGES[stage], words.STATES[state]) for stage, state in verdict.stages.items()]
        rows += [(words.SITES[one.site], self._cell(one)) for one in verdict.mistakes]
        if verdict.verdict == "unknown":
            rows += [("", line) for line in where_lines(verdict.where, self.language)]
        rows += [("", remark_text(code, details, self.language)) for code, details in verdict.remarks]
        body = "".join(f"<tr><td>{html.escape(left)}</td><td>{html.escape(right)}</td></tr>" for left,
                       right in rows)
        head = html.escape(words.VERDICTS[verdict.verdict])
        return f"<table><tr><th colspan=2>{head}</th></tr>{body}</table>"

    def _cell(self, one: Named) -> str:
        place = f"{one.equation}, {page(one.section, self.language)}"
        return {1: ", ".join(one.gates) or "-", 2: place}.get(
            self.hint, f"{how(one, self.verdict.network, self.language, self.gates)} {place}")


def check(forward: Callable[..., Any] | None = None, backward: Callable[..., Any] | None = None, *,
          delta: Callable[..., Any] | None = None,
          network: str = "lstm", gates: str = GATES, language: str = "en", hint: int = 2) -> Shown:
    """Check functions of the plain form: forward(x, h0, c0, W, U, b) -> h, cache and backward(dh, cache) ->
    dict, or delta(dh, cache); the RNN's forward is without c0. The result shows itself in a notebook.

    network: "lstm" or "rnn". gates: the order in which W, U, b are stacked. language: "en" or "zh". hint: 1
    says where a mistake is, 2 also the equation, 3 what is wrong. Functions that keep something between two
    calls are called a second time with the first problem: if the answers differ, the verdict says so. Raises
    ValueError for a network, gates, a language or a hint that there is not. """
    if language not in WORDS or hint not in (1, 2, 3):
        raise ValueError(f"language {language!r}, hint {hint!r}: there are {', '.join(WORDS)} and 1, 2, 3")
    given = {"forward": forward, "backward": backward, "delta": delta}
    names = {"NETWORK": network, "GATES": gates, **{name: f for name, f in given.items() if f is not None}}
    try:
        look = Looker(Functions(names))
    except StudentError as problem:
        raise ValueError(remark_text(problem.code, problem.details, language)) from None
    return Shown(judge(look), language, hint, gates)
