"""What takes part in the benchmark: this project's learners, torch's, and the matrix products alone."""

from __future__ import annotations

import os
import time
from dataclasses import asdict
from multiprocessing.connection import Connection
from typing import Any

import numpy as np

from scratch_lstm.errors import InputError
from scratch_lstm.training.settings import Settings

from .floor import FLOORS, products
from .sizes import Size

__all__ = ["Size", "build_learner", "check", "work"]
STEPS = 10      # of one turn
WARM_UP = 4     # before them: after a pause the system has both threads on one core for up to three steps


def memory(field: str) -> float:
    """MiB: VmRSS, what this process holds now, or VmHWM, the most since the last `reset_peak_memory`."""
    try:
        with open("/proc/self/status") as file:
            return next(int(line.split()[1]) / 1024 for line in file if line.startswith(field))
    except OSError:
        return float("nan")


def reset_peak_memory() -> None:
    if os.path.exists("/proc/self/clear_refs"):
        with open("/proc/self/clear_refs", "w") as file:
            file.write("5")


def check(name: str) -> None:
    """Raise InputError for a contender that is none, or that does not work here."""
    if name in FLOORS or name in ("torch", "torch fused"):
        return
    from scratch_lstm.backend import get_backend
    if name == "auto":
        raise InputError("backend 'auto': name the backends that are compared")
    get_backend(name)


def build_learner(name: str, size: Size, threads: int) -> Any:
    from threadpoolctl import threadpool_limits

    from scratch_lstm.training.learner import make_learner
    settings = Settings(backend="numpy", embedding_size=size.E, hidden_size=size.H, threads=threads,
                        **size.options)
    if name.startswith("torch"):
        from .convert import to_torch
        from .learner import TorchLearner
        here = make_learner(settings, size.V)
        import torch
        theirs = TorchLearner(here.model, settings)
        # both biases, as the course trains it
        theirs.model.net = to_torch(here.model).to(theirs.model.backend.device)
        theirs.model.trained = list(theirs.model.net.parameters())
        theirs.optimizer = torch.optim.AdamW(theirs.model.trained, lr=3e-3,
                                             weight_decay=settings.weight_decay,
                                             fused=True if "fused" in name else None)
        return theirs
    settings = Settings(**{**asdict(settings), "backend": name})
    one = make_learner(settings, size.V)
    threadpool_limits(1 if one.model.backend.threads_share_batch else threads, user_api="blas")
    return one


def work(pipe: Connection, name: str, size: Size, threads: int) -> None:
    """A contender: answers each turn ('step', 'forward', 'memory') with seconds a step, or MiB; an exception
    is an answer too, and the last one."""
    try:
        answer_turns(pipe, name, size, threads)
    except (EOFError, KeyboardInterrupt):       # the benchmark has ended
        pass
    except Exception as error:
        pipe.send(InputError(f"{name}: {str(error) or type(error).__name__}"))


def answer_turns(pipe: Connection, name: str, size: Size, threads: int) -> None:
    tokens = np.random.default_rng(1).integers(0, size.V, (size.T + 1, size.B))
    if name in FLOORS:
        floor = products(name, size, threads)
        before = memory("VmRSS")

        def step(tokens: Any, number: int) -> Any:
            floor()

        forward = step
    else:
        if name.startswith("torch"):
            import torch  # noqa: F401  what importing costs is not what a step costs
        build_learner(name, Size(H=2, E=2, V=3), threads).step(tokens[:3, :2] % 3, 0)
        before = memory("VmRSS")
        reset_peak_memory()
        one = build_learner(name, size, threads)
        step = one.step

        def forward(tokens: Any, number: int) -> Any:
            return one.loss(tokens)

        tokens = one.model.backend.keep_corpus(tokens)
    for turn in iter(pipe.recv, None):
        if turn == "memory":
            pipe.send(memory("VmHWM") - before)
            continue
        times = []
        for number in range(WARM_UP + STEPS):
            began = time.perf_counter()
            result = (step if turn == "step" else forward)(tokens, number)
            if result is not None:
                float(result[0] if isinstance(result, tuple) else result)   # wait for a device
            times.append(time.perf_counter() - began)
        pipe.send(times[WARM_UP:])
