"""rnn_textbook.py against the derivative itself: complex step, forward mode, the equations read literally."""

import numpy as np
import pytest
from helpers.cases import derivative_error, draw_arrays, read_only_and_strided
from hypothesis import given, settings
from hypothesis import strategies as st

from scratch_lstm import rnn_textbook as rnn
from scratch_lstm.gradcheck import check_gradients, complex_step, relative_error, taylor_order

pytestmark = pytest.mark.quick

EXACT = 1e-13
ACTIVATIONS = ["tanh", "logistic", "identity"]
sizes = dict(seed=st.integers(0, 2**32 - 1), T=st.integers(1, 7), D=st.integers(1, 6),
             H=st.integers(1, 6), activation=st.sampled_from(ACTIVATIONS))


def draw(seed=0, T=4, D=3, H=5, dtype=float):
    """x, h0, W, U, b and a random dL_dh; none of them zero."""
    shapes = dict(x=(T, D), h0=(H,), W=(H, D), U=(H, H), b=(H,), dL_dh=(T, H))
    arguments = draw_arrays(seed, shapes, min(H, T * D) == 1, dtype)
    return arguments, arguments.pop("dL_dh")


def loss_of(dL_dh, activation="tanh"):
    """A loss with these dL_t/dh_t: L_t = <dL_dh[t], h_t>, no conjugate."""
    return lambda **arguments: np.sum(dL_dh * rnn.forward(**arguments, activation=activation).h[1:])


def all_gradients(arguments, dL_dh, activation="tanh"):
    states = rnn.forward(**arguments, activation=activation)
    delta = rnn.delta(states, arguments["U"], dL_dh)
    gradients = dict(zip(("W", "U", "b"), rnn.gradients(delta, states, arguments["x"])))
    gradients["x"], gradients["h0"] = rnn.input_gradients(delta, arguments["W"], arguments["U"])
    return gradients


def net_input_loss(arguments, dL_dh, t, activation="tanh"):
    """L_t as a function of e (T, H), where e_k is added to z_k: one more input through the matrix 1."""
    x, W = arguments["x"], arguments["W"]

    def loss(e):
        states = rnn.forward(np.hstack([x, e]), arguments["h0"], np.hstack([W, np.eye(len(W))]),
                             arguments["U"], arguments["b"], activation)
        return dL_dh[t] @ states.h[t + 1]

    return loss


# The gradients

@given(**sizes)
def test_gradients_equal_the_complex_step(seed, T, D, H, activation):
    arguments, dL_dh = draw(seed, T, D, H)
    check_gradients(loss_of(dL_dh, activation), arguments, all_gradients(arguments, dL_dh, activation),
                    methods=["complex", "directional"], seed=seed).assert_ok()


@given(**sizes)
@settings(max_examples=20)
def test_gradients_equal_central_differences(seed, T, D, H, activation):
    arguments, dL_dh = draw(seed, T, D, H)
    check_gradients(loss_of(dL_dh, activation), arguments, all_gradients(arguments, dL_dh, activation),
                    methods=["central"]).assert_ok()


@given(**sizes)
@settings(max_examples=50)
def test_forward_mode_equals_the_double_sums(seed, T, D, H, activation):
    arguments, dL_dh = draw(seed, T, D, H)
    gradients = all_gradients(arguments, dL_dh, activation)
    for name, forward in zip(("W", "U", "b"), rnn.rtrl(**arguments, dL_dh=dL_dh, activation=activation)):
        assert relative_error(forward, gradients[name], name) <= EXACT


@pytest.mark.parametrize("name", ["W", "U", "b", "x", "h0"])
def test_taylor_order(name):
    arguments, dL_dh = draw(1)
    gradient = all_gradients(arguments, dL_dh)[name]

    def f(value):
        return loss_of(dL_dh)(**{**arguments, name: value})

    assert taylor_order(f, arguments[name], gradient) >= 1.9
    assert taylor_order(f, arguments[name], 1.1 * gradient) <= 1.1


