"""Both sides timed in one run: a training step, the forward pass, writing poems, and the floor below them.

    python -m torch_ref.benchmark [--backend numpy numba] [--threads 1 2] [--sizes course all] [--json]

Each contender has a process of its own; all exist at the same time and take turns, a few steps each, with a
pause between. So another program that slows the machine down slows them all, and threads of one contender
that still spin do not disturb the next. Printed are medians, and ratios of medians. The floor is the time of
the matrix products of a step alone, as NumPy computes them. Memory is the peak of some steps over what the
process had before it made its network (Linux only).
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import platform
import sys
import time
from dataclasses import asdict, dataclass
from multiprocessing.connection import Connection
from typing import Any

import numpy as np

PAUSE = 0.15          # seconds between two turns: idle threads of a library spin for some time
ROUNDS, STEPS = 7, 8  # turns of each contender, steps a turn; the first turn is warm-up


@dataclass(frozen=True)
class Size:
    """E embedding, H hidden, B batch, T steps; two layers, 2001 words."""

    H: int = 128
    B: int = 32
    T: int = 25
    E: int = 100
    V: int = 2001


COURSE = Size()
SIZES = {"course": [COURSE],
         "all": [COURSE, Size(H=64), Size(H=256), Size(H=512), Size(B=8), Size(B=64), Size(B=128), Size(T=50),
                 Size(T=100)]}


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
        theirs.optimizer = torch.optim.Adam(theirs.model.trained, lr=3e-3,
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


def race(names: list[str], size: Size, threads: int) -> dict[str, dict[str, float]]:
    """Contender -> milliseconds of a step and of a forward pass (median, and spread of the step), MiB."""
    context = multiprocessing.get_context("spawn")
    pipes, processes = {}, []
    for name in names:
        pipes[name], theirs = context.Pipe()
        processes.append(context.Process(target=work, args=(theirs, name, size, threads), daemon=True))
        processes[-1].start()
    times: dict[tuple[str, str], list[float]] = {}
    for turn in range(ROUNDS):
        for name in names:
            for what in ("step", "forward") if name != "floor" else ("step",):
                pipes[name].send(what)
                answer = pipes[name].recv()
                if turn:
                    times.setdefault((name, what), []).extend(answer)
                time.sleep(PAUSE)
    results = {}
    for name in names:
        pipes[name].send("memory")
        steps = 1e3 * np.array(times[name, "step"])
        results[name] = {"step": float(np.median(steps)), "low": float(np.quantile(steps, 0.1)),
                         "high": float(np.quantile(steps, 0.9)), "memory": pipes[name].recv()}
        if name != "floor":
            results[name]["forward"] = 1e3 * float(np.median(times[name, "forward"]))
        pipes[name].send(None)
    for process in processes:
        process.join()
    return results


def poems_per_second(threads: int) -> dict[str, float]:
    """Writing at the course's sizes: many side by side with the state carried, against the course's way,
    one by one and the whole prefix again for each character. Untrained, 24 characters each."""
    import torch
    from scratch_lstm.training.learner import make_learner
    from scratch_lstm.poems.vocabulary import END, START
    from scratch_lstm.poems.generate import generate
    from scratch_lstm.training.settings import Settings
    from threadpoolctl import threadpool_limits

    from .convert import to_torch
    model = make_learner(Settings(backend="numpy"), COURSE.V).model
    model.parameters["fc.bias"][1] = -100              # END never comes: every poem is as long as the next
    words = {START: 0, END: 1} | {chr(0x4e00 + n): n + 2 for n in range(COURSE.V - 2)}
    rates = {}
    with threadpool_limits(threads, user_api="blas"):
        began = time.perf_counter()
        generate(model, words, [chr(0x4e00 + n) for n in range(1000)], limit=24)
        rates["here, 1,000 in one batch"] = 1000 / (time.perf_counter() - began)
    torch.set_num_threads(threads)
    net = to_torch(model).eval()
    began, poems = time.perf_counter(), 10
    with torch.no_grad():
        for n in range(poems):
            prefix = [0, n + 2]
            while len(prefix) < 25:
                logits, _ = net(torch.tensor([prefix]))
                prefix.append(int(logits[0, -1].argmax()))
    rates["torch, the course's way"] = poems / (time.perf_counter() - began)
    return rates


def machine() -> dict[str, str]:
    """Versions, processor, and which kernels the matrix library took."""
    import torch
    from threadpoolctl import threadpool_info
    processor = platform.processor() or platform.machine()
    if os.path.exists("/proc/cpuinfo"):
        with open("/proc/cpuinfo") as file:
            processor = next((line.split(":")[1].strip() for line in file if line.startswith("model name")),
                             processor)
    blas = next((f"{lib['internal_api']} {lib['version']} {lib.get('architecture') or ''}".strip()
                 for lib in threadpool_info() if lib["user_api"] == "blas"), "unknown")
    return {"processor": processor, "cores": str(os.cpu_count()), "python": platform.python_version(),
            "numpy": np.__version__, "blas": blas, "torch": torch.__version__,
            "torch's vectors": torch.backends.cpu.get_cpu_capability()}


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--backend", nargs="+", default=["numpy", "numba"])
    parser.add_argument("--threads", nargs="+", type=int, default=[1, 2])
    parser.add_argument("--sizes", choices=SIZES, default="course", help="the course's, or all [course]")
    parser.add_argument("--json", action="store_true", help="for machines")
    args = parser.parse_args(arguments)
    names = [*args.backend, "torch", "torch fused", "floor"]
    report: dict[str, Any] = {"machine": machine(), "races": [], "poems a second": {}}

    def report_line(*line: str) -> None:
        if not args.json:
            print(*line, flush=True)

    report_line("  ".join(f"{key} {value}" for key, value in report["machine"].items()))
    report_line("milliseconds a training step (10% and 90% of the steps); torch's time, with its default "
                "Adam and with fused,\nover each; each over the floor")
    for threads in args.threads:
        for size in SIZES[args.sizes]:
            results = race(names, size, threads)
            report["races"].append({"threads": threads, "size": asdict(size), "results": results})
            report_line(f"\nthreads {threads}  H {size.H}  B {size.B}  T {size.T}  E {size.E}  V {size.V}")
            report_line(f"{'':14}{'step':>8}{'(10%':>9}{'90%)':>8}{'torch/':>9}{'fused/':>9}{'/floor':>9}"
                        f"{'forward':>10}{'torch/':>9}{'MiB':>8}")
            for name, r in results.items():
                ratios = (results["torch"]["step"] / r["step"], results["torch fused"]["step"] / r["step"],
                          r["step"] / results["floor"]["step"])
                line = f"{name:14}{r['step']:8.1f}{r['low']:9.1f}{r['high']:8.1f}"
                line += "".join(f"{ratio:9.2f}" for ratio in ratios)
                if "forward" in r:
                    line += f"{r['forward']:10.1f}{results['torch']['forward'] / r['forward']:9.2f}"
                    line += f"{r['memory']:8.0f}"
                report_line(line)
        rates = report["poems a second"][threads] = poems_per_second(threads)
        report_line()
        for what, rate in rates.items():
            report_line(f"threads {threads}  {what}: {rate:,.0f} poems a second")
    if args.json:
        print(json.dumps(report, indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main())
