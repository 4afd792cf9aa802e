"""What a gradient check cannot see of dropout: its rate, its scale, and that masks are independent.

A gradient check uses one mask forward and backward, so any mask passes it. Here masks are counted. Each count
is a sum of n independent 0-1 draws, and the bound is 5.5 standard deviations: a right mask would exceed it by
chance once in 26 million counts. The seeds are fixed, so the outcome is always the same.
"""

import numpy as np
import pytest

from scratch_lstm import LSTM, PoemModel, get_backend
from scratch_lstm.training.learner import make_learner
from scratch_lstm.training.settings import Settings

pytestmark = pytest.mark.quick

SIGMAS = 5.5
RATE = 0.4


def assert_share(hits, p):
    """The share of true entries is p, within 5.5 standard deviations."""
    assert abs(hits.mean() - p) <= SIGMAS * np.sqrt(p * (1 - p) / hits.size)


@pytest.mark.parametrize("backend", ["numpy", "numba"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("rate", [0.1, 0.3, 0.5, 0.9])
def test_rate_and_scale(backend, rate, dtype):
    """A share `rate` is 0, the rest is 1 / (1 - rate): so the mean is kept."""
    mask = get_backend(backend).dropout_mask(np.random.default_rng(1), rate, (40, 50, 60), dtype)
    assert mask.dtype == dtype
    assert_share(mask == 0, rate)
    passed = mask[mask != 0]
    assert np.unique(passed).size == 1 and abs(passed[0] * (1 - rate) - 1) <= 2 * np.finfo(dtype).eps
    assert abs(mask.mean() - 1) <= SIGMAS * np.sqrt(rate / (1 - rate) / mask.size) + np.finfo(dtype).eps * 100


def model_masks(*seed, T=20, B=16):
    """Of a two-layer model: the mask between the layers, and the one on the output."""
    model = PoemModel(5, 3, 64, 2, dropout=RATE)
    model.seed_dropout(*seed)
    model.loss(np.zeros((T + 1, B), int))
    return model.lstm.masks[0], model.mask


def step_masks(seed=0, steps=1, threads=1, B=16):
    """The output's masks of several steps of training, each a list of one mask a shard."""
    settings = Settings(backend="numba", dropout=RATE, hidden_size=64, embedding_size=3, threads=threads,
                        seed=seed)
    learner, masks = make_learner(settings, 5), []
    for number in range(steps):
        learner.step(np.zeros((21, B), int), number)
        masks.append([model.mask for model in learner.data_parallel.models])
    return masks


PAIRS = {
    "layers": lambda: model_masks(1),
    "steps": lambda: [shards[0] for shards in step_masks(steps=2)],
    "seeds": lambda: [step_masks(seed)[0][0] for seed in (0, 1)],
    "shards": lambda: step_masks(threads=2)[0],
    "time steps": lambda: (lambda mask: (mask[:-1], mask[1:]))(model_masks(2)[1]),
    "sequences": lambda: (lambda mask: (mask[:, :-1], mask[:, 1:]))(model_masks(3)[1]),
    "units": lambda: (lambda mask: (mask[..., :-1], mask[..., 1:]))(model_masks(4)[1]),
    "three layers": lambda: masks_between_three_layers(),
}


def masks_between_three_layers():
    layer = LSTM(3, 64, 3, dropout=RATE)
    layer.forward(np.zeros((20, 16, 3)))
    return layer.masks[:2]


@pytest.mark.parametrize("pair", PAIRS)
def test_masks_are_independent(pair):
    """Both entries of a pair are dropped with probability rate^2, exactly one with 2 rate (1 - rate)."""
    one, other = (mask == 0 for mask in PAIRS[pair]())
    assert one.shape == other.shape and one.size >= 5000
    assert_share(one, RATE)
    assert_share(one & other, RATE ** 2)
    assert_share(one ^ other, 2 * RATE * (1 - RATE))


def all_masks(seed, shared, T=20, B=16):
    """Of the embedding, between the two layers, and on the output."""
    model = PoemModel(5, 64, 64, 2, RATE, embedding_dropout=0.2, shared_masks=shared)
    model.seed_dropout(seed)
    model.loss(np.zeros((T + 1, B), int))
    return model.x_mask, model.lstm.masks[0], model.mask


@pytest.mark.parametrize("shared", [False, True])
def test_the_masks_of_a_whole_model(shared):
    """Each place has its own rate, and a mask that is independent of the others; a shared one has one time
    step for all, a fresh one for every forward."""
    draws = [all_masks(seed, shared) for seed in range(12)]
    for place, rate in enumerate([0.2, RATE, RATE]):
        masks = np.stack([masks[place] for masks in draws]) == 0
        assert masks.shape == (12, 1 if shared else 20, 16, 64)
        assert_share(masks, rate)
        for other, other_rate in list(enumerate([0.2, RATE, RATE]))[place + 1:]:
            assert_share(masks & (np.stack([masks[other] for masks in draws]) == 0), rate * other_rate)
        assert_share(masks[:-1] & masks[1:], rate ** 2)


def test_a_shared_mask_is_the_same_at_every_time_step():
    model = PoemModel(5, 64, 64, 1, embedding_dropout=0.5, shared_masks=True)
    model.loss(np.zeros((9, 4), int))
    x = model.lstm.caches[0].x                          # what the LSTM read: (T, B, E)
    assert (x[0] == 0).any() and all(np.array_equal(x[0] == 0, x[t] == 0) for t in range(8))


def test_every_shard_drops():
    for shards in step_masks(steps=2, threads=3, B=18):
        assert len(shards) == 3
        for mask in shards:
            assert mask is not None
            assert_share(mask == 0, RATE)


def test_the_same_step_has_the_same_masks():
    one, again = step_masks(steps=2), step_masks(steps=2)
    assert all(np.array_equal(a[0], b[0]) for a, b in zip(one, again))
