"""Both sides timed in one run: a training step, the forward pass, writing poems, and the floor below them.

    python -m torch_ref.benchmark [--backend numpy numba] [--threads 1 2] [--sizes recipes] [--json]

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
from dataclasses import asdict
from typing import Any

import numpy as np

from scratch_lstm.training.settings import RECIPES

from .contenders import Size, work

PAUSE = 0.15          # seconds between two turns: idle threads of a library spin for some time
ROUNDS = 7            # turns of each contender; the first turn is warm-up
COURSE = Size()
BEST = Size(E=RECIPES["best"]["embedding_size"], H=RECIPES["best"]["hidden_size"], recipe="best")
SIZES = {"course": [COURSE], "recipes": [COURSE, BEST],
         "all": [COURSE, Size(H=64), Size(H=256), Size(H=512), Size(B=8), Size(B=64), Size(B=128), Size(T=50),
                 Size(T=100)]}


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
    parser.add_argument("--sizes", choices=SIZES, default="course",
                        help="the course's, those of both recipes, or all [course]")
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
            report_line(f"\nthreads {threads}  H {size.H}  B {size.B}  T {size.T}  E {size.E}  V {size.V}  "
                        f"recipe {size.recipe}")
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
