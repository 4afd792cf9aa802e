"""exp of one number for compiled code: arithmetic only, so that a compiler makes sixteen of them at once.

With x = k ln 2 + r, k an integer and |r| <= ln 2 / 2, e^x = 2^k e^r: 2^k is an exponent whose bits are
written down, and e^r = 1 + r + r^2/2! + ... is right to rounding after 7 powers of r (float32; the next term
is at most 0.35^8 / 8! = 5e-9) or 13 (float64; 4e-18). ln 2 is taken in two parts, of which the first has so
few bits that k times it is exact.
"""

from __future__ import annotations

import math

import numpy as np
from numba import types
from numba.extending import overload


def exp(x):
    """e^x of one number x <= 0, in its dtype; e^-87 (float64: e^-708) below that. Compiled code only."""
    raise NotImplementedError


@overload(exp, jit_options={"fastmath": {"contract"}})        # a product and a sum may be one instruction
def _exp_of(x):
    single = x == types.float32
    scalar, integer = (np.float32, np.int32) if single else (np.float64, np.int64)
    powers, least, mantissa, bias = (7, -87, 23, 127) if single else (13, -708, 52, 1023)
    least, log2_e, half = (scalar(a) for a in (least, 1 / math.log(2), 0.5))
    high, low = scalar(0.693359375), scalar(-2.12194440054690583e-4)           # their sum is ln 2
    coefficients = tuple(scalar(1 / math.factorial(k)) for k in range(powers + 1))
    mantissa, bias = integer(mantissa), integer(bias)

    def exp(x):
        x = max(x, least)
        k = np.floor(x * log2_e + half)
        r = (x - k * high) - k * low
        series = coefficients[powers]
        for n in range(powers - 1, -1, -1):
            series = coefficients[n] + r * series                   # 1 + r (1 + r (1/2! + r (1/3! + ...)))
        return series * integer((integer(k) + bias) << mantissa).view(scalar)

    return exp
