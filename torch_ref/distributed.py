"""Several processes train one model: scratch_lstm.training.workers over torch.distributed.

    torchrun --standalone --nproc-per-node 4 train_poems.py --out runs/NAME

gloo between CPUs, nccl between GPUs. Tensors share the memory of the arrays, so nothing is copied to be sent.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, TypeVar

import numpy as np
import torch
import torch.distributed as dist

from scratch_lstm.errors import InputError, WorkerLost, one_line

from .meeting import meet, open_store

MEETING, WORK = timedelta(minutes=5), timedelta(minutes=30)     # how long a worker waits for the others
Array = Any
Result = TypeVar("Result")


class TorchWorkers:
    """The processes that torchrun started.

    Every method raises WorkerLost when another worker has ended or does not answer.
    """

    def __init__(self, on_gpu: bool) -> None:
        self.on_gpu = on_gpu
        self.rank, self.size = dist.get_rank(), dist.get_world_size()
        self.local_rank = int(os.environ.get("LOCAL_RANK", self.rank))

    def _tensor(self, array: Array) -> torch.Tensor:
        return torch.utils.dlpack.from_dlpack(array) if self.on_gpu else torch.from_numpy(array)

    def gather(self, vectors: Array) -> Array:
        """vectors (k, n), the same shape from all -> (size, k, n), a new array."""
        received = (np if not self.on_gpu else _cupy()).empty((self.size, *vectors.shape), vectors.dtype)
        with answers():
            dist.all_gather(list(self._tensor(received).unbind()), self._tensor(vectors))
        return received

    def sum(self, vector: Array) -> None:
        """Replace vector (n,) by the sum of all workers'."""
        with answers():
            dist.all_reduce(self._tensor(vector))

    def any(self, flag: bool) -> bool:
        """Whether one of the flags is true."""
        found = torch.tensor([int(flag)], device="cuda" if self.on_gpu else "cpu")
        with answers():
            dist.all_reduce(found, dist.ReduceOp.MAX)
        return bool(found.item())

    def collect(self, value: Any) -> list[Any]:
        """The values of all workers, in the order of their numbers."""
        values: list[Any] = [None] * self.size
        with answers():
            dist.all_gather_object(values, value)
        return values

    def first_on_machine(self, work: Callable[[], Result]) -> Result:
        """The result of `work`, which one worker of each machine does first; the rest find its files."""
        result = work() if self.local_rank == 0 else None
        self.any(False)
        return work() if result is None else result


def _cupy() -> Any:
    import cupy
    return cupy


@contextmanager
def answers() -> Iterator[None]:
    """torch's errors of a connection as WorkerLost."""
    try:
        yield
    except (RuntimeError, ValueError) as error:
        raise WorkerLost(f"a worker has ended or does not answer ({one_line(str(error))[:100]})") from None


@contextmanager
def join(backend: str) -> Iterator[TorchWorkers]:
    """Meet the other workers that torchrun started, as its environment says. Raises InputError."""
    on_gpu = backend == "cupy"
    if on_gpu:
        torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", 0)))
        _cupy().cuda.Device(int(os.environ.get("LOCAL_RANK", 0))).use()
    try:
        rank, size = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
        store = meet(open_store(rank, size, MEETING), rank, size, MEETING)
        dist.init_process_group("nccl" if on_gpu else "gloo", timeout=WORK, store=store, rank=rank,
                                world_size=size)
    except (KeyError, RuntimeError, ValueError) as error:
        raise InputError(f"the workers do not meet ({one_line(str(error))[:200]}); start them by torchrun, "
                         "with a port that is free") from None
    try:
        yield TorchWorkers(on_gpu)
    finally:
        dist.destroy_process_group()
