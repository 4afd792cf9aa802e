import numpy as np
import pytest

from scratch_lstm import LSTM
from scratch_lstm.gradcheck import check_gradients


def random_case(T, B, D, H, L, seed=0):
    """Parameters, inputs, states and upstream gradients, all random and nonzero, in float64."""
    rng = np.random.default_rng(seed)
    layer = LSTM(D, H, L, dtype="float64")
    arguments = {name: 0.7 * rng.normal(size=p.shape) for name, p in layer.parameters.items()}
    arguments |= {"x": rng.normal(size=(T, B, D)), "h_0": rng.normal(size=(L, B, H)),
                  "c_0": rng.normal(size=(L, B, H))}
    upstream = {"h": rng.normal(size=(T, B, H)), "h_n": rng.normal(size=(L, B, H)),
                "c_n": rng.normal(size=(L, B, H))}
    return arguments, upstream


def make(arguments, **options):
    """An LSTM that holds the parameters among the arguments."""
    H, L = arguments["U0"].shape[1], arguments["h_0"].shape[0]
    dtype = np.result_type(*arguments.values())
    layer = LSTM(arguments["W0"].shape[1], H, L, dtype=dtype, **options)
    for name, p in layer.parameters.items():
        p[...] = arguments[name]
    return layer


def project(upstream, **arguments):
    h, (h_n, c_n) = make(arguments).forward(arguments["x"], (arguments["h_0"], arguments["c_0"]))
    return (h * upstream["h"]).sum() + (h_n * upstream["h_n"]).sum() + (c_n * upstream["c_n"]).sum()


def gradients(arguments, upstream, **options):
    layer = make(arguments, **options)
    layer.forward(arguments["x"], (arguments["h_0"], arguments["c_0"]))
    dx, (dh_0, dc_0) = layer.backward(upstream["h"], (upstream["h_n"], upstream["c_n"]))
    return layer.gradients | {"x": dx, "h_0": dh_0, "c_0": dc_0}


@pytest.mark.parametrize("backend", ["numpy", "numba"])
@pytest.mark.parametrize("uses", [("h", "h_n", "c_n"), ("h",), ("h_n",), ("c_n",)])
@pytest.mark.parametrize("sizes", [(4, 3, 2, 5, 1), (3, 2, 4, 3, 2), (2, 2, 1, 3, 3)])
def test_gradients(uses, sizes, backend):
    arguments, upstream = random_case(*sizes)
    upstream = {name: d if name in uses else 0 * d for name, d in upstream.items()}
    check_gradients(lambda **a: project(upstream, **a), arguments,
                    gradients(arguments, upstream, backend=backend)).assert_ok()


def test_backward_accumulates_and_may_be_called_again():
    arguments, upstream = random_case(4, 2, 3, 5, 2)
    layer = make(arguments)
    layer.forward(arguments["x"], (arguments["h_0"], arguments["c_0"]))
    first = layer.backward(upstream["h"], (upstream["h_n"], upstream["c_n"]))
    once = {name: g.copy() for name, g in layer.gradients.items()}
    again = layer.backward(upstream["h"], (upstream["h_n"], upstream["c_n"]))
    assert np.array_equal(first[0], again[0]) and np.array_equal(first[1], again[1])
    for name, g in layer.gradients.items():
        assert np.array_equal(g, 2 * once[name]), name
    layer.zero_gradients()
    assert not any(g.any() for g in layer.gradients.values())


def test_nothing_that_is_given_is_changed():
    arguments, upstream = random_case(4, 2, 3, 5, 2)
    kept = {name: a.copy() for name, a in (arguments | upstream).items()}
    gradients(arguments, upstream)
    for name, a in (arguments | upstream).items():
        assert np.array_equal(a, kept[name]), name


def test_what_is_returned_outlives_the_next_forward():
    arguments, _ = random_case(4, 2, 3, 5, 2)
    layer = make(arguments)
    h, state = layer.forward(arguments["x"])
    kept = h.copy(), np.array(state)
    layer.forward(-arguments["x"])
    assert np.array_equal(h, kept[0]) and np.array_equal(state, kept[1])


def test_two_halves_with_the_state_carried_are_the_whole():
    arguments, upstream = random_case(6, 2, 3, 4, 2)
    whole, x = make(arguments), arguments["x"]
    h, state = whole.forward(x, (arguments["h_0"], arguments["c_0"]))
    dx, d_state = whole.backward(upstream["h"], (upstream["h_n"], upstream["c_n"]))

    first, second = make(arguments), make(arguments)
    h_1, middle = first.forward(x[:2], (arguments["h_0"], arguments["c_0"]))
    h_2, end = second.forward(x[2:], middle)
    dx_2, d_middle = second.backward(upstream["h"][2:], (upstream["h_n"], upstream["c_n"]))
    dx_1, d_start = first.backward(upstream["h"][:2], d_middle)
    close = dict(rtol=1e-13, atol=1e-14)
    np.testing.assert_allclose(np.concatenate([h_1, h_2]), h, **close)
    np.testing.assert_allclose(end, state, **close)
    np.testing.assert_allclose(np.concatenate([dx_1, dx_2]), dx, **close)
    np.testing.assert_allclose(d_start, d_state, **close)
    for name, g in whole.gradients.items():
        np.testing.assert_allclose(first.gradients[name] + second.gradients[name], g, **close)


