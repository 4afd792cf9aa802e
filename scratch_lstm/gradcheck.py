"""Oracles for gradients. They know no model: a function of an array goes in, its gradient comes out.

    oracle              entry i of the gradient, with h = step * max(1, |x_i|)              error
    central_difference  D(h) = (f(x + h e_i) - f(x - h e_i)) / 2h                           h^2
    richardson          D(h), D(h/2), D(h/4) combined so that h^2 and h^4 cancel            h^6
    complex_step        Im f(x + i h e_i) / h: no difference is taken, so h can be 1e-30    rounding

    directional         one random direction v: f's derivative along v against <gradient, v>
    taylor_order        |f(x + e v) - f(x) - e <gradient, v>| falls like e^2, or like e if wrong

A difference also has the rounding of f in it, about eps |f| / h. The default steps balance the two
errors: eps^(1/3) for D, eps^(1/7) for Richardson. Only float64: in float32 nothing would be left.
The complex step wants f analytic in x: no abs, no conjugate, no maximum of what depends on x.

`check_gradients` is the front: several gradients, several oracles, one table.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

Array = np.ndarray
Function = Callable[[Array], Any]
EPS = float(np.finfo(np.float64).eps)
BOUNDS = {"central": 1e-9, "complex": 1e-13, "directional": 1e-13}


def central_difference(f: Function, x: Array, step: float = EPS ** (1 / 3)) -> Array:
    """The gradient of the real scalar f at x, in the shape of x. f gets a fresh array each time."""
    gradient = np.empty_like(_float64(x))
    for index in np.ndindex(x.shape):
        h = step * max(1.0, abs(x[index]))
        above, below = _moved(x, index, h), _moved(x, index, -h)
        distance = above[index] - below[index]  # what rounding has left of 2h
        gradient[index] = (_real(f(above)) - _real(f(below))) / distance
    return gradient


def richardson(f: Function, x: Array, step: float = EPS ** (1 / 7), levels: int = 3) -> Array:
    """Central differences at h, h/2, h/4, ..., extrapolated to h = 0."""
    rows = [central_difference(f, x, step / 2 ** level) for level in range(levels)]
    for n in range(1, levels):  # each pass removes the term in h^(2n)
        rows = [(4 ** n * fine - coarse) / (4 ** n - 1) for coarse, fine in zip(rows, rows[1:])]
    return rows[0]


def complex_step(f: Function, x: Array, step: float = 1e-30) -> Array:
    """The same gradient from Im f(x + ih) / h. f is given complex128 and must return complex."""
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
    for which, array in (("value", a), ("reference", b)):
        if not np.isfinite(array).all():
            index = tuple(map(int, np.argwhere(~np.isfinite(array))[0]))
            raise ValueError(f"{name}: the {which} at {index} is {array[index]}")
    if not np.any(b):
        raise ValueError(f"{name}: the reference is zero everywhere, so no error is relative to it")
    return float(np.max(np.abs(a - b)) / np.max(np.abs(b)))


@dataclass(frozen=True)
class Row:
    """One tensor, one oracle. `index` is where they differ most, then what each has there."""

    tensor: str
    method: str
    error: float
    bound: float
    index: tuple[int, ...]
    value: float
    reference: float

    @property
    def ok(self) -> bool:
        return self.error <= self.bound  # NaN fails


class GradientTable(list[Row]):
    """The rows of `check_gradients`. print() shows them aligned."""

    @property
    def ok(self) -> bool:
        return len(self) > 0 and all(row.ok for row in self)

    @property
    def worst(self) -> Row:
        """The row furthest beyond its bound, or nearest to it."""
        return max(self, key=lambda row: (not row.ok, row.error / (row.bound or EPS)))

    def assert_ok(self) -> None:
        """AssertionError with the whole table, unless every error is within its bound."""
        if not self.ok:
            raise AssertionError(f"{sum(not row.ok for row in self)} of {len(self)} fail\n{self}")

    def __str__(self) -> str:
        lines = [("tensor", "method", "error", "bound", "", "worst at", "gradient", "oracle")]
        for row in self:
            lines.append((row.tensor, row.method, f"{row.error:.1e}", f"{row.bound:.0e}",
                          "ok" if row.ok else "FAIL", str(list(row.index)),
                          f"{row.value:+.15e}", f"{row.reference:+.15e}"))
        widths = [max(map(len, column)) for column in zip(*lines)]
        return "\n".join("  ".join(map(str.ljust, line, widths)).rstrip() for line in lines)


def check_gradients(function: Callable[..., Any], arguments: Mapping[str, Array],
                    gradients: Mapping[str, Array],
                    methods: Sequence[str] = ("central", "complex"),
                    bounds: Mapping[str, float] | None = None, seed: int = 0,
                    zeros: Collection[str] = ()) -> GradientTable:
    """Hold gradients[name] = d function(**arguments) / d arguments[name] against every method.

    arguments, gradients: the same names; float64 arrays, of the same shape for each name.
    methods: "central" (extrapolated: `richardson`; a plain difference is good to 1e-7 only, where
    a gradient is small beside f), "complex", "directional". bounds: by method, in place of BOUNDS.
    zeros: names whose gradient is zero by structure: it and the oracle are both held to exactly 0.
    The error is max|a-b| / max|b| for each tensor, for "directional" |a-b| / ||gradient||.
    The function gets copies. Under the complex step all of them are complex128, not one alone.
    ValueError for names, shapes, dtypes or values that cannot be compared (see relative_error).
    """
    limits = {**BOUNDS, **(bounds or {})}
    if arguments.keys() != gradients.keys():
        raise ValueError(f"arguments {sorted(arguments)}, but gradients {sorted(gradients)}")
    if not methods or not {*methods, *limits} <= {*BOUNDS} or not {*zeros} <= {*arguments}:
        raise ValueError(f"methods {methods}, bounds {bounds}, zeros {zeros}: an unknown name")
    table = GradientTable()
    for name, x in arguments.items():
        f, gradient = _of_one(function, arguments, name), np.asarray(gradients[name])
        if gradient.shape != x.shape or gradient.dtype != x.dtype:
            raise ValueError(f"{name}: {x.dtype} {x.shape}, but its gradient "
                             f"{gradient.dtype} {gradient.shape}")
        for method in methods:
            row = _check(name, method, limits[method], f, x, gradient, seed, name in zeros)
            table.append(row)
    return table


def _check(name: str, method: str, bound: float, f: Function, x: Array, gradient: Array,
           seed: int, zero: bool) -> Row:
    if method == "directional":
        a, b = map(np.float64, directional(f, x, gradient, seed))
        scale = max(np.sqrt(np.sum(gradient * gradient)), abs(b))
    else:
        a, b = gradient, richardson(f, x) if method == "central" else complex_step(f, x)
        scale = np.max(np.abs(b), initial=0.0)
    if zero:
        error, bound = max(np.max(np.abs(a)), np.max(np.abs(b))), 0.0
    else:
        relative_error(a, b, f"{name} ({method})")  # raises where nothing can be compared
        error = np.max(np.abs(a - b)) / scale
    index = tuple(map(int, np.unravel_index(np.argmax(np.abs(a - b)), np.shape(a))))
    return Row(name, method, float(error), bound, index, float(a[index]), float(b[index]))


def _of_one(function: Callable[..., Any], arguments: Mapping[str, Array], name: str) -> Function:
    """function as a function of the argument `name` alone, the others copied in its dtype."""
    def f(value: Array) -> Any:
        others = {key: np.array(array, value.dtype) for key, array in arguments.items()}
        return function(**{**others, name: value})
    return f


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
