"""Clipping and Adam are torch's, with the defaults and with other values."""

import numpy as np
import pytest

from scratch_lstm import Adam, clip_grad_norm, get_backend
from scratch_lstm.kernels import numpy_adam

pytestmark = pytest.mark.quick


@pytest.mark.parametrize("max_norm", [0.5, 100.0])
def test_clipping_is_torchs(max_norm, torch):
    gradient = np.random.default_rng(0).normal(size=30)
    theirs = torch.nn.Parameter(torch.zeros(30, dtype=torch.float64))
    theirs.grad = torch.tensor(gradient)
    expected = torch.nn.utils.clip_grad_norm_([theirs], max_norm)
    norm = clip_grad_norm(gradient, max_norm)
    assert abs(norm - expected.item()) <= 1e-14 * norm
    np.testing.assert_allclose(gradient, theirs.grad.numpy(), rtol=1e-14)


def test_clipping_keeps_the_dtype():
    gradient = np.ones(4, "float32")
    assert clip_grad_norm(gradient, 1.0).dtype == np.float32 and gradient.dtype == np.float32


def test_clipping_computes_in_the_gradients_dtype():
    """The factor is rounded to it first, as in torch: the same bits."""
    before = np.random.default_rng(3).normal(size=1000).astype("float32")
    gradient = before.copy()
    norm = clip_grad_norm(gradient, 1.0)
    factor = np.float32(1.0 / (norm + 1e-6))
    assert np.array_equal(gradient, before * factor)


def test_adam_is_torchs_over_many_steps_and_chunks(torch):
    rng = np.random.default_rng(1)
    size = 2 * (1 << 14) + 17                                # three pieces, the last one short
    p, g = rng.normal(size=size), np.empty(size)
    ours, theirs = Adam(p, g, learning_rate=3e-3), torch.nn.Parameter(torch.tensor(p))
    optimizer = torch.optim.Adam([theirs], lr=3e-3)
    for _ in range(20):
        g[...] = rng.normal(size=size) * 10.0 ** rng.integers(-9, 2, size)
        theirs.grad = torch.tensor(g)
        ours.step()
        optimizer.step()
    np.testing.assert_allclose(p, theirs.detach().numpy(), rtol=1e-12)


@pytest.mark.parametrize("backend", ["numpy", "numba"])
@pytest.mark.parametrize("decay", [0.01, 3.0])
def test_weight_decay_is_torchs_adamw(backend, decay, torch):
    """With a learning rate that changes from step to step."""
    rng = np.random.default_rng(1)
    p, g = rng.normal(size=50), np.empty(50)
    theirs = torch.nn.Parameter(torch.tensor(p))
    ours = Adam(p, g, backend=backend, weight_decay=decay)
    optimizer = torch.optim.AdamW([theirs], weight_decay=decay)
    for step in range(10):
        g[...] = rng.normal(size=50) * 10.0 ** rng.integers(-9, 2, 50)
        theirs.grad = torch.tensor(g)
        ours.learning_rate = optimizer.param_groups[0]["lr"] = 0.05 / (step + 1)
        ours.step()
        optimizer.step()
    np.testing.assert_allclose(p, theirs.detach().numpy(), rtol=1e-12)


@pytest.mark.parametrize("backend", ["numpy", "numba"])
def test_no_weight_decay_changes_no_bit(backend):
    """A rate of 1 / 3 is no power of two: a product with it would round."""
    vectors = np.random.default_rng(2).normal(size=(2, 50)).astype("float32")
    bits = []
    for decay in ({}, {"weight_decay": 0.0}):
        p, g = vectors.copy()
        Adam(p, g, 1 / 3, backend=backend, **decay).step()
        bits.append(p.tobytes())
    assert bits[0] == bits[1]


def test_defaults_are_torchs(torch):
    theirs = torch.optim.Adam([torch.zeros(1, requires_grad=True)]).defaults
    ours = Adam(np.zeros(1), np.zeros(1))
    assert (ours.learning_rate, ours.betas, ours.epsilon) == (theirs["lr"], theirs["betas"], theirs["eps"])


def test_first_step_is_the_rate_in_the_direction_of_the_sign():
    p, g = np.zeros(3), np.array([1e-3, -5.0, 0.0])
    Adam(p, g, learning_rate=0.1).step()
    np.testing.assert_allclose(p, [-0.1, 0.1, 0.0], rtol=1e-4)


@pytest.mark.parametrize("backend", ["numpy", "numba"])
@pytest.mark.parametrize("options", [dict(betas=(0.8, 0.95)), dict(betas=(0.5, 0.6), eps=1e-2),
                                     dict(eps=1e-3), dict(lr=0.3)])
def test_adam_is_torchs_for_other_values(backend, options, torch):
    rng = np.random.default_rng(2)
    p, g = rng.normal(size=50), np.empty(50)
    theirs = torch.nn.Parameter(torch.tensor(p))
    values = {"lr": 1e-3, "betas": (0.9, 0.999), "eps": 1e-8, **options}
    ours = Adam(p, g, values["lr"], values["betas"], values["eps"], backend)
    optimizer = torch.optim.Adam([theirs], **options)
    for _ in range(10):
        g[...] = rng.normal(size=50)
        theirs.grad = torch.tensor(g)
        ours.step()
        optimizer.step()
    np.testing.assert_allclose(p, theirs.detach().numpy(), rtol=1e-12)


