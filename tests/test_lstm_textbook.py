"""lstm_textbook.py against the derivative itself: the complex step, forward mode, and the states by hand."""

import numpy as np
import pytest
from helpers.cases import derivative_error, draw_arrays, read_only_and_strided
from hypothesis import given, settings
from hypothesis import strategies as st

from scratch_lstm import lstm_textbook as lstm
from scratch_lstm import rnn_textbook as rnn
from scratch_lstm.gradcheck import check_gradients, complex_step, relative_error, taylor_order

EXACT = 1e-13
USES = ["h", "h_T", "c_T", "h and c_T"]
sizes = dict(seed=st.integers(0, 2**32 - 1), T=st.integers(1, 7), D=st.integers(1, 6),
             H=st.integers(1, 6), uses=st.sampled_from(USES))


def draw(seed=0, T=4, D=3, H=5, uses="h and c_T", dtype=float):
    """x, h0, c0, W, U, b, none of them zero, and a random dL_dh and dL_dc_T for what the loss uses."""
    shapes = dict(x=(T, D), h0=(H,), c0=(H,), W=(4 * H, D), U=(4 * H, H), b=(4 * H,), dL_dh=(T, H),
                  dL_dc_T=(H,))
    arguments = draw_arrays(seed, shapes, min(H, T * D) == 1, dtype)
    dL_dh, dL_dc_T = arguments.pop("dL_dh"), arguments.pop("dL_dc_T")
    if uses in ("h_T", "c_T"):
        dL_dh[:T - (uses == "h_T")] = 0
    return arguments, dL_dh, dL_dc_T if "c_T" in uses else None


def forward(x, h0, c0, W, U, b):
    return lstm.forward(x, (h0, c0), W, U, b)


def rtrl(arguments, dL_dh, dL_dc_T):
    a = arguments
    return lstm.rtrl(a["x"], (a["h0"], a["c0"]), a["W"], a["U"], a["b"], dL_dh, dL_dc_T)


def loss_of(dL_dh, dL_dc_T):
    """L_t = <dL_dh[t], h_t>, and <dL_dc_T, c_T> with the last one; no conjugate."""
    def loss(**arguments):
        states = forward(**arguments)
        of_c = 0 if dL_dc_T is None else dL_dc_T @ states.c[-1]
        return np.sum(dL_dh * states.h[1:]) + of_c
    return loss


def all_gradients(arguments, dL_dh, dL_dc_T):
    states, W, U = forward(**arguments), arguments["W"], arguments["U"]
    delta, dL_dc = lstm.backward(states, U, dL_dh, dL_dc_T)
    assert np.array_equal(delta, lstm.delta(states, U, dL_dh, dL_dc_T))
    gradients = dict(zip(("W", "U", "b"), lstm.gradients(delta, states, arguments["x"])))
    gradients["x"], (gradients["h0"], gradients["c0"]) = lstm.input_gradients(delta, dL_dc, W, U)
    return gradients


def single_loss(states, dL_dh, dL_dc_T, t):
    """L_t of these states."""
    of_c = dL_dc_T @ states.c[-1] if dL_dc_T is not None and t == len(dL_dh) - 1 else 0
    return dL_dh[t] @ states.h[t + 1] + of_c


# The gradients

@given(**sizes)
def test_gradients_equal_the_complex_step(seed, T, D, H, uses):
    arguments, *cotangents = draw(seed, T, D, H, uses)
    check_gradients(loss_of(*cotangents), arguments, all_gradients(arguments, *cotangents),
                    methods=["complex", "directional"], seed=seed).assert_ok()


@given(**{**sizes, "uses": st.sampled_from(["h", "h and c_T"])})
@settings(max_examples=15)
def test_gradients_equal_central_differences(seed, T, D, H, uses):
    """Not for a loss at T alone: seven steps back, dL/dh_0 is below the rounding of L over h."""
    arguments, *cotangents = draw(seed, T, D, H, uses)
    check_gradients(loss_of(*cotangents), arguments, all_gradients(arguments, *cotangents),
                    methods=["central"]).assert_ok()


@given(**sizes)
@settings(max_examples=40)
def test_forward_mode_equals_the_double_sums(seed, T, D, H, uses):
    arguments, *cotangents = draw(seed, T, D, H, uses)
    gradients = all_gradients(arguments, *cotangents)
    for name, by_rtrl in zip(("W", "U", "b"), rtrl(arguments, *cotangents)):
        assert relative_error(by_rtrl, gradients[name], name) <= EXACT


