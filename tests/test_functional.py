"""Sigmoid, softmax with cross-entropy: values, gradients, extremes."""

import numpy as np
import pytest

from scratch_lstm.functional import sigmoid, softmax_cross_entropy, softmax_cross_entropy_backward
from scratch_lstm.gradcheck import check_gradients

pytestmark = pytest.mark.quick


def test_sigmoid_is_the_logistic_function_and_overflows_nowhere():
    z = np.array([-800.0, -30.0, -1.5, -0.0, 0.0, 2.0, 800.0])
    with np.errstate(all="raise", under="ignore"):
        y = sigmoid(z)
        assert np.isfinite(sigmoid(z.astype(complex))).all()
    np.testing.assert_allclose(y[1:-1], 1 / (1 + np.exp(-z[1:-1])), rtol=1e-3, atol=1e-16)
    assert (y[0], y[4], y[-1]) == (0.0, 0.5, 1.0)
    assert np.isnan(sigmoid(np.array([np.nan]))).all()


@pytest.mark.parametrize("dtype", ["float32", "float64", "complex128"])
def test_dtype_follows_the_input(dtype):
    logits = np.random.default_rng(1).normal(size=(4, 5)).astype(dtype)
    loss, saved = softmax_cross_entropy(logits, np.array([0, 4, 2, 2]))
    assert sigmoid(logits).dtype == dtype and loss.dtype == dtype
    assert softmax_cross_entropy_backward(saved, np.array([0, 4, 2, 2])).dtype == dtype


def test_softmax_cross_entropy_is_what_it_says():
    logits = np.random.default_rng(3).normal(size=(6, 7))
    targets = np.array([0, 6, 3, 3, 1, 2])
    p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    loss, _ = softmax_cross_entropy(logits, targets)
    assert abs(loss - -np.log(p[range(6), targets]).mean()) <= 1e-15
    shifted, _ = softmax_cross_entropy(logits + 1e4, targets)
    assert abs(loss - shifted) <= 1e-11


@pytest.mark.parametrize("d_loss", [1.0, -0.37])
def test_softmax_cross_entropy_backward(d_loss):
    logits = 3 * np.random.default_rng(4).normal(size=(5, 6))
    targets = np.array([5, 0, 2, 2, 4])
    _, saved = softmax_cross_entropy(logits, targets)
    dlogits = softmax_cross_entropy_backward(saved, targets, d_loss)
    check_gradients(lambda logits: d_loss * softmax_cross_entropy(logits, targets)[0],
                    {"logits": logits}, {"logits": dlogits}).assert_ok()


def test_in_place_gives_the_same_and_only_where_asked():
    logits, targets = np.random.default_rng(5).normal(size=(5, 6)), np.array([5, 0, 2, 2, 4])
    untouched = logits.copy()
    loss, saved = softmax_cross_entropy(logits, targets)
    dlogits = softmax_cross_entropy_backward(saved, targets)
    assert np.array_equal(logits, untouched)
    buffer = logits.copy()
    loss_in_place, saved = softmax_cross_entropy(buffer, targets, out=buffer)
    again = softmax_cross_entropy_backward(saved, targets, out=saved[0])
    assert again is buffer and loss_in_place == loss and np.array_equal(again, dlogits)


def test_huge_logits_do_not_overflow():
    with np.errstate(over="raise", invalid="raise"):
        loss, _ = softmax_cross_entropy(np.array([[1e4, -1e4, 0.0]]), np.array([0]))
    assert loss == 0


def test_each_row_has_a_shift_of_its_own():
    """A row far below another one: shifted by the largest of all it would underflow to log 0."""
    logits = np.array([[0.0, 1.0], [-2000.0, -2001.0]])
    loss, _ = softmax_cross_entropy(logits, np.array([1, 0]))
    np.testing.assert_allclose(loss, np.log1p(np.exp(-1)), rtol=1e-14)