def test_a_gradient_that_is_zero_by_structure():
    """One step from h_0 = 0: U is never used, and x h_0 = 0 says so exactly."""
    arguments, dL_dh = draw(2, T=1)
    arguments["h0"] = np.zeros(5)
    gradients = all_gradients(arguments, dL_dh)
    check_gradients(loss_of(dL_dh), arguments, gradients, zeros=["U"]).assert_ok()
    assert np.array_equal(rnn.rtrl(**arguments, dL_dh=dL_dh)[1], np.zeros((5, 5)))


def test_gradients_add_over_the_losses():
    """(6.29), (6.30): each L_t alone, then the sum; a loss on h_T only is one of them."""
    arguments, dL_dh = draw(3)
    whole = all_gradients(arguments, dL_dh)
    parts = [all_gradients(arguments, dL_dh * (np.arange(4) == t)[:, None]) for t in range(4)]
    for name in whole:
        assert relative_error(sum(part[name] for part in parts), whole[name], name) <= EXACT
    assert not parts[0]["x"][1:].any() and parts[3]["x"].all()


# delta_{t,k}

@given(**sizes)
@settings(max_examples=50)
def test_delta_is_the_derivative_by_the_net_input(seed, T, D, H, activation):
    arguments, dL_dh = draw(seed, T, D, H)
    delta = rnn.delta(rnn.forward(**arguments, activation=activation), arguments["U"], dL_dh)
    assert delta.shape == (T, T, H)
    for t in range(T):
        exact = complex_step(net_input_loss(arguments, dL_dh, t, activation), np.zeros((T, H)))
        assert relative_error(delta[t], exact, f"delta[{t}]") <= EXACT
        assert not delta[t, t + 1:].any() and not exact[t + 1:].any()


@given(**sizes)
@settings(max_examples=50)
def test_product_form_equals_the_recursion(seed, T, D, H, activation):
    arguments, dL_dh = draw(seed, T, D, H)
    states = rnn.forward(**arguments, activation=activation)
    delta = rnn.delta(states, arguments["U"], dL_dh)
    for t in range(T):
        product = [rnn.product_form(states, arguments["U"], dL_dh, t, k) for k in range(t + 1)]
        assert relative_error(np.array(product), delta[t, :t + 1], f"delta[{t}]") <= EXACT


# The direct partial

@given(**sizes)
@settings(max_examples=20)
def test_direct_partial_is_the_derivative_at_fixed_h(seed, T, D, H, activation):
    arguments, _ = draw(seed, T, D, H)
    states, U = rnn.forward(**arguments, activation=activation), arguments["U"]
    for i, j in np.ndindex(U.shape):
        direct = rnn.immediate_partial(states.h[T - 1], i, j, H)
        exact = [complex_step(lambda U: U[row] @ states.h[T - 1], U)[i, j] for row in range(H)]
        assert np.array_equal(direct, states.h[T - 1, j] * (np.arange(H) == i))      # I_i([h]_j)
        assert relative_error(direct, np.array(exact)) <= EXACT


@given(**sizes)
@settings(max_examples=20)
def test_direct_partials_carried_by_delta_are_the_whole_derivative(seed, T, D, H, activation):
    """(6.31) and (6.32) for each L_t and each u_ij: nothing is lost by holding h_{k-1} fixed."""
    arguments, dL_dh = draw(seed, T, D, H)
    states, U = rnn.forward(**arguments, activation=activation), arguments["U"]
    delta = rnn.delta(states, U, dL_dh)
    for t in range(T):
        by_trace, by_product = np.zeros_like(U), np.zeros_like(U)
        for i, j in np.ndindex(U.shape):
            for k in range(t + 1):
                direct = rnn.immediate_partial(states.h[k], i, j, H)
                by_trace[i, j] += np.trace(np.outer(delta[t, k], direct))                    # (6.31)
                by_product[i, j] += direct @ delta[t, k]                                     # (6.32)
        alone = loss_of(dL_dh * (np.arange(T) == t)[:, None], activation)
        exact = complex_step(lambda U: alone(**{**arguments, "U": U}), U)
        assert relative_error(by_trace, exact, f"dL_{t}/dU") <= EXACT
        assert relative_error(by_product, exact, f"dL_{t}/dU") <= EXACT


