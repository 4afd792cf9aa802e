"""Who takes part in a training run: one process, or several that share each batch.

The trainer asks a `Workers` and knows no network: `ALONE` is the one process; torch_ref/distributed.py has
the one for torchrun. Every worker has the whole model and makes the same update from the same gradient.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from ..errors import SharedError

Array = Any


class Workers(Protocol):
    """rank: the number of this worker, from 0; size: how many there are.

    Each method is called by all workers, in the same order, and returns the same to all.
    """

    rank: int
    size: int

    def gather(self, vectors: Array) -> Array:
        """vectors (k, n), the same shape from all -> (size, k, n)."""

    def sum(self, vector: Array) -> None:
        """Replace vector (n,) by the sum of all workers', in an order that the network chooses."""

    def any(self, flag: bool) -> bool:
        """Whether one of the flags is true."""

    def collect(self, value: Any) -> list[Any]:
        """The values of all workers, in the order of their numbers."""

    def first_on_machine(self, work: Callable[[], Any]) -> Any:
        """The result of `work`, which one worker of each machine does before the others."""


class Alone:
    """The only worker."""

    rank, size = 0, 1

    def gather(self, vectors: Array) -> Array:
        return vectors[None]

    def sum(self, vector: Array) -> None:
        pass

    def any(self, flag: bool) -> bool:
        return flag

    def collect(self, value: Any) -> list[Any]:
        return [value]

    def first_on_machine(self, work: Callable[[], Any]) -> Any:
        return work()


ALONE = Alone()


def check_same(workers: Workers, facts: Mapping[str, Any]) -> None:
    """Raise SharedError unless these facts are the same for all of them."""
    first, *others = workers.collect(dict(facts))
    for number, other in enumerate(others, 1):
        for what, value in first.items():
            if other[what] != value:
                raise SharedError(
                    f"worker {number} has another {what} than worker 0: {other[what]}, not {value}; "
                    "all workers need the same")
