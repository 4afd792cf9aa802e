"""Adam on an NVIDIA GPU: its update in one launch, or clipping and the update in two (clip_adam.cu)."""

from __future__ import annotations

from typing import Any

import cupy
import numpy as np

from .raw_kernels import launch

Array = Any
THREADS = 256
BLOCKS = 256                       # at most: each adds up as many partial sums


def update(p: Array, g: Array, m: Array, v: Array, step_size: float, bias_correction2_sqrt: float,
           beta1: float, beta2: float, epsilon: float, keep: float = 1.0) -> None:
    """As numpy_adam.update; the arrays contiguous."""
    # no gradient is longer than infinity, and the partial sums are not looked at
    _adam(cupy.empty(1, p.dtype), 0, p, g, m, v, np.inf, step_size, bias_correction2_sqrt, beta1, beta2,
          epsilon, keep, None, 0.0)


def clip_and_update(p: Array, g: Array, m: Array, v: Array, max_norm: float, step_size: float,
                    bias_correction2_sqrt: float, beta1: float, beta2: float, epsilon: float, keep: float,
                    average: Array | None, share: float) -> Array:
    """optim.clip_grad_norm, then `update`, then average += share * (p - average) where there is one. Returns
    the norm that g had, a scalar on the device."""
    blocks = min(BLOCKS, -(-p.size // THREADS))
    partial = cupy.empty(blocks, p.dtype)
    launch("clip_adam.cu", "sum_squares", blocks, THREADS, (g, partial, np.int32(p.size)), p.dtype,
           THREADS * p.dtype.itemsize)
    return _adam(partial, blocks, p, g, m, v, max_norm, step_size, bias_correction2_sqrt, beta1, beta2,
                 epsilon, keep, average, share)


def _adam(partial: Array, partials: int, p: Array, g: Array, m: Array, v: Array, max_norm: float,
          step_size: float, correction: float, beta1: float, beta2: float, epsilon: float, keep: float,
          average: Array | None, share: float) -> Array:
    real, norm = p.dtype.type, cupy.empty((), p.dtype)
    numbers = (max_norm, step_size, correction, 1 - beta1, beta2, 1 - beta2, epsilon, keep, share)
    launch("clip_adam.cu", "clip_adam", min(4 * BLOCKS, -(-p.size // THREADS)), THREADS,
           (partial, norm, p, g, m, v, p if average is None else average, *map(real, numbers),
            np.int32(average is not None), np.int32(partials), np.int32(p.size)), p.dtype,
           THREADS * p.dtype.itemsize)
    return norm
