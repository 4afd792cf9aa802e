"""What is true of lstm.py for any numbers: sums over batch and time, linearity, and nothing changed."""

import numpy as np
import pytest
from helpers.lstm_oracles import (
    BACKENDS,
    EXACT,
    USES,
    draw,
    filled,
    forward_backward,
    layer_of,
    loss_of,
    ours,
    shapes,
    single,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from scratch_lstm.gradcheck import relative_error

backends = pytest.mark.parametrize("backend", BACKENDS)
BATCH_AXIS = {"x": 1, "h_0": 1, "c_0": 1, "h": 1, "h_n": 1, "c_n": 1}      # the rest are sums over the batch


def assert_equal(found, expected, bound=EXACT):
    assert found.keys() == expected.keys()
    for name, tensor in expected.items():
        error = relative_error(found[name], tensor, name)
        assert error <= bound, f"{name}: {error}"


def take(arrays, examples):
    """Some examples of the batch, in this order."""
    return {name: np.take(a, examples, BATCH_AXIS[name]) if a is not None and name in BATCH_AXIS else a
            for name, a in arrays.items()}


def bytes_of(*dicts):
    return [(name, a.tobytes()) for arrays in dicts for name, a in arrays.items() if a is not None]


@backends
@given(**{**shapes, "B": st.integers(2, 4)})
@settings(max_examples=30)
def test_gradients_add_over_the_batch(backend, **shape):
    case = draw(**shape)
    results, whole = ours(*case, backend)
    parts = [ours(*(take(arrays, [b]) for arrays in case), backend) for b in range(shape["B"])]
    together = {name: np.concatenate([gradients[name] for _, gradients in parts], axis=1)
                if name in BATCH_AXIS else sum(gradients[name] for _, gradients in parts) for name in whole}
    assert_equal(together, whole)
    assert_equal({name: np.concatenate([r[name] for r, _ in parts], axis=1) for name in results}, results)


@backends
@given(**shapes)
@settings(max_examples=30)
def test_a_permuted_batch_permutes_the_gradients(backend, **shape):
    """dx, dh_0 and dc_0 go with their examples; dW, dU, db do not notice."""
    case = draw(**shape)
    order = np.random.default_rng(shape["seed"]).permutation(shape["B"])
    results, gradients = ours(*case, backend)
    moved_results, moved = ours(*(take(arrays, order) for arrays in case), backend)
    assert_equal(moved, take(gradients, order))
    assert_equal(moved_results, take(results, order))


@backends
@given(**{**shapes, "T": st.integers(2, 7), "uses": st.just("all")})
@settings(max_examples=30)
def test_gradients_add_over_the_losses(backend, **shape):
    """(6.29), (6.30): L_1, ..., L_T one at a time, then what hangs on h_n, then on c_n."""
    arguments, upstream = draw(**shape)
    _, whole = ours(arguments, upstream, backend)
    T, nothing = shape["T"], {name: 0 * d for name, d in upstream.items()}
    losses = [{**nothing, "h": upstream["h"] * (np.arange(T) == t)[:, None, None]} for t in range(T)]
    losses += [{**nothing, name: upstream[name]} for name in ("h_n", "c_n")]
    parts = [ours(arguments, loss, backend)[1] for loss in losses]
    assert_equal({name: sum(part[name] for part in parts) for name in whole}, whole)
    for t, part in enumerate(parts[:T]):
        assert part["x"][:t + 1].any() and not part["x"][t + 1:].any()     # L_t knows nothing of what follows


@backends
@given(**shapes, factor=st.sampled_from([-1.0, 0.5, 4.0]))
@settings(max_examples=20)
def test_gradients_are_linear_in_the_upstream_gradient(backend, factor, **shape):
    """A power of two passes through every product and sum without any rounding."""
    arguments, upstream = draw(**shape)
    _, gradients = ours(arguments, upstream, backend)
    scaled = {name: d if d is None else factor * d for name, d in upstream.items()}
    for name, gradient in ours(arguments, scaled, backend)[1].items():
        assert np.array_equal(gradient, factor * gradients[name]), name


@backends
@given(**shapes, dtype=st.sampled_from(["float32", "float64"]))
@settings(max_examples=30)
def test_backward_twice_accumulates_exactly_twice(backend, dtype, **shape):
    arguments, upstream = ({name: a if a is None else a.astype(dtype) for name, a in arrays.items()}
                           for arrays in draw(**shape))
    layer, up = layer_of(arguments, backend), filled(arguments, upstream)
    _, once = forward_backward(layer, arguments, upstream)
    once = {name: gradient.copy() for name, gradient in once.items()}
    dx, (dh_0, dc_0) = layer.backward(up["h"], (up["h_n"], up["c_n"]))
    for name, gradient in layer.gradients.items():
        assert np.array_equal(gradient, 2 * once[name]), name
    for name, again in (("x", dx), ("h_0", dh_0), ("c_0", dc_0)):
        assert np.array_equal(again, once[name]), name


@backends
@given(**shapes)
@settings(max_examples=30)
def test_nothing_that_is_given_is_ever_changed(backend, **shape):
    """Not by forward, not by backward, not by a second backward; the parameters are the layer's, and stay."""
    arguments, upstream = draw(**shape)
    layer, up = layer_of(arguments, backend), filled(arguments, upstream)
    given_to_it = (arguments, up, layer.parameters)
    before = bytes_of(*given_to_it)
    layer.forward(arguments["x"], (arguments["h_0"], arguments["c_0"]))
    assert bytes_of(*given_to_it) == before
    for _ in range(2):
        layer.backward(up["h"], (up["h_n"], up["c_n"]))
        assert bytes_of(*given_to_it) == before


@backends
def test_x_may_be_changed_before_backward(backend):
    arguments, upstream = draw()
    layer, x, up = layer_of(arguments, backend), arguments["x"].copy(), filled(arguments, upstream)
    layer.forward(x, (arguments["h_0"], arguments["c_0"]))
    x[...] = 0
    layer.backward(up["h"], (up["h_n"], up["c_n"]))
    _, expected = ours(arguments, upstream, backend)
    assert all(np.array_equal(gradient, expected[name]) for name, gradient in layer.gradients.items())


@backends
def test_what_is_given_may_be_read_only(backend):
    case = draw()
    expected = ours(*case, backend)
    for arrays in case:
        for a in arrays.values():
            a.flags.writeable = False
    for found, tensors in zip(ours(*case, backend), expected):
        assert all(np.array_equal(found[name], tensor) for name, tensor in tensors.items())


@backends
def test_what_backward_returns_outlives_the_next_backward(backend):
    arguments, upstream = draw()
    layer = layer_of(arguments, backend)
    results, gradients = forward_backward(layer, arguments, upstream)
    returned = {**results, **{name: gradients[name] for name in ("x", "h_0", "c_0")}}
    before = bytes_of(returned)
    forward_backward(layer, {name: -a for name, a in arguments.items()}, upstream)
    assert bytes_of(returned) == before


@backends
@given(**{**shapes, "T": st.integers(2, 7)}, data=st.data())
@settings(max_examples=40)
def test_two_parts_with_state_and_gradient_carried_are_the_whole(backend, data, **shape):
    cut = data.draw(st.integers(1, shape["T"] - 1), label="cut")
    arguments, upstream = draw(**shape)
    results, whole = ours(arguments, upstream, backend)
    up = filled(arguments, upstream)

    first, second = layer_of(arguments, backend), layer_of(arguments, backend)
    h_1, middle = first.forward(arguments["x"][:cut], (arguments["h_0"], arguments["c_0"]))
    h_2, (h_n, c_n) = second.forward(arguments["x"][cut:], middle)
    dx_2, d_middle = second.backward(up["h"][cut:], (up["h_n"], up["c_n"]))
    dx_1, (dh_0, dc_0) = first.backward(up["h"][:cut], d_middle)
    assert_equal({"h": np.concatenate([h_1, h_2]), "h_n": h_n, "c_n": c_n}, results)
    assert_equal({**{name: g + second.gradients[name] for name, g in first.gradients.items()},
                  "x": np.concatenate([dx_1, dx_2]), "h_0": dh_0, "c_0": dc_0}, whole)


@backends
@pytest.mark.parametrize("uses", sorted(USES))
def test_dx_is_the_derivative_by_the_first_layer_s_input_alone(backend, uses):
    """An offset on x_t alone moves the loss by <dx_t, offset>, for every t."""
    arguments, upstream = draw(3, uses=uses)
    _, gradients = ours(arguments, upstream, backend)
    offset = 1e-30j * np.random.default_rng(0).standard_normal(arguments["x"].shape)
    for t in range(len(offset)):
        moved = arguments["x"] + offset * (np.arange(len(offset)) == t)[:, None, None]
        change = loss_of(upstream, backend)(**{**arguments, "x": moved}).imag
        exact = (gradients["x"][t] * offset[t].imag).sum()
        assert abs(change - exact) <= EXACT * np.linalg.norm(gradients["x"][t]) * 1e-30


@backends
def test_the_widest_dtype_wins(backend):
    """float32 weights: one input in float64 is enough for the result; the gradients stay as the weights."""
    wide, wide_up = draw(4)
    arguments, upstream = single(wide), single(wide_up)
    layer = layer_of(arguments, backend)
    x, state, dh, d_state = (arguments["x"], (arguments["h_0"], arguments["c_0"]), upstream["h"],
                             (upstream["h_n"], upstream["c_n"]))
    wide_state, wide_d_state = (wide["h_0"], wide["c_0"]), (wide_up["h_n"], wide_up["c_n"])

    def dtypes(x, state, dh, d_state):
        h, h_c = layer.forward(x, state)
        dx, d_h_c = layer.backward(dh, d_state)
        assert all(gradient.dtype == "float32" for gradient in layer.gradients.values())
        return {a.dtype.name for a in (h, *h_c)}, {a.dtype.name for a in (dx, *d_h_c)}

    assert dtypes(x, state, dh, d_state) == dtypes(x, None, dh, None) == ({"float32"}, {"float32"})
    assert dtypes(wide["x"], state, dh, d_state) == ({"float64"}, {"float64"})
    assert dtypes(wide["x"], None, dh, None) == ({"float64"}, {"float64"})
    assert dtypes(x, (wide["h_0"], arguments["c_0"]), dh, d_state) == ({"float64"}, {"float64"})
    assert dtypes(x, wide_state, dh, None) == ({"float64"}, {"float64"})
    assert dtypes(x, state, wide_up["h"], d_state) == dtypes(x, None, wide_up["h"], None)
    assert dtypes(x, state, wide_up["h"], d_state) == ({"float32"}, {"float64"})
    assert dtypes(x, state, dh, (upstream["h_n"], wide_up["c_n"])) == ({"float32"}, {"float64"})
    assert dtypes(x, state, dh, wide_d_state) == ({"float32"}, {"float64"})


@backends
def test_wide_inputs_are_computed_wide(backend):
    """A float32 layer given float64: as exact as a float64 layer of the same weights."""
    arguments, upstream = draw(5)
    narrow = {name: a.astype("float32") if name[0] in "WUb" else a for name, a in arguments.items()}
    layer = layer_of(single(arguments), backend)
    results, gradients = forward_backward(layer, narrow, upstream)
    expected, exact = ours({name: a.astype("float64") for name, a in narrow.items()}, upstream, backend)
    assert_equal(results, expected)
    assert_equal({name: gradients[name] for name in ("x", "h_0", "c_0")},
                 {name: exact[name] for name in ("x", "h_0", "c_0")})


@backends
def test_backward_in_complex_numbers(backend):
    """With real weights in a complex layer, gradients are linear over C: no conjugate, no dropped part."""
    arguments, upstream = draw(6)
    factor = 0.6 - 1.7j
    _, real = ours(arguments, upstream, backend)
    _, gradients = ours({name: a + 0j for name, a in arguments.items()},
                        {name: factor * d for name, d in upstream.items()}, backend)
    assert_equal(gradients, {name: factor * gradient for name, gradient in real.items()})