@pytest.mark.parametrize("name", ["W", "U", "b", "x", "h0", "c0"])
def test_taylor_order(name):
    arguments, *cotangents = draw(1)
    gradient = all_gradients(arguments, *cotangents)[name]

    def f(value):
        return loss_of(*cotangents)(**{**arguments, name: value})

    assert taylor_order(f, arguments[name], gradient) >= 1.9
    assert taylor_order(f, arguments[name], 1.1 * gradient) <= 1.1


def test_a_gradient_that_is_zero_by_structure():
    """One step from h_0 = 0: U is never used. And a loss on c_1 alone leaves the output gate no part."""
    arguments, *cotangents = draw(2, T=1, uses="c_T")
    arguments["h0"] = np.zeros(5)
    gradients = all_gradients(arguments, *cotangents)
    check_gradients(loss_of(*cotangents), arguments, gradients, zeros=["U"]).assert_ok()
    assert not rtrl(arguments, *cotangents)[1].any()
    assert not gradients["b"][15:].any() and gradients["b"][:15].all()


def test_gradients_add_over_the_losses():
    """(6.29), (6.30): each L_t alone, dL_T/dc_T alone, then the sum."""
    arguments, dL_dh, dL_dc_T = draw(3)
    whole = all_gradients(arguments, dL_dh, dL_dc_T)
    parts = [all_gradients(arguments, dL_dh * (np.arange(4) == t)[:, None], None) for t in range(4)]
    parts.append(all_gradients(arguments, 0 * dL_dh, dL_dc_T))
    for name in whole:
        assert relative_error(sum(part[name] for part in parts), whole[name], name) <= EXACT
    assert not parts[0]["x"][1:].any() and parts[3]["x"].all()


# delta_{t,k} and dL_t/dc_k

@given(**sizes)
@settings(max_examples=30)
def test_delta_is_the_derivative_by_the_net_input(seed, T, D, H, uses):
    """e_k is added to z_k as one more input through the matrix 1; each L_t is differentiated by all e_k."""
    arguments, *cotangents = draw(seed, T, D, H, uses)
    delta = lstm.delta(forward(**arguments), arguments["U"], *cotangents)
    assert delta.shape == (T, T, 4 * H)
    W = np.hstack([arguments["W"], np.eye(4 * H)])
    for t in range(T):
        def loss(e):
            x = np.hstack([arguments["x"], e])
            return single_loss(forward(**{**arguments, "x": x, "W": W}), *cotangents, t)

        if uses in ("h_T", "c_T") and t < T - 1:
            assert not delta[t].any()                       # L_t = 0
        else:
            exact = complex_step(loss, np.zeros((T, 4 * H)))
            assert relative_error(delta[t], exact, f"delta[{t}]") <= EXACT
            assert not delta[t, t + 1:].any() and not exact[t + 1:].any()


@given(**sizes)
@settings(max_examples=30)
def test_dL_dc_is_the_derivative_by_the_cell(seed, T, D, H, uses):
    """Start again at step k from c_k + e: h_k = o_k tanh(c_k + e) changes with it, h_0 does not."""
    arguments, *cotangents = draw(seed, T, D, H, uses)
    states, U = forward(**arguments), arguments["U"]
    _, dL_dc = lstm.backward(states, U, *cotangents)
    assert dL_dc.shape == (T, T + 1, H)
    for t in range(T):
        if uses in ("h_T", "c_T") and t < T - 1:
            assert not dL_dc[t].any()
            continue
        for k in range(t + 1):
            o = states.gates[k - 1, 3 * H:]

            def loss(c):
                h = o * np.tanh(c) if k else arguments["h0"]
                rest = forward(**{**arguments, "x": arguments["x"][k:], "h0": h, "c0": c})
                return single_loss(rest, cotangents[0][k:], cotangents[1], t - k)

            exact = complex_step(loss, states.c[k])
            assert relative_error(dL_dc[t, k], exact, f"dL_{t}/dc_{k}") <= EXACT
        assert not dL_dc[t, t + 2:].any()


def test_dL_dc_T_belongs_to_the_last_loss():
    arguments, dL_dh, dL_dc_T = draw(4)
    states, U = forward(**arguments), arguments["U"]
    for with_c, without in zip(lstm.backward(states, U, dL_dh, dL_dc_T),
                               lstm.backward(states, U, dL_dh)):
        assert np.array_equal(with_c[:-1], without[:-1])
        assert not np.array_equal(with_c[-1], without[-1])
    o, tanh_c = states.gates[-1, 15:], np.tanh(states.c[-1])
    dL_dc = lstm.backward(states, U, dL_dh, dL_dc_T)[1]
    assert relative_error(dL_dc[-1, -1], dL_dc_T + dL_dh[-1] * o * (1 - tanh_c**2)) <= 1e-15


