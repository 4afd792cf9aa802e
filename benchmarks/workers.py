"""Time a training step on one worker and on all, with the ordered sum and with the fast one.

    torchrun --standalone --nproc-per-node 2 benchmarks/workers.py [--hidden-size 512] [--rounds 9]

The ways take turns in one run; printed are medians over all steps of each. "plain" is worker 0 without
shards, "one" worker 0 with them, while the others wait. "sum" is the exchange and the addition alone. Bytes
are what a worker receives in a step.

The model of a step on N workers: its part of the shards' time of "one", then the exchange, without overlap:
bytes over the bandwidth, and a latency for each other worker; then the addition, measured here.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import time
from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_limits

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from scratch_lstm.backend import get_backend  # noqa: E402
from scratch_lstm.model import PoemModel  # noqa: E402
from scratch_lstm.training.learner import Learner  # noqa: E402
from scratch_lstm.training.ordered_sum import add_up, nodes_within, share  # noqa: E402
from scratch_lstm.training.settings import Settings  # noqa: E402
from scratch_lstm.training.workers import ALONE  # noqa: E402
from torch_ref.distributed import join  # noqa: E402

STEPS = 8               # of each way in a round
NETWORKS = {"10 GbE": (1.25e9, 50e-6), "100 GbE": (12.5e9, 10e-6), "NVLink": (450e9, 5e-6)}  # bytes a s, s


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in (("hidden-size", 128), ("batch-size", 32), ("vocabulary", 2001), ("rounds", 9)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--shards", type=int, nargs="+", default=[2, 8])
    args = parser.parse_args()
    with join("numba") as workers, threadpool_limits(1, user_api="blas"):
        for shards in args.shards:
            measure(args, shards, workers)


def measure(args: argparse.Namespace, shards: int, workers) -> None:
    def learner(reduce: str, who, shards: int = shards) -> Learner:
        settings = Settings(backend="numba", hidden_size=args.hidden_size, batch_size=args.batch_size,
                            shards=shards, reduce=reduce)
        model = PoemModel(args.vocabulary, settings.embedding_size, settings.hidden_size,
                          backend=get_backend("numba"))
        return Learner(model, settings, who)

    ways = {"plain": learner("ordered", ALONE, 0), "one": learner("ordered", ALONE),
            "ordered": learner("ordered", workers), "fast": learner("fast", workers)}
    tokens = np.random.default_rng(0).integers(0, args.vocabulary, (26, args.batch_size))
    times: dict[str, list[float]] = {name: [] for name in (*ways, "sum, ordered", "sum, fast")}
    for number in range(args.rounds):
        for name, one in ways.items():
            workers.any(False)
            if name in ("plain", "one") and workers.rank:
                continue
            for step in range(STEPS):
                begin = time.perf_counter()
                one.step(tokens, step)
                if number:                                              # the first round warms up
                    times[name].append(time.perf_counter() - begin)
        for name in ("ordered", "fast"):
            parallel = ways[name].data_parallel
            first, last = share(shards, workers.rank, workers.size)
            rows = np.ones((last - first, parallel.models[0].flat_gradients.size + 1), np.float32)
            for _ in range(STEPS):
                workers.any(False)
                begin = time.perf_counter()
                parallel._sum(rows, shards)
                times[f"sum, {name}"].append(time.perf_counter() - begin)
    if workers.rank:
        return
    P = ways["one"].model.flat_gradients.size
    ms = {name: 1e3 * statistics.median(some) for name, some in times.items()}
    print(f"H {args.hidden_size}, B {args.batch_size}, {P:,} parameters, {shards} shards, "
          f"{workers.size} workers on {os.cpu_count()} cores")
    print("    ms a step: " + ", ".join(f"{name} {ms[name]:.2f}" for name in ways))
    for name in ("ordered", "fast"):
        gain = ms["plain"] / ms[name]
        print(f"    {name}: {gain:.2f} times as fast as plain, efficiency {gain / workers.size:.2f}; "
              f"the sum alone {ms['sum, ' + name]:.2f} ms")
    print(f"    bytes a step: ordered {received(P, shards, workers.size):,}, "
          f"fast {8 * (P + 1) * (workers.size - 1) // workers.size:,} (a ring)")
    part = -(-shards // workers.size) / shards
    print(f"    the model, with the sum as measured: {ms['one'] * part + ms['sum, ordered']:.2f} ms ordered")
    add = addition(P, shards)
    for network, (bandwidth, latency) in NETWORKS.items():
        row = []
        for N in (n for n in (1, 2, 4, 8) if n <= shards):
            step = ms["one"] * -(-shards // N) / shards + 1e3 * add
            row.append(step + 1e3 * (received(P, shards, N) / bandwidth + latency * (N - 1)))
        print(f"    model, {network}, 1, 2, 4, 8 workers: {', '.join(f'{step:.2f}' for step in row)} ms")


def received(P: int, shards: int, workers: int) -> int:
    """Bytes of float32 that a worker receives from the others for the ordered sum."""
    parts = [share(shards, worker, workers) for worker in range(workers)]
    most = max(len(list(nodes_within((0, shards), part))) for part in parts)
    return 4 * (P + 1) * most * (workers - 1)


def addition(P: int, shards: int) -> float:
    """Seconds of adding the shards' gradients, all on one worker: the most that it takes."""
    rows = {(n, n + 1): np.ones(P + 1, np.float32) for n in range(shards)}
    times = []
    for _ in range(STEPS):
        begin = time.perf_counter()
        add_up((0, shards), dict(rows))
        times.append(time.perf_counter() - begin)
    return statistics.median(times)


if __name__ == "__main__":
    main()
