"""Philox 4x32-10 in NumPy: the dropout masks that dropout.cu draws on a GPU, and the key that both take.

The generator of Salmon, Moraes, Dror and Shaw, Parallel random numbers: as easy as 1, 2, 3 (SC 2011): ten
rounds of multiplications and exclusive ors turn a counter and a key into four random words of 32 bits.
"""

from __future__ import annotations

from typing import Any

import numpy as np

MULTIPLIERS = np.uint64(0xD2511F53), np.uint64(0xCD9E8D57)
WEYL = 0x9E3779B9, 0xBB67AE85                    # added to the key after each round
LOW, HALF = np.uint64(0xFFFFFFFF), np.uint64(32)


def philox(counter: np.ndarray, key: tuple[int, int]) -> np.ndarray:
    """counter (N, 4) of words below 2^32 -> as many random words, uint64."""
    a, b, c, d = counter.astype(np.uint64).T
    key_0, key_1 = key
    for _ in range(10):
        product_0, product_2 = MULTIPLIERS[0] * a, MULTIPLIERS[1] * c
        a, b = (product_2 >> HALF) ^ b ^ np.uint64(key_0), product_2 & LOW
        c, d = (product_0 >> HALF) ^ d ^ np.uint64(key_1), product_0 & LOW
        key_0, key_1 = (key_0 + WEYL[0]) & 0xFFFFFFFF, (key_1 + WEYL[1]) & 0xFFFFFFFF
    return np.stack([a, b, c, d], axis=1)


def draw_key(rng: np.random.Generator) -> tuple[int, int]:
    """The key of one mask."""
    low, high = rng.integers(0, 2**32, 2)
    return int(low), int(high)


def threshold(rate: float) -> int:
    """Words below it are dropped: a share `rate` of 2^32."""
    return min(round(rate * 2**32), 2**32 - 1)


def dropout_mask(rng: np.random.Generator, rate: float, shape: tuple[int, ...], dtype: Any) -> np.ndarray:
    """As Backend.dropout_mask, in the very bits of the GPU's."""
    size = int(np.prod(shape))
    counter = np.zeros((-(-size // 4), 4), np.uint64)
    counter[:, 0] = np.arange(len(counter))
    words = philox(counter, draw_key(rng)).reshape(-1)[:size]
    one = np.asarray(1, dtype)
    return (words >= threshold(rate)).reshape(shape).astype(dtype) * (one / np.asarray(1 - rate, dtype))