@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_what_follows_changes_no_bit(dtype):
    """L_t of the first t steps alone: the same delta_{t,k}, to the last bit of its dtype."""
    arguments, dL_dh, _ = draw(12, T=5, dtype=dtype)
    states, U = forward(**arguments), arguments["U"]
    whole = lstm.backward(states, U, dL_dh)
    for t in range(1, 6):
        first = lstm.States(states.h[:t + 1], states.c[:t + 1], states.z[:t], states.gates[:t])
        delta, dL_dc = lstm.backward(first, U, dL_dh[:t])
        assert np.array_equal(delta, whole[0][:t, :t]) and np.array_equal(dL_dc, whole[1][:t, :t + 1])


# Long-range dependence

def test_the_cell_path_is_the_product_of_the_forget_gates():
    """With U = 0 nothing comes back through h, and dL_T/dc_k = f_{k+1} * ... * f_T * dL_T/dc_T."""
    arguments, _, dL_dc_T = draw(5, T=100, H=8)
    arguments["U"] = 0 * arguments["U"]
    arguments["b"][8:16] += 4
    states = forward(**arguments)
    dL_dc = lstm.backward(states, arguments["U"], np.zeros((100, 8)), dL_dc_T)[1][-1]
    f = states.gates[:, 8:16]
    for k in range(101):
        assert relative_error(dL_dc[k], np.prod(f[k:], axis=0) * dL_dc_T, f"dL_T/dc_{k}") <= EXACT


def test_the_cell_path_lasts_where_the_simple_network_forgets():
    """T = 100, both with uniform weights in 1/sqrt(H); the LSTM's forget gate open, b_f = 10."""
    T, D, H, kept_rnn, kept_lstm = 100, 3, 8, [], []
    for seed in range(12):
        rng = np.random.default_rng(seed)

        def uniform(*shape):
            return rng.uniform(-1, 1, shape) / H**0.5

        x, dL = rng.standard_normal((T, D)), rng.standard_normal((T, H))
        dL[:-1] = 0
        U = uniform(H, H)
        simple = rnn.delta(rnn.forward(x, uniform(H), uniform(H, D), U, uniform(H)), U, dL)[-1]
        U, b = uniform(4 * H, H), uniform(4 * H)
        b[H:2 * H] = 10
        states = lstm.forward(x, (uniform(H), uniform(H)), uniform(4 * H, D), U, b)
        cell = lstm.backward(states, U, 0 * dL, dL[-1])[1][-1]
        kept_rnn.append(np.linalg.norm(simple[0]) / np.linalg.norm(simple[-1]))
        kept_lstm.append(np.linalg.norm(cell[1]) / np.linalg.norm(cell[-1]))
    for name, kept in (("RNN ||delta_{T,1}|| / ||delta_{T,T}||", kept_rnn),
                       ("LSTM ||dL_T/dc_1|| / ||dL_T/dc_T||", kept_lstm)):
        print(f"{name}: {min(kept):.1e} to {max(kept):.1e}, median {np.median(kept):.1e}")
    assert np.max(kept_rnn) <= 1e-15
    assert 0.1 <= np.min(kept_lstm) and np.max(kept_lstm) <= 1000


# Numbers of any kind

def test_complex_inputs_have_the_holomorphic_derivative():
    """One conjugate anywhere would break it."""
    arguments, *cotangents = draw(6, dtype=complex)
    for array in arguments.values():
        array *= 0.3                                        # away from the poles of tanh
    gradients = all_gradients(arguments, *cotangents)
    assert derivative_error(loss_of(*cotangents), arguments, gradients) <= 1e-9
    for name, by_rtrl in zip(("W", "U", "b"), rtrl(arguments, *cotangents)):
        assert relative_error(by_rtrl, gradients[name], name) <= EXACT


@pytest.mark.parametrize("dtype, bound", [("f4", 1e-5), ("f8", EXACT), ("c8", 1e-5), ("c16", EXACT)])
@pytest.mark.parametrize("uses", ["h", "h and c_T"])
def test_dtype_follows_the_inputs(dtype, bound, uses):
    arguments, *cotangents = draw(7, uses=uses, dtype=dtype)
    states = forward(**arguments)
    paths = lstm.backward(states, arguments["U"], *cotangents)
    gradients, by_rtrl = all_gradients(arguments, *cotangents), rtrl(arguments, *cotangents)
    for array in (states.h, states.c, states.z, states.gates, *paths, *gradients.values(), *by_rtrl):
        assert array.dtype == dtype
    wide = np.result_type(dtype, "f8")
    exact = all_gradients({name: array.astype(wide) for name, array in arguments.items()},
                          *(None if array is None else array.astype(wide) for array in cotangents))
    for name, gradient in gradients.items():
        assert relative_error(gradient.astype(wide), exact[name], name) <= bound


