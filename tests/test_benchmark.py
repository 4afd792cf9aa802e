"""The benchmark: its report is complete, its floor does the products of a step, its errors are one line."""

import json
import math
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import torch_ref.race as race_module
from scratch_lstm.backend import get_backend
from scratch_lstm.errors import InputError
from torch_ref import benchmark, contenders, floor, phases, poem_rates
from torch_ref.contenders import build_learner
from torch_ref.race import race
from torch_ref.sizes import BEST, Size

TINY = Size(H=4, B=3, T=3, E=4, V=9)
ROOT = Path(benchmark.__file__).resolve().parent.parent


@pytest.fixture
def quick(monkeypatch):
    """Little work in every part."""
    monkeypatch.setattr(race_module, "ROUNDS", 2)
    monkeypatch.setattr(race_module, "PAUSE", 0.0)
    for name, value in (("COUNT", 4), ("LENGTH", 5), ("ROUNDS", 1)):
        monkeypatch.setattr(poem_rates, name, value)
    for name, value in (("STEPS", 2), ("WARM_UP", 1)):
        monkeypatch.setattr(phases, name, value)
    monkeypatch.setitem(benchmark.SIZES, "course", [TINY])


def numbers(report):
    """Every number of nested dictionaries and lists."""
    if isinstance(report, dict):
        report = list(report.values())
    if isinstance(report, list):
        return [number for part in report for number in numbers(part)]
    return [report] if isinstance(report, (int, float)) else []