@pytest.mark.parametrize("dtype", ["float32", "float64", "complex128"])
def test_dtype_follows_the_input(dtype):
    arguments, upstream = random_case(3, 2, 4, 3, 2)
    layer = LSTM(4, 3, 2, dtype=dtype)
    h, state = layer.forward(arguments["x"].astype(dtype))
    dx, _ = layer.backward(upstream["h"].astype(dtype))
    assert {a.dtype for a in (h, *state, dx, *layer.gradients.values())} == {np.dtype(dtype)}


def test_float32_is_float64_to_single_precision():
    arguments, upstream = random_case(5, 3, 4, 6, 2)
    single = {name: a.astype("float32") for name, a in arguments.items()}
    ours = gradients(single, {name: a.astype("float32") for name, a in upstream.items()})
    for name, g in gradients(arguments, upstream).items():
        assert ours[name].dtype == np.float32
        assert abs(ours[name] - g).max() / abs(g).max() <= 1e-5, name


def test_noncontiguous_input_and_a_shorter_batch_after_a_longer_one():
    arguments, _ = random_case(6, 4, 3, 5, 2)
    layer, x = make(arguments), arguments["x"]
    expected = [make(arguments).forward(np.ascontiguousarray(part))[0] for part in (x, x[::2, 1:3])]
    for part, h in zip((x, x[::2, 1:3]), expected):
        assert np.array_equal(layer.forward(part)[0], h)


def test_dropout_acts_between_layers_in_training_only():
    arguments, upstream = random_case(5, 3, 4, 6, 2)
    plain, dropped = make(arguments), make(arguments, dropout=0.5)
    x = arguments["x"]
    h, _ = plain.forward(x)
    assert not np.allclose(dropped.forward(x)[0], h)
    dropped.training = False
    assert np.array_equal(dropped.forward(x)[0], h)
    single = LSTM(4, 6, 1, dropout=0.5, dtype="float64")    # no layer above it: nothing to drop between
    assert np.array_equal(single.forward(x)[0], single.forward(x)[0])


def test_gradients_through_dropout():
    arguments, upstream = random_case(4, 3, 2, 5, 3)

    def layer_with_the_same_mask(a):
        layer = make(a, dropout=0.4)
        layer.rng = np.random.default_rng(9)
        return layer

    def loss(**a):
        h, _ = layer_with_the_same_mask(a).forward(a["x"], (a["h_0"], a["c_0"]))
        return (h * upstream["h"]).sum()

    layer = layer_with_the_same_mask(arguments)
    layer.forward(arguments["x"], (arguments["h_0"], arguments["c_0"]))
    dx, (dh_0, dc_0) = layer.backward(upstream["h"])
    check_gradients(loss, arguments,
                    layer.gradients | {"x": dx, "h_0": dh_0, "c_0": dc_0}).assert_ok()


def test_initialisation_is_torchs_and_the_same_for_every_dtype():
    double, single = LSTM(60, 200, 2, dtype="float64", seed=3), LSTM(60, 200, 2, seed=3)
    for name, p in double.parameters.items():
        bound = (2 if name.startswith("b") else 1) / np.sqrt(200)      # torch adds two biases
        spread = bound / np.sqrt(6 if name.startswith("b") else 3)      # of the sum of two, or of one
        assert abs(p).max() <= bound and abs(p).max() >= 0.85 * bound and abs(p.mean()) <= 0.1 * bound, name
        assert abs(p.std() / spread - 1) <= 0.1, name
        assert np.array_equal(single.parameters[name], p.astype("float32")), name


def test_wrong_shapes_and_wrong_order_are_told():
    layer = LSTM(3, 4, 2)
    with pytest.raises(RuntimeError, match="forward"):
        layer.backward(np.zeros((2, 1, 4)))
    with pytest.raises(ValueError, match=r"\(T, B, 3\)"):
        layer.forward(np.zeros((2, 1, 5)))
    with pytest.raises(ValueError, match=r"\(T, B, 3\)"):
        layer.forward(np.zeros((0, 1, 3)))
    with pytest.raises(ValueError, match=r"\(2, 1, 4\)"):
        layer.forward(np.zeros((2, 1, 3)), (np.zeros((1, 4)), np.zeros((1, 4))))
    layer.forward(np.zeros((2, 1, 3)))
    with pytest.raises(ValueError, match=r"\(2, 1, 4\)"):
        layer.backward(np.zeros((2, 4)))


def test_the_seed_is_zero_unless_given():
    assert np.array_equal(LSTM(3, 4).parameters["U0"], LSTM(3, 4, seed=0).parameters["U0"])


def test_the_mask_has_the_dtype_of_the_layer():
    layer = LSTM(3, 4, 2, dropout=0.3)
    layer.forward(np.ones((2, 2, 3), "float32"))
    assert layer.saved[0].mask.dtype == np.float32


@pytest.mark.parametrize("dtype, used", [("float32", True), ("float64", True), ("complex128", False)])
def test_the_compiled_loop_is_used_where_it_can_be(dtype, used):
    calls = []
    layer = LSTM(3, 4, backend="numba", dtype=dtype)
    loop = layer.backend.loop

    class Recorder:
        def forward(*arguments):
            calls.append("forward")
            loop.forward(*arguments[1:])

        def backward(*arguments):
            calls.append("backward")
            loop.backward(*arguments[1:])

    layer.backend.loop = Recorder()
    layer.forward(np.ones((2, 2, 3), dtype))
    layer.backward(np.ones((2, 2, 4), dtype))
    assert calls == (["forward", "backward"] if used else [])
