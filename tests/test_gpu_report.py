"""The report of `make gpu`: what it says without a device, and its logic on the stand-in for CuPy."""

import json
import os
import subprocess
import sys

import gpu_report
import numpy as np
import pytest
from helpers import fake_cupy, gpu_benchmark, gpu_checks
from helpers.gpu_steps import has_device

from scratch_lstm.errors import InputError
from torch_ref.contenders import Size

needs_compiler = pytest.mark.skipif(fake_cupy.compiler() is None, reason="no C++ compiler, or not Linux")
TINY = (11, 5, 6, 3, 4)


@pytest.mark.skipif(has_device(), reason="a GPU answers here")
def test_without_a_device_there_is_one_line_and_no_report(tmp_path, capsys):
    assert gpu_report.main(["--out", str(tmp_path / "report.json")]) == 2
    printed = capsys.readouterr()
    assert printed.out == "" and printed.err.count("\n") == 1
    assert printed.err.startswith("no report: backend 'cupy': ") and not list(tmp_path.iterdir())


def test_a_section_that_fails_costs_no_other_and_time_is_kept(capsys):
    def fails():
        raise RuntimeError("out of\norder")

    times = iter([0, 0, 3, 3, 8, 9, 9, 10, 99])
    results = gpu_report.run_all({"good": lambda: ({"worst": 1}, True), "fails": fails,
                                  "wrong": lambda: ({"worst": np.nan}, False), "late": lambda: ({}, True)},
                                 10, clock=lambda: next(times))
    assert [r["status"] for r in results.values()] == ["ok", "failed", "not ok", "not run"]
    assert results["fails"]["why"] == "RuntimeError: out of\\norder" and results["fails"]["section took"] == 5
    assert results["good"]["worst"] == 1 and results["late"]["why"] == "10 s were over"
    assert capsys.readouterr().out.splitlines()[1] == "failed   fails"


@pytest.mark.parametrize("right, status", [(True, 0), (False, 1)])
def test_the_report_is_written_whole(standin, tmp_path, monkeypatch, capsys, right, status):
    monkeypatch.setattr(gpu_report, "get_backend", lambda name: None)
    monkeypatch.setattr(gpu_report, "sections", lambda: {"card": gpu_report.card,
                                                         "诗": lambda: ({"poem": "春风"}, right)})
    out = tmp_path / "report.json"
    assert gpu_report.main(["--out", str(out)]) == status
    report = json.loads(out.read_text(encoding="utf-8"))
    assert report["card"]["name"] == "the stand-in" and report["card"]["compute capability"] == "7.5"
    assert report["诗"]["poem"] == "春风" and "of 2 sections ok" in capsys.readouterr().out
    with pytest.raises(InputError, match="cannot be written"):
        gpu_report.main(["--out", str(tmp_path / "nowhere" / "report.json")])


def test_the_sections_are_those_that_were_promised(monkeypatch):
    """And none of them is a name without a function."""
    names = gpu_report.sections()
    assert {"card", "tests marked gpu", "the same bits twice", "memory over 500 steps", "one epoch here",
            "one epoch in torch", "milliseconds a step"} <= names.keys() and all(map(callable,
                                                                                     names.values()))
    assert {f"gradients, {dtype}" for dtype in ("float32", "float64")} <= names.keys()


@needs_compiler
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_checks_pass_on_the_stand_in(standin, dtype):
    for figures, right in (gpu_checks.loop_errors(dtype, [(3, 4, 5), (1, 1, 1)]),
                           gpu_checks.gradient_errors(dtype, (5, 6, 2), 3, 4)):
        assert right and figures["worst"] <= figures["bound"] and json.dumps(figures)


@needs_compiler
def test_a_wrong_gradient_is_seen(standin, monkeypatch):
    right = gpu_checks.torch_gradients

    def wrong(*arguments):
        found = right(*arguments)
        found["U1"] = found["U1"] * (1 + 1e-9)
        return found

    monkeypatch.setattr(gpu_checks, "torch_gradients", wrong)
    figures, is_right = gpu_checks.gradient_errors("float64", (5, 6, 2), 3, 4)
    assert not is_right and figures["U1 against torch"] > figures["bound"] > figures["W1 against torch"]
    assert not gpu_checks.worst_of({"a": np.nan}, 1)[1]


@needs_compiler
def test_steps_determinism_and_memory(standin, monkeypatch):
    for dtype in ("float32", "float64"):
        figures, right = gpu_checks.step_differences(gpu_report.made_up_corpus(), dtype)
        assert right and json.dumps(figures)
    figures, same = gpu_checks.determinism(2, TINY)
    assert same and figures["bytes that differ"] == {"vector": 0, "m": 0, "v": 0} and json.dumps(figures)
    grown = iter([5, 5, 6, 6])
    standin.get_default_memory_pool().used_bytes()
    monkeypatch.setattr(standin, "get_default_memory_pool", lambda: type("", (), {
        "used_bytes": lambda self: next(grown), "total_bytes": lambda self: next(grown)})())
    figures, right = gpu_checks.memory_growth(10, TINY)
    assert figures == {"1": {"used": 5, "held": 5}, "10": {"used": 6, "held": 6}} and not right


@needs_compiler
def test_the_timings_have_every_contender(standin):
    timing = {"warm_up": 1, "rounds": 1, "steps": 1}
    figures, right = gpu_benchmark.step_times(("cupy", "torch", "torch fused", "nobody"),
                                              Size(H=4, B=2, T=2, E=3, V=7), **timing)
    assert right and figures["milliseconds a step"].keys() == {"cupy", "torch", "torch fused"}
    assert figures["torch over ours"].keys() == {"torch", "torch fused"}
    assert list(figures["failed"]) == ["nobody"] and "\n" not in figures["failed"]["nobody"]
    figures, right = gpu_benchmark.loop_times(4, 2, 2, 3, **timing)
    assert right and len(figures["microseconds a time step"]) == 4 and json.dumps(figures)


@needs_compiler
def test_the_estimate_counts_a_whole_step():
    root = gpu_report.ROOT
    done = subprocess.run([sys.executable, root / "benchmarks" / "gpu_roofline.py", "--hidden-size", "8",
                           "--batch-size", "2", "--steps", "2"], capture_output=True, text=True, check=True,
                          env={**os.environ, "PYTHONPATH": f"{root}{os.pathsep}{root / 'tests'}"})
    lines = done.stdout.splitlines()
    cells = {line.split("|")[1].strip(): line.split("|")[2:] for line in lines if line.startswith("|")}
    assert lines[0] == "An estimate, not a measurement." and cells["all"][0].strip() == "27"
    assert cells["lstm_forward"][2].strip() == f"{2 * 2 * 2 * 2 * 4 * 8 * 8 / 1e6:.0f}"
    for line in lines[-3:]:
        low, high = (float(figure) for figure in line[20:].split(" to "))
        assert 0 < low < high


def test_an_epoch_that_cannot_begin_is_told_in_one_line(tmp_path):
    figures, right = gpu_benchmark.one_epoch("numpy", ["--corpus", str(tmp_path / "none.txt")])
    assert not right and "none.txt" in figures["failed"] and "\n" not in figures["failed"]


def test_an_epoch_gives_its_losses_and_poems(corpus_file):
    figures, right = gpu_benchmark.one_epoch("numpy", ["--corpus", str(corpus_file), "--hidden-size", "4"])
    assert right and figures["training loss"] > 0 and any("，" in line for line in figures["printed"])
