"""The persistent time loops of the GPU: their own CUDA text, run on the CPU, is NumPy's loop within link 6.

The threads of a block run in three orders, and no memory is shared with the reference. Run as a script,

    PYTHONPATH=.:tests python tests/test_cupy_persistent.py

it prints the table of errors, worst shapes last: against NumPy's loop in float64 on the same numbers, and
against its loop in the same dtype, whose own rounding counts then too.
"""

import itertools
import sys

import numpy as np
import pytest
from helpers import cuda_on_cpu
from helpers.loop_cases import CARD, Case, draw, errors, reference, run
from hypothesis import given, settings
from hypothesis import strategies as st

from scratch_lstm.kernels.gpu.persistent_split import LARGEST, OTHER, round_up, sequences_in_block, split

BOUND = {"float32": 1e-6, "float64": 1e-14}
EDGES = [(1, 1, 1, 1), (200, 1, 1, 1), (1, 64, 33, 2), (7, 5, 128, 2), (25, 6, 100, 2), (9, 9, 128, 4),
         (12, 6, 31, 4), (1, 1, 256, 1), (3, 2, 200, 1)]
LONG = [(1, 512, 33, 2), (25, 32, 128, 1), (25, 33, 100, 2), (50, 9, 128, 4), (200, 5, 200, 1),
        (200, 3, 256, 2), (200, 512, 33, 4), (40, 512, 128, 4)]
needs_compiler = pytest.mark.skipif(cuda_on_cpu.compiler() is None, reason="no C++ compiler, or not Linux")


def case_of(shape, dtype, **options):
    T, B, H, sequences = shape
    return Case(T, B, H, dtype, min(sequences, 2) if dtype == "float64" else sequences, **options)


def worst(case, order="forward", exact="float64"):
    """The largest error of the two loops. The reference is computed in float64 from the same numbers, so that
    NumPy's own rounding in float32, up to 8e-7, is not counted."""
    expected = reference(case, exact)
    return max(error for which in ("forward", "backward")
               for error in errors(run(case, which, order), expected).values())


@needs_compiler
@pytest.mark.parametrize("dtype", BOUND)
@pytest.mark.parametrize("shape", EDGES + [pytest.param(s, marks=pytest.mark.slow) for s in LONG], ids=str)
def test_both_loops_are_numpys(shape, dtype):
    assert worst(case_of(shape, dtype), "shuffled") <= BOUND[dtype]


@needs_compiler
@settings(max_examples=8)
@given(T=st.integers(1, 9), B=st.integers(1, 9), H=st.integers(1, 70), sequences=st.sampled_from([1, 2, 4]),
       dtype=st.sampled_from(sorted(BOUND)), given_state=st.booleans(), order=st.sampled_from(
           sorted(cuda_on_cpu.ORDERS)), places=st.none() | st.tuples(st.sampled_from([4, 8]), st.sampled_from(
               [0, 4, 8])), seed=st.integers(0, 10_000))
def test_both_loops_are_numpys_for_drawn_shapes(T, B, H, sequences, dtype, given_state, order, places, seed):
    if places:
        places = min(places[0], round_up(H, 4)), places[1]
        places = places[0], min(places[1], round_up(H, 4) - places[0])
    case = case_of((T, B, H, sequences), dtype, given=given_state, places=places, seed=seed)
    assert worst(case, order) <= BOUND[dtype]


@needs_compiler
@pytest.mark.parametrize("dtype", BOUND)
def test_extremes_do_not_overflow_and_nan_stays_in_its_sequence(dtype, monkeypatch):
    case = Case(2, 3, 5, dtype, 2)
    inputs = draw(case)
    inputs["z"][0, 0, :], inputs["z"][0, 1, :], inputs["z"][0, 2, 3] = 800, -800, np.nan
    monkeypatch.setattr("helpers.loop_cases.draw", lambda case: inputs)
    found = run(case, "forward")
    assert all(np.isfinite(a[:, :2]).all() for a in found.values()) and np.isnan(found["h"][2, 2]).all()


def test_the_rule_that_divides_U_keeps_every_limit():
    for H in range(1, LARGEST + 1):
        for itemsize, by_sequences in OTHER.items():
            for sequences in by_sequences:
                for limit in (CARD, 99 * 1024, 227 * 1024):
                    one = split(H, itemsize, sequences, limit)
                    assert one.registers >= 4 and one.registers % 4 == one.shared % 4 == one.threads % 32 == 0
                    assert one.registers + one.shared <= round_up(H, 4) and one.shared_bytes <= limit
                    assert 4 * H <= one.threads <= 1024 and one.shared_bytes % 16 == 0


def test_how_many_sequences_a_block_takes():
    assert [sequences_in_block(B, 108, 4) for B in (1, 108, 109, 216, 217, 512)] == [1, 1, 2, 2, 4, 4]
    assert [sequences_in_block(B, 108, 8) for B in (108, 512)] == [1, 2]


def report():
    """Print the errors of every shape of the tables."""
    rows = []
    for shape, dtype in itertools.product(EDGES + LONG, BOUND):
        case = case_of(shape, dtype)
        rows.append((dtype, max(worst(case, order) for order in cuda_on_cpu.ORDERS),
                     worst(case, "shuffled", dtype), case))
    for dtype, error, against_same, case in sorted(rows, key=lambda row: row[:2]):
        print(f"| {dtype} | {case.T} | {case.B} | {case.H} | {case.sequences} | {error:.1e} "
              f"| {against_same:.1e} |")
    return 0 if all(error <= BOUND[dtype] for dtype, error, *_ in rows) else 1


if __name__ == "__main__":
    sys.exit(report())
