"""The front of the gradient check: several gradients, several oracles, one table. It knows no model.

    table = check_gradients(function, arguments, gradients)
    print(table)            one row a tensor and method: error, bound, verdict, where they differ most
    table.assert_ok()       AssertionError with the table, unless every gradient is right

A row has one of three verdicts:

    ok            the error is within the bound
    cannot tell   it is not, but the rounding of f alone could make such an error: this method sees no more
    WRONG         neither

The oracles are in oracles.py, and can be imported from here too.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .oracles import (EPS, RICHARDSON_NOISE, RICHARDSON_STEP, Array, Function, central_difference,
                      check_finite, complex_step, directional, noise, relative_error, richardson,
                      taylor_order)

__all__ = ["BOUNDS", "EPS", "GradientTable", "Row", "central_difference", "check_gradients", "complex_step",
           "directional", "noise", "relative_error", "richardson", "taylor_order"]
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
