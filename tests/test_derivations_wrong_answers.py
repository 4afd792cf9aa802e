"""On every worked example of the pages all known wrong answers differ from the right one.

An example that gives a wrong answer the right number teaches the wrong answer. So each worked example
(1.4, 1.3, 1.3 with the lab's h_0 = 0, 7.7) is given every known wrong answer. What an example cannot show,
because of its size, is listed in BLIND with the reason; there the two have to be equal, exactly.

    python -m pytest tests/test_derivations_wrong_answers.py -s -k table          prints the table
"""

import inspect
from types import SimpleNamespace

import numpy as np
import pytest

from scratch_lstm import lstm_textbook as lstm
from scratch_lstm import rnn_textbook as rnn
from scratch_lstm.gradcheck import complex_step, relative_error

LEAST = 0.01        # a wrong answer must be wrong by one per cent of the largest entry


def example(x, h0, W, U, b, output, targets=None):
    """L_t = h_t for one hidden unit, otherwise half the squared error of <output, h_t>."""
    x, h0, W, U, b = (np.array(value, float) for value in (x, h0, W, U, b))
    states = rnn.forward(x, h0, W, U, b)

    def losses(U):
        h = rnn.forward(x, h0, W, U, b).h[1:] @ np.array(output)
        return h if targets is None else (h - targets) ** 2 / 2

    h = states.h[1:] @ np.array(output)
    slope = np.ones(len(x)) if targets is None else h - targets
    dL_dh = slope[:, None] * np.array(output)
    return SimpleNamespace(U=U, T=len(x), H=len(b), h=states.h, dL_dh=dL_dh, losses=losses,
                           delta=rnn.delta(states, U, dL_dh), slope=1 - states.h[1:] ** 2)


def page_1(h0):
    return example([[1.0], [0.5], [-1.0]], h0, [[0.5], [-1.0]], [[0.5, -1.0], [1.0, 0.5]], [0.0, 0.5],
                   [1.0, -1.0], np.array([1.0, 0.0, -1.0]))


SIMPLE = {
    "1.4": example([[np.log(2) - 0.25], [np.log(3) - 0.3]], [0.5], [[1.0]], [[0.5]], [0.0], [1.0]),
    "1.3": page_1([0.5, -0.5]),
    "1.3, h_0 = 0": page_1([0.0, 0.0]),
}


def double_sum(net, delta, state=lambda net, t, k: net.h[k], pairs=None):
    """(6.39) with another delta, another state, or other pairs (t, k); k counted from 0."""
    pairs = pairs or [(t, k) for t in range(net.T) for k in range(t + 1)]
    return sum(np.outer(delta[t, k], state(net, t, k)) for t, k in pairs)


def other_delta(net, step, start=None):
    """The recursion (6.36) with another step."""
    delta = np.zeros_like(net.delta)
    for t in range(net.T):
        delta[t, t] = net.delta[t, t] if start is None else start(net, t)
        for k in reversed(range(t)):
            delta[t, k] = step(net, t, k, delta[t, k + 1])
    return delta


def reversed_order(net):
    """(6.47) with the factors in the opposite order."""
    delta = net.delta.copy()
    for t in range(net.T):
        for k in range(t):
            product = np.eye(net.H)
            for i in range(k, t):
                product = np.diag(net.slope[i]) @ net.U.T @ product
            delta[t, k] = product @ net.delta[t, t]
    return delta


def counted_twice(net):
    """The total dz_k/du_ij for every k (3.7)."""
    dU = np.zeros((net.H, net.H))
    for i, j in np.ndindex(dU.shape):
        total = np.zeros(net.H)
        for k in range(net.T):
            plus = rnn.immediate_partial(net.h[k], i, j, net.H)
            total = plus + net.U @ ((1 - net.h[k] ** 2) * total if k else total)
            dU[i, j] += sum(total @ net.delta[t, k] for t in range(k, net.T))
    return dU


