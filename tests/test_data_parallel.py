"""A batch in shards on threads is the whole batch."""

import numpy as np
import pytest

from scratch_lstm import PoemModel
from scratch_lstm.training.data_parallel import DataParallel

SIZES = dict(vocabulary_size=11, embedding_size=3, hidden_size=4, num_layers=2, dtype="float64", seed=2)


@pytest.mark.parametrize("backend", ["numpy", "numba"])
@pytest.mark.parametrize("threads", [1, 2, 3, 7])
@pytest.mark.parametrize("B", [1, 5, 6])
def test_the_sum_over_shards_is_the_whole(backend, threads, B):
    tokens = np.random.default_rng(1).integers(0, 11, (6, B))
    whole, shared = PoemModel(backend=backend, **SIZES), PoemModel(backend=backend, **SIZES)
    loss = float(whole.loss(tokens))
    whole.backward()
    shards = DataParallel(shared, threads)
    for _ in range(2):                                             # nothing is left over from one to the next
        assert abs(shards.loss_and_gradient(tokens) - loss) <= 1e-14 * loss
        error = abs(shared.flat_gradients - whole.flat_gradients).max() / abs(whole.flat_gradients).max()
        assert error <= 1e-14


def test_threads_give_the_same_bits_every_time():
    tokens = np.random.default_rng(1).integers(0, 11, (9, 8))
    results = []
    for _ in range(5):
        model = PoemModel(dropout=0.5, backend="numba", **SIZES)
        loss = float(DataParallel(model, 3).loss_and_gradient(tokens, (1, 2)))
        results.append((loss, model.flat_gradients.tobytes()))
    assert len(set(results)) == 1


def test_replicas_share_parameters_and_not_gradients():
    model = PoemModel(**SIZES)
    replica = model.replica()
    model.flat_parameters *= 2
    assert np.array_equal(replica.parameters["U1"], model.parameters["U1"])
    assert np.shares_memory(replica.flat_parameters, model.flat_parameters)
    replica.flat_gradients += 1
    assert not model.flat_gradients.any()


def test_an_error_in_a_thread_is_an_error_here():
    with pytest.raises(ValueError):
        DataParallel(PoemModel(**SIZES), 2).loss_and_gradient(np.full((3, 4), 99))
