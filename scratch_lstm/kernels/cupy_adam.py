"""Adam's update on an NVIDIA GPU: one launch."""

from __future__ import annotations

from typing import Any

import cupy

Array = Any

ADAM = cupy.ElementwiseKernel(
    "T g, T step_size, T correction, T one_minus_beta1, T beta2, T one_minus_beta2, T epsilon, T keep",
    "T p, T m, T v",
    """
    m += one_minus_beta1 * (g - m);
    v = beta2 * v + one_minus_beta2 * g * g;
    p = keep * p - step_size * m / (sqrt(v) / correction + epsilon);
    """, "adam")


def update(p: Array, g: Array, m: Array, v: Array, step_size: float, bias_correction2_sqrt: float,
           beta1: float, beta2: float, epsilon: float, keep: float = 1.0) -> None:
    """As numpy_adam.update."""
    ADAM(g, step_size, bias_correction2_sqrt, 1 - beta1, beta2, 1 - beta2, epsilon, keep, p, m, v)
