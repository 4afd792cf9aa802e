"""`make gpu`: everything that only a device can show, in one file, gpu-report.json.

    python tests/gpu_report.py [--out gpu-report.json] [--minutes 8]

Exit status: 0 all is within its bounds, 1 something is not (the report says what), 2 no device. A section
that would begin after the minutes are over is not run, and the report says so.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from helpers import gpu_benchmark, gpu_checks  # noqa: E402

from scratch_lstm import get_backend  # noqa: E402
from scratch_lstm.errors import InputError, one_line  # noqa: E402
from scratch_lstm.files import atomic_write  # noqa: E402
from scratch_lstm.poems.corpus import Corpus  # noqa: E402


def card():
    """Its name and limits, and the versions of everything."""
    import cupy
    import torch
    properties = cupy.cuda.runtime.getDeviceProperties(cupy.cuda.runtime.getDevice())
    attributes = cupy.cuda.Device(cupy.cuda.runtime.getDevice()).attributes
    name = properties["name"]
    return {"name": name.decode() if isinstance(name, bytes) else name,
            "compute capability": f"{properties['major']}.{properties['minor']}",
            "multiprocessors": attributes["MultiProcessorCount"],
            "shared memory a block may ask for": attributes["MaxSharedMemoryPerBlockOptin"],
            "driver": cupy.cuda.runtime.driverGetVersion(), "cupy": cupy.__version__,
            "torch": torch.__version__,
            "torch on": "cuda" if torch.cuda.is_available() else "cpu", "numpy": np.__version__,
            "CUPY_TF32 in the environment": os.environ.get("CUPY_TF32", "not set")}, True


def gpu_tests(limit=150):
    """Every test marked gpu."""
    command = [sys.executable, "-m", "pytest", "-q", "-m", "gpu", "-p", "no:cacheprovider",
               str(ROOT / "tests")]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=limit, cwd=ROOT)
    except subprocess.TimeoutExpired:
        return {"failed": f"not done after {limit} s"}, False
    return {"exit status": done.returncode, "said": done.stdout.splitlines()[-8:]}, done.returncode == 0


def made_up_corpus():
    """40 poems of one form over 20 characters, as the tests have."""
    rng, folder = np.random.default_rng(0), Path(tempfile.mkdtemp())
    poems = ["".join(rng.choice(list("一二三四五六七八九十百千山水风月花雨雪日"), 20)) for _ in range(40)]
    (folder / "poems.txt").write_text("\n".join(poems), encoding="utf-8")
    return Corpus.load(folder / "poems.txt")


def sections():
    """Name -> a function without arguments that returns (figures, whether they are as they must be)."""
    corpus = made_up_corpus()
    return {
        "card": card,
        "time loops, float32": partial(gpu_checks.loop_errors, "float32"),
        "time loops, float64": partial(gpu_checks.loop_errors, "float64"),
        "gradients, float32": partial(gpu_checks.gradient_errors, "float32"),
        "gradients, float64": partial(gpu_checks.gradient_errors, "float64"),
        "twenty steps, float32": partial(gpu_checks.step_differences, corpus, "float32"),
        "twenty steps, float64": partial(gpu_checks.step_differences, corpus, "float64"),
        "the same bits twice": gpu_checks.determinism,
        "memory over 500 steps": gpu_checks.memory_growth,
        "milliseconds a step": gpu_benchmark.step_times,
        "milliseconds a step, batch 128": partial(gpu_benchmark.step_times, ("cupy", "torch", "torch fused"),
                                                  gpu_benchmark.Size(B=128)),
        "the loops alone": gpu_benchmark.loop_times,
        "one epoch here": partial(gpu_benchmark.one_epoch, "cupy"),
        "one epoch in torch": partial(gpu_benchmark.one_epoch, "torch"),
        "tests marked gpu": gpu_tests,
    }


def run_all(todo, seconds, clock=time.monotonic, save=lambda results: None):
    """Run the sections one after the other -> {name: {"status": ok, not ok, failed or not run, ...}}; each
    time one is done, `save` gets all results so far."""
    began, results = clock(), {}
    for name, section in todo.items():
        at = clock()
        if at - began >= seconds:
            results[name] = {"status": "not run", "why": f"{seconds:.0f} s were over"}
        else:
            try:
                figures, is_right = section()
                results[name] = {"status": "ok" if is_right else "not ok", **figures}
            except Exception as error:   # the others are worth having all the same
                results[name] = {"status": "failed",
                                 "why": one_line(f"{type(error).__name__}: {error}")[:500]}
            results[name]["section took"] = round(clock() - at, 1)
        print(f"{results[name]['status']:8} {name}", flush=True)
        save(results)
    return results


def main(arguments=None):
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("gpu-report.json"))
    parser.add_argument("--minutes", type=float, default=8, help="in which all must be done [8]")
    args = parser.parse_args(arguments)
    try:
        get_backend("cupy")
    except InputError as error:
        print(f"no report: {error}", file=sys.stderr)
        return 2
    # the longest sections end at a limit of 150 s of their own, so none begins in the last 150 s
    results = run_all(sections(), 60 * args.minutes - 150, save=lambda results: atomic_write(
        args.out, json.dumps(results, ensure_ascii=False, indent=2).encode() + b"\n"))
    print(f"{args.out}: {sum(r['status'] == 'ok' for r in results.values())} of {len(results)} sections ok")
    return 0 if all(r["status"] == "ok" for r in results.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