def test_the_total_derivative_unrolls_into_direct_partials():
    """dz_t/du_ij = d+z_t/du_ij + U diag(f'(z_{t-1})) dz_{t-1}/du_ij; the chain from step 1 is one part."""
    arguments, _ = draw(4)
    states, U = rnn.forward(**arguments), arguments["U"]
    T, H = states.z.shape
    for i, j in np.ndindex(U.shape):
        total, from_first = np.zeros(H), np.zeros(H)
        for t in range(T):
            direct = rnn.immediate_partial(states.h[t], i, j, H)
            carried = U @ np.diag(1 - np.tanh(states.z[t - 1]) ** 2)
            total = direct + carried @ total
            from_first = direct if t == 0 else carried @ from_first
        exact = np.array([complex_step(
            lambda U: rnn.forward(**{**arguments, "U": U}).z[T - 1, row], U)[i, j] for row in range(H)])
        assert relative_error(total, exact) <= EXACT
        assert relative_error(from_first, exact) > 0.01


# Long-range dependence

@pytest.mark.parametrize("scale", [0.8, 1.0, 1.2])
def test_vanishing_and_exploding_slope_is_exact(scale):
    """f(z) = z and U = s Q, Q orthogonal: ||delta_{T,k}|| = s^(T-k) ||delta_{T,T}||."""
    arguments, dL_dh = draw(5, T=100, D=3, H=8)
    U = scale * np.linalg.qr(arguments["U"])[0]
    states = rnn.forward(**{**arguments, "U": U}, activation="identity")
    curve = np.log(np.linalg.norm(rnn.delta(states, U, dL_dh)[-1], axis=1))
    distance = np.arange(99, -1, -1)                                                # T - k
    assert np.max(np.abs(curve - curve[-1] - distance * np.log(scale))) <= EXACT
    slope = np.polyfit(distance, curve, 1)[0]
    print(f"s = {scale}: slope {slope:+.15f}, ln s {np.log(scale):+.15f}")
    assert abs(slope - np.log(scale)) <= 1e-14


# Numbers of any kind

@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_complex_inputs_have_the_holomorphic_derivative(activation):
    """One conjugate anywhere would break it."""
    arguments, dL_dh = draw(6, dtype=complex)
    arguments["b"] = arguments["b"] / 4                         # away from the poles of tanh
    for array in arguments.values():
        array *= 0.3
    gradients = all_gradients(arguments, dL_dh, activation)
    assert derivative_error(loss_of(dL_dh, activation), arguments, gradients) <= 1e-9
    for name, forward in zip(("W", "U", "b"), rnn.rtrl(**arguments, dL_dh=dL_dh, activation=activation)):
        assert relative_error(forward, gradients[name], name) <= EXACT


@pytest.mark.parametrize("dtype, bound", [("f4", 1e-5), ("f8", EXACT), ("c8", 1e-5), ("c16", EXACT)])
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_dtype_follows_the_inputs(dtype, bound, activation):
    arguments, dL_dh = draw(7, dtype=dtype)
    states = rnn.forward(**arguments, activation=activation)
    assert states.activation == activation
    delta = rnn.delta(states, arguments["U"], dL_dh)
    gradients = all_gradients(arguments, dL_dh, activation)
    forward = rnn.rtrl(**arguments, dL_dh=dL_dh, activation=activation)
    direct = rnn.immediate_partial(states.h[0], 0, 0, 5)
    product = rnn.product_form(states, arguments["U"], dL_dh, 3, 0)
    for array in (states.h, states.z, delta, direct, product, *gradients.values(), *forward):
        assert array.dtype == dtype
    wide = np.result_type(dtype, "f8")
    exact = all_gradients({n: a.astype(wide) for n, a in arguments.items()}, dL_dh.astype(wide), activation)
    for name, gradient in gradients.items():
        assert relative_error(gradient.astype(wide), exact[name], name) <= bound


