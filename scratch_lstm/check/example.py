"""The smallest example that shows a mistake: one or two steps, one unit, numbers for a pencil."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from .dictionary import DICTIONARY
from .forward import Mistakes
from .naming import Named
from .problem import Array, Problem
from .tensors import Result

SMALLEST = ((1, 1), (2, 1), (3, 1), (4, 1), (5, 1), (6, 1), (1, 2), (2, 2), (3, 2), (4, 2))      # T, H = D
LONGEST = 7
ORDER = ("h", "delta", "b", "U", "W", "x", "h0", "c0")


@dataclass(frozen=True)
class Example:
    """The problem, its states as rows of numbers, and one entry with and without the mistake."""

    T: int
    H: int
    inputs: dict[str, list[float]]
    states: dict[str, list[float]]
    name: str
    right: float
    wrong: float


def simple(network: str, T: int, H: int) -> Problem:
    """Numbers with one digit, none of them zero."""
    blocks = 4 if network == "lstm" else 1

    def numbers(start: int, *shape: int) -> Array:
        values = [0.5, -0.4, 0.8, 0.3, -0.6, 0.7, 0.9, -0.2, 0.6, 0.4, -0.7]
        size = int(np.prod(shape))
        return np.array([values[(start + 3 * n) % len(values)] for n in range(size)]).reshape(shape)

    return Problem(network, numbers(0, T, H), numbers(4, H), numbers(2, H if network == "lstm" else 0),
                   numbers(6, blocks * H, H), numbers(1, blocks * H, H), numbers(8, blocks * H),
                   np.ones((T, H)))


def smallest(network: str, mistakes: Mistakes, names: tuple[str, ...]) -> Example | None:
    """The smallest problem on which these mistakes change one of the tensors by more than a fiftieth."""
    steps = int(mistakes.get("cut", "0").rpartition(" ")[2]) + 1         # a pass that is cut after n steps
    for T, H in [*SMALLEST, *([(steps, 1), (steps, 2)] if 4 < steps <= LONGEST else [])]:
        problem = simple(network, T, H)
        right, wrong = Result(problem, {}), Result(problem, mistakes)
        for name in (name for name in ORDER if name in names):
            a, b = ((r.states.h[1:] if name == "h" else r.tensor(name)) for r in (right, wrong))
            difference = np.abs(a - b)
            if not difference.size:                            # c_0 of the RNN
                continue
            index = np.unravel_index(int(np.argmax(difference)), difference.shape)
            if difference[index] > 0.02 * max(abs(a[index]), 0.02):
                return Example(T, H, _inputs(problem), _states(right), _entry(name, index, problem),
                               float(a[index]), float(b[index]))
    return None


def _entry(name: str, index: tuple[Any, ...], problem: Problem) -> str:
    gates, H = ("ifgo" if problem.network == "lstm" else ""), len(problem.h0)
    places = [int(n) for n in index]
    if name == "h":
        return f"h_{places[0] + 1}" + (f"[{places[1] + 1}]" if H > 1 else "")
    if name == "delta":
        return f"delta_{{{places[0] + 1},{places[1] + 1}}}[{places[2] + 1}]"
    if name == "x":
        return f"dx_{places[0] + 1}" + (f"[{places[1] + 1}]" if H > 1 else "")
    if name in ("h0", "c0"):
        return f"d{name[0]}_0" + (f"[{places[0] + 1}]" if H > 1 else "")
    block, row = divmod(places[0], H)
    label = f"d{name}" + (f"_{gates[block]}" if gates else "")
    return label + (f"[{', '.join(str(n + 1) for n in [row, *places[1:]])}]" if H > 1 else "")


def _inputs(p: Problem) -> dict[str, list[float]]:
    found = {"x": p.x, "h0": p.h0, "c0": p.c0, "W": p.W, "U": p.U, "b": p.b, "dh": p.dh}
    return {name: [float(v) for v in array.ravel()] for name, array in found.items() if array.size}


def _states(result: Result) -> dict[str, list[float]]:
    s = result.states
    if result.problem.network == "rnn":
        return {"h": [float(v) for v in s.h[1:].ravel()]}
    found = {gate: s.a[:, n] for n, gate in enumerate("ifgo")}
    found |= {"c": s.c[1:], "h": s.h[1:]}
    return {name: [float(v) for v in array.ravel()] for name, array in found.items()}


def example_of(one: Named, network: str, found: Mistakes, returned: tuple[str, ...]) -> Example | None:
    """The example of one mistake alone; none for what no small example shows."""
    if one.key not in DICTIONARY[network]:
        return None
    family = one.key.rpartition(".")[0]
    if one.key == "direct" and one.value == "twice":
        alone = {f"scale.{name}": "twice" for name in one.tensors}
    elif one.value == "exchanged" and one.key == "end.h0":
        alone = {"end.h0": "c0", "end.c0": "h0"}
    elif len(one.gates) > 1 or len(one.tensors) > 1:
        alone = {name: value for name, value in found.items()
                 if name.rpartition(".")[0] == family and value == one.value}
    else:
        alone = {one.key: one.value}
    names = one.tensors or (("h",) if one.key.startswith("forward") else returned)
    return smallest(network, alone, names) or smallest(network, alone, ("b", "U", "W", "x", "h0", "c0"))
