"""Both sides timed in one run: a training step, the forward pass, writing poems, and the floor below them.

    python -m torch_ref.benchmark [--backend numpy numba] [--threads 1 2] [--sizes all] [--json] [--phases]

Each contender has a process of its own; all exist at the same time and take turns, a few steps each, with a
pause between; the first steps of a turn do not count. So another program that slows the machine down slows
them all, and threads of one contender that still spin do not disturb the next. Printed are medians, ratios of
medians, and of the ratio to the floor the spread over the turns. The floor is the time of the matrix products
of a step alone, by the same library and on as many threads (floor.py). Memory is the peak of some steps over
what the process had before it made its network (Linux only). Measure on an idle machine: exit status 2, and
one line, where that cannot be done.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

import numpy as np

from scratch_lstm.errors import InputError, one_line

from .contenders import check
from .floor import FLOORS
from .phases import as_lines, phases
from .poem_rates import poems_per_second
from .race import Results, race
from .sizes import SIZES, Size

PHASES_OF = ("numpy", "numba")


def machine() -> dict[str, str]:
    """Versions, processor, and which kernels the matrix library took."""
    import torch
    from threadpoolctl import threadpool_info
    processor = platform.processor() or platform.machine()
    if os.path.exists("/proc/cpuinfo"):
        with open("/proc/cpuinfo") as file:
            processor = next((line.split(":")[1].strip() for line in file if line.startswith("model name")),
                             processor)
    libraries = sorted((lib for lib in threadpool_info() if lib["user_api"] == "blas"),
                       key=lambda lib: lib["filepath"])                 # NumPy's before SciPy's
    blas = ", ".join(f"{lib['internal_api']} {lib['version']} {lib.get('architecture') or ''}".strip()
                     for lib in libraries) or "unknown"
    return {"processor": processor, "cores": str(os.cpu_count()), "python": platform.python_version(),
            "numpy": np.__version__, "blas": blas, "torch": torch.__version__,
            "torch's vectors": torch.backends.cpu.get_cpu_capability()}


def contenders(backends: list[str], threads: list[int]) -> list[str]:
    """All names, with the floors that the backends have. Raises InputError for what cannot take part."""
    try:
        import torch  # noqa: F401
    except ImportError:
        raise InputError("torch is not installed: pip install 'scratch-lstm[torch]'") from None
    if min(threads) < 1:
        raise InputError(f"--threads {min(threads)}: it must be at least 1")
    for name in backends:
        check(name)
    floors = [name for name, of in FLOORS.items() if of in backends]
    return list(dict.fromkeys([*backends, "torch", "torch fused", *floors]))


def table(results: Results, size: Size, threads: int) -> Iterator[str]:
    yield (f"threads {threads}  H {size.H}  B {size.B}  T {size.T}  E {size.E}  V {size.V}  "
           f"recipe {size.recipe}")
    yield (f"{'':14}{'step':>8}{'(10%':>8}{'90%)':>8}{'torch/':>8}{'fused/':>8}{'/floor':>8}"
           f"{'(10%':>7}{'90%)':>7}{'forward':>9}{'torch/':>8}{'MiB':>6}")
    for name, r in results.items():
        line = f"{name:14}{r['step']:8.1f}{r['step_low']:8.1f}{r['step_high']:8.1f}"
        line += "".join(f"{results[torch]['step'] / r['step']:8.2f}" for torch in ("torch", "torch fused"))
        if "gflops" in r:
            yield f"{line}   {r['gflops']:.0f} GF/s"
            continue
        line += "{:8.2f}{:7.2f}{:7.2f}".format(*r["over_floor"]) if "over_floor" in r else " " * 22
        line += f"{r['forward']:9.1f}{results['torch']['forward'] / r['forward']:8.2f}{r['memory']:6.0f}"
        yield line


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Time, and print as it goes unless --json is given; returns everything. Raises InputError."""
    names = contenders(args.backend, args.threads)
    report: dict[str, Any] = {"machine": machine(), "races": [], "poems a second": {}, "phases": []}

    def say(line: str = "") -> None:
        if not args.json:
            print(line, flush=True)

    say("  ".join(f"{key} {value}" for key, value in report["machine"].items()))
    if args.phases:
        for size in SIZES[args.sizes]:
            for name in (name for name in args.backend if name in PHASES_OF):
                found = phases(name, size)
                report["phases"].append({"backend": name, "size": asdict(size), **found})
                say(f"\nH {size.H}  B {size.B}  T {size.T}  E {size.E}  recipe {size.recipe}, one thread")
                for line in as_lines(name, found):
                    say(line)
        return report
    say("milliseconds a training step (10% and 90% of the steps); torch's time, with its default Adam and "
        "with fused,\nover each; each over the floor of its library (10% and 90% of the turns)")
    for threads in args.threads:
        for size in SIZES[args.sizes]:
            results = race(names, size, threads)
            report["races"].append({"threads": threads, "size": asdict(size), "results": results})
            say()
            for line in table(results, size, threads):
                say(line)
        rates = report["poems a second"][threads] = poems_per_second(threads)
        say()
        for what, rate in rates.items():
            say(f"threads {threads}  {what}: {rate:,.0f} poems a second")
    return report


def main(arguments: list[str] | None = None) -> int:
    """Exit status: 0 done, 2 a contender or a number that cannot be used, 130 interrupted."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--backend", nargs="+", default=["numpy", "numba"])
    parser.add_argument("--threads", nargs="+", type=int, default=[1, 2])
    parser.add_argument("--sizes", choices=SIZES, default="course",
                        help="the course's, those of both recipes, or all [course]")
    parser.add_argument("--phases", action="store_true", help="a step by phases, on one thread, instead")
    parser.add_argument("--json", action="store_true", help="for machines")
    args = parser.parse_args(arguments)
    try:
        report = run(args)
    except InputError as error:
        print(one_line(f"error: {error}"), file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    if args.json:
        print(json.dumps(report, indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main())
