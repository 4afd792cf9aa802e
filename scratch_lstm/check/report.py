"""A verdict as JSON, and as text in either language with as much of the answer as the hint allows."""

from __future__ import annotations

import math
import textwrap
from typing import Any

from .evidence import FROM_DELTAS, NOT_WRITTEN, Where
from .example import Example, example_of
from .judge import Verdict
from .naming import Named
from .pages import page
from .sentences import WORDS, how

VERSION = 2             # of the object of --json: another object has another number
WIDTH = 80
FUNCTIONS = ("forward", "backward", "cell_forward", "cell_backward")
STAGE_NAMES = {"sums": ("W", "U", "b"), "ends": ("x", "h0", "c0")}


def as_json(verdict: Verdict, language: str, declared: str = "ifgo") -> dict[str, Any]:
    """One object. `residual` is null where there is nothing to compare; "remarks", "missing", "where" and
    "stages" say what the text says."""
    return {
        "version": VERSION,
        "verdict": verdict.verdict,
        "network": verdict.network,
        "remarks": [remark_text(code, details, language) for code, details in verdict.remarks],
        "mistakes": [{"site": one.site, "gate": one.gate,
                      "how": how(one, verdict.network, language, declared),
                      "equation": one.equation, "page": page(one.section, language)}
                     for one in verdict.mistakes],
        "stages": verdict.stages,
        "where": verdict.where.as_dict(),
        "residual": verdict.residual if math.isfinite(verdict.residual) else None,
        "missing": verdict.missing,
    }


def remark_text(code: str, details: dict[str, Any], language: str) -> str:
    """A remark or an error in words."""
    words = WORDS[language]
    filled = {name: "?" if value is None else value for name, value in details.items()}
    if code == "shape of h" and filled.get("rows"):
        return words.REMARKS[f"h: {filled['rows']}"].format(**filled)
    if code in ("only D = H", "fails at"):
        inner = remark_text(details["code"], details["details"], language)
        return words.REMARKS[code].format(**filled) + (f"（{inner}）" if language == "zh" else f" ({inner})")
    return words.REMARKS[code].format(**filled)


def as_text(verdict: Verdict, file: str, language: str, hint: int = 2, declared: str = "ifgo") -> str:
    """hint 1: where it is; 2: which equation and section, and an example; 3: also what is wrong."""
    words = WORDS[language]
    lines = [words.LINES["verdict"].format(file=file, verdict=words.VERDICTS[verdict.verdict])]
    states = {stage: _state(verdict, stage, state, language) for stage, state in verdict.stages.items()}
    lines += [words.LINES["stage"].format(stage=words.STAGES[stage], state=state)
              for stage, state in states.items()]
    if verdict.missing and verdict.verdict != "right":
        lines.append(words.LINES["missing"].format(names=", ".join(map(_gradient, verdict.missing))))
    if verdict.verdict in ("right", "incomplete") and math.isfinite(verdict.residual):
        lines.append(words.LINES["right"].format(residual=verdict.residual))
    for n, one in enumerate(verdict.mistakes, 1):
        lines += ["", *_mistake(n, one, verdict, language, hint, declared)]
    if verdict.mistakes:
        if verdict.verdict == "wrong":
            lines += ["", words.LINES["residual"].format(residual=max(verdict.residual, 1e-16))]
        lines += [words.LINES["hint"]] if hint < 3 else []
    if verdict.verdict == "unknown":
        lines += ["", words.LINES["unknown too" if verdict.mistakes else "unknown"]]
        lines += ["  " + line for line in where_lines(verdict.where, language)]
    remarks = [remark_text(code, details, language) for code, details in verdict.remarks]
    return "\n".join(lines + ([""] + remarks if remarks else [])) + "\n"


def _state(verdict: Verdict, stage: str, state: str, language: str) -> str:
    """The state of a stage; of one that is written in part, what is missing."""
    words = WORDS[language]
    names = [name for name in STAGE_NAMES.get(stage, ()) if name in verdict.missing]
    if state == NOT_WRITTEN and names and set(STAGE_NAMES[stage]) & set(verdict.returned):
        return words.LINES["part"].format(names=", ".join(map(_gradient, names)))
    return words.STATES[state]


def _gradient(name: str) -> str:
    """A gradient has a d before its name; a function has not."""
    return name if name in ("h", "delta", "loss", *FUNCTIONS) else f"d{name}"


def where_lines(where: Where, language: str) -> list[str]:
    """What is known of a mistake that has no name: a line for each thing that was seen."""
    words, lines = WORDS[language].LINES, []
    comma = "、" if language == "zh" else ", "

    def names(of: list[str]) -> str:
        return comma.join(map(_gradient, of))

    if where.pass_ == "forward":
        lines.append(words["h is another"])
    if where.own and (where.tensors or where.right or where.cannot_tell):
        lines.append(words["own forward" if where.pass_ == "forward" else "own loss"])
    if where.tensors:
        lines.append(words["wrong"].format(names=names(where.tensors)))
    if where.own and where.right and not where.tensors and not where.cannot_tell:
        lines.append(words["own right"].format(names=names(where.right)))
    elif where.right:
        lines.append(words["agree"].format(names=names(where.right)))
    if where.cannot_tell:
        lines.append(words["cannot tell"].format(names=names(where.cannot_tell)))
    if where.deltas_right and where.tensors:
        lines.append(words["deltas right"].format(names=names([n for n in where.right if n in FROM_DELTAS]),
                                                  wrong=names(where.tensors)))
    lines += [words["multiple"].format(name=_gradient(name), ratio=f"{ratio:.6g}")
              for name, ratio in where.multiples.items()]
    if where.tensors and where.least is not None:
        code = "one step" if where.least == 1 else "shows at"
        code = "large" if where.large else "shows first" if where.up_to is not None else code
        lines.append(words[code].format(T=where.least, up_to=where.up_to, names=names(where.first)))
        if where.gates and len(where.gates) < 4:
            lines.append(words["gates"].format(gates=comma.join(where.gates), T=where.least))
    return lines


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
        found = verdict.found or verdict.base or {}
        example = example_of(one, verdict.network, found, ("h", *verdict.returned))
        lines += ["    " + line for line in example_lines(example, language)] if example else []
    return lines


def example_lines(example: Example, language: str) -> list[str]:
    """The example as rows of numbers, none wider than the screen."""
    words = WORDS[language].LINES

    def rows(numbers: dict[str, list[float]], digits: str) -> list[str]:
        lines: list[str] = []
        for name, values in numbers.items():
            part = f"{name} = {' '.join(format(v, digits) for v in values)}"
            if lines and len(lines[-1]) + 2 + len(part) <= WIDTH - 8:
                lines[-1] += "  " + part
            else:
                lines += textwrap.wrap(part, WIDTH - 8, subsequent_indent="  ")
        return ["    " + line for line in lines]

    inputs = {f"{name} (i f g o)" if name in "WUb" and "c0" in example.inputs else name: values
              for name, values in example.inputs.items()}
    matrices = {name: values for name, values in inputs.items() if name[0] in "WUb"}
    vectors = {name: values for name, values in inputs.items() if name not in matrices}
    should = words["should"].format(name=example.name, right=f"{example.right:.4f}",
                                    wrong=f"{example.wrong:.4f}")
    return [words["probe"].format(T=example.T, H=example.H), *rows(vectors, "g"), *rows(matrices, "g"),
            *rows(example.states, ".4f"), should]
