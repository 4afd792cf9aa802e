"""A network with planted mistakes, as the pair of functions forward and backward that a check is given."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from .contract import in_file_order
from .dictionary import DICTIONARY, entries
from .forward import Mistakes, States
from .forward import forward as textbook_forward
from .problem import GATES, TENSORS, Array, Problem
from .program import reordered
from .tensors import Result

BLOCKS = ("W", "U", "b")


class Asked(dict[Any, Any]):
    """The gradients, which remember what was asked for."""

    def __init__(self, values: dict[str, Array], asked: set[str]) -> None:
        super().__init__(values)
        self.asked = asked

    def __getitem__(self, name: str) -> Array:
        self.asked.add(name)
        return super().__getitem__(name)

    def get(self, name: str, default: Any = None) -> Any:
        self.asked.add(name)
        return super().get(name, default)

    def _all(self) -> None:
        self.asked.update(self.keys())

    def items(self) -> Any:
        self._all()
        return super().items()

    def values(self) -> Any:
        self._all()
        return super().values()


@dataclass
class Network:
    """forward and backward as the contract has them, with these mistakes and the file's order of gates.

    `calls` are the problems of all backward calls, `asked` the tensors that somebody looked at.
    """

    network: str
    gates: str
    mistakes: Mistakes
    memory: dict[tuple[Any, ...], States] = field(default_factory=dict)
    calls: list[Problem] = field(default_factory=list)
    asked: set[str] = field(default_factory=set)
    compared_h: bool = False

    def forward(self, *arguments: Any) -> tuple[Array, Problem]:
        """h (T, H) and a cache."""
        arrays = [np.array(value) for value in arguments]
        if self.network == "rnn":
            arrays.insert(2, np.zeros(0))
        x, h0, c0, W, U, b = arrays
        problem = in_file_order(Problem(self.network, x, h0, c0, W, U, b, np.zeros(0)), GATES, self.gates)
        return self._states(problem).h[1:].copy(), problem

    def _states(self, problem: Problem) -> States:
        """Most mistakes leave the forward pass as it is: its states are computed once for all of them."""
        wrong = tuple(item for item in self.mistakes.items() if item[0].startswith("forward"))
        key = (wrong, *(getattr(problem, name).tobytes() for name in TENSORS[self.network]), problem.sizes,
               str(problem.x.dtype))
        if key not in self.memory:
            self.memory[key] = textbook_forward(problem, self.mistakes)
        return self.memory[key]

    def backward(self, dh: Array, cache: Problem) -> dict[str, Array]:
        """The gradients as a dict."""
        problem = replace(cache, dh=np.array(dh, np.float64))
        self.calls.append(problem)
        result = Result(problem, self.mistakes, self._states(problem))
        gradients = {name: result.tensor(name) for name in TENSORS[self.network]}
        if self.network == "lstm":
            gradients |= {name: reordered(gradients[name], GATES, self.gates) for name in BLOCKS}
        return Asked(gradients, self.asked)


def planted(network: str) -> Iterator[dict[str, str]]:
    """Every entry of the dictionary alone, of the many orders of gates one for each key. A mistake of the
    forward pass comes with the backward pass that fits it: forward and backward agree."""
    orders: set[str] = set()
    for name, value in entries(network):
        if DICTIONARY[network][name].tensor == "delta" or name in orders:
            continue
        if name == "exchange" or name.endswith("order") or name.startswith("order"):
            orders.add(name)
        yield {name: value, **({"backward.of": "own"} if name.startswith("forward") else {})}


Check = Callable[..., Any]
