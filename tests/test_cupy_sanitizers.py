"""The GPU kernels under ThreadSanitizer and AddressSanitizer on the CPU, and the checks checked by planted
faults.

ThreadSanitizer sees a race between threads of a block, and between blocks; AddressSanitizer sees what is
read or written outside an array or outside the shared memory. Run as a script,

    PYTHONPATH=.:tests python tests/test_cupy_sanitizers.py

it prints which check catches which fault.
"""

import re
import sys

import numpy as np
import pytest
from helpers import cuda_on_cpu, fake_kernels
from helpers.loop_cases import Case
from helpers.loop_faults import CASE, CHECKS, FAULTS, FROM_ZERO, HARMLESS, Fault, caught, check

from scratch_lstm.training.learner import make_learner
from scratch_lstm.training.settings import Settings

needs_compiler = pytest.mark.skipif(cuda_on_cpu.compiler() is None, reason="no C++ compiler, or not Linux")
if cuda_on_cpu.compiler() is not None and not all(map(cuda_on_cpu.has_sanitizer, ("thread", "address"))):
    pytestmark = pytest.mark.skip(reason="the C++ compiler lacks ThreadSanitizer or AddressSanitizer")
EVERYDAY = 20                                      # faults; the rest are slow tests
COURSE = Case(T=7, B=5, H=128, sequences=2)        # U as at the course's size, in all three places
ONE = Case(T=1, B=1, H=1)


def name_of(fault):
    return f"{fault.loop}-{fault.name}".replace(" ", "_")


@needs_compiler
@pytest.mark.parametrize("how", CHECKS)
@pytest.mark.parametrize("loop", ["forward", "backward"])
def test_the_kernels_as_they_are_pass_every_check(loop, how):
    for case in (CASE, FROM_ZERO, ONE) if how == "address" else (CASE, FROM_ZERO):
        check(Fault("none", loop, "", "", how, case=case), how)


@needs_compiler
@pytest.mark.parametrize("how", ["thread", "address"])
@pytest.mark.parametrize("loop", ["forward", "backward"])
def test_no_race_and_nothing_outside_at_the_courses_size(loop, how):
    check(Fault("none", loop, "", "", how, case=COURSE), how)


@needs_compiler
@pytest.mark.parametrize("fault", [*FAULTS[:EVERYDAY], *(pytest.param(fault, marks=pytest.mark.slow)
                                                         for fault in FAULTS[EVERYDAY:])], ids=name_of)
def test_a_fault_is_caught(fault):
    with pytest.raises(AssertionError):
        check(fault, fault.caught_by)


@needs_compiler
@pytest.mark.slow
@pytest.mark.parametrize("fault", HARMLESS, ids=name_of)
def test_what_changes_nothing_passes_every_check(fault):
    for how in CHECKS:
        check(fault, how)


# The other kernels: every launch of a training step, made again

@pytest.fixture
def launches(standin, monkeypatch):
    """(text, defines) -> [(launch, arrays after it)] of a step with every option."""
    recorded = []
    monkeypatch.setattr(fake_kernels, "RECORDED", recorded)
    one = make_learner(Settings(backend="cupy", embedding_size=6, hidden_size=5, num_layers=1, dropout=0.3,
                                average=0.9), 300)
    one.step(np.random.default_rng(0).integers(0, 7, (3, 4)), 0)
    by_text = {}
    for kernel, launch, after in recorded:
        by_text.setdefault((kernel.code, kernel.defines), []).append((launch, after))
    return by_text


@needs_compiler
@pytest.mark.parametrize("how", ["thread", "address"])
def test_a_whole_step_has_no_race_and_touches_nothing_outside(launches, how):
    names = set()
    for (text, defines), made in launches.items():
        results = cuda_on_cpu.run_apart(how, text, dict(defines), [launch for launch, _ in made])
        for (launch, after), arrays in zip(made, results, strict=True):
            names.add(launch[0])
            for a, b in zip(arrays, after, strict=True):
                assert np.array_equal(a, b, equal_nan=True), launch[0]
    assert names == {"softmax", "dlogits", "mean", "add_column_sum", "add_rows", "sum_squares", "clip_adam",
                     "dropout_mask", *(f"lstm_{which}" for which in ("forward", "backward"))}


@needs_compiler
@pytest.mark.slow
@pytest.mark.parametrize("kernel, which, how", [
    ("softmax", 0, "thread"), ("softmax", 1, "thread"), ("softmax", 2, "thread"), ("mean", 0, "thread"),
    ("mean", 1, "thread"), ("add_column_sum", 0, "thread"), ("add_rows", 0, "thread"),
    ("clip_adam", 0, "thread"),
])
def test_a_missing_barrier_around_the_loops_is_a_race(launches, kernel, which, how):
    """which: of the barriers of the kernel itself, or, where it has none, of the sum over a block."""
    (text, defines), launch = next((key, launch) for key, made in launches.items() for launch, _ in made
                                   if launch[0] == kernel)
    begin = text.index(f"{kernel}(\n") if f"{kernel}(\n" in text else text.index(f"{kernel}(const")
    if "__syncthreads" not in text[begin:].split("extern", 2)[1]:
        begin = 0
    places = [place.start() for place in re.finditer(r"__syncthreads\(\);", text)
              if place.start() > begin]
    broken = text[:places[which]] + text[places[which]:].replace("__syncthreads();", ";", 1)
    with pytest.raises(cuda_on_cpu.SanitizerError):
        cuda_on_cpu.run_apart(how, broken, dict(defines), [launch])


@needs_compiler
@pytest.mark.slow
@pytest.mark.parametrize("kernel, old, new", [
    ("softmax", "target >= 0 && target < V", "true"),
    ("softmax", "v < V; v += THREADS)\n        if", "v <= V; v += THREADS)\n        if"),
    ("add_column_sum", "if (j < columns)\n        for", "if (true)\n        for"),
    ("add_rows", "begin > 0 && ", ""),
    ("clip_adam", "i < partials", "i <= partials"), ("dropout_mask", "at < size", "at <= size"),
    ("sum_squares", "i < size", "i <= size"), ("mean", "n < N; n += THREADS", "n <= N; n += THREADS"),
])
def test_what_touches_memory_outside_is_seen(launches, kernel, old, new):
    (text, defines), launch = next((key, launch) for key, made in launches.items() for launch, _ in made
                                   if launch[0] == kernel)
    if kernel == "softmax" and new == "true":
        launch[3][1][0] = -9                                          # a wrong target
    assert old in text
    with pytest.raises(cuda_on_cpu.SanitizerError):
        cuda_on_cpu.run_apart("address", text.replace(old, new), dict(defines), [launch])


def test_the_faults_are_many_and_every_barrier_is_among_them():
    assert len(FAULTS) >= 20 and len({(fault.loop, fault.name) for fault in FAULTS}) == len(FAULTS)
    for loop in ("forward", "backward"):
        missing = [fault for fault in FAULTS if fault.loop == loop and fault.name.startswith("no barrier")]
        text = missing[0].text
        own = text[text.index(f"lstm_{loop}("):]
        assert {fault.which for fault in missing} == set(range(own.count("__syncthreads") + 1))
        assert all(fault.caught_by == "thread" for fault in missing)


def report():
    """Print the table of faults and checks."""
    for fault in FAULTS + HARMLESS:
        by = [how for how in CHECKS if caught(fault, how)]
        print(f"{fault.loop:9}{fault.name:55}{', '.join(by) or 'nothing: ' + fault.caught_by}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(report())
