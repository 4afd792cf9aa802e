"""The gradient check: oracles for gradients, and the table that compares with them.

One file that can be copied: it knows no model, and imports nothing but NumPy.

    table = check_gradients(function, arguments, gradients)
    print(table)            one row a tensor and method: error, bound, verdict, where they differ most
    table.assert_ok()       AssertionError with the table, unless every gradient is right

A row has one of three verdicts:

    ok            the error is within the bound
    cannot tell   it is not, but the rounding of f alone could make such an error: this method sees no more
    WRONG         neither

The oracles: a function of an array goes in, its gradient comes out.

    oracle              entry i of the gradient, with h = step * max(1, |x_i|)              error
    central_difference  D(h) = (f(x + h e_i) - f(x - h e_i)) / 2h                           h^2
    richardson          D(h), D(h/2), D(h/4) combined so that h^2 and h^4 cancel            h^6
    complex_step        Im f(x + i h e_i) / h: no difference is taken, so h can be 1e-30    rounding

    directional         one random direction v: f's derivative along v against <gradient, v>
    taylor_order        |f(x + e v) - f(x) - e <gradient, v>| falls like e^2, or like e if wrong

A difference also contains the rounding of f, about noise / h; `noise` measures it. The default steps balance
the two errors: eps^(1/3) for D, eps^(1/7) for Richardson. Only float64: in float32 too few digits would be
left. The complex step needs f analytic in x: no abs, no conjugate, no maximum of what depends on x.

The oracles raise ValueError for an x that is not a float64 array, or an f that is not a scalar.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
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


# The check

BOUNDS = {"central": 1e-9, "complex": 1e-13, "directional": 1e-13}
OK, CANNOT_TELL, WRONG = "ok", "cannot tell", "WRONG"


@dataclass(frozen=True)
class Row:
    """One tensor, one oracle. `index` is where they differ most; value and reference are the entries there.

    error, bound and rounding are relative to the largest entry of the reference; rounding is the error that
    f's own rounding can make in this method.
    """

    tensor: str
    method: str
    error: float
    bound: float
    index: tuple[int, ...]
    value: float
    reference: float
    rounding: float = 0.0

    @property
    def verdict(self) -> str:
        if self.error <= self.bound:                        # NaN is neither
            return OK
        return CANNOT_TELL if self.error <= self.rounding else WRONG

    @property
    def ok(self) -> bool:
        """Whether the row shows no mistake: its verdict is not WRONG."""
        return self.verdict != WRONG


class GradientTable(list[Row]):
    """The rows of `check_gradients`. print() shows them aligned."""

    @property
    def ok(self) -> bool:
        """No row is WRONG, and each tensor has a row that is ok: "cannot tell" alone proves nothing."""
        shown = {row.tensor for row in self if row.verdict == OK}
        return len(self) > 0 and all(row.ok and row.tensor in shown for row in self)

    @property
    def worst(self) -> Row:
        """The row furthest beyond its bound, or nearest to it."""
        return max(self, key=lambda row: (not row.ok, row.error / (row.bound or EPS)))

    def assert_ok(self) -> None:
        """AssertionError with the whole table, unless it is ok."""
        if not self.ok:
            not_ok = sum(row.verdict != OK for row in self)
            raise AssertionError(f"{not_ok} of {len(self)} are not ok\n{self}")

    def __str__(self) -> str:
        lines = [("tensor", "method", "error", "bound", "", "worst at", "gradient", "oracle")]
        for row in self:
            lines.append((row.tensor, row.method, f"{row.error:.1e}", f"{row.bound:.0e}", row.verdict,
                          str(list(row.index)), f"{row.value:+.15e}", f"{row.reference:+.15e}"))
        widths = [max(map(len, column)) for column in zip(*lines)]
        text = "\n".join("  ".join(map(str.ljust, line, widths)).rstrip() for line in lines)
        if any(row.verdict == CANNOT_TELL for row in self):
            text += "\ncannot tell: the error is within the rounding of f; ask another method (complex)"
        return text


def check_gradients(function: Callable[..., Any], arguments: Mapping[str, Array],
                    gradients: Mapping[str, Array],
                    methods: Sequence[str] = ("central", "complex"),
                    bounds: Mapping[str, float] | None = None, seed: int = 0,
                    zeros: Collection[str] = ()) -> GradientTable:
    """Compare gradients[name] with d function(**arguments) / d arguments[name], by every method.

    arguments, gradients: the same names; float64 arrays, of the same shape for each name.
    methods: "central" (extrapolated: `richardson`; a plain difference is good to 1e-7 only, where
    a gradient is small compared with f), "complex", "directional". bounds: by method, in place of BOUNDS.
    zeros: names whose gradient is zero by structure (U of a single step from a zero state): it and the
    oracle must both be exactly 0.
    The error is max|a-b| / max|b| for each tensor, for "directional" |a-b| / ||gradient||.
    The function gets copies. Under the complex step all of them are complex128, not one alone.
    ValueError, with the name of the tensor, for names, shapes, dtypes or values that cannot be compared
    (see relative_error), and for a function that gives two values for the same arguments.
    """
    limits = {**BOUNDS, **(bounds or {})}
    if arguments.keys() != gradients.keys():
        raise ValueError(f"arguments {sorted(arguments)}, but gradients {sorted(gradients)}")
    if not methods or not {*methods, *limits} <= {*BOUNDS} or not {*zeros} <= {*arguments}:
        raise ValueError(f"methods {methods}, bounds {bounds}, zeros {zeros}: an unknown name")
    for name, x in arguments.items():
        gradient = np.asarray(gradients[name])
        if not isinstance(x, np.ndarray) or x.dtype != np.float64:
            raise ValueError(f"{name}: need a float64 array, not {getattr(x, 'dtype', type(x).__name__)}")
        if gradient.shape != x.shape or gradient.dtype != x.dtype:
            raise ValueError(f"{name}: {x.dtype} {x.shape}, but its gradient "
                             f"{gradient.dtype} {gradient.shape}")
    _check_stateless(function, arguments)
    table = GradientTable()
    for name, x in arguments.items():
        f, gradient = _of_one(function, arguments, name), np.asarray(gradients[name])
        for method in methods:
            try:
                table.append(_check(name, method, limits[method], f, x, gradient, seed, name in zeros))
            except ValueError as error:
                raise ValueError(f"{name} ({method}): {error}") from None
    return table


def _check_stateless(function: Callable[..., Any], arguments: Mapping[str, Array]) -> None:
    """ValueError if two calls with the same arguments give two values."""
    one, two = (function(**{name: x.copy() for name, x in arguments.items()}) for _ in range(2))
    if not np.array_equal(one, two, equal_nan=True):
        raise ValueError(f"the function gave {one} and then {two} for the same arguments: it keeps state "
                         "between calls or draws random numbers; reset the state or the seed inside it")


def _check(name: str, method: str, bound: float, f: Function, x: Array, gradient: Array,
           seed: int, zero: bool) -> Row:
    rounding = 0.0
    if method == "directional":
        a, b = map(np.float64, directional(f, x, gradient, seed))
        scale = max(np.sqrt(np.sum(gradient * gradient)), abs(b))
    else:
        a, b = gradient, richardson(f, x) if method == "central" else complex_step(f, x)
        scale = np.max(np.abs(b), initial=0.0)
    check_finite(a, b, "gradient")
    if zero:
        error, bound = max(np.max(np.abs(a)), np.max(np.abs(b))), 0.0
    else:
        if not np.any(b):
            raise ValueError("the reference is zero everywhere, so no error is relative to it; if this "
                             f"gradient is zero by structure, pass zeros=['{name}']")
        error = np.max(np.abs(a - b)) / scale
        if method == "central" and error > bound:
            # six standard deviations of f's rounding, over a step of at least RICHARDSON_STEP
            rounding = float(6 * noise(f, x, seed) * RICHARDSON_NOISE / RICHARDSON_STEP / scale)
    index = tuple(map(int, np.unravel_index(np.argmax(np.abs(a - b)), np.shape(a))))
    return Row(name, method, float(error), bound, index, float(a[index]), float(b[index]), rounding)


def _of_one(function: Callable[..., Any], arguments: Mapping[str, Array], name: str) -> Function:
    """function as a function of the argument `name` alone, the others copied in its dtype."""
    def f(value: Array) -> Any:
        others = {key: np.array(array, value.dtype) for key, array in arguments.items()}
        return function(**{**others, name: value})
    return f
