"""Adam's update and the embedding's scatter-add, each in one compiled pass."""

from __future__ import annotations

import numpy as np
from numba import njit


def update(p: np.ndarray, g: np.ndarray, m: np.ndarray, v: np.ndarray, rate: float, root: float,
           beta1: float, beta2: float, epsilon: float) -> None:
    """As numpy_adam.update."""
    kind = p.dtype.type
    _update(p, g, m, v, kind(rate), kind(root), kind(1 - beta1), kind(beta2), kind(1 - beta2), kind(epsilon))


@njit(cache=True, nogil=True, error_model="numpy")
def _update(p, g, m, v, rate, root, rest1, beta2, rest2, epsilon):
    for k in range(len(p)):
        m[k] += (g[k] - m[k]) * rest1
        v[k] = v[k] * beta2 + g[k] * g[k] * rest2
        p[k] -= m[k] / (np.sqrt(v[k]) / root + epsilon) * rate


@njit(cache=True, nogil=True, error_model="numpy")
def scatter_add(target, rows, values):
    """target[rows[n]] += values[n], one n after another."""
    for n in range(len(rows)):
        for e in range(values.shape[1]):
            target[rows[n], e] += values[n, e]
