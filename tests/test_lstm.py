"""lstm.py: gradients of fixed networks, dtypes, dropout, the start, misuse."""

import re

import numpy as np
import pytest
import torch
from helpers.lstm_oracles import BACKENDS, USES, draw, layer_of, loss_of, ours

from scratch_lstm import LSTM, get_backend, lstm_layer
from scratch_lstm.backend import Backend, Workspace
from scratch_lstm.gradcheck import check_gradients

backends = pytest.mark.parametrize("backend", BACKENDS)
SHAPES = {"one layer": dict(T=4, B=3, D=2, H=5, L=1), "two layers": dict(T=3, B=2, D=4, H=3, L=2),
          "three layers": dict(T=2, B=2, D=1, H=3, L=3)}


@backends
@pytest.mark.parametrize("uses", sorted(USES))
@pytest.mark.parametrize("shape", SHAPES)
def test_gradients(shape, uses, backend):
    arguments, upstream = draw(**SHAPES[shape], uses=uses)
    check_gradients(loss_of(upstream), arguments, ours(arguments, upstream, backend)[1]).assert_ok()


@backends
def test_gradients_through_dropout(backend):
    arguments, upstream = draw(T=4, B=3, D=2, H=5, L=3)
    _, gradients = ours(arguments, upstream, backend, dropout=0.4, mask_seed=9)
    check_gradients(loss_of(upstream, backend, dropout=0.4, mask_seed=9), arguments, gradients).assert_ok()


@pytest.mark.parametrize("dtype", ["float32", "float64", "complex128"])
def test_dtype_follows_the_input(dtype):
    layer, rng = LSTM(4, 3, 2, dtype=dtype), np.random.default_rng(0)
    h, state = layer.forward(rng.normal(size=(3, 2, 4)).astype(dtype))
    dx, _ = layer.backward(rng.normal(size=(3, 2, 3)).astype(dtype))
    assert {a.dtype for a in (h, *state, dx, *layer.gradients.values())} == {np.dtype(dtype)}


def test_noncontiguous_input_and_a_shorter_batch_after_a_longer_one():
    arguments, _ = draw(T=6, B=4, D=3, H=5, L=2)
    layer, x = layer_of(arguments), arguments["x"]
    expected = [layer_of(arguments).forward(np.ascontiguousarray(part))[0] for part in (x, x[::2, 1:3])]
    for part, h in zip((x, x[::2, 1:3]), expected):
        assert np.array_equal(layer.forward(part)[0], h)


def test_dropout_acts_between_layers_in_training_only():
    arguments, _ = draw(T=5, B=3, D=4, H=6, L=2)
    dropped, x = layer_of(arguments), arguments["x"]
    dropped.dropout = 0.5
    h, _ = layer_of(arguments).forward(x)
    assert not np.allclose(dropped.forward(x)[0], h)
    dropped.training = False
    assert np.array_equal(dropped.forward(x)[0], h)
    single = LSTM(4, 6, 1, dropout=0.5, dtype="float64")    # no layer above it: nothing between layers
    assert np.array_equal(single.forward(x)[0], single.forward(x)[0])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_mask_has_the_dtype_of_the_layer(dtype):
    layer = LSTM(2, 5, 2, dropout=0.4, dtype=dtype)
    layer.forward(np.ones((4, 3, 2), dtype))
    assert layer.masks[0].dtype == dtype and layer.masks[1] is None


def test_initialisation_is_torchs_and_the_same_for_every_dtype():
    double, single = LSTM(60, 200, 2, dtype="float64", seed=3), LSTM(60, 200, 2, seed=3)
    for name, p in double.parameters.items():
        bound = (2 if name.startswith("b") else 1) / np.sqrt(200)      # torch adds two biases
        spread = bound / np.sqrt(6 if name.startswith("b") else 3)      # of the sum of two, or of one
        assert abs(p).max() <= bound and abs(p).max() >= 0.85 * bound and abs(p.mean()) <= 0.1 * bound, name
        assert abs(p.std() / spread - 1) <= 0.1, name
        assert np.array_equal(single.parameters[name], p.astype("float32")), name


