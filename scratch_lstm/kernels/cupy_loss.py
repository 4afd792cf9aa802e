"""Softmax and cross-entropy on an NVIDIA GPU, in few launches: functional.py says what each array is.

A target outside [0, V) gives the loss NaN: the kernel never reads memory that is not its own, and the host
need not wait for a check.
"""

from __future__ import annotations

from typing import Any

import cupy

Array = Any

# i counts the rows n, or n * words + v
AT_TARGET = cupy.ElementwiseKernel(
    "raw T logits, raw T largest, raw int64 targets, int64 words", "raw T at_target",
    """
    const long long target = targets[i];
    at_target[i] = target >= 0 && target < words ? logits[i * words + target] - largest[i] : T(nan(""));
    """, "at_target")

EXPONENTIALS = cupy.ElementwiseKernel(
    "raw T logits, raw T largest, int64 words", "raw T out", "out[i] = exp(logits[i] - largest[i / words])",
    "exponentials")

LOSSES = cupy.ElementwiseKernel("T at_target, T sum", "T loss", "loss = log(sum) - at_target", "losses")

DLOGITS = cupy.ElementwiseKernel(
    "raw T exponentials, raw T sums, raw int64 targets, int64 words, T scale", "raw T out",
    """
    const long long row = i / words;
    const T hit = targets[row] == i % words ? scale : T(0);
    out[i] = exponentials[i] * (scale / sums[row]) - hit;
    """, "dlogits")


def softmax_cross_entropy(logits: Array, targets: Array, out: Array | None = None) -> Any:
    """As functional.softmax_cross_entropy; logits contiguous."""
    N, V = logits.shape
    largest = logits.max(axis=1)
    at_target, losses = cupy.empty(N, logits.dtype), cupy.empty(N, logits.dtype)
    AT_TARGET(logits, largest, targets, V, at_target, size=N)
    exponentials = cupy.empty_like(logits) if out is None else out
    EXPONENTIALS(logits, largest, V, exponentials, size=logits.size)
    sums = exponentials.sum(axis=1)
    LOSSES(at_target, sums, losses)
    return losses.mean(), (exponentials, sums)


def softmax_cross_entropy_backward(saved: Any, targets: Array, d_loss: float = 1.0,
                                   out: Array | None = None) -> Array:
    """As functional.softmax_cross_entropy_backward."""
    exponentials, sums = saved
    dlogits = cupy.empty_like(exponentials) if out is None else out
    DLOGITS(exponentials, sums, targets, exponentials.shape[1], d_loss / len(targets), dlogits,
            size=exponentials.size)
    return dlogits