def test_a_whole_report(quick, capsys):
    assert benchmark.main(["--threads", "1", "2", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert [one["threads"] for one in report["races"]] == [1, 2]
    for one in report["races"]:
        names = ["numpy", "numba", "torch", "torch fused", *floor.FLOORS]
        assert list(one["results"]) == names and one["size"]["H"] == 4
        for name, r in one["results"].items():
            assert 0 < r["step_low"] <= r["step"] <= r["step_high"]
            if name in floor.FLOORS:
                assert r["gflops"] > 0
                continue
            assert 0 < r["forward_low"] <= r["forward"] <= r["forward_high"] and math.isfinite(r["memory"])
            assert ("over_floor" in r) == (name in floor.FLOORS.values())
            if "over_floor" in r:
                middle, low, high = r["over_floor"]
                assert floor.FLOORS[r["floor"]] == name and 0 < low <= middle <= high
    for rates in report["poems a second"].values():
        assert len(rates) == len(poem_rates.WAYS) + 1 and min(rates.values()) > 0
    assert all(math.isfinite(number) for number in numbers(report))


def test_what_is_printed(quick, capsys):
    assert benchmark.main(["--threads", "1", "--backend", "numpy"]) == 0
    printed = capsys.readouterr().out
    assert "GF/s" in printed and "top-k 20: " in printed and "floor grouped" not in printed
    assert "nan" not in printed


@pytest.mark.parametrize("backend", ["numpy", "numba"])
def test_the_phases_are_the_whole_step(backend, quick):
    """Nothing is counted twice, every phase has a time, and the learner is as it was."""
    one = build_learner(backend, TINY, 1)
    if one.model.backend.loop is None:
        one.model.backend.loop = phases.NumpyLoop(one.model.backend.cell)
    tokens = np.zeros((4, 3), int)
    with phases.clocked(one) as clock:
        seconds = phases.seconds(lambda: clock.wrap(phases.ELSE, one.step)(tokens, 0))
    assert set(clock.seconds) == {phase for phase, *_ in phases.parts_of(one)} | {phases.ELSE}
    assert min(clock.seconds.values()) > 0 and not clock.inside
    assert sum(clock.seconds.values()) <= seconds
    assert not hasattr(one.model.linear.forward, "__wrapped__") and "forward" not in vars(one.model.linear)


def test_the_loop_that_the_clock_needs_gives_the_bits_of_the_layers_own():
    tokens = np.random.default_rng(0).integers(0, 9, (4, 3))
    gradients = []
    for own in (True, False):
        one = build_learner("numpy", TINY, 1)
        if not own:
            one.model.backend.loop = phases.NumpyLoop(one.model.backend.cell)
        one.step(tokens, 0)
        gradients.append(one.model.flat_parameters.tobytes())
    assert gradients[0] == gradients[1]


def test_the_table_of_phases(quick, capsys):
    assert benchmark.main(["--phases", "--threads", "1"]) == 0
    printed = capsys.readouterr().out
    assert printed.count("whole step, no clock") == 2 and "time loops, backward" in printed
    assert benchmark.main(["--phases", "--threads", "1", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert [one["backend"] for one in report["phases"]] == ["numpy", "numba"]
    assert all(spent > 0 for one in report["phases"] for spent, _ in one["phases"].values())


@pytest.mark.parametrize("size", [TINY, BEST])
def test_the_floor_has_the_arithmetic_of_the_gradients(size):
    """Three products for each matrix; the numbers of a tied model too."""
    one = build_learner("numpy", size, 1).model
    matrices = sum(p.size for name, p in one.parameters.items() if name[0] in "WU" or name == "fc.weight")
    if one.tie_embedding:
        matrices += one.parameters["embedding"].size
    assert size.flops == 6 * matrices * size.T * size.B


@pytest.mark.parametrize("size", [TINY, BEST])
def test_the_floor_does_this_arithmetic(size, monkeypatch):
    done = []

    def multiply(a, b, out=None):
        done.append(2 * a.shape[0] * a.shape[1] * b.shape[1])
        assert a.shape[1] == b.shape[0] and (out is None or tuple(out.shape) == (a.shape[0], b.shape[1]))

    monkeypatch.setattr(np, "matmul", multiply)
    floor.together(floor.pieces("floor", size, size.B).values())()
    assert sum(done) == size.flops


class Turns:
    """The end of a pipe that asks for these, and keeps the answers."""

    def __init__(self, *turns):
        self.turns, self.answers = iter([*turns, None]), []

    def recv(self):
        return next(self.turns)

    def send(self, answer):
        self.answers.append(answer)


def test_the_first_steps_of_a_turn_do_not_count(monkeypatch):
    """Step k takes 2 k + 1 seconds of a clock that shows the square of how many were done."""
    done = []
    monkeypatch.setattr(contenders, "products", lambda *arguments: lambda: done.append(1))
    monkeypatch.setattr(contenders.time, "perf_counter", lambda: float(len(done) ** 2))
    pipe, all_of_them = Turns("step", "memory", "step"), contenders.WARM_UP + contenders.STEPS
    contenders.answer_turns(pipe, "floor", TINY, 1)
    for turn, answer in enumerate(pipe.answers[::2]):
        first = turn * all_of_them + contenders.WARM_UP
        assert answer == [2 * k + 1 for k in range(first, first + contenders.STEPS)]


@pytest.mark.parametrize("rows", [1, 3, 16])
def test_the_compiled_floor_multiplies(rows):
    rng = np.random.default_rng(0)
    A, B, out = (rng.standard_normal(shape, np.float32) for shape in ((16, 5), (5, 3), (16, 3)))
    floor.compiled()(A, B, out, rows, 2)
    assert abs(out - A @ B).max() <= 1e-6 * abs(out).max()


def test_the_floor_in_tiles_multiplies():
    """Nine predictions of three features, seven words; tiles of four by four."""
    rng = np.random.default_rng(0)
    h, fc = rng.standard_normal((9, 3)), rng.standard_normal((7, 3))
    forward, backward = floor.compiled_tiles()
    block, dfc, dh = np.zeros(7 * 4), np.zeros_like(fc), np.zeros_like(h)
    forward(h.reshape(-1), fc, block, 9, 4)
    last = h[8].reshape(3, 1)                                       # one prediction in the last block
    assert np.max(np.abs(block[:7].reshape(7, 1) - fc @ last)) <= 1e-15
    block[:] = 1
    backward(block, h, fc, dfc, dh, 4)
    assert np.max(np.abs(dfc - h.sum(axis=0))) <= 1e-14 and np.max(np.abs(dh - fc.sum(axis=0))) <= 1e-14


@pytest.mark.parametrize("flags, message", [
    (["--backend", "nobody"], "error: backend 'nobody' is not one of auto, numpy, numba, cupy\n"),
    (["--backend", "auto"], "error: backend 'auto': name the backends that are compared\n"),
    (["--threads", "0"], "error: --threads 0: it must be at least 1\n")])
def test_what_cannot_take_part_is_one_line(flags, message, capsys):
    assert benchmark.main(flags) == 2
    printed, error = capsys.readouterr()
    assert (printed, error) == ("", message)


def test_a_contender_that_is_not_installed(monkeypatch, capsys):
    get_backend("numba")
    monkeypatch.setitem(sys.modules, "scipy.linalg", None)
    assert benchmark.main(["--backend", "numpy", "numba"]) == 2
    printed, error = capsys.readouterr()
    assert printed == "" and error.startswith("error: backend 'numba' needs Numba and SciPy (")
    assert error.endswith("pip install 'scratch-lstm[fast]'\n") and error.count("\n") == 1


def test_a_contender_that_fails_in_its_process_is_one_error(quick, capfd):
    with pytest.raises(InputError, match="^nobody: backend 'nobody' is not one of"):
        race(["numpy", "nobody"], TINY, 1)
    assert "Traceback" not in capfd.readouterr().err


def test_without_torch_it_says_what_to_install(tmp_path):
    (tmp_path / "torch.py").write_text("raise ImportError('none')\n", encoding="utf-8")
    done = subprocess.run([sys.executable, "-m", "torch_ref.benchmark"], cwd=ROOT, capture_output=True,
                          text=True, env=os.environ | {"PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}"})
    assert done.returncode == 2 and done.stdout == ""
    assert done.stderr == "error: torch is not installed: pip install 'scratch-lstm[torch]'\n"


def test_the_machine_is_named():
    named = benchmark.machine()
    assert {"processor", "numpy", "blas", "torch"} <= named.keys() and all(named.values())
