"""Each returned tensor alone: which mistakes of its own give what was seen, the deltas being known?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import combinations
from typing import Any

from .dictionary import ORDERS, Key, keys
from .forward import Array
from .observation import same
from .tensors import Result

Choice = tuple[tuple[str, str], ...]


@dataclass
class Work:
    """How much may still be tried, in tensors that are computed."""

    left: int

    def take(self, tensors: int = 1) -> bool:
        """Whether so many more may be computed."""
        self.left -= tensors
        return self.left >= 0


@cache
def choices(network: str, tensor: str, most: int, orders: tuple[str, ...]) -> tuple[Choice, ...]:
    """Up to `most` mistakes of one tensor; of the orders of the gates only those named."""
    def values(key: Key) -> tuple[str, ...]:
        return orders if key.name == f"order.{tensor}" else key.values

    own = keys(network, "tensor", tensor)
    singles = [[(key.name, value) for value in values(key)] for key in own]
    if tensor in ("h0", "c0"):                        # right, though the path between the steps is not
        singles.insert(0, [(f"end.{tensor}", "right")])
    return tuple(chosen for n in range(most + 1) for some in combinations(singles, n)
                 for chosen in _product(some))


def _product(lists: tuple[list[Any], ...]) -> Iterator[Choice]:
    if not lists:
        yield ()
        return
    for first in lists[0]:
        for rest in _product(lists[1:]):
            yield (first, *rest)


def all_orders(network: str) -> tuple[str, ...]:
    """Every wrong order of the gates."""
    return ORDERS if network == "lstm" else ()


def explain(result: Result, tensor: str, seen: Array, most: int, orders: tuple[str, ...],
            work: Work) -> Choice | None:
    """The fewest mistakes of this tensor that turn the result into what was seen; None if none do, or if the
    work is used up."""
    for choice in choices(result.problem.network, tensor, most, orders):
        if not work.take():
            return None
        value = result.tensor(tensor, dict(choice))
        if value.shape == seen.shape and same(seen, value):
            return choice
    return None
