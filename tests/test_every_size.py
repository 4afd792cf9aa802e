"""Sizes of one together with dropout: where the transpose of an array is that array itself."""

import itertools

import numpy as np
import pytest

from helpers.lstm_oracles import BACKENDS, draw, filled, layer_of
from scratch_lstm import PoemModel
from scratch_lstm.gradcheck import complex_step, relative_error

BOUND = 1e-13   # of the complex step, relative to the largest entry of a tensor
backends = pytest.mark.parametrize("backend", BACKENDS)


@backends
@pytest.mark.parametrize("T, B, H, L", [*itertools.product((1, 3), (1, 3), (1, 3), (1, 2, 3))])
def test_gradients_of_the_layers_with_dropout(backend, T, B, H, L):
    arguments, upstream = draw(T + B, T=T, B=B, D=2, H=H, L=L)

    def forward(a):
        layer = layer_of(a, backend)
        layer.dropout, layer.rng = 0.4, np.random.default_rng(1)        # the same masks each time
        return layer, layer.forward(a["x"], (a["h_0"], a["c_0"]))

    def loss(name, value):
        _, (h, (h_n, c_n)) = forward({n: a + 0j for n, a in arguments.items()} | {name: value})
        return ((h * upstream["h"]).sum() + (h_n * upstream["h_n"]).sum() + (c_n * upstream["c_n"]).sum())

    layer, _ = forward(arguments)
    up = filled(arguments, upstream)
    dx, (dh_0, dc_0) = layer.backward(up["h"], (up["h_n"], up["c_n"]))
    for name, gradient in {**layer.gradients, "x": dx, "h_0": dh_0, "c_0": dc_0}.items():
        exact = complex_step(lambda value: loss(name, value), arguments[name])
        assert relative_error(gradient, exact, name) <= BOUND, name


@backends
@pytest.mark.parametrize("T, B, H, L", [*itertools.product((1, 3), (1, 3), (1, 3), (1, 2))])
def test_gradients_of_the_model_with_dropout(backend, T, B, H, L):
    tokens = np.random.default_rng(2).integers(0, 5, (T + 1, B))
    model = PoemModel(5, 3, H, L, dropout=0.4, backend=backend, dtype="float64", seed=1)
    wide = PoemModel(5, 3, H, L, dropout=0.4, backend=backend, dtype="complex128", seed=1)

    def loss(name, value):
        wide.flat_parameters[...] = model.flat_parameters
        wide.parameters[name][...] = value
        wide.seed_dropout(4)
        return wide.loss(tokens)

    model.seed_dropout(4)
    model.loss(tokens)
    model.backward()
    for name, gradient in model.gradients.items():
        exact = complex_step(lambda value: loss(name, value), model.parameters[name])
        if np.any(exact):                                # a mask may hide a parameter altogether
            assert relative_error(gradient, exact, name) <= BOUND, name
        else:
            assert not gradient.any(), name


def buffers_of(layer):
    """Every array that the layer keeps."""
    workspaces = [layer.scratch, *layer.own]
    return [*(a for workspace in workspaces for a in workspace.flat.values()),
            *(a for cache in layer.caches for a in cache), *layer.parameters.values(),
            *layer.gradients.values()]


@backends
@pytest.mark.parametrize("T, B, H, L", [*itertools.product((1, 3), (1, 3), (1, 3), (1, 2))])
def test_what_forward_returns_is_the_caller_s_own(backend, T, B, H, L):
    arguments, upstream = draw(T=T, B=B, D=2, H=H, L=L)
    layer, up = layer_of(arguments, backend), filled(arguments, upstream)
    h, (h_n, c_n) = layer.forward(arguments["x"], (arguments["h_0"], arguments["c_0"]))
    inside = buffers_of(layer)
    assert not any(np.shares_memory(result, a) for result in (h, h_n, c_n) for a in inside)
    dx, (dh_0, dc_0) = layer.backward(up["h"], (up["h_n"], up["c_n"]))
    inside = [*buffers_of(layer), *up.values(), *arguments.values()]
    assert not any(np.shares_memory(result, a) for result in (dx, dh_0, dc_0) for a in inside)
