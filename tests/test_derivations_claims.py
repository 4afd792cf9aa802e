"""Sentences of the pages that claim more than one example can show: each measured on many random networks."""

import numpy as np
import pytest

from scratch_lstm import rnn_textbook as rnn
from scratch_lstm.gradcheck import complex_step, relative_error


def random_network(seed, T=6, D=2, H=4):
    """Weights uniform within 1/sqrt(H), and dL_dh of the last loss alone."""
    rng = np.random.default_rng(seed)
    W, U, b, h0 = (rng.uniform(-1, 1, shape) / H ** 0.5 for shape in ((H, D), (H, H), H, H))
    x, dL_dh = rng.standard_normal((T, D)), np.zeros((T, H))
    dL_dh[-1] = rng.standard_normal(H)
    return x, h0, W, U, b, dL_dh


def terms(x, h0, W, U, b, dL_dh):
    """The T terms of (6.38) for the last loss, (T, H, H)."""
    states = rnn.forward(x, h0, W, U, b)
    delta = rnn.delta(states, U, dL_dh)[-1]
    return np.array([np.outer(delta[k], states.h[k]) for k in range(len(x))])


def published(parts):
    """The published answer to the lab's second question: every chain ends in z_1."""
    return len(parts) * parts[0]


def test_page_3_the_first_term_is_often_not_the_smallest():
    """3.6: the longest chain is the term k = 1; in 87 of 200 networks another term is smaller."""
    other = [np.argmin(np.abs(terms(*random_network(seed))[:, 0, 1])) != 0 for seed in range(200)]
    assert sum(other) == 87


def test_page_3_forward_and_backward_share_only_the_forward_pass_and_the_slope(monkeypatch):
    """3.5: a wrong f' is in both BPTT and RTRL, so they still agree; against the complex step both fail."""
    x, h0, W, U, b, dL_dh = random_network(0)
    exact = complex_step(lambda U: np.sum(dL_dh * rnn.forward(x, h0, W, U, b).h[1:]), U)

    def both():
        states = rnn.forward(x, h0, W, U, b)
        return (rnn.gradients(rnn.delta(states, U, dL_dh), states, x)[1],
                rnn.rtrl(x, h0, W, U, b, dL_dh)[1])

    backward, forward = both()
    assert relative_error(backward, forward) <= 1e-13 and relative_error(backward, exact) <= 1e-13
    monkeypatch.setitem(rnn.ACTIVATIONS, "tanh", (np.tanh, lambda z: 1 - np.tanh(z)))     # no square
    backward, forward = both()
    assert relative_error(backward, forward) <= 1e-13 and relative_error(backward, exact) > 0.1


@pytest.mark.parametrize("seed", range(5))
def test_the_published_answer_is_t_times_its_first_term_and_zero_for_a_zero_start(seed):
    """Chain by chain, as published: dL_t/dz_k dz_k/dh_{k-1} ... dz_1/du_ij. Then with the lab's h_0 = 0."""
    x, h0, W, U, b, dL_dh = random_network(seed)
    states, (i, j) = rnn.forward(x, h0, W, U, b), (1, 2)
    delta, T = rnn.delta(states, U, dL_dh)[-1], len(x)
    chains = 0.0
    for k in range(T):
        carried = delta[k]                                    # dL_t/dz_k, then down to z_1
        for m in reversed(range(k)):
            carried = (1 - states.h[m + 1] ** 2) * (U.T @ carried)
        chains += carried @ rnn.immediate_partial(states.h[0], i, j, len(b))
    parts = terms(x, h0, W, U, b, dL_dh)
    assert abs(chains - published(parts)[i, j]) <= 1e-14
    assert relative_error(published(parts), parts.sum(axis=0)) > 0.1
    zero = terms(x, 0 * h0, W, U, b, dL_dh)
    assert not published(zero).any() and zero.sum(axis=0).any()


def test_page_5_additive_states():
    """(6.49): dh_t/dh_0 = I, exactly; (6.50): the product of I + dpsi/dh, which is not I."""
    rng = np.random.default_rng(0)
    T, D, H = 7, 2, 3
    x, h0, A, B = rng.standard_normal((T, D)), *(rng.standard_normal(s) / 2 for s in (H, (H, D), (H, H)))

    def last(h, B):
        for x_t in x:
            h = h + np.tanh(A @ x_t + B @ h)                  # (6.50); with B = 0 it is (6.49)
        return h

    def jacobian(B):
        return np.array([complex_step(lambda h: last(h, B)[i], h0) for i in range(H)])

    assert np.array_equal(jacobian(0 * B), np.eye(H))         # (6.49)
    product, h = np.eye(H), h0
    for x_t in x:
        inner = np.tanh(A @ x_t + B @ h)
        product = (np.eye(H) + np.diag(1 - inner ** 2) @ B) @ product
        h = h + inner
    assert relative_error(product, jacobian(B)) <= 1e-13      # (6.50)
    assert relative_error(jacobian(B), np.eye(H)) > 0.5


def test_page_5_a_norm_above_one_may_vanish_and_may_grow_linearly():
    """5.3 and 5.5: the largest singular value above 1 is not sufficient, for any U of the two kinds."""
    for size in (2.0, 10.0, 1e6):
        nilpotent = np.array([[0.0, size], [0.0, 0.0]])
        assert np.linalg.norm(nilpotent, 2) == size and not (nilpotent @ nilpotent).any()
    shear = np.array([[1.0, 1.0], [0.0, 1.0]])
    norms = [np.linalg.norm(np.linalg.matrix_power(shear, n), 2) for n in (100, 200, 400)]
    assert np.allclose(np.diff(norms) / np.array([100, 200]), 1, atol=1e-2)
    assert np.linalg.norm(shear, 2) > 1.6


def test_page_4_the_textbook_pass_keeps_one_vector_the_fast_one_keeps_all():
    """4.4: the one pass needs no delta but the last one; dU can be added up on the way."""
    x, h0, W, U, b, _ = random_network(3)
    dL_dh = np.random.default_rng(3).standard_normal((len(x), len(b)))
    states, later, dU = rnn.forward(x, h0, W, U, b), 0.0, 0.0
    for k in reversed(range(len(x))):
        delta = (1 - states.h[k + 1] ** 2) * (dL_dh[k] + later)
        dU, later = dU + np.outer(delta, states.h[k]), U.T @ delta
    double = rnn.gradients(rnn.delta(states, U, dL_dh), states, x)[1]
    assert relative_error(dU, double) <= 1e-13
