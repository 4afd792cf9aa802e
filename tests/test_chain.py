"""The chain of equalities on one small network, each link in a few lines; see README.md here."""

import numpy as np
import pytest
import sympy

from scratch_lstm import LSTM, Adam, PoemModel, clip_grad_norm, lstm_textbook
from scratch_lstm.gradcheck import complex_step, relative_error, richardson

pytestmark = pytest.mark.quick

T, D, H = 3, 2, 2
rng = np.random.default_rng(0)
x, dh, h0, c0 = (rng.normal(size=shape) for shape in ((T, D), (T, H), H, H))
W, U, b = rng.normal(size=(4 * H, D)), rng.normal(size=(4 * H, H)), rng.normal(size=4 * H)
states = lstm_textbook.forward(x, (h0, c0), W, U, b)
delta = lstm_textbook.delta(states, U, dh)                                   # (T, T, 4H)
dW, dU, db = lstm_textbook.gradients(delta, states, x)                       # the double sums over t and k

loss = lambda U: (lstm_textbook.forward(x, (h0, c0), W, U, b).h[1:] * dh).sum()  # noqa: E731


def test_link_1_algebra_gives_the_local_derivatives():
    z = sympy.symbols("z")
    sigma, tanh = (1 + sympy.tanh(z / 2)) / 2, sympy.tanh(z)
    assert sympy.simplify(sympy.diff(sigma, z) - sigma * (1 - sigma)) == 0
    assert sympy.simplify(sympy.diff(tanh, z) - (1 - tanh ** 2)) == 0


def test_link_2_the_double_sum_is_the_complex_step_and_forward_mode():
    assert relative_error(dU, complex_step(loss, U)) <= 1e-13
    assert relative_error(dU, lstm_textbook.rtrl(x, (h0, c0), W, U, b, dh)[1]) <= 1e-13


def one_pass(backend="numpy"):
    layer = LSTM(D, H, backend=backend, dtype="float64")
    for name, value in (("W0", W), ("U0", U), ("b0", b)):
        layer.parameters[name][...] = value
    h, _ = layer.forward(x[:, None], (h0[None, None], c0[None, None]))
    layer.backward(dh[:, None])
    return h, layer.gradients["U0"]


def test_links_3_and_4_one_pass_is_the_double_sum_and_the_differences():
    assert relative_error(one_pass()[1], dU) <= 1e-13
    assert relative_error(one_pass()[1], richardson(loss, U)) <= 1e-9


def test_link_5_torch_gives_the_same(torch):
    lstm = torch.nn.LSTM(D, H, dtype=torch.float64)
    lstm.load_state_dict({name: torch.tensor(value) for name, value in (
        ("weight_ih_l0", W), ("weight_hh_l0", U), ("bias_ih_l0", b), ("bias_hh_l0", 0 * b))})
    h, _ = lstm(torch.tensor(x)[:, None], (torch.tensor(h0)[None, None], torch.tensor(c0)[None, None]))
    (h[:, 0] * torch.tensor(dh)).sum().backward()
    assert relative_error(one_pass()[0], h.detach().numpy()) <= 1e-13
    assert relative_error(one_pass()[1], lstm.weight_hh_l0.grad.numpy()) <= 1e-13


def test_link_6_the_compiled_loop_gives_the_same():
    pytest.importorskip("numba")
    assert relative_error(one_pass("numba")[1], one_pass()[1]) <= 1e-13


def test_links_7_and_8_training_follows_the_complex_step():
    model, wide = (PoemModel(5, 2, 2, 1, dtype=dtype) for dtype in ("float64", "complex128"))
    adam = Adam(model.flat_parameters, model.flat_gradients, 0.1)
    tokens, losses = rng.integers(0, 5, (4, 2)), []

    def wide_loss(parameters):
        wide.flat_parameters[...] = parameters
        return wide.loss(tokens)

    for _ in range(50):
        losses.append(float(model.loss(tokens)))
        model.zero_gradients()
        model.backward()
        exact = complex_step(wide_loss, model.flat_parameters)
        assert relative_error(model.flat_gradients, exact) <= 1e-13
        clip_grad_norm(model.flat_gradients, 1.0)
        adam.step()
    assert losses[-1] < 0.5 * losses[0]                  # test_learner.py: torch's losses are the same