def test_the_default_seed_is_zero():
    default, zero, one = (LSTM(2, 3, **seed).parameters["U0"] for seed in ({}, {"seed": 0}, {"seed": 1}))
    assert np.array_equal(default, zero) and not np.array_equal(zero, one)


def test_a_compiled_loop_runs_for_real_numbers_only():
    """Where a backend has one. It computes the same, so only the call shows it."""
    class Called(Exception):
        pass

    class Loop:
        @staticmethod
        def forward(*arrays):
            raise Called

        backward = forward

    backend = get_backend("numpy")
    for dtype in ("float32", "float64", "complex64", "complex128"):
        compiled = dtype.startswith("float")
        layer, x, dh = LSTM(2, 5, backend=backend, dtype=dtype), np.ones((4, 3, 2), dtype), np.ones((4, 3, 5))
        for way, call in (("forward", lambda: layer.forward(x)),
                          ("backward", lambda: layer.backward(dh.astype(dtype)))):
            backend.loop = Loop
            try:
                call()
                assert not compiled, f"{way}, {dtype}"
            except Called:
                assert compiled, f"{way}, {dtype}"
            backend.loop = None
            call()


@pytest.mark.parametrize("wide", ["x", "weights", None])
def test_a_compiled_loop_gets_one_dtype(wide):
    """The wider one of x and the parameters; compiled code would round elsewhere, or not compile."""
    expected = np.dtype("float64" if wide else "float32")

    class Loop:
        @staticmethod
        def forward(*arrays):
            assert {a.dtype for a in arrays} == {expected}
            arrays[-1][...] = 0                             # h

        @staticmethod
        def backward(*arrays):
            assert {a.dtype for a in arrays} == {expected}
            arrays[5][...] = arrays[6][...] = 0             # delta, sums

    backend = get_backend("numpy")
    backend.loop = Loop
    dtypes = {"x": "float32", "weights": "float32"} | ({wide: "float64"} if wide else {})
    layer = LSTM(2, 5, backend=backend, dtype=dtypes["weights"])
    h, _ = layer.forward(np.ones((4, 3, 2), dtypes["x"]))
    layer.backward(np.ones_like(h))


# Misuse: a conversion that NumPy users expect, or one clear error

@backends
@pytest.mark.parametrize("convert", [
    np.ndarray.tolist, torch.from_numpy, np.asfortranarray, lambda x: x.astype("float16").astype("float64"),
], ids=["list", "tensor", "fortran", "rounded"])
def test_what_numpy_can_read_is_read(backend, convert):
    layer = LSTM(2, 5, 2, backend=backend, dtype="float64")
    x, state = np.round(np.random.default_rng(0).normal(size=(4, 3, 2)), 1), np.full((2, 2, 3, 5), 0.25)
    expected, (h_n, c_n) = layer.forward(x, (state[0], state[1]))
    for given_state in (tuple(map(convert, state)), state, state.tolist()):     # stacked (2, L, B, H) too
        h, _ = layer.forward(convert(x), given_state)
        assert abs(h - expected).max() <= 1e-3 if convert(x) is not x else np.array_equal(h, expected)
    dx, _ = layer.backward(convert(np.ones((4, 3, 5))))
    assert dx.shape == (4, 3, 2)


@backends
@pytest.mark.parametrize("dtype, result", [(int, "float32"), (bool, "float32"), ("float16", "float32"),
                                           ("float64", "float64")])
def test_the_dtype_of_the_result(backend, dtype, result):
    h, _ = LSTM(2, 5, backend=backend).forward(np.ones((4, 3, 2), dtype))
    assert h.dtype == result


