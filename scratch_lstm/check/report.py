"""A verdict as JSON, and as text in either language with as much of the answer as the hint allows."""

from __future__ import annotations

import math
from typing import Any

from .example import Example, example_of
from .judge import Verdict
from .naming import Named
from .pages import page
from .sentences import WORDS, how


def as_json(verdict: Verdict, language: str, declared: str = "ifgo") -> dict[str, Any]:
    """One object. `residual` is null where there is nothing to compare; "not_written", "notes" and "stages"
    say what the text says."""
    return {
        "verdict": verdict.verdict,
        "mistakes": [{"site": one.site, "gate": one.gate,
                      "how": how(one, verdict.network, language, declared),
                      "equation": one.equation, "page": page(one.section, language)}
                     for one in verdict.mistakes],
        "where": verdict.where,
        "residual": verdict.residual if math.isfinite(verdict.residual) else None,
        "not_written": verdict.missing,
        "notes": [note_text(code, details, language) for code, details in verdict.notes],
        "stages": verdict.stages,
    }


def note_text(code: str, details: dict[str, Any], language: str) -> str:
    """A note or an error in words."""
    filled = {name: "?" if value is None else value for name, value in details.items()}
    if code == "only D = H":
        inner = note_text(details["code"], details["details"], language)
        return WORDS[language].NOTES[code] + (f"（{inner}）" if language == "zh" else f" ({inner})")
    return WORDS[language].NOTES[code].format(**filled)


def as_text(verdict: Verdict, file: str, language: str, hint: int = 2, declared: str = "ifgo") -> str:
    """hint 1: where it is; 2: which equation and section, and an example; 3: also what is wrong."""
    words = WORDS[language]
    lines = [words.LINES["verdict"].format(file=file, verdict=words.VERDICTS[verdict.verdict])]
    lines += [words.LINES["stage"].format(stage=words.STAGES[stage], state=words.STATES[state])
              for stage, state in verdict.stages.items()]
    if verdict.missing:
        lines.append(words.LINES["missing"].format(names=", ".join(verdict.missing)))
    if verdict.verdict == "right" and math.isfinite(verdict.residual):
        lines.append(words.LINES["right"].format(residual=verdict.residual))
    for n, one in enumerate(verdict.mistakes, 1):
        lines += ["", *_mistake(n, one, verdict, language, hint, declared)]
    if verdict.mistakes:
        lines += ["", words.LINES["residual"].format(residual=max(verdict.residual, 1e-16))]
        lines += [words.LINES["hint"]] if hint < 3 else []
    if verdict.verdict == "unknown":
        lines += ["", words.LINES["unknown"], "  " + where_text(verdict.where, language)]
    notes = [note_text(code, details, language) for code, details in verdict.notes]
    return "\n".join(lines + ([""] + notes if notes else [])) + "\n"


def where_text(where: dict[str, Any], language: str) -> str:
    """What is known of a mistake that has no name."""
    words = WORDS[language].LINES
    return words["where"].format(
        pass_=words.get(where["pass"], words["none"]), steps=words.get(where["steps"], words["none"]),
        tensors=", ".join(name if name == "h" else f"d{name}" for name in where["tensors"]) or words["none"],
        gates=", ".join(where["gates"]) or words["none"])


def _mistake(n: int, one: Named, verdict: Verdict, language: str, hint: int, declared: str) -> list[str]:
    words = WORDS[language]
    places = [words.LINES["gate"].format(gates=", ".join(one.gates))] * bool(one.gates)
    places += [", ".join(f"d{name}" for name in one.tensors)] * bool(one.tensors)
    comma, site = ("，", words.SITES[one.site]) if language == "zh" else (", ", words.SITES[one.site])
    at = site + "".join(comma + place for place in places)
    lines = [words.LINES["mistake"].format(n=n, text=at)]
    lines += ["    " + how(one, verdict.network, language, declared)] * (hint == 3)
    if hint >= 2:
        lines.append("    " + words.LINES["equation"].format(equation=one.equation,
                                                             page=page(one.section, language)))
        example = example_of(one, verdict.network, verdict.found, ("h", *verdict.returned))
        lines += ["    " + line for line in example_lines(example, language)] if example else []
    return lines


def example_lines(example: Example, language: str) -> list[str]:
    """The example as a few rows of numbers."""
    words = WORDS[language].LINES

    def row(numbers: dict[str, list[float]], digits: str) -> str:
        return "  ".join(f"{name} = {' '.join(format(v, digits) for v in values)}" for name,
                         values in numbers.items())

    inputs = {f"{name} (i f g o)" if name in "WUb" and "c0" in example.inputs else name: values
              for name, values in example.inputs.items()}
    matrices = {name: values for name, values in inputs.items() if name[0] in "WUb"}
    vectors = {name: values for name, values in inputs.items() if name not in matrices}
    lines = [words["probe"].format(T=example.T, H=example.H), "    " + row(vectors, "g"),
             "    " + row(matrices, "g"),
             "    " + row(example.states, ".4f")]
    return lines + [words["should"].format(name=example.name, right=f"{example.right:.4f}",
                                           wrong=f"{example.wrong:.4f}")]
