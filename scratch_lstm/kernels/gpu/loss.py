"""Softmax and cross-entropy on an NVIDIA GPU: softmax.cu has the kernels, functional.py says what each array
is."""

from __future__ import annotations

from typing import Any

import cupy
import numpy as np

from .raw_kernels import launch

Array = Any
THREADS = 256


def softmax_cross_entropy(logits: Array, targets: Array, out: Array | None = None) -> Any:
    """As functional.softmax_cross_entropy; logits contiguous. A wrong target gives the loss NaN."""
    (N, V), dtype = logits.shape, logits.dtype
    exponentials = cupy.empty_like(logits) if out is None else out
    sums, losses, loss = cupy.empty(N, dtype), cupy.empty(N, dtype), cupy.empty((), dtype)
    shared_bytes = THREADS * dtype.itemsize
    launch("softmax.cu", "softmax", N, THREADS, (logits, targets, exponentials, sums, losses, np.int32(V)),
           dtype, shared_bytes)
    launch("sums.cu", "mean", 1, THREADS, (losses, loss, np.int32(N)), dtype, shared_bytes)
    return loss, (exponentials, sums)


def softmax_cross_entropy_backward(saved: Any, targets: Array, d_loss: float = 1.0,
                                   out: Array | None = None) -> Array:
    """As functional.softmax_cross_entropy_backward."""
    exponentials, sums = saved
    (N, V), dtype = exponentials.shape, exponentials.dtype
    dlogits = cupy.empty_like(exponentials) if out is None else out
    launch("softmax.cu", "dlogits", N, THREADS,
           (exponentials, sums, targets, dlogits, dtype.type(d_loss / N), np.int32(V)), dtype)
    return dlogits
