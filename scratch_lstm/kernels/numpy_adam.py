"""Adam's update in NumPy, a piece at a time that stays in the cache."""

from __future__ import annotations

import numpy as np

PIECE = 1 << 14  # numbers


def update(p: np.ndarray, g: np.ndarray, m: np.ndarray, v: np.ndarray, rate: float, root: float,
           beta1: float, beta2: float, epsilon: float) -> None:
    """m, v and p change in place, all flat: m += (1 - beta1) (g - m), v = beta2 v + (1 - beta2) g^2,
    p -= rate m / (sqrt(v) / root + epsilon)."""
    scratch = np.empty_like(p[:PIECE])
    for begin in range(0, p.size, PIECE):
        piece = slice(begin, begin + PIECE)
        _update_piece(p[piece], g[piece], m[piece], v[piece], scratch[:p.size - begin],
                      rate, root, beta1, beta2, epsilon)


def _update_piece(p: np.ndarray, g: np.ndarray, m: np.ndarray, v: np.ndarray, scratch: np.ndarray,
                  rate: float, root: float, beta1: float, beta2: float, epsilon: float) -> None:
    np.subtract(g, m, out=scratch)
    scratch *= 1 - beta1
    m += scratch
    np.multiply(g, g, out=scratch)
    scratch *= 1 - beta2
    v *= beta2
    v += scratch
    np.sqrt(v, out=scratch)
    scratch /= root
    scratch += epsilon
    np.divide(m, scratch, out=scratch)
    scratch *= rate
    p -= scratch
