"""Embedding and linear layer: gradients, starts, dtypes."""

import numpy as np
import pytest

from scratch_lstm import get_backend
from scratch_lstm.gradcheck import check_gradients
from scratch_lstm.layers import Embedding, Linear

pytestmark = pytest.mark.quick


def test_embedding_gradient_scatters_and_accumulates():
    rng = np.random.default_rng(0)
    layer = Embedding(7, 3, get_backend(), "float64", seed=1)
    tokens = np.array([[0, 5, 5], [5, 2, 0]])                       # 5 three times, 0 twice, 1 never
    dx = rng.normal(size=(2, 3, 3))

    def loss(embedding):
        return (embedding[tokens] * dx).sum()

    assert np.array_equal(layer.forward(tokens), layer.parameters["weight"][tokens])
    layer.backward(dx)
    once = layer.gradients["weight"].copy()
    check_gradients(loss, {"embedding": layer.parameters["weight"]}, {"embedding": once}).assert_ok()
    layer.backward(dx)
    assert np.array_equal(layer.gradients["weight"], 2 * once)
    assert not once[[1, 3, 4, 6]].any()


def test_embedding_starts_uniform_in_minus_one_to_one():
    table = Embedding(200, 50, get_backend(), "float32", seed=0).parameters["weight"]
    assert table.dtype == np.float32 and -1 <= table.min() < -0.99 and 0.99 < table.max() <= 1
    assert abs(table.mean()) < 0.02


def test_linear_gradients():
    rng = np.random.default_rng(2)
    layer = Linear(4, 6, get_backend(), "float64", seed=1)
    layer.parameters["bias"][...] = rng.normal(size=6)
    x, dy = rng.normal(size=(5, 4)), rng.normal(size=(5, 6))
    y = layer.forward(x)
    weight, bias = layer.parameters["weight"], layer.parameters["bias"]
    np.testing.assert_allclose(y, x @ weight.T + bias, rtol=1e-14)
    dx = layer.backward(dy)
    check_gradients(lambda x, weight, bias: ((x @ weight.T + bias) * dy).sum(),
                    {"x": x, "weight": weight, "bias": bias},
                    {"x": dx, "weight": layer.gradients["weight"], "bias": layer.gradients["bias"]}
                    ).assert_ok()
    once = layer.gradients["weight"].copy()
    layer.backward(dy)
    assert np.array_equal(layer.gradients["weight"], 2 * once)


def test_linear_starts_xavier_uniform_with_zero_bias():
    layer = Linear(30, 60, get_backend(), "float64", seed=1)
    bound = np.sqrt(6 / 90)
    assert 0.98 * bound <= abs(layer.parameters["weight"]).max() <= bound
    assert not layer.parameters["bias"].any()


def test_dtypes():
    """The parameters have the layer's own; what comes out has room for the input and the weights."""
    for dtype in ("float32", "float64"):
        for layer in (Linear(3, 4, get_backend(), dtype, 1), Embedding(3, 4, get_backend(), dtype, 1)):
            for name, p in layer.parameters.items():
                assert p.dtype == layer.gradients[name].dtype == dtype, name
    x = np.random.default_rng(4).normal(size=(5, 3))
    for layer, given in ((Linear(3, 4, get_backend(), "float64", seed=1), x + 0j),
                         (Linear(3, 4, get_backend(), "complex128", seed=1), x)):
        assert layer.forward(given).dtype == complex