@backends
@pytest.mark.parametrize("x, message", [
    (np.zeros((4, 3, 3)), "x has shape (4, 3, 3); it must be (T, B, 2)"),
    (np.zeros((4, 2)), "x has shape (4, 2); it must be (T, B, 2)"),
    (np.zeros((0, 3, 2)), "x has shape (0, 3, 2); it must be (T, B, 2)"),
    (np.zeros((4, 0, 2)), "x has shape (4, 0, 2); it must be (T, B, 2)"),
    (np.full((4, 3, 2), "a"), "x has dtype <U1; it must be float16 or float32"),
    (np.zeros((4, 3, 2), object), "x has dtype object; it must be float16 or float32"),
    ([[[1.0, 2.0], [3.0]]], "x: a list that cannot be read as an array"),
    (torch.zeros(4, 3, 2, requires_grad=True), "x: a Tensor that cannot be read as an array"),
])
def test_an_x_that_cannot_be_used(backend, x, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}"):
        LSTM(2, 5, backend=backend).forward(x)


@backends
@pytest.mark.parametrize("state, message", [
    (np.zeros((1, 3, 5)), "state has 1 entries; it must be a pair (h, c), each (L, B, H) = (2, 3, 5)"),
    (np.zeros((2, 3, 5)), "state has shapes (3, 5) and (3, 5); both must be (L, B, H) = (2, 3, 5)"),
    ((np.zeros((2, 3, 4)), np.zeros((2, 3, 5))), "state has shapes (2, 3, 4) and (2, 3, 5); both must be"),
    ((np.zeros((2, 3, 5)), np.zeros((2, 4, 5))), "state has shapes (2, 3, 5) and (2, 4, 5); both must be"),
])
def test_a_state_that_does_not_fit(backend, state, message):
    layer = LSTM(2, 5, 2, backend=backend)
    with pytest.raises(ValueError, match=f"^{re.escape(message)}"):
        layer.forward(np.zeros((4, 3, 2)), state)
    layer.forward(np.zeros((4, 3, 2)))
    with pytest.raises(ValueError, match=f"^d_{re.escape(message)}"):
        layer.backward(np.zeros((4, 3, 5)), state)


@backends
def test_backward_needs_a_forward_and_a_dh_that_fits(backend):
    layer = LSTM(2, 5, 2, backend=backend)
    with pytest.raises(RuntimeError, match="^backward needs a forward before it$"):
        layer.backward(np.zeros((4, 3, 5)))
    layer.forward(np.zeros((4, 3, 2)))
    with pytest.raises(ValueError, match=r"^dh has shape \(2, 3, 4\); it must be \(4, 3, 5\)$"):
        layer.backward(np.zeros((2, 3, 4)))


@pytest.mark.parametrize("options, message", [
    (dict(num_layers=0), "num_layers is 0; it must be an integer, 1 or more"),
    (dict(output_size=0), "output_size is 0; it must be an integer, 1 or more"),
    (dict(hidden_size=-1), "hidden_size is -1"), (dict(input_size=2.0), "input_size is 2.0"),
    (dict(dropout=1.0), "dropout is 1.0; it must be from 0 to below 1"),
    (dict(dropout=1.5), "dropout is 1.5"),
    (dict(dropout=-0.1), "dropout is -0.1"), (dict(dropout=float("nan")), "dropout is nan"),
    (dict(dtype=int), "dtype is int64; it must be one of float32"),
    (dict(dtype="float16"), "dtype is float16"),
])
def test_a_layer_that_cannot_be(options, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}"):
        LSTM(**{"input_size": 2, "hidden_size": 5, **options})


@backends
def test_integers_become_the_dtype_of_the_layer(backend):
    layer, zeros = LSTM(2, 5, 2, backend=backend), np.zeros((2, 2, 3, 5), int)
    h, state = layer.forward(np.ones((4, 3, 2), int), zeros)
    dx, d_state = layer.backward(np.ones((4, 3, 5), int), zeros)
    assert {a.dtype.name for a in (h, *state, dx, *d_state)} == {"float32"}


