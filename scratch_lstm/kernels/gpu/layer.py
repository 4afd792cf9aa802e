"""One layer of the LSTM on an NVIDIA GPU: lstm_layer.py with one launch for each time loop.

The batch is the outer index here and features are the inner one, z (T, B, 4H), so that the threads of a
block read and write neighbouring memory, and no product needs a transposed copy. lstm_forward.cu and
lstm_backward.cu are the loops; persistent_split.py says where they keep U, and up to which H they go.
"""

from __future__ import annotations

from typing import Any

import cupy
import numpy as np

from . import persistent_split
from .products import add_column_sum, add_product, product
from .raw_kernels import launch, limits_now

Array = Any


def fits(dtype: Any, shape: tuple[int, int, int]) -> bool:
    """Whether a layer with T, B, H = shape runs here: H small enough, and every index below 2^31."""
    T, B, H = shape
    return np.dtype(dtype).kind == "f" and H <= persistent_split.LARGEST and (T + 1) * B * 4 * H < 2**31


def ready(a: Array, dtype: Any) -> Array:
    """The array as the kernels take it: of that dtype, contiguous."""
    if a.dtype == dtype and a.flags.c_contiguous:
        return a
    return cupy.ascontiguousarray(a.astype(dtype, copy=False))


def loop(name: str, arrays: tuple[Array, ...], shape: tuple[int, int, int], from_zero: bool) -> None:
    """Launch one of the two time loops."""
    (T, B, H), dtype = shape, arrays[0].dtype
    shared_limit, multiprocessors = limits_now()
    sequences = persistent_split.sequences_in_block(B, multiprocessors, dtype.itemsize)
    split = persistent_split.split(H, dtype.itemsize, sequences, shared_limit)
    launch(f"{name}.cu", name, -(-B // sequences), split.threads,
           (*arrays, np.int32(T), np.int32(B), np.int32(from_zero)), dtype, split.shared_bytes,
           **split.defines(H))


def layer_forward(x: Array, state: tuple[Array, Array] | None, W: Array, U: Array, b: Array, dtype: Any,
                  own: Any) -> tuple[Array, tuple[Array, Array, Array, Array]]:
    """As lstm_layer.layer_forward: h (T, B, H), a new array, and the fields of a Cache. They have the
    shapes that lstm_layer.py gives them; batch and features have changed places in memory only."""
    (T, B, D), H = x.shape, U.shape[1]
    hc = own("hc", (2, T + 1, B, H), dtype)
    if state is not None:
        hc[0, 0], hc[1, 0] = state
    tanh_c, z = own("tanh_c", (T, B, H), dtype), own("z", (T, B, 4 * H), dtype)
    x, W, U, b = (ready(a, dtype) for a in (x, W, U, b))
    product(x.reshape(T * B, D), W.T, z.reshape(T * B, 4 * H))
    h = cupy.empty((T, B, H), dtype)
    loop("lstm_forward", (U, b, z, hc[1], tanh_c, hc[0], h), (T, B, H), state is None)
    return h, (x, *(a.swapaxes(-1, -2) for a in (hc, tanh_c, z)))


def layer_backward(dh_above: Array, d_state: tuple[Array, Array] | None, W: Array, U: Array, cache: Any,
                   dtype: Any, scratch: Any, gradients: list[Array]) -> tuple[Array, Array]:
    """As lstm_layer.layer_backward; adds to the gradients of W, U and b -> dx (T, B, D), and (dh_0, dc_0) as
    one (2, B, H) in scratch memory."""
    (T, B, D), H = cache.x.shape, U.shape[1]
    hc, tanh_c, gates = (a.swapaxes(-1, -2) for a in cache[1:])
    dz = scratch("dz", (T, B, 4 * H), dtype)
    d_hc = scratch("d_hc", (2, B, H), dtype)
    if d_state is not None:
        d_hc[0], d_hc[1] = d_state
    x, W, U, dh_above, hc, tanh_c, gates = (
        ready(a, dtype) for a in (cache.x, W, U, dh_above, hc, tanh_c, gates))
    loop("lstm_backward", (U, gates, hc[1], tanh_c, dh_above, dz, d_hc[0], d_hc[1]), (T, B, H),
         d_state is None)
    delta, h_prev = dz.reshape(T * B, 4 * H), hc[0, :T].reshape(T * B, H)
    add_product(gradients[0], delta.T, x.reshape(T * B, D))            # (6.40), one sum over k
    add_product(gradients[1], delta.T, h_prev)                         # (6.39), one sum over k
    add_column_sum(gradients[2], delta)                                # (6.41), one sum over k
    return product(delta, W).reshape(T, B, D), d_hc
