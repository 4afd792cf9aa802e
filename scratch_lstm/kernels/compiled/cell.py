"""The cell of numpy_cell.py compiled by Numba: what takes NumPy a dozen passes is one loop here.

`tanh` is written out, because the C library's works on one number at a time, and a compiler makes eight or
sixteen at once of arithmetic only. It is Lambert's continued fraction, which a reader can check by hand,

    tanh y = y / (1 + y^2 / (3 + y^2 / (5 + y^2 / (7 + y^2 / (9 + y^2 / (11 + y^2 / 13))))))

multiplied out to one fraction p / q of polynomials, at y = x / 8, and then three times

    tanh 2y = 2 tanh y / (1 + tanh^2 y) = 2 p q / (q^2 + p^2)

so that there is one division in all. For |x| up to 20 it is right to rounding; beyond, tanh is 1 to rounding.
In float32, where 9 takes the place of 20, y = x / 2 is small enough.
"""

from __future__ import annotations

import numpy as np
from numba import types
from numba.extending import overload

from .jit import jit

FASTMATH = {"contract"}         # a product and the sum that follows it may be one instruction, rounded once


def tanh(x):
    """tanh of one number, in its dtype; compiled code only."""
    raise NotImplementedError


@overload(tanh, jit_options={"fastmath": FASTMATH})
def _tanh_of(x):
    single = x == types.float32
    scalar, limit, doublings = (np.float32, 9, 1) if single else (np.float64, 20, 3)
    a0, a1, a2, b1, b2, b3 = (scalar(a) for a in (135135, 17325, 378, 62370, 3150, 28))
    two, limit, scale = scalar(2), scalar(limit), scalar(0.5 ** doublings)

    def tanh(x):
        y = min(max(x, -limit), limit) * scale
        s = y * y
        p, q = y * (a0 + s * (a1 + s * (a2 + s))), a0 + s * (b1 + s * (b2 + s * b3))
        for _ in range(doublings):
            p, q = two * p * q, q * q + p * p
        return p / q

    return tanh


@jit(fastmath=FASTMATH)
def forward(z, c_prev, c, tanh_c, h):
    """As numpy_cell.forward; every array contiguous, of one dtype, float32 or float64."""
    z, c_prev, c, tanh_c, h = (z.reshape(-1), c_prev.reshape(-1), c.reshape(-1), tanh_c.reshape(-1),
                               h.reshape(-1))
    n, half = len(h), h.dtype.type(0.5)
    for k in range(n):
        i = half + half * tanh(half * z[k])                   # (6.54)
        f = half + half * tanh(half * z[n + k])               # (6.55)
        g = tanh(z[2 * n + k])                                # (6.53)
        o = half + half * tanh(half * z[3 * n + k])           # (6.56)
        c_k = f * c_prev[k] + i * g                                                # (6.51)
        t = tanh(c_k)
        z[k], z[n + k], z[2 * n + k], z[3 * n + k] = i, f, g, o
        c[k], tanh_c[k], h[k] = c_k, t, o * t                                      # (6.52)


@jit(fastmath=FASTMATH)
def backward(gates, c_prev, tanh_c, dh, dc, dz):
    """As numpy_cell.backward; every array contiguous, of one dtype, float32 or float64."""
    gates, c_prev, tanh_c, dh, dc, dz = (gates.reshape(-1), c_prev.reshape(-1), tanh_c.reshape(-1),
                                         dh.reshape(-1), dc.reshape(-1), dz.reshape(-1))
    n, one = len(dh), dh.dtype.type(1)
    for k in range(n):
        i, f, g, o = gates[k], gates[n + k], gates[2 * n + k], gates[3 * n + k]
        dc_k = dc[k] + dh[k] * o * (one - tanh_c[k] * tanh_c[k])                   # (6.52)
        dz[k] = dc_k * g * i * (one - i)                                           # (6.51), (6.54)
        dz[n + k] = dc_k * c_prev[k] * f * (one - f)                               # (6.51), (6.55)
        dz[2 * n + k] = dc_k * i * (one - g * g)                                   # (6.51), (6.53)
        dz[3 * n + k] = dh[k] * tanh_c[k] * o * (one - o)                          # (6.52), (6.56)
        dc[k] = dc_k * f                                                           # (6.51)