@backends
def test_the_argument_that_cannot_be_read_is_named(backend):
    layer, right = LSTM(2, 5, 2, backend=backend), np.zeros((4, 3, 2))
    state, wrong = np.zeros((2, 2, 3, 5)), np.zeros((2, 2, 3, 5), object)
    layer.forward(right)
    for name, call in (("x", lambda: layer.forward(right.astype(object))),
                       ("state", lambda: layer.forward(right, wrong)),
                       ("dh", lambda: layer.backward(np.zeros((4, 3, 5), object))),
                       ("d_state", lambda: layer.backward(np.zeros((4, 3, 5)), (state[0], wrong[1])))):
        with pytest.raises(ValueError, match=f"^{name} has dtype object; it must be float16 or "):
            call()


def test_an_x_of_the_wrong_shape_gets_advice():
    with pytest.raises(ValueError) as error:
        LSTM(2, 5).forward(np.zeros((4, 2)))
    assert str(error.value) == ("x has shape (4, 2); it must be (T, B, 2): time, batch, input, each at "
                                "least 1. For one sequence (T, D) pass x[:, None]")


def test_a_wrong_shape_is_said_for_a_last_layer_of_another_size():
    """The message names the size of the last layer, and of a state the sizes of all."""
    layer = LSTM(2, 5, 3, output_size=4)
    layer.forward(np.ones((2, 3, 2)))
    with pytest.raises(ValueError, match=re.escape("it must be (2, 3, 4)")):
        layer.backward(np.ones((2, 3, 5)))
    right = [np.ones((3, H)) for H in (5, 5, 4)]
    with pytest.raises(ValueError, match=re.escape("L = 3 arrays (B, H_l), H_l of [5, 5, 4], B = 3")):
        layer.forward(np.ones((2, 3, 2)), (right, right[:2]))
    with pytest.raises(ValueError, match="^state has dtype"):
        layer.forward(np.ones((2, 3, 2)), (right, [*right[:2], "four"]))
    integers = tuple([part.astype(int) for part in right] for _ in "hc")
    h, _ = layer.forward(np.ones((2, 3, 2), "float32"), integers)
    assert h.dtype == "float32"


class OwnLayers(Backend):
    """NumPy with code of its own for a layer (protocols.Layer), where H is `size`: lstm_layer.py itself."""

    def __init__(self, size):
        self.size, self.asked, self.ran = size, [], []

    def layer_for(self, dtype, shape):
        self.asked.append((np.dtype(dtype), shape))
        return self if shape[2] == self.size else None

    def layer_forward(self, x, state, W, U, b, dtype, own):
        self.ran.append(("forward", dtype))
        h, cache = lstm_layer.layer_forward(x, state, W, U, b, self, dtype, own, Workspace(np))
        return h, tuple(cache)

    def layer_backward(self, dh_above, d_state, W, U, cache, dtype, scratch, gradients):
        self.ran.append(("backward", dtype))
        return lstm_layer.layer_backward(dh_above, d_state, W, U, cache, self, dtype, scratch, gradients)


@pytest.mark.parametrize("size", [5, 3])
@pytest.mark.parametrize("given", [True, False])
def test_a_backend_may_have_code_of_its_own_for_a_layer(size, given):
    """Of the first layer or of the last: every result has the same bits."""
    rng, backend, found = np.random.default_rng(0), OwnLayers(size), []
    x, dh = (rng.normal(size=(4, 2, 3)).astype("float32") for _ in range(2))
    states = [tuple([rng.normal(size=(2, H)).astype("float32") for H in (5, 5, 3)] for _ in "hc")
              if given else None for _ in range(2)]
    for one in (backend, "numpy"):
        layer = LSTM(3, 5, 3, 0.5, one, "float32", output_size=3)
        for _ in range(2):
            h, (h_n, c_n) = layer.forward(x, states[0])
            dx, (dh_0, dc_0) = layer.backward(dh, states[1])
        found.append([h, *h_n, *c_n, dx, *dh_0, *dc_0, *layer.gradients.values()])
    assert all(np.array_equal(a, b) for a, b in zip(*found, strict=True))
    single, passes = np.dtype("float32"), [("forward", size), ("backward", size)]
    assert backend.asked == [(single, (4, 2, H)) for H in (5, 5, 3)] * 2
    assert backend.ran == [(way, single) for way, H in passes for _ in range((5, 5, 3).count(H))] * 2
