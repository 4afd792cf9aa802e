import numpy as np
import pytest
import torch

from scratch_lstm import Adam, clip_grad_norm


@pytest.mark.parametrize("max_norm", [0.5, 100.0])
def test_clipping_is_torchs(max_norm):
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


def test_adam_is_torchs_over_many_steps_and_chunks():
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


def test_defaults_are_torchs():
    theirs = torch.optim.Adam([torch.zeros(1, requires_grad=True)]).defaults
    ours = Adam(np.zeros(1), np.zeros(1))
    assert (ours.learning_rate, ours.betas, ours.epsilon) == (theirs["lr"], theirs["betas"], theirs["eps"])


def test_first_step_is_the_rate_in_the_direction_of_the_sign():
    p, g = np.zeros(3), np.array([1e-3, -5.0, 0.0])
    Adam(p, g, learning_rate=0.1).step()
    np.testing.assert_allclose(p, [-0.1, 0.1, 0.0], rtol=1e-4)
