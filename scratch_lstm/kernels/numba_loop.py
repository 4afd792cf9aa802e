"""The time loops of lstm.py compiled by Numba: one call a layer instead of three a time step.

Nothing else changes: U h and U^T dz are still products by the matrix library. But the interpreter's lock
is let go once, at the beginning, so that the shards of a batch run side by side on their threads, and the
net input is added up while it is in the cache.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from . import numba_cell
from .numba_cell import HERE


@njit(**HERE)
def forward(U, from_x, z, c, tanh_c, h):
    """U (4H, H), from_x (4H, T, B); fills z (T, 4H, B) with the gates, tanh_c (T, H, B), and c, h (T+1, H, B)
    from their first rows on."""
    for t in range(len(z)):
        np.dot(U, h[t], z[t])
        for row in range(z.shape[1]):
            for b in range(z.shape[2]):
                z[t, row, b] += from_x[row, t, b]                      # z = W x + U h_prev + b
        numba_cell.forward(z[t], c[t], c[t + 1], tanh_c[t], h[t + 1])


@njit(**HERE)
def backward(U, gates, c, tanh_c, d_from_above, dz, dh, dc):
    """d_from_above (T, H, B) = dL_t/dh_t; fills dz (T, 4H, B); dh and dc (H, B) come in for the last state
    and go out for the first."""
    U_transposed = np.ascontiguousarray(U.T)                           # once, not in every product
    flat = dh.reshape(-1)
    for t in range(len(dz) - 1, -1, -1):
        from_above = d_from_above[t].reshape(-1)
        for k in range(len(flat)):
            flat[k] += from_above[k]                                   # both ways that h_t reaches the loss
        numba_cell.backward(gates[t], c[t], tanh_c[t], dh, dc, dz[t])
        np.dot(U_transposed, dz[t], dh)                                # through z_t to h_{t-1}
