"""The shards of a batch run side by side, each on a thread of its own."""

import threading

import numpy as np
import pytest

from scratch_lstm import PoemModel
from scratch_lstm.training.data_parallel import DataParallel
from scratch_lstm.training.learner import make_learner
from scratch_lstm.training.settings import Settings

pytestmark = pytest.mark.quick


@pytest.mark.parametrize("threads", [1, 2, 33])
def test_every_shard_has_a_thread_of_its_own(threads, monkeypatch):
    """No shard goes on before all have begun. One thread is the caller's: it has nothing to wait for."""
    together, seen = threading.Barrier(threads), set()
    loss = PoemModel.loss

    def loss_of_one_of_all(model, tokens):
        together.wait(timeout=8)
        seen.add(threading.current_thread())
        return loss(model, tokens)

    monkeypatch.setattr(PoemModel, "loss", loss_of_one_of_all)
    model = PoemModel(3, 2, 2, 1, dtype="float64")
    DataParallel(model, threads).loss_and_gradient(np.zeros((2, threads), int))
    assert len(seen) == threads and (threading.current_thread() in seen) == (threads == 1)


def test_only_compiled_kernels_share_a_batch():
    """NumPy's threads are those of the matrix library."""
    for backend, shards in (("numpy", 1), ("numba", 3)):
        learner = make_learner(Settings(backend=backend, threads=3, hidden_size=2), 5)
        assert len(learner.data_parallel.models) == shards
