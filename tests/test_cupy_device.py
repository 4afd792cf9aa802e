"""The CuPy path on an NVIDIA GPU, where one answers: the checks of `make gpu` as tests."""

import pytest
from helpers import gpu_checks
from helpers.gpu_steps import has_device
from test_every_size import BOUND, CHECKS, ROWS

from scratch_lstm import get_backend
from scratch_lstm.poems.corpus import Corpus

pytestmark = [pytest.mark.gpu, pytest.mark.skipif(not has_device(), reason="no NVIDIA GPU answers here")]
DTYPES = ("float32", "float64")


@pytest.mark.parametrize("dtype", DTYPES)
def test_the_time_loops_are_numpys(dtype):
    assert gpu_checks.loop_errors(dtype)[1]


@pytest.mark.parametrize("dtype", DTYPES)
def test_gradients_are_numpys_and_torchs(dtype):
    assert gpu_checks.gradient_errors(dtype)[1]


@pytest.mark.parametrize("check", CHECKS)
def test_gradients_at_every_size_and_with_every_option(check):
    backends = {name: get_backend(name) for name in ("numpy", "cupy")}
    for name, row in ROWS:
        if name == check and row["backend"] == "cupy":
            assert CHECKS[check][1](row, backends) <= BOUND[row["dtype"]], row


@pytest.mark.parametrize("dtype", DTYPES)
def test_twenty_steps_are_numpys(corpus_file, dtype):
    assert gpu_checks.step_differences(Corpus.load(corpus_file), dtype)[1]


def test_the_same_steps_give_the_same_bits():
    assert gpu_checks.determinism()[1]


def test_memory_does_not_grow():
    assert gpu_checks.memory_growth(200)[1]
