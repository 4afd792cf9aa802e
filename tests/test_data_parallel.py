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


@pytest.mark.parametrize("backend", ["numpy", "numba"])
@pytest.mark.parametrize("shards", [2, 3, 5])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_thread_for_each_shard_changes_no_bit(backend, shards, dtype):
    """Gradients are added where they are then, and otherwise in rows of their own."""
    tokens = np.random.default_rng(1).integers(0, 11, (6, 7))
    results = set()
    for threads in (1, 2, shards, shards + 2):
        model = PoemModel(backend=backend, dropout=0.5, **{**SIZES, "dtype": dtype})
        one = DataParallel(model, threads, shards)
        for _ in range(2):
            loss = one.loss_and_gradient(tokens, (1, 2))
            results.add((loss.tobytes(), model.flat_gradients.tobytes()))
    assert len(results) == 1


# a loss that is only measured

@pytest.mark.parametrize("backend", ["numpy", "numba"])
@pytest.mark.parametrize("B", [1, 5, 130])
def test_a_measured_loss_is_that_of_the_whole_on_any_number_of_threads(backend, B):
    """Without dropout, to rounding; with as many threads to the last bit; training goes on as before."""
    tokens = np.random.default_rng(1).integers(0, 11, (6, B))
    whole = PoemModel(backend=backend, **SIZES)
    loss, losses = float(whole.loss(tokens)), []
    for threads in (1, 2, 3, 7):
        shared = DataParallel(PoemModel(backend=backend, dropout=0.5, **SIZES), threads)
        losses.append([float(shared.loss(tokens, shared.models[0])) for _ in range(3)])
        assert len(set(losses[-1])) == 1 and abs(losses[-1][0] - loss) <= 1e-14 * loss
        first = float(shared.loss_and_gradient(tokens, (1, 2)))
        shared.loss(tokens, shared.models[0])
        assert float(shared.loss_and_gradient(tokens, (1, 2))) == first != losses[-1][0]
    shards = {float(DataParallel(whole, threads, shards=8).loss(tokens, whole)) for threads in (1, 2, 3, 7)}
    assert len(shards) == 1                # where the shards are given, nothing depends on the threads


def test_another_model_can_be_measured():
    """The averaged weights, or a model that was read from a file; it may change between two losses."""
    tokens = np.random.default_rng(1).integers(0, 11, (6, 5))
    shared = DataParallel(PoemModel(**SIZES), 2)
    other = PoemModel(**{**SIZES, "seed": 3})
    for _ in range(2):
        expected = float(other.loss(tokens))
        assert abs(float(shared.loss(tokens, other)) - expected) <= 1e-14 * expected
        other.flat_parameters *= 2
    mine = float(shared.models[0].loss(tokens))
    assert abs(float(shared.loss(tokens, shared.models[0])) - mine) <= 1e-14 * mine != expected
