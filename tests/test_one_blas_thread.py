"""The matrix library has one thread while the compiled kernels run, and afterwards what it had."""

import threading

import numpy as np
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from scratch_lstm import LSTM, PoemModel, get_backend, lstm
from scratch_lstm.kernels.one_blas_thread import OneBlasThread, one_blas_thread


def blas_threads():
    return {library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"}


@pytest.fixture
def seen(monkeypatch):
    """How many threads the matrix library has in each layer's forward and backward."""
    get_backend("numba")                                          # its library is there before a limit is set
    found = []
    for name in ("layer_forward", "layer_backward"):
        def watched(*arguments, real=getattr(lstm, name)):
            found.append(blas_threads())
            return real(*arguments)

        monkeypatch.setattr(lstm, name, watched)
    return found


def run_layer(backend):
    layer = LSTM(3, 4, backend=backend)
    h, _ = layer.forward(np.ones((2, 2, 3), np.float32))
    layer.backward(h)


def run_model(backend):
    model = PoemModel(5, 3, 4, 1, backend=backend)
    model.loss(np.ones((3, 2), int))
    model.backward()


@pytest.mark.parametrize("run", [run_layer, run_model])
@pytest.mark.parametrize("backend, expected", [("numba", {1}), ("numpy", {2})])
def test_a_user_of_the_library_has_nothing_to_set(run, backend, expected, seen):
    with threadpool_limits(2, user_api="blas"):
        run(backend)
        assert seen == [expected, expected] and blas_threads() == {2}


def test_an_error_restores_the_number_too():
    with threadpool_limits(2, user_api="blas"):
        with pytest.raises(ValueError):
            PoemModel(5, 3, 4, 1, backend="numba").loss(np.full((3, 2), 9))
        assert blas_threads() == {2}


def test_the_last_thread_to_leave_restores_it():
    """Whatever the order: the second comes before the first leaves, and leaves after it."""
    first_is_in, second_is_in, first_left = (threading.Event() for _ in range(3))
    found = []

    def second():
        first_is_in.wait(5)
        with one_blas_thread:
            second_is_in.set()
            first_left.wait(5)
            found.append(blas_threads())

    with threadpool_limits(2, user_api="blas"):
        other = threading.Thread(target=second)
        other.start()
        with one_blas_thread:
            first_is_in.set()
            assert second_is_in.wait(5)
        first_left.set()
        other.join()
        assert found == [{1}] and blas_threads() == {2}


def test_a_limit_of_another_thread_does_not_keep_it_away():
    """The caller limits the library, and its own threads run the model."""
    found = []

    def inside():
        with one_blas_thread:
            found.append(blas_threads())

    with threadpool_limits(2, user_api="blas"):
        other = threading.Thread(target=inside)
        other.start()
        other.join()
        assert found == [{1}] and blas_threads() == {2}


def test_it_works_before_the_libraries_have_been_looked_for():
    with threadpool_limits(2, user_api="blas"):
        with OneBlasThread():
            assert blas_threads() == {1}
        assert blas_threads() == {2}
