"""The GPU kernels under ThreadSanitizer and AddressSanitizer on the CPU, and the checks checked by planted faults.

ThreadSanitizer sees a race between threads of a block, and between blocks; AddressSanitizer sees what is read or
written outside an array or outside the shared memory. Run as a script,

    PYTHONPATH=.:tests python tests/test_cupy_sanitizers.py

it prints which check catches which fault.
"""

import sys

import pytest
from helpers import cuda_on_cpu
from helpers.loop_cases import Case
from helpers.loop_faults import CASE, CHECKS, FAULTS, FROM_ZERO, HARMLESS, Fault, caught, check

needs_compiler = pytest.mark.skipif(cuda_on_cpu.compiler() is None, reason="no C++ compiler, or not Linux")
if cuda_on_cpu.compiler() is not None and not all(map(cuda_on_cpu.has_sanitizer, ("thread", "address"))):
    pytestmark = pytest.mark.skip(reason="the C++ compiler has no ThreadSanitizer or no AddressSanitizer here")
EVERYDAY = 25                                      # faults; the rest are slow tests
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
