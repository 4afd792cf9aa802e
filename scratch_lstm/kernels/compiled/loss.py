"""Softmax and cross-entropy in blocks of rows that stay in the cache; NumPy does what it does best, exp."""

from __future__ import annotations

import numpy as np

from ... import functional
from ...functional import check_indices, softmax_cross_entropy_backward  # backward is one pass already
from .jit import jit

__all__ = ["softmax_cross_entropy", "softmax_cross_entropy_backward"]
BLOCK = 32  # rows


def softmax_cross_entropy(logits: np.ndarray, targets: np.ndarray,
                          out: np.ndarray | None = None) -> tuple[np.ndarray, tuple[np.ndarray, np.ndarray]]:
    """As functional.softmax_cross_entropy."""
    if np.iscomplexobj(logits):
        return functional.softmax_cross_entropy(logits, targets, out)
    check_indices(targets, logits.shape[1], "target")
    exponentials = np.empty_like(logits) if out is None else out                   # (N, V)
    if exponentials is not logits:
        exponentials[...] = logits
    at_target = np.empty(len(logits), logits.dtype)                                # (N,)
    sums = np.empty_like(at_target)                                                # (N,)
    for begin in range(0, len(logits), BLOCK):
        rows = slice(begin, begin + BLOCK)
        _shift(exponentials[rows], exponentials[rows].max(axis=1), targets[rows], at_target[rows])
        np.exp(exponentials[rows], out=exponentials[rows])
        _sum(exponentials[rows], sums[rows])
    return (np.log(sums) - at_target).mean(), (exponentials, sums)


@jit()
def _shift(rows, largest, targets, at_target):
    for n in range(len(rows)):
        shift = largest[n]
        for v in range(rows.shape[1]):
            rows[n, v] -= shift
        at_target[n] = rows[n, targets[n]]


@jit(fastmath={"reassoc"})
def _sum(rows, sums):
    """`reassoc` allows several partial sums at the same time, as NumPy has them."""
    for n in range(len(rows)):
        total = sums.dtype.type(0)
        for v in range(rows.shape[1]):
            total += rows[n, v]
        sums[n] = total
