"""Adam's update in NumPy: the formula, and the same formula in pieces that stay in the cache."""

from __future__ import annotations

import numpy as np

PIECE = 1 << 16  # numbers


def reference_update(p: np.ndarray, g: np.ndarray, m: np.ndarray, v: np.ndarray, step_size: float,
                     bias_correction2_sqrt: float, beta1: float, beta2: float, epsilon: float,
                     keep: float = 1.0) -> None:
    """The formula as printed, with temporaries. `update` gives the same to rounding; a test compares them."""
    m[...] = beta1 * m + (1 - beta1) * g
    v[...] = beta2 * v + (1 - beta2) * g ** 2
    p *= keep
    p -= step_size * m / (np.sqrt(v) / bias_correction2_sqrt + epsilon)


def update(p: np.ndarray, g: np.ndarray, m: np.ndarray, v: np.ndarray, step_size: float,
           bias_correction2_sqrt: float, beta1: float, beta2: float, epsilon: float,
           keep: float = 1.0) -> None:
    """As reference_update, in place. All arrays are flat.

    step_size: learning rate / (1 - beta1^t); bias_correction2_sqrt: sqrt(1 - beta2^t). torch's names.
    keep: 1 - learning rate * weight decay; 1 changes no bit.
    """
    scratch = np.empty_like(p[:PIECE])
    for begin in range(0, p.size, PIECE):
        piece = slice(begin, begin + PIECE)
        _update_piece(p[piece], g[piece], m[piece], v[piece], scratch[:p.size - begin],
                      step_size, bias_correction2_sqrt, beta1, beta2, epsilon, keep)


def _update_piece(p: np.ndarray, g: np.ndarray, m: np.ndarray, v: np.ndarray, scratch: np.ndarray,
                  step_size: float, bias_correction2_sqrt: float, beta1: float, beta2: float,
                  epsilon: float, keep: float) -> None:
    # m = beta1 m + (1 - beta1) g
    np.subtract(g, m, out=scratch)
    scratch *= 1 - beta1
    m += scratch
    # v = beta2 v + (1 - beta2) g^2
    np.multiply(g, g, out=scratch)
    scratch *= 1 - beta2
    v *= beta2
    v += scratch
    # p = keep p - step_size m / (sqrt(v) / bias_correction2_sqrt + epsilon)
    if keep != 1:
        p *= keep
    np.sqrt(v, out=scratch)
    scratch /= bias_correction2_sqrt
    scratch += epsilon
    np.divide(m, scratch, out=scratch)
    scratch *= step_size
    p -= scratch