WRONG = {
    "U for U^T in (6.36)": lambda net: double_sum(net, other_delta(
        net, lambda net, t, k, later: net.slope[k] * (net.U @ later))),
    "factors of (6.47) reversed": lambda net: double_sum(net, reversed_order(net)),
    "the result transposed": lambda net: double_sum(net, net.delta).T,
    "f' forgotten": lambda net: double_sum(net, other_delta(
        net, lambda net, t, k, later: net.U.T @ later, lambda net, t: net.dL_dh[t])),
    "f' of the next step": lambda net: double_sum(net, other_delta(
        net, lambda net, t, k, later: net.slope[k + 1] * (net.U.T @ later))),
    "f'(h) for f'(z)": lambda net: double_sum(net, other_delta(
        net, lambda net, t, k, later: (1 - np.tanh(net.h[k + 1]) ** 2) * (net.U.T @ later),
        lambda net, t: (1 - np.tanh(net.h[t + 1]) ** 2) * net.dL_dh[t])),
    "h_k for h_{k-1}": lambda net: double_sum(net, net.delta, lambda net, t, k: net.h[k + 1]),
    "outer sum dropped, t = T": lambda net: double_sum(
        net, net.delta, pairs=[(net.T - 1, k) for k in range(net.T)]),
    "inner sum dropped, k = t": lambda net: double_sum(net, net.delta, pairs=[(t, t) for t in range(net.T)]),
    "longest chain only, k = 1": lambda net: double_sum(net, net.delta, pairs=[(t, 0) for t in range(net.T)]),
    "published, t times k = 1": lambda net: double_sum(
        net, net.delta, pairs=[(t, 0) for t in range(net.T) for _ in range(t + 1)]),
    "total for direct partials": counted_twice,
    "one pass with = for +=": lambda net: double_sum(net, net.delta, pairs=[(t, t) for t in range(net.T)]),
    "one pass, last loss only": lambda net: double_sum(
        net, net.delta, pairs=[(net.T - 1, k) for k in range(net.T)]),
}
ONE_UNIT = "H = 1: a number is its own transpose, and numbers commute"
BLIND = {("1.4", "U for U^T in (6.36)"): ONE_UNIT, ("1.4", "factors of (6.47) reversed"): ONE_UNIT,
         ("1.4", "the result transposed"): ONE_UNIT,
         ("1.3, h_0 = 0", "factors of (6.47) reversed"): "only delta_{3,1} has two factors, and h_0 is 0"}

# The LSTM of 7.7: (text of lstm_textbook.backward, what a mistake makes of it)
LSTM_WRONG = {
    "dc assigned, not added": ("dc = dc_next + dh * o", "dc = dh * o"),
    "path through h dropped": ("dc_next + dh * o * (1 - tanh_c ** 2)", "dc_next + 0 * dh"),
    "tanh' forgotten": ("dh * o * (1 - tanh_c ** 2)", "dh * o"),
    "o forgotten": ("dc_next + dh * o *", "dc_next + dh *"),
    "tanh(c) is c in d_o": ("dh * tanh_c * o", "dh * states.c[k + 1] * o"),
    "tanh(c) forgotten in d_o": ("dh * tanh_c * o", "dh * o"),
    "c_k for c_{k-1} in d_f": ("dc * c_prev * f", "dc * states.c[k + 1] * f"),
    "f_k for f_{k+1} in dc": ("dc_next = dc * f ", "dc_next = dc * np.split(states.gates[k - 1], 4)[1] "),
    "f forgotten in dc": ("dc_next = dc * f ", "dc_next = dc "),
    "g and i exchanged": ("dc * g * i * (1 - i)", "dc * i * i * (1 - i)"),
    "sigma' for tanh' in d_g": ("dc * i * (1 - g ** 2)", "dc * i * g * (1 - g)"),
    "tanh' for sigma' in d_i": ("dc * g * i * (1 - i)", "dc * g * (1 - i ** 2)"),
    "gates in the order i, f, o, g": ("[d_i, d_f, d_g, d_o]", "[d_i, d_f, d_o, d_g]"),
    "U^T of another gate": ("U.T @ delta[t, k]", "U.T @ np.roll(delta[t, k], len(delta[t, k]) // 4)"),
    "no gradient to h_{k-1}": ("dh = U.T @ delta[t, k]", "dh = 0 * dh"),
}


