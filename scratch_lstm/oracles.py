"""Oracles for gradients. They know no model: a function of an array goes in, its gradient comes out.

    oracle              entry i of the gradient, with h = step * max(1, |x_i|)              error
    central_difference  D(h) = (f(x + h e_i) - f(x - h e_i)) / 2h                           h^2
    richardson          D(h), D(h/2), D(h/4) combined so that h^2 and h^4 cancel            h^6
    complex_step        Im f(x + i h e_i) / h: no difference is taken, so h can be 1e-30    rounding

    directional         one random direction v: f's derivative along v against <gradient, v>
    taylor_order        |f(x + e v) - f(x) - e <gradient, v>| falls like e^2, or like e if wrong

A difference also contains the rounding of f, about noise / h; `noise` measures it. The default steps balance
the two errors: eps^(1/3) for D, eps^(1/7) for Richardson. Only float64: in float32 too few digits would be
left. The complex step needs f analytic in x: no abs, no conjugate, no maximum of what depends on x.

Everything here raises ValueError for an x that is not a float64 array, or an f that is not a scalar.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

Array = np.ndarray
Function = Callable[[Array], Any]
EPS = float(np.finfo(np.float64).eps)
RICHARDSON_STEP = EPS ** (1 / 7)
# The rounding of f in richardson's result, in units of noise / h: the weights 1/45, -4/9, 64/45 of
# D(h), D(h/2), D(h/4), each of them with two roundings over twice its step
RICHARDSON_NOISE = 1 / 45 + 2 * 4 / 9 + 4 * 64 / 45


def central_difference(f: Function, x: Array, step: float = EPS ** (1 / 3)) -> Array:
    """The gradient of the real scalar f at x, in the shape of x. f gets a fresh array each time."""
    gradient = np.empty_like(_float64(x))
    for index in np.ndindex(x.shape):
        h = step * max(1.0, abs(x[index]))
        above, below = _moved(x, index, h), _moved(x, index, -h)
        distance = above[index] - below[index]  # what rounding has left of 2h
        gradient[index] = (_real(f(above)) - _real(f(below))) / distance
    return gradient


def richardson(f: Function, x: Array, step: float = RICHARDSON_STEP, levels: int = 3) -> Array:
    """Central differences at h, h/2, h/4, ..., extrapolated to h = 0."""
    rows = [central_difference(f, x, step / 2 ** level) for level in range(levels)]
    for n in range(1, levels):  # each pass removes the term in h^(2n)
        rows = [(4 ** n * fine - coarse) / (4 ** n - 1) for coarse, fine in zip(rows, rows[1:])]
    return rows[0]


def complex_step(f: Function, x: Array, step: float = 1e-30) -> Array:
    """The same gradient from Im f(x + ih) / h. f gets complex128 and must return complex."""
    gradient = np.empty_like(_float64(x))
    for index in np.ndindex(x.shape):
        h = step * max(1.0, abs(x[index]))
        gradient[index] = _imaginary(f(_moved(x.astype(np.complex128), index, 1j * h))) / h
    return gradient


def directional(f: Function, x: Array, gradient: Array, seed: int = 0) -> tuple[float, float]:
    """<gradient, v> and f's derivative along v by the complex step, for one random v, to compare.

    One call of f whatever the size of x. The entries of v are standard normal, so that <gradient, v>
    has the standard deviation ||gradient||: that, and not the one draw, is the scale of an error.
    """
    v, h = np.random.default_rng(seed).standard_normal(_float64(x).shape), 1e-30
    return float(np.sum(gradient * v)), _imaginary(f(x + 1j * h * v)) / h


def taylor_order(f: Function, x: Array, gradient: Array, direction: Array | None = None,
                 seed: int = 0) -> float:
    """The p in |f(x + e v) - f(x) - e <gradient, v>| ~ e^p: 2 if the gradient is right, 1 if wrong.

    v is `direction`, or a random unit vector; e runs over 2^-7 ... 2^-14; remainders that the
    rounding of f could have made are left out. More than 2 is right as well: 3 where the curvature
    along v is zero, inf where no remainder is left at all because f is linear along v.
    ValueError if f does not move along v: that would test nothing.
    """
    v = direction
    if v is None:
        v = np.random.default_rng(seed).standard_normal(_float64(x).shape)
        v = v / np.sqrt(np.sum(v * v))
    steps, slope, start = 2.0 ** -np.arange(7, 15), np.sum(gradient * v), _real(f(_float64(x).copy()))
    moves = np.array([_real(f(x + e * v)) for e in steps]) - start
    remainders, rounding = np.abs(moves - steps * slope), 64 * EPS * (abs(start) + np.abs(moves))
    largest = np.max(np.abs([moves[0], steps[0] * slope]))
    if not (np.isfinite(remainders).all() and largest > rounding[0]):
        raise ValueError(f"f moves by {moves[0]} and the gradient says {steps[0] * slope}: no test")
    seen = remainders > rounding
    if seen.sum() < 2:
        return float("inf")
    return float(np.polyfit(np.log(steps[seen]), np.log(remainders[seen]), 1)[0])


def relative_error(a: Array, b: Array, name: str = "tensor") -> float:
    """max|a - b| / max|b| of a and its reference b.

    ValueError with the name where that number would mean nothing: two shapes or two dtypes, no
    entries, NaN or inf in either, a reference that is zero everywhere.
    """
    a, b = np.asarray(a), np.asarray(b)
    if a.shape != b.shape or a.dtype != b.dtype:
        raise ValueError(f"{name}: {a.dtype} {a.shape}, but its reference {b.dtype} {b.shape}")
    check_finite(a, b, name)
    if not np.any(b):
        raise ValueError(f"{name}: the reference is zero everywhere, so no error is relative to it")
    return float(np.max(np.abs(a - b)) / np.max(np.abs(b)))


def check_finite(a: Array, b: Array, name: str) -> None:
    """ValueError with the name for NaN or inf in a or in its reference b."""
    for which, array in (("value", a), ("reference", b)):
        if not np.isfinite(array).all():
            index = tuple(map(int, np.argwhere(~np.isfinite(array))[0]))
            raise ValueError(f"{name}: the {which} at {index} is {array[index]}")


def noise(f: Function, x: Array, seed: int = 0) -> float:
    """The size of f's rounding errors near x: their standard deviation, or one unit in the last place of f.

    f is evaluated at eight points so close together that a smooth f is almost a parabola on them; its
    higher differences are then rounding alone. The k-th difference of independent errors has (2k)! / (k!)^2
    times their variance. (More and Wild, Estimating Computational Noise, 2011.)
    """
    v = np.random.default_rng(seed).standard_normal(_float64(x).shape)
    scale = 2.0 ** -26 * float(np.max(np.abs(x), initial=1.0))
    values = np.array([_real(f(x + n * scale * v)) for n in range(8)])
    estimates, differences = [EPS * float(np.max(np.abs(values)))], values
    for k in range(1, 7):
        differences = np.diff(differences)
        if k >= 3:
            factor = math.factorial(k) ** 2 / math.factorial(2 * k)
            estimates.append(math.sqrt(factor * float(np.mean(differences ** 2))))
    return max(estimates)


def _moved(x: Array, index: tuple[int, ...], h: complex) -> Array:
    moved = x.copy()
    moved[index] += h
    return moved


def _float64(x: Array) -> Array:
    if not isinstance(x, np.ndarray) or x.dtype != np.float64:
        raise ValueError(f"need a float64 array, not {getattr(x, 'dtype', type(x))}")
    return x


def _real(value: Any) -> float:
    if np.ndim(value) or np.iscomplexobj(value):
        raise ValueError(f"f must be a real scalar, not {np.result_type(value)} {np.shape(value)}")
    return float(value)


def _imaginary(value: Any) -> float:
    if np.ndim(value) or not np.iscomplexobj(value):
        raise ValueError(f"f of complex x must be a complex scalar, not {np.result_type(value)} "
                         f"{np.shape(value)}: somewhere the imaginary part was dropped")
    return float(value.imag)