def test_one_complex_input_is_enough():
    """The complex step moves one argument; everything that depends on it must be complex."""
    arguments, dL_dh = draw(8)
    for name in arguments:
        moved = {**arguments, name: arguments[name] + 0j}
        assert rnn.forward(**moved).h.dtype == complex
        assert all(g.dtype == complex for g in rnn.rtrl(**moved, dL_dh=dL_dh))
        assert all(all_gradients(moved, dL_dh)[key].dtype == complex for key in "WUb")
    assert all(g.dtype == complex for g in rnn.rtrl(**arguments, dL_dh=dL_dh + 1j))


def test_one_complex_argument_of_any_function_is_enough():
    arguments, dL_dh = draw(10)
    states, W, U, x = rnn.forward(**arguments), arguments["W"], arguments["U"], arguments["x"]
    delta = rnn.delta(states, U, dL_dh)
    complex_states = rnn.States(states.h + 0j, states.z + 0j, "tanh")
    for these in ((complex_states, U, dL_dh), (states, U + 1j, dL_dh), (states, U, dL_dh + 1j)):
        assert rnn.delta(*these).dtype == rnn.product_form(*these, 3, 0).dtype == complex
    for these in ((delta + 1j, states, x), (delta, complex_states, x), (delta, states, x + 1j)):
        dW, dU, _ = rnn.gradients(*these)
        assert complex in (dW.dtype, dU.dtype)
    dx, _ = rnn.input_gradients(delta, W + 1j, U)
    _, dh0 = rnn.input_gradients(delta, W, U + 1j)
    assert dx.dtype == dh0.dtype == complex


def test_inputs_are_read_only_and_of_any_layout():
    arguments, dL_dh = draw(9)
    expected = all_gradients(arguments, dL_dh), rnn.rtrl(**arguments, dL_dh=dL_dh)

    arguments = {name: read_only_and_strided(array) for name, array in arguments.items()}
    dL_dh = read_only_and_strided(dL_dh)
    found = all_gradients(arguments, dL_dh), rnn.rtrl(**arguments, dL_dh=dL_dh)
    for name in expected[0]:
        assert relative_error(found[0][name], expected[0][name], name) <= 1e-14
    for a, b in zip(found[1], expected[1]):
        assert relative_error(a, b) <= 1e-14


# The states and the activations

def test_states_by_hand():
    x, h0 = np.array([[1.0, 2.0], [0.0, -1.0]]), np.array([3.0])
    W, U, b = np.array([[1.0, -1.0]]), np.array([[2.0]]), np.array([0.5])
    states = rnn.forward(x, h0, W, U, b, "identity")
    assert states.z.tolist() == [[5.5], [12.5]] and states.h.tolist() == [[3.0], [5.5], [12.5]]
    assert np.array_equal(rnn.forward(x, h0, W, U, b).h[1], np.tanh([5.5]))          # the default
    U, h0 = np.array([[0.0, 2.0], [1.0, 0.0]]), np.array([3.0, 5.0])                 # not its own transpose
    states = rnn.forward(np.zeros((1, 2)), h0, np.eye(2), U, np.zeros(2), "identity")
    assert states.z.tolist() == [[10.0, 3.0]]


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_activation_and_its_derivative(activation):
    f, df = rnn.ACTIVATIONS[activation]
    z = np.linspace(-2, 2, 9)
    exact = dict(tanh=np.tanh, logistic=lambda z: 1 / (1 + np.exp(-z)), identity=lambda z: z)[activation]
    assert relative_error(f(z), exact(z)) <= 1e-15
    assert relative_error(df(z), complex_step(lambda z: np.sum(f(z)), z)) <= 1e-15


def test_unknown_activation():
    with pytest.raises(KeyError, match="relu"):
        rnn.forward(**draw()[0], activation="relu")
