"""Functions without parameters; each backward stands directly under its forward.

N = T * B predictions, V words. Everything here works in any real or complex dtype, so that the complex
step can check it: `tanh` and `exp` are analytic, and the shift of the softmax is taken from the real part.
`xp` is the array module.
"""

from __future__ import annotations

from types import ModuleType
from typing import Any

import numpy as np

Array = Any


def sigmoid(z: Array, xp: ModuleType = np) -> Array:
    """1 / (1 + exp(-z)), written with tanh: it overflows nowhere, in complex numbers either."""
    return 0.5 * (1 + xp.tanh(0.5 * z))


def sigmoid_backward(y: Array, dy: Array) -> Array:
    """From y = sigmoid(z): dz = dy * y * (1 - y)."""
    return dy * y * (1 - y)


def softmax_cross_entropy(logits: Array, targets: Array, xp: ModuleType = np,
                          out: Array | None = None) -> tuple[Array, tuple[Array, Array]]:
    """The mean over n of -log softmax(logits[n])[targets[n]], in nats.

    logits (N, V), targets (N,) integers. Returns the loss, a scalar, and what backward needs: the
    shifted exponentials (N, V) and their sums (N,). With `out=logits` no second (N, V) array is made.
    Any shift leaves the softmax as it is; the row's largest logit keeps exp from overflowing.
    """
    rows = xp.arange(len(targets))
    shifted = xp.subtract(logits, logits.real.max(axis=1, keepdims=True), out=out)     # (N, V)
    at_target = shifted[rows, targets]                                                 # (N,)
    exponentials = xp.exp(shifted, out=shifted)                                        # (N, V)
    sums = exponentials.sum(axis=1)                                                    # (N,)
    return (xp.log(sums) - at_target).mean(), (exponentials, sums)


def softmax_cross_entropy_backward(saved: tuple[Array, Array], targets: Array, d_loss: float = 1.0,
                                   xp: ModuleType = np, out: Array | None = None) -> Array:
    """dlogits (N, V) = (softmax - one_hot(targets)) * d_loss / N. `out` may be the saved exponentials."""
    exponentials, sums = saved
    scale = d_loss / len(targets)
    dlogits = xp.multiply(exponentials, (scale / sums)[:, None], out=out)              # (N, V)
    dlogits[xp.arange(len(targets)), targets] -= scale
    return dlogits
