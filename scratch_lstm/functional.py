"""Functions without parameters; each backward is directly under its forward.

    N predictions (T * B), V vocabulary size.

Everything here works in any real or complex dtype, so that the complex step can check it: `tanh` and `exp`
are analytic, and the shift of the softmax is taken from the real part.
"""

from __future__ import annotations

import numpy as np

Array = np.ndarray


def sigmoid(z: Array) -> Array:
    """1 / (1 + exp(-z)), written with tanh: it never overflows, in complex numbers either."""
    return 0.5 * (1 + np.tanh(0.5 * z))


def softmax_cross_entropy(logits: Array, targets: Array,
                          out: Array | None = None) -> tuple[Array, tuple[Array, Array]]:
    """The mean over n of -log softmax(logits[n])[targets[n]], in nats.

    logits (N, V), targets (N,) integers in [0, V). Returns the loss, a scalar, and what backward needs: the
    shifted exponentials (N, V) and their sums (N,). With `out=logits` no second (N, V) array is made.
    The softmax is the same for any shift; the row's largest logit keeps exp from overflowing.
    Raises ValueError for a target that is not in [0, V).
    """
    check_indices(targets, logits.shape[1], "target")
    rows = np.arange(len(targets))
    shifted = np.subtract(logits, logits.real.max(axis=1, keepdims=True), out=out)     # (N, V)
    at_target = shifted[rows, targets]                                                 # (N,)
    exponentials = np.exp(shifted, out=shifted)                                        # (N, V)
    ones = np.ones(exponentials.shape[1], exponentials.dtype)
    sums = exponentials @ ones                                  # (N,); three times as fast as sum(axis=1)
    return (np.log(sums) - at_target).mean(), (exponentials, sums)


def softmax_cross_entropy_backward(saved: tuple[Array, Array], targets: Array, d_loss: float = 1.0,
                                   out: Array | None = None) -> Array:
    """dlogits (N, V) = (softmax - one_hot(targets)) * d_loss / N. `out` may be the saved exponentials."""
    exponentials, sums = saved
    scale = d_loss / len(targets)
    dlogits = np.multiply(exponentials, (scale / sums)[:, None], out=out)              # (N, V)
    dlogits[np.arange(len(targets)), targets] -= scale
    return dlogits


def check_indices(indices: np.ndarray, size: int, name: str) -> None:
    """Raise ValueError unless every index is in [0, size). NumPy would take -1 for the last word, and
    compiled code would read memory that is not its own."""
    if indices.size and not 0 <= indices.min() <= indices.max() < size:
        wrong = indices[(indices < 0) | (indices >= size)].flat[0]
        raise ValueError(f"{name} {wrong} is not in [0, {size})")
