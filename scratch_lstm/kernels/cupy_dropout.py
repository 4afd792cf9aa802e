"""Dropout on an NVIDIA GPU: the mask and its product in one launch (dropout.cu)."""

from __future__ import annotations

from typing import Any

import cupy
import numpy as np

from . import numpy_philox
from .cupy_kernels import launch

Array = Any
THREADS = 256


def drop(x: Array | None, rng: np.random.Generator, rate: float, shape: tuple[int, ...],
         dtype: Any) -> tuple[Array | None, Array]:
    """x times a mask of that shape, and the mask; of x None the mask alone. Where x has more entries than the mask,
    the mask is repeated along the first axis. The bits are those of numpy_philox.dropout_mask."""
    dtype = np.dtype(dtype)
    mask = cupy.empty(shape, dtype)
    dropped = mask if x is None else cupy.empty_like(x)
    source = mask if x is None else cupy.ascontiguousarray(x)
    scale = dtype.type(1) / dtype.type(1 - rate)
    launch("dropout.cu", "dropout", -(-mask.size // (4 * THREADS)), THREADS,
           (source, dropped, mask, *map(np.uint32, numpy_philox.draw_key(rng)),
            np.uint32(numpy_philox.threshold(rate)), scale, np.int32(mask.size),
            np.int32(0 if x is None else x.size // mask.size)), dtype)
    return None if x is None else dropped, mask
