"""What takes part in the benchmark: this project's learners, torch's, and the matrix products alone."""

from __future__ import annotations

import os
import time
from dataclasses import asdict, dataclass
from multiprocessing.connection import Connection
from typing import Any

import numpy as np

from scratch_lstm.training.settings import RECIPES, Settings

STEPS = 8   # of one turn


@dataclass(frozen=True)
class Size:
    """E embedding, H hidden, B batch, T steps; two layers, 2001 words. recipe: what the rest follows."""

    H: int = 128
    B: int = 32
    T: int = 25
    E: int = 100
    V: int = 2001
    recipe: str = "course"

    @property
    def options(self) -> dict[str, Any]:
        """The recipe's settings that a step depends on, besides the sizes."""
        return {name: value for name, value in RECIPES[self.recipe].items()
                if name in ("tie_embedding", "dropout", "embedding_dropout", "shared_masks", "weight_decay")}


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
    from threadpoolctl import threadpool_limits
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


def products(size: Size, threads: int) -> Any:
    """The matrix products of one step, and nothing else."""
    from threadpoolctl import threadpool_limits
    threadpool_limits(threads, user_api="blas")
    rng = np.random.default_rng(0)
    T, B, H, E, V = size.T, size.B, size.H, size.E, size.V
    top = E if size.options.get("tie_embedding") else H         # size of the last layer

    def matrix(*shape: int) -> np.ndarray:
        return rng.standard_normal(shape, np.float32)

    h_top, fc, dlogits = matrix(T * B, top), matrix(V, top), matrix(T * B, V)
    layers = [(matrix(4 * n, D), matrix(4 * n, n), matrix(T * B, D), matrix(T * B, n), matrix(4 * n, T * B),
               matrix(n, B), matrix(4 * n, B)) for D, n in ((E, H), (H, top))]

    def step(tokens: np.ndarray, number: int) -> None:
        h_top @ fc.T, dlogits.T @ h_top, dlogits @ fc
        for W, U, x, h, dz, h_t, dz_t in layers:
            W @ x.T, dz @ x, dz @ h, dz.T @ W
            for _ in range(T):
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
        tokens = one.model.backend.keep_corpus(tokens)
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
