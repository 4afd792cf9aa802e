"""What takes part in the benchmark: this project's learners, torch's, and the matrix products alone."""

from __future__ import annotations

import os
import time
from dataclasses import asdict, dataclass
from multiprocessing.connection import Connection
from typing import Any

import numpy as np

STEPS = 8   # of one turn


@dataclass(frozen=True)
class Size:
    """E embedding, H hidden, B batch, T steps; two layers, 2001 words."""

    H: int = 128
    B: int = 32
    T: int = 25
    E: int = 100
    V: int = 2001


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


def build_learner(name: str, size: Size, threads: int) -> Any:
    from scratch_lstm.training.learner import make_learner
    from scratch_lstm.training.settings import Settings
    from threadpoolctl import threadpool_limits
    settings = Settings(backend="numpy", embedding_size=size.E, hidden_size=size.H, threads=threads)
    if name.startswith("torch"):
        from .convert import to_torch
        from .learner import TorchLearner
        here = make_learner(settings, size.V)
        import torch
        theirs = TorchLearner(here.model, settings)
        theirs.model.net = to_torch(here.model)   # both biases, as the course trains it
        theirs.model.trained = list(theirs.model.net.parameters())
        theirs.optimizer = torch.optim.AdamW(theirs.model.trained, lr=3e-3, weight_decay=0.0,
                                             fused=True if "fused" in name else None)
        return theirs
    settings = Settings(**{**asdict(settings), "backend": name})
    one = make_learner(settings, size.V)
    threadpool_limits(1 if one.model.backend.threads_share_batch else threads, user_api="blas")
    return one


def products(size: Size, threads: int) -> Any:
    """The matrix products of one step, and nothing else."""
    from threadpoolctl import threadpool_limits
    threadpool_limits(threads, user_api="blas")
    rng = np.random.default_rng(0)
    T, B, H, E, V = size.T, size.B, size.H, size.E, size.V

    def matrix(*shape: int) -> np.ndarray:
        return rng.standard_normal(shape, np.float32)

    x, h, h_t, dz_t = matrix(T * B, E), matrix(T * B, H), matrix(H, B), matrix(4 * H, B)
    W0, W1, U, fc = matrix(4 * H, E), matrix(4 * H, H), matrix(4 * H, H), matrix(V, H)
    dz, dlogits = matrix(4 * H, T * B), matrix(T * B, V)

    def step(tokens: np.ndarray, number: int) -> None:
        W0 @ x.T, W1 @ h.T, h @ fc.T
        dlogits.T @ h, dlogits @ fc, dz @ x, dz @ h, dz @ h, dz @ h, dz.T @ W0, dz.T @ W1
        for _ in range(2 * T):
            U @ h_t, U.T @ dz_t

    return step


def work(pipe: Connection, name: str, size: Size, threads: int) -> None:
    """A contender: answers each turn ('step', 'forward', 'memory') with seconds a step, or MiB."""
    tokens = np.random.default_rng(1).integers(0, size.V, (size.T + 1, size.B))
    if name == "floor":
        step = forward = products(size, threads)
        before = memory("VmRSS")
    else:
        if name.startswith("torch"):
            import torch  # noqa: F401  what importing costs is not what a step costs
        build_learner(name, Size(H=2, E=2, V=3), threads).step(tokens[:3, :2] % 3, 0)
        before = memory("VmRSS")
        reset_peak_memory()
        one = build_learner(name, size, threads)
        step, forward = one.step, lambda tokens, number: one.loss(tokens)
        tokens = one.model.backend.to_device(tokens)
    for turn in iter(pipe.recv, None):
        if turn == "memory":
            pipe.send(memory("VmHWM") - before)
            continue
        times = []
        for number in range(STEPS):
            began = time.perf_counter()
            result = (step if turn == "step" else forward)(tokens, number)
            if result is not None:
                float(result[0] if isinstance(result, tuple) else result)   # wait for a device
            times.append(time.perf_counter() - began)
        pipe.send(times)