def lstm_example():
    """The network of 7.7, T = 2, H = 1: x, W, U, states."""
    U, W = np.array([[1.0], [0.0], [1.0], [0.0]]), np.array([[0.0], [1.0], [0.0], [0.0]])
    x, b = np.array([[-np.log(3)], [0.0]]), np.log([3.0, 1.0, 2.0, 4.0])
    return x, W, U, lstm.forward(x, (np.zeros(1), np.array([2.0])), W, U, b)


def lstm_delta():
    _, _, U, states = lstm_example()
    return lstm.delta(states, U, np.array([[0.0], [1.0]]))


def lstm_gradients(backward=lstm.backward):
    """All gradients of L_2 = h_2 in 7.7, side by side: U, W, b, h_0, c_0."""
    x, W, U, states = lstm_example()
    delta, dL_dc = backward(states, U, np.array([[0.0], [1.0]]))
    dW, dU, db = lstm.gradients(delta, states, x)
    _, (dh0, dc0) = lstm.input_gradients(delta, dL_dc, W, U)
    return np.concatenate([dU[:, 0], dW[:, 0], db, dh0, dc0])


def with_fault(right, wrong):
    source, module = inspect.getsource(lstm.backward), dict(vars(lstm))
    assert source.count(right) == 1, right
    exec(source.replace(right, wrong), module)
    return module["backward"]


def errors():
    """{(example, answer): error}, of all gradients of U at once; of the LSTM all gradients."""
    found = {}
    for name, net in SIMPLE.items():
        right = complex_step(lambda U: np.sum(net.losses(U)), np.array(net.U))
        assert relative_error(double_sum(net, net.delta), right) <= 1e-13
        found |= {(name, answer): relative_error(wrong(net), right) for answer, wrong in WRONG.items()}
    right = lstm_gradients()
    found |= {("7.7", answer): relative_error(lstm_gradients(with_fault(*fault)), right)
              for answer, fault in LSTM_WRONG.items()}
    return found


@pytest.fixture(scope="module", name="found")
def _found():
    return errors()


def test_every_wrong_answer_is_wrong_on_every_worked_example(found):
    blind = [key for key, error in found.items() if error < LEAST and key not in BLIND]
    assert not blind, f"an example that cannot tell: {blind}"


def test_where_an_example_is_blind_the_two_are_equal(found):
    """So that the list of exceptions has no entry too many; and another example sees each of them."""
    for (name, answer), reason in BLIND.items():
        assert found[name, answer] <= 1e-14, (name, answer, reason)
        assert found["1.3", answer] >= LEAST


def test_the_numbers_of_3_1_are_all_different():
    """Right 0.2736, longest chain 0.0576, published 0.1152, counted twice 0.3312: for L_2 alone."""
    net = SIMPLE["1.4"]
    delta, total = net.delta[1, :, 0], net.h[1, 0] + 0.5 * net.slope[0, 0] * net.h[0, 0]
    right = delta @ net.h[:2, 0]
    answers = [right, delta[0] * net.h[0, 0], 2 * delta[0] * net.h[0, 0], delta[0] * 0.5 + delta[1] * total]
    assert np.allclose(answers, [0.2736, 0.0576, 0.1152, 0.3312], rtol=1e-12)
    assert abs(right - complex_step(lambda U: net.losses(U)[1], np.array(net.U)).item()) <= 1e-15


def test_table(found):
    names = list(SIMPLE)
    print("\n| wrong answer for dL/dU | " + " | ".join(names) + " |\n|---|" + "---|" * len(names))
    for answer in WRONG:
        cells = ["blind" if (name, answer) in BLIND else f"{found[name, answer]:.2f}" for name in names]
        print(f"| {answer} | " + " | ".join(cells) + " |")
    print("\n| wrong answer for the LSTM | 7.7 |\n|---|---|")
    for answer in LSTM_WRONG:
        print(f"| {answer} | {found['7.7', answer]:.2f} |")
    assert len(found) == len(SIMPLE) * len(WRONG) + len(LSTM_WRONG)
