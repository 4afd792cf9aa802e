"""The linear layer to the vocabulary and the loss in blocks of rows: from h to the gradients in one pass.

layers.Linear and functional.py compute the same one after the other, for all N predictions at once: that is
the form that derivations/08_around_the_lstm.md derives, and it writes and reads an array of (N, V) logits
several times. Here a block of predictions is finished, product, bias, softmax, loss, dlogits and the three
gradients, before the next begins. So one block of logits is in memory, and a pass over it does all it can.

    N = T * B predictions, n of them in a block, V vocabulary, H hidden size.
    In a block words are rows and predictions are across: logits (V, n), as in the time loop.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ...functional import check_indices
from .exp import exp
from .jit import jit
from .products import add_product_in_groups, add_transposed_product_in_groups, product_in_groups
from .row_groups import TILE, tiles_are_faster

BLOCK = 272  # predictions; the fewer, the more often the library packs the weight


def fused_loss(h: np.ndarray, parameters: dict[str, np.ndarray], gradients: dict[str, np.ndarray],
               targets: np.ndarray, d_loss: float | None, workspace: Any) -> tuple[Any, np.ndarray | None]:
    """As protocols.FusedLoss has it. Raises ValueError for a target that is not in [0, V)."""
    (N, H), V, scalar = h.shape, len(parameters["bias"]), h.dtype.type
    check_indices(targets, V, "target")
    n, words = sizes_of_a_block(N, V, H, h.dtype)
    dh = np.zeros((0 if d_loss is None else N, H), h.dtype)
    memory = workspace("logits", (V * n,), h.dtype)                             # a block
    loss = _fused_loss(h, parameters["weight"], parameters["bias"], targets, scalar((d_loss or 0) / N), dh,
                       gradients["weight"], gradients["bias"], memory, n, words)
    return scalar(loss / N), None if d_loss is None else dh


def sizes_of_a_block(N: int, V: int, H: int, dtype: Any) -> tuple[int, int]:
    """(predictions of a block, words of a product): blocks of about the same size, each a multiple of 16."""
    largest, words = (TILE, TILE) if tiles_are_faster(H, dtype) else (BLOCK, V)
    blocks = -(-N // largest)
    return min(N, -(-N // (16 * blocks)) * 16), words


@jit()
def _fused_loss(h, weight, bias, targets, scale, dh, dweight, dbias, memory, block, words):
    V, loss = len(weight), 0.0
    for begin in range(0, len(h), block):
        some, target = h[begin:begin + block], targets[begin:begin + block]        # (n, H), (n,)
        n = len(some)
        logits = memory[:V * n].reshape(V, n)
        product_in_groups(weight, np.ascontiguousarray(some.T), logits, words)
        largest, sums = np.full(n, -np.inf, h.dtype), np.zeros(n, h.dtype)
        _add_bias(logits, bias, largest)
        for k in range(n):
            loss += largest[k] - logits[target[k], k]
        _exponentials(logits, largest, sums)
        for k in range(n):
            loss += np.log(sums[k])
        if len(dh):
            for k in range(n):
                logits[target[k], k] -= sums[k]
            _dlogits(logits, scale / sums, dbias)
            add_product_in_groups(dweight, logits, some, words)                    # sum over n of dy_n h_n^T
            add_transposed_product_in_groups(dh[begin:begin + block], logits, weight, words)
    return loss


@jit()
def _add_bias(logits, bias, largest):
    """largest (n,) becomes the largest logit of each prediction."""
    for v in range(len(logits)):
        word, b = logits[v], bias[v]
        for k in range(len(word)):
            word[k] += b
            largest[k] = max(largest[k], word[k])


@jit(fastmath={"contract"})
def _exponentials(logits, largest, sums):
    """Logits become the exponentials of their distance to the largest; adds these to sums (n,)."""
    for v in range(len(logits)):
        word = logits[v]
        for k in range(len(word)):
            word[k] = exp(word[k] - largest[k])
            sums[k] += word[k]


@jit(fastmath={"reassoc"})
def _dlogits(logits, factors, dbias):
    """Exponentials, less their sum at the target, times factors (n,), are dlogits; adds their sums to dbias.
    `reassoc` allows several partial sums at the same time, as NumPy has them."""
    for v in range(len(logits)):
        word, total = logits[v], dbias.dtype.type(0)
        for k in range(len(word)):
            word[k] *= factors[k]
            total += word[k]
        dbias[v] += total