@pytest.mark.parametrize("keep", [1.0, 0.8])
@pytest.mark.parametrize("size", [1, 7, numpy_adam.PIECE, numpy_adam.PIECE + 1])
def test_the_pieces_are_the_printed_formula(size, keep):
    rng = np.random.default_rng(3)
    one = [rng.normal(size=size) for _ in range(3)] + [rng.random(size)]
    other = [a.copy() for a in one]
    numpy_adam.update(*one, 1e-2, 0.3, 0.9, 0.99, 1e-4, keep)
    numpy_adam.reference_update(*other, 1e-2, 0.3, 0.9, 0.99, 1e-4, keep)
    for a, b in zip(one, other):
        np.testing.assert_allclose(a, b, rtol=1e-13, atol=1e-15)        # m may nearly cancel


@pytest.mark.parametrize("backend", ["numpy", "numba"])
def test_arrays_that_are_not_flat(backend):
    """The norm is one number for any shape, and Adam moves a matrix as it moves its entries."""
    gradient = np.full((3, 3), 10.0)
    assert clip_grad_norm(gradient, 1.0, backend) == 30.0
    assert abs(np.linalg.norm(gradient) - 1) <= 1e-6
    rng = np.random.default_rng(4)
    p, g = rng.normal(size=(2, 4, 5))
    flat_p, flat_g = p.reshape(-1).copy(), g.reshape(-1).copy()
    Adam(p, g, 0.1, backend=backend).step()
    Adam(flat_p, flat_g, 0.1, backend=backend).step()
    assert np.array_equal(p.reshape(-1), flat_p)


def test_what_cannot_be_optimised():
    for max_norm in (0.0, -1.0, float("nan")):
        with pytest.raises(ValueError, match=f"max_norm is {max_norm}; it must be positive"):
            clip_grad_norm(np.ones(3), max_norm)
    with pytest.raises(ValueError, match="both must be contiguous arrays of one shape"):
        Adam(np.ones(3), np.ones(4))
    with pytest.raises(ValueError, match="both must be contiguous arrays of one shape"):
        Adam(np.ones((3, 4)).T, np.ones((4, 3)))


@pytest.mark.parametrize("parameters, gradient, message", [
    (np.ones((3, 4)).T, np.ones((4, 3)), "parameters (4, 3): both must be contiguous arrays of one shape; "
     "the parameters have (4, 3)"),
    (np.ones(3), np.ones(4), "gradient (4,): both must be contiguous arrays of one shape; the parameters "
     "have (3,)")])
def test_the_array_that_does_not_fit_is_named(parameters, gradient, message):
    with pytest.raises(ValueError) as error:
        Adam(parameters, gradient)
    assert str(error.value) == message


@pytest.mark.parametrize("update", [numpy_adam.update, numpy_adam.reference_update])
def test_without_decay_nothing_is_taken_away(update):
    """A gradient of zero in a new state: the parameters stay as they are."""
    p, zero = np.random.default_rng(6).normal(size=5), np.zeros(5)
    kept = p.copy()
    update(p, zero, zero.copy(), zero.copy(), 1e-2, 0.3, 0.9, 0.99, 1e-4)
    assert np.array_equal(p, kept)


class AllAtOnce:
    """protocols.ClippedAdam by its parts."""

    def clip_and_update(self, p, g, m, v, max_norm, step_size, bias_correction2_sqrt, beta1, beta2, epsilon,
                        keep, average, share):
        norm = clip_grad_norm(g, max_norm)
        numpy_adam.update(p, g, m, v, step_size, bias_correction2_sqrt, beta1, beta2, epsilon, keep)
        if average is not None:
            average += (p - average) * share
        return norm


@pytest.mark.parametrize("averaged", [False, True])
def test_clip_and_update_in_one_call_gets_the_same_numbers(averaged):
    """Where a backend has that: the same bits after three steps, and it is what runs."""
    results = []
    for fused in (None, AllAtOnce()):
        rng, backend = np.random.default_rng(2), get_backend("numpy")
        backend.clipped_adam = fused
        backend.adam = numpy_adam if fused is None else None
        p, g = rng.normal(size=9), np.empty(9)
        average = p.copy() if averaged else None
        adam = Adam(p, g, 1e-2, (0.8, 0.95), 1e-4, backend, weight_decay=0.3)
        norms = []
        for share in (0.5, 0.25, 0.125):
            g[...] = rng.normal(size=9)
            norms.append(adam.clipped_step(1.5, average, share))
        results.append([p, g, adam.m, adam.v, np.array(norms), np.zeros(0) if average is None else average])
    assert all(np.array_equal(a, b) for a, b in zip(*results))


def test_an_average_without_a_share_stays():
    p, g, average = np.ones(3), np.ones(3), np.full(3, 7.0)
    Adam(p, g).clipped_step(1.0, average)
    assert np.array_equal(average, np.full(3, 7.0)) and not np.array_equal(p, np.ones(3))