def test_one_complex_input_is_enough():
    """The complex step moves one argument; everything that depends on it must be complex."""
    arguments, *cotangents = draw(8)
    for name in arguments:
        moved = {**arguments, name: arguments[name] + 0j}
        assert forward(**moved).h.dtype == complex and forward(**moved).c.dtype == complex
        assert all(gradient.dtype == complex for gradient in rtrl(moved, *cotangents))
    for dL_dh, dL_dc_T in ((cotangents[0] + 0j, None), (cotangents[0], cotangents[1] + 0j)):
        assert rtrl(arguments, dL_dh, dL_dc_T)[0].dtype == complex
        assert all_gradients(arguments, dL_dh, dL_dc_T)["c0"].dtype == complex


def test_one_complex_argument_of_any_function_is_enough():
    arguments, dL_dh, dL_dc_T = draw(11)
    states, U = forward(**arguments), arguments["U"]
    in_c = lstm.States(states.h + 0j, states.c + 0j, states.z + 0j, states.gates + 0j)
    for these in ((in_c, U, dL_dh, dL_dc_T), (states, U + 1j, dL_dh, dL_dc_T),
                  (states, U, dL_dh + 1j, dL_dc_T), (states, U, dL_dh, dL_dc_T + 1j),
                  (states, U + 1j, dL_dh), (states, U, dL_dh + 1j)):
        assert all(array.dtype == complex for array in lstm.backward(*these))
        assert lstm.delta(*these).dtype == complex
    for cotangents in ((dL_dh + 1j, dL_dc_T), (dL_dh, dL_dc_T + 1j), (dL_dh + 1j, None)):
        assert all(gradient.dtype == complex for gradient in rtrl(arguments, *cotangents))


def test_inputs_are_read_only_and_of_any_layout():
    arguments, *cotangents = draw(9)
    expected = all_gradients(arguments, *cotangents), rtrl(arguments, *cotangents)

    arguments = {name: read_only_and_strided(array) for name, array in arguments.items()}
    cotangents = [read_only_and_strided(array) for array in cotangents]
    found = all_gradients(arguments, *cotangents), rtrl(arguments, *cotangents)
    for name in expected[0]:
        assert relative_error(found[0][name], expected[0][name], name) <= 1e-14
    for a, b in zip(found[1], expected[1]):
        assert relative_error(a, b) <= 1e-14


# The states

def test_states_by_hand():
    """One unit, one input of 0 and U = 0: the biases alone set the gates, to 1/2, 3/4, 3/5, 1/4."""
    b = np.array([0, np.log(3), np.log(2), -np.log(3)])
    states = lstm.forward(np.zeros((2, 1)), (np.array([9.0]), np.array([2.0])), np.ones((4, 1)),
                          np.zeros((4, 1)), b)
    assert relative_error(states.gates, np.array(2 * [[0.5, 0.75, 0.6, 0.25]])) <= 1e-15
    c = np.array([[2], [0.75 * 2 + 0.5 * 0.6], [0.75 * 1.8 + 0.5 * 0.6]])
    assert relative_error(states.c, c) <= 1e-15
    assert relative_error(states.h, np.vstack([[9], 0.25 * np.tanh(c[1:])])) <= 1e-15


@pytest.mark.parametrize("gate, reader", [
    (0, lambda s: s.gates[0, :5]), (1, lambda s: s.gates[0, 5:10]),
    (2, lambda s: s.gates[0, 10:15]), (3, lambda s: s.gates[0, 15:])])
def test_gates_are_in_the_order_i_f_g_o(gate, reader):
    """Each gate reads its own rows of W, U, b, and does its own work in (6.51), (6.52)."""
    arguments, *_ = draw(10, T=1)
    states, rows = forward(**arguments), slice(5 * gate, 5 * gate + 5)
    z = (arguments["W"][rows] @ arguments["x"][0] + arguments["U"][rows] @ arguments["h0"]
         + arguments["b"][rows])
    value = np.tanh(z) if gate == 2 else 1 / (1 + np.exp(-z))
    assert relative_error(reader(states), value) <= 1e-14
    i, f, g, o = states.gates[0].reshape(4, 5)
    assert relative_error(states.c[1], f * arguments["c0"] + i * g) <= 1e-15
    assert relative_error(states.h[1], o * np.tanh(states.c[1])) <= 1e-15
