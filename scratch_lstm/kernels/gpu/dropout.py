"""Dropout masks on an NVIDIA GPU: one launch each (dropout.cu)."""

from __future__ import annotations

from typing import Any

import cupy
import numpy as np

from .. import numpy_philox
from .raw_kernels import launch

Array = Any
THREADS = 256


def dropout_mask(rng: np.random.Generator, rate: float, shape: tuple[int, ...], dtype: Any) -> Array:
    """As Backend.dropout_mask, in the very bits of numpy_philox.dropout_mask. The generator gives the key."""
    dtype = np.dtype(dtype)
    mask = cupy.empty(shape, dtype)
    launch("dropout.cu", "dropout_mask", -(-mask.size // (4 * THREADS)), THREADS,
           (mask, *map(np.uint32, numpy_philox.draw_key(rng)), np.uint32(numpy_philox.threshold(rate)),
            dtype.type(1) / dtype.type(1 - rate), np.int32(mask.size)), dtype)
    return mask
