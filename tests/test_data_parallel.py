"""A batch in shards on threads is the whole batch."""

import threading

import numpy as np
import pytest

from scratch_lstm import PoemModel
from scratch_lstm.training import data_parallel
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
    assert shared.readers is not shared.models
    mine = float(shared.models[0].loss(tokens))
    assert abs(float(shared.loss(tokens, shared.models[0])) - mine) <= 1e-14 * mine != expected
    assert shared.readers is shared.models                  # no other buffers than those of the training


# Who does the work

def watch(one, threads, parts, method):
    """From now on `method` of each model that computes keeps the number of poems it is given, and waits until
    `threads` calls have begun: so many must be in it at the same time."""
    barrier = threading.Barrier(threads, timeout=20)
    for model in {id(model): model for model in one.models + one.readers}.values():
        def watched(tokens, *others, own=getattr(model, method), model=model):
            parts.append((tokens.shape[1], id(model)))
            barrier.wait()
            return own(tokens, *others)

        setattr(model, method, watched)


@pytest.mark.parametrize("threads, shards, B, sizes", [
    (1, 4, 8, [2] * 4), (3, 3, 6, [2] * 3), (3, 6, 6, [1] * 6), (2, 4, 7, [1, 2, 2, 2])])
def test_each_shard_is_computed_once_and_by_all_threads(threads, shards, B, sizes):
    one, done = DataParallel(PoemModel(**SIZES), threads, shards), []
    watch(one, threads, done, "fused_loss")
    one.loss_and_gradient(np.zeros((3, B), int), (1,))
    assert sorted(size for size, _ in done) == sizes and len({model for _, model in done}) == threads


@pytest.mark.parametrize("threads, shards, B, sizes", [
    (1, 0, 64, [64]), (1, 0, 65, [32, 33]), (3, 0, 3, [1] * 3), (2, 0, 130, [32, 32, 33, 33]),
    (3, 0, 2, [1, 1]), (2, 8, 5, [5]), (1, 8, 130, [43, 43, 44])])
@pytest.mark.parametrize("own", [True, False])
def test_the_parts_of_a_measured_loss(threads, shards, B, sizes, own, monkeypatch):
    """At most 64 poems, and one for each thread at least, unless the shards are given."""
    if sizes == [32, 32, 33, 33]:
        monkeypatch.setattr(data_parallel, "POEMS_AT_ONCE", 33)
    one, done = DataParallel(PoemModel(**SIZES), threads, shards), []
    model = one.models[0] if own else PoemModel(**SIZES)
    one.loss(np.zeros((3, 1), int), model)                  # the readers are made
    assert (one.readers is one.models) == own and len(one.readers) == threads
    watch(one, min(threads, len(sizes)), done, "fused_loss")
    one.loss(np.zeros((3, B), int), model)
    assert sorted(size for size, _ in done) == sizes
    assert len({model for _, model in done}) == min(threads, len(sizes))
