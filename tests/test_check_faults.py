"""One list: what the checker can name, the suite catches; what the suite plants, the checker sees.

Every entry of the dictionary is put under the textbook's functions, and one of the suite's own tests must
fail. The other way round, every fault that test_planted_faults plants in the textbook is given to the
checker. """

import numpy as np
import pytest
import test_equivalence
import test_lstm_textbook
import test_planted_faults
import test_rnn_textbook
from test_planted_faults import FAULTS, plant

from scratch_lstm import lstm_textbook, rnn_textbook
from scratch_lstm.check import check
from scratch_lstm.check.forward import forward as forward_with
from scratch_lstm.check.networks import planted
from scratch_lstm.check.problem import Problem
from scratch_lstm.check.tensors import Result

SMALL = dict(seed=0, T=4, D=2, H=2)
TESTS = {
    "lstm": [lambda: inner(test_lstm_textbook.test_gradients_equal_the_complex_step)(uses="h", **SMALL),
             test_lstm_textbook.test_states_by_hand,
             lambda: inner(test_equivalence.test_one_pass_is_the_sum_of_every_delta_tk)(
                 seed=0, T=4, B=2, D=2, H=3, L=1, uses="h", backend="numpy")],
    "rnn": [lambda: inner(test_rnn_textbook.test_gradients_equal_the_complex_step)(activation="tanh",
                                                                                   **SMALL),
            test_rnn_textbook.test_states_by_hand],
}


def inner(test):
    """The function under hypothesis, to be called with one example."""
    return getattr(getattr(test, "hypothesis", None), "inner_test", test)


class Textbook:
    """The functions of a textbook module, with mistakes; each call of `forward` begins a new problem."""

    def __init__(self, network, mistakes):
        self.network, self.mistakes, self.problem = network, mistakes, None

    def forward(self, x, state=None, W=None, U=None, b=None, activation="tanh", h0=None):
        """`state` is the pair of the LSTM, or the h0 of the RNN, which has a name of its own there."""
        h0, c0 = state if self.network == "lstm" else (h0 if state is None else state, np.zeros(0))
        arrays = (np.asarray(a) for a in (x, h0, c0, W, U, b))
        self.problem = Problem(self.network, *arrays, dh=np.zeros((len(x), len(h0))))
        linear = {"forward.activation": "none"} if activation == "identity" else {}
        s = forward_with(self.problem, {**linear, **self.mistakes})
        if self.network == "rnn":
            return rnn_textbook.States(s.h, s.z[:, 0], activation)
        return lstm_textbook.States(s.h, s.c, s.z.reshape(len(x), -1), s.a.reshape(len(x), -1))

    def result(self, dh):
        p = self.problem
        return Result(Problem(p.network, p.x, p.h0, p.c0, p.W, p.U, p.b, np.asarray(dh)), self.mistakes)

    def backward(self, states, U, dL_dh, dL_dc_T=None):
        self.last = self.result(dL_dh)
        T, H = np.shape(dL_dh)
        return self.last.tensor("delta"), np.zeros((T, T + 1, H))

    def delta(self, states, U, dL_dh, dL_dc_T=None):
        return self.backward(states, U, dL_dh)[0]

    def gradients(self, delta, states, x):
        return tuple(self.last.tensor(name) for name in "WUb")

    def input_gradients(self, delta, *others):
        x, h0 = self.last.tensor("x"), self.last.tensor("h0")
        return (x, (h0, self.last.tensor("c0"))) if self.network == "lstm" else (x, h0)


def caught(monkeypatch, network, mistakes):
    """Whether one of the suite's tests fails with these mistakes in the textbook."""
    module, book = {"lstm": lstm_textbook, "rnn": rnn_textbook}[network], Textbook(network, mistakes)
    with monkeypatch.context() as patch:
        for name in ("forward", "backward", "delta", "gradients", "input_gradients"):
            if hasattr(module, name):
                patch.setattr(module, name, getattr(book, name))
        for test in TESTS[network]:
            try:
                test()
            except (AssertionError, ValueError):
                return True
    return False


@pytest.mark.parametrize("network", ["lstm", "rnn"])
def test_the_suite_catches_every_mistake_that_the_checker_can_name(monkeypatch, network):
    assert not caught(monkeypatch, network, {}), "unchanged, the tests pass"
    missed = [mistakes for mistakes in planted(network) if not caught(monkeypatch, network, mistakes)]
    assert missed == []


FORWARD_MODE = (test_planted_faults.RNN_FORWARD_MODE, test_planted_faults.BOOK_FORWARD_MODE,
                test_planted_faults.RNN_PRODUCT)                  # what no file of a student has
OF_THE_BOOK = [fault for fault in FAULTS if fault.caught_by not in FORWARD_MODE
               and {module for module, _, _ in fault.changes} <= {lstm_textbook, rnn_textbook}
               and "dL/dc_T" not in fault.name]                   # the contract has no loss that uses c_T


def lstm_forward(x, h0, c0, W, U, b):
    states = lstm_textbook.forward(x, (h0, c0), W, U, b)
    return states.h[1:], (states, x, W, U)


def lstm_backward(dh, cache):
    states, x, W, U = cache
    delta, dL_dc = lstm_textbook.backward(states, U, dh)
    found = dict(zip("WUb", lstm_textbook.gradients(delta, states, x)))
    found["x"], (found["h0"], found["c0"]) = lstm_textbook.input_gradients(delta, dL_dc, W, U)
    return found


def rnn_forward(x, h0, W, U, b):
    states = rnn_textbook.forward(x, h0, W, U, b)
    return states.h[1:], (states, x, W, U)


def rnn_backward(dh, cache):
    states, x, W, U = cache
    delta = rnn_textbook.delta(states, U, dh)
    found = dict(zip("WUb", rnn_textbook.gradients(delta, states, x)))
    found["x"], found["h0"] = rnn_textbook.input_gradients(delta, W, U)
    return found


@pytest.mark.parametrize("fault", OF_THE_BOOK, ids=lambda fault: fault.name)
def test_the_checker_sees_every_fault_that_the_suite_plants(monkeypatch, fault):
    rnn = fault.changes[0][0] is rnn_textbook
    with monkeypatch.context() as patch:
        plant(patch, fault.changes)
        verdict = check(*((rnn_forward, rnn_backward) if rnn else (lstm_forward, lstm_backward)),
                        network="rnn" if rnn else "lstm").verdict
    print(fault.name, verdict.verdict, [one.site for one in verdict.mistakes])
    assert verdict.verdict != "right"
