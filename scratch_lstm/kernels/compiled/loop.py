"""The time loops of lstm_layer.py compiled by Numba: one call a layer instead of three a time step.

Nothing else changes: the matrix library still computes U h and U^T dz, in groups of rows where that is
faster (row_groups.py). But the interpreter's lock is released once, at the beginning, so that the shards of a
batch run at the same time on their threads, and the net input is added up while it is in the cache. The
arrays are those of protocols.TimeLoop.
"""

from __future__ import annotations

import numpy as np

from . import cell
from .jit import jit
from .products import product_in_groups
from .row_groups import rows_at_once


def forward(U, b, wx, z, c, tanh_c, h):
    """U (4H, H), b (4H,), wx (4H, T, B) = W x_t; fills z (T, 4H, B) with the gates, tanh_c (T, H, B), and
    c, h (T+1, H, B) from their rows 0 on."""
    _forward(U, b, wx, z, c, tanh_c, h, rows_at_once(U.shape[0], U.shape[1], h.shape[2], U.dtype))


def backward(U, gates, c, tanh_c, dh_above, delta, sums, dh, dc):
    """dh_above (T, H, B) = dL_t/dh_t; fills delta (4H, T, B), and sums (4H,), those of its rows; dh and dc
    (H, B) come in for the last state and go out for the initial one."""
    _backward(U, gates, c, tanh_c, dh_above, delta, sums, dh, dc,
              rows_at_once(U.shape[1], U.shape[0], dh.shape[1], U.dtype))


@jit()
def _forward(U, b, wx, z, c, tanh_c, h, rows):
    for t in range(len(z)):
        product_in_groups(U, h[t], z[t], rows)
        for row in range(z.shape[1]):
            for k in range(z.shape[2]):
                z[t, row, k] += wx[row, t, k] + b[row]                    # z = U h_prev + W x + b
        cell.forward(z[t], c[t], c[t + 1], tanh_c[t], h[t + 1])


@jit()
def _backward(U, gates, c, tanh_c, dh_above, delta, sums, dh, dc, rows):
    U_transposed = _transposed(U)                                      # once, not in every product
    dz = np.empty((len(U), dh.shape[1]), dh.dtype)                     # (4H, B), of one step
    flat = dh.reshape(-1)
    sums[:] = 0
    for t in range(len(gates) - 1, -1, -1):
        above = dh_above[t].reshape(-1)
        for k in range(len(flat)):
            flat[k] += above[k]                                   # dL/dh_t, complete
        cell.backward(gates[t], c[t], tanh_c[t], dh, dc, dz)
        _keep(dz, delta, t, sums)
        product_in_groups(U_transposed, dz, dh, rows)                 # what h_{t-1} receives through z_t


@jit(fastmath={"reassoc"})                                 # several partial sums at the same time
def _keep(dz, delta, t, sums):
    """dz (4H, B) becomes step t of delta (4H, T, B), while it is in the cache; its sums are added up."""
    for row in range(len(dz)):
        total = dz.dtype.type(0)
        for k in range(dz.shape[1]):
            delta[row, t, k] = dz[row, k]
            total += dz[row, k]
        sums[row] += total                                         # db of (6.41)


@jit()
def _transposed(A):
    """A^T (K, M), contiguous, of A (M, K). In small blocks: a whole column of A does not stay in the cache,
    and least of all where the distance between its entries is a power of two."""
    M, K = A.shape
    out = np.empty((K, M), A.dtype)
    for m in range(0, M, 16):
        for k in range(0, K, 8):
            for row in range(k, min(k + 8, K)):
                for column in range(m, min(m + 16, M)):
                    out[row, column] = A[column, row]
    return out
