"""A model that is read, not trained, on several threads: each takes some of the parts of the work."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from queue import SimpleQueue
from typing import TypeVar

from .kernels.one_blas_thread import one_blas_thread
from .model import PoemModel

Part = TypeVar("Part")
Result = TypeVar("Result")


def read(model: PoemModel, parts: Sequence[Part], work: Callable[[PoemModel, Part], Result],
         threads: int = 1) -> Iterator[Result]:
    """work(model, part) for each part, without dropout; the results in the order of the parts.

    Each thread has a model with the same parameters and buffers of its own, and the matrix library is limited
    to one thread. With one thread all is done in the caller's own, and the library is left as it is. So a
    part gives the same bits for any number of threads, if the library has one.
    """
    threads = min(threads, len(parts))
    free: SimpleQueue[PoemModel] = SimpleQueue()
    for one in (model, *(model.replica() for _ in range(threads - 1))):
        free.put(one)

    def take(part: Part) -> Result:
        one = free.get()
        was_training, one.training = one.training, False
        try:
            return work(one, part)
        finally:
            one.training = was_training
            free.put(one)

    if threads < 2:
        yield from map(take, parts)
        return
    with one_blas_thread, ThreadPoolExecutor(threads) as pool:
        yield from pool.map(take, parts)
