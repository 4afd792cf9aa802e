"""Adam's update in one compiled pass."""

from __future__ import annotations

import numpy as np

from .jit import jit


def update(p: np.ndarray, g: np.ndarray, m: np.ndarray, v: np.ndarray, step_size: float,
           bias_correction2_sqrt: float, beta1: float, beta2: float, epsilon: float,
           keep: float = 1.0) -> None:
    """As numpy_adam.update."""
    scalar = p.dtype.type
    _update(p, g, m, v, scalar(step_size), scalar(bias_correction2_sqrt), scalar(1 - beta1), scalar(beta2),
            scalar(1 - beta2), scalar(epsilon), scalar(keep))


@jit()
def _update(p, g, m, v, step_size, bias_correction2_sqrt, one_minus_beta1, beta2, one_minus_beta2, epsilon,
            keep):
    for k in range(len(p)):
        m[k] += (g[k] - m[k]) * one_minus_beta1
        v[k] = v[k] * beta2 + g[k] * g[k] * one_minus_beta2
        p[k] = p[k] * keep - m[k] / (np.sqrt(v[k]) / bias_correction2_sqrt + epsilon) * step_size
