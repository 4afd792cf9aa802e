"""The dictionary of mistakes: every key, its values, and where the reader finds the right formula.

A key is a parameter of the textbook passes (`forward.py`, `slopes.py`, `backward.py`, `tensors.py`); a value
is one way of being wrong. An entry of the dictionary is one pair (key, value).

`part` says what a key changes: the forward pass; the local factors, seen at T = 1; the paths through time;
or one returned tensor alone ("tensor"). The search goes through the parts in this order. A key of the part
"seen" is no hypothesis: a gradient, or the block of a gate, that is zero in every entry is seen at once.
Numbers of the equations: NNDL, chapter 6, draft of 2019-04-10.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations, permutations
from typing import Any

from .problem import GATES
from .slopes import FACTORS, LOGISTIC, SLOPE_C, TANH

ORDERS = tuple("".join(order) for order in permutations(GATES))[1:]
SOME_GATES = tuple(f"only {''.join(some)}" for n in (1, 2, 3) for some in combinations(GATES, n))
SUMS = ("last", "first", "mean", "without the first", "without the last", "t times k = 1", "counted twice",
        "k = t only", "t = T only", "last twice")
COURSE = ("t times k = 1", "counted twice", "k = t only", "t = T only")
SCALES = ("half", "twice", "minus", "mean over T", "mean over H", "sum over H")


@dataclass(frozen=True)
class Key:
    """`values` is empty of "right": a key that is absent is right."""

    name: str
    part: str           # "forward", "local", "path", "tensor" or "seen"
    site: str
    values: tuple[str, ...]
    equation: str       # "(6.39)"
    section: str        # "2.4" is section 2.4 of derivations/
    gate: str | None = None
    tensor: str | None = None


def _others(table: dict[str, Any]) -> tuple[str, ...]:
    return tuple(value for value in table if value != "right")


def _sums(tensor: str, equation: str, section: str) -> list[Key]:
    sums = tuple(value for value in SUMS if (tensor, value) != ("U", "without the first"))   # h_0 = 0 below
    scales = tuple(value for value in SCALES if value != "mean over T")                      # a mean above
    return [Key(f"sum.{tensor}", "tensor", "sum-over-time", sums, equation, section, tensor=tensor),
            Key(f"scale.{tensor}", "tensor", "scaled", scales, equation, section, tensor=tensor)]


def _input(tensor: str, values: tuple[str, ...], equation: str, section: str) -> list[Key]:
    site = "input-of-sum"
    return [Key(f"input.{tensor}", "tensor", site, values, equation, section, tensor=tensor),
            Key(f"outer.{tensor}", "tensor", site, ("transposed",), equation, section, tensor=tensor),
            Key(f"before.{tensor}", "tensor", site, ("before f'",), equation, section, tensor=tensor)]


_INPUT_W = ("x_{k-1}", "x_{k+1}", "x_{k-1} or x_T", "h_{k-1}", "h_k")
_INPUT_U = ("h_k", "x_k", "h_{k-2}", "h_0", "h_{k-1}, h_0 = 0", "h_{k-1}, h_1 for h_0",
            "h_{k-1}, h_T for h_0", "h_{k-2}, h_T for h_{-1}", "h_T, h_0 for k = 1")
_FROM_X = ("other matrix", "not transposed", "zero", "step before", "step after", "last step only",
           "reversed",
           "before f'", "k = t only")
_END_H = ("zero", "no U^T", "not transposed", "other matrix", "before f'")
_PATH_H = ("dropped", "not transposed", "other matrix", "before f'", "delta of k+2")
_DIRECT = ("last", "first", "all at the last", "reversed", "step before", "step after")
_BIAS = [Key("before.b", "tensor", "bias-delta", ("before f'",), "(6.41)", "2.5", tensor="b"),
         Key("units.b", "tensor", "bias-delta", ("summed",), "(6.41)", "2.5", tensor="b")]

_SUMMED = (("W", "(6.40)", "2.5"), ("U", "(6.39)", "2.4"), ("b", "(6.41)", "2.5"))
_FILLED = [Key(f"filled.{tensor}", "seen", "never-filled", ("zero",), equation, section, tensor=tensor)
           for tensor, equation, section in (*_SUMMED, ("delta", "(6.36)", "2.3"))]

_CUT = ("end after 1", "end after 2", "window of 2", "window of 3",    # the search finds any number
        "pieces of 2", "pieces of 3")

_SHARED = [Key("cut", "path", "cut-through-time", _CUT, "(6.31)", "4.5"),
           Key("columns", "tensor", "columns-of-joint-matrix", ("exchanged",), "(6.40)", "2.5"),
           Key("product", "local", "entrywise-product", ("of vectors",), "(6.36)", "2.3"),
           Key("direct", "path", "direct-loss", _DIRECT, "(6.30)", "4.2"),
           *_input("U", _INPUT_U, "(6.39)", "2.4"), *_sums("U", "(6.39)", "2.4"),
           *_input("W", _INPUT_W, "(6.40)", "2.5"), *_sums("W", "(6.40)", "2.5"),
           *_BIAS, *_sums("b", "(6.41)", "2.5"),
           Key("scale.x", "tensor", "scaled", SCALES, "(6.36)", "2.6", tensor="x"),
           Key("scale.h0", "tensor", "scaled", SCALES, "(6.36)", "2.6", tensor="h0"),
           Key("scale.delta", "tensor", "scaled", SCALES, "(6.36)", "2.3", tensor="delta"),
           Key("before.delta", "tensor", "input-of-sum", ("before f'",), "(6.36)", "2.3", tensor="delta"),
           *_FILLED]

RNN = [
    Key("forward.activation", "forward", "forward-activation", ("sigmoid", "none", "relu"), "(6.42)", "1.1"),
    Key("forward.h", "forward", "forward-state", ("first", "two back", "zero start", "left out"), "(6.42)",
        "1.1"),
    Key("forward.bias", "forward", "forward-bias", ("none", "twice"), "(6.42)", "1.1"),
    Key("forward.U", "forward", "forward-matrix", ("transposed",), "(6.42)", "1.1"),
    Key("slope", "local", "tanh-derivative-g", _others(TANH), "(6.36)", "2.3"),
    Key("path.h", "path", "path-through-h", _PATH_H, "(6.36)", "2.3"),
    Key("loop", "path", "path-through-h", ("forward",), "(6.36)", "2.3"),
    Key("remembered", "path", "remembered-states", ("h_T", "h_T, also for h_0"), "(6.36)", "2.3"),
    Key("between", "path", "path-through-h", ("missing", "f' of k+1", "h_{k+1}", "h_k"), "(6.36)", "2.3"),
    Key("end.h0", "tensor", "initial-state", _END_H, "(6.36)", "2.6", tensor="h0"),
    Key("from.x", "tensor", "input-gradient", _FROM_X, "(6.36)", "2.6", tensor="x"),
    *_SHARED,
]

_EQUATION = {"i": "(6.54)", "f": "(6.55)", "g": "(6.53)", "o": "(6.56)"}
_SIGMOID_WRONG = ("tanh", "none", "relu", "hard sigmoid", "left out")
LSTM = [
    Key("forward.squash", "forward", "forward-tanh-of-c", ("none", "sigmoid"), "(6.52)", "6.1"),
    *(Key(f"forward.activation.{gate}", "forward", "forward-activation",
          ("sigmoid", "none", "relu") if gate == "g" else _SIGMOID_WRONG, _EQUATION[gate], "6.1", gate)
      for gate in GATES),
    Key("forward.h", "forward", "forward-state", ("first", "two back", "zero start", "left out"), "(6.57)",
        "6.2"),
    Key("forward.c", "forward", "forward-state", ("first", "two back", "zero start", "left out"), "(6.51)",
        "6.1"),
    Key("forward.start", "forward", "forward-state", ("exchanged",), "(6.51)", "6.1"),
    Key("forward.bias", "forward", "forward-bias", ("none", "twice", *GATES), "(6.57)", "6.2"),
    Key("forward.U", "forward", "forward-matrix", ("transposed",), "(6.57)", "6.2"),
    *(Key(f"forward.bias.{gate}", "forward", "forward-bias", ("none", "twice", *GATES.replace(gate, "")),
          _EQUATION[gate], "6.1", gate)
      for gate in GATES),
    Key("forward.order", "forward", "forward-gate-order", ORDERS, "(6.57)", "6.3"),
    *(Key(f"slope.{gate}", "local", "sigmoid-derivative", _others(LOGISTIC), _EQUATION[gate], "7.4", gate)
      for gate in "ifo"),
    Key("slope.g", "local", "tanh-derivative-g", _others(TANH), "(6.53)", "7.4", "g"),
    Key("slope.c", "local", "tanh-derivative-c", _others(SLOPE_C), "(6.52)", "7.3"),
    *(Key(f"factor.{gate}", "local", "factor-in-gate", FACTORS[gate], "(6.52)" if gate == "o" else "(6.51)",
          "7.4", gate) for gate in GATES),
    Key("factor.c", "local", "factor-in-gate", FACTORS["c"], "(6.52)", "7.3"),
    *(Key(f"source.{gate}", "local", "factor-in-gate", ("dc" if gate == "o" else "dh",),
          "(6.52)" if gate == "o" else "(6.51)", "7.4", gate) for gate in GATES),
    Key("exchange", "local", "deltas-exchanged", ORDERS, "(6.57)", "7.4"),
    Key("path.h", "path", "path-through-h", _PATH_H + SOME_GATES, "(6.57)", "7.2"),
    Key("path.c", "path", "path-through-c",
        ("dropped", "without f", "f of the step before", "f of the step after", "f (1 - f)", "i", "o",
         "through h only"), "(6.51)", "7.3"),
    Key("cell", "path", "path-through-c",
        ("gates without carry", "gates from carry", "h part at the last step only", "carry times tanh'"),
        "(6.51)", "7.3"),
    Key("remembered", "path", "remembered-states", ("c_T", "h_T and c_T", "h_T, c_T and the gates"),
        "(6.57)", "7.4"),
    Key("loop", "path", "path-through-h", ("forward",), "(6.57)", "7.2"),
    Key("end.h0", "tensor", "initial-state", _END_H + SOME_GATES + ("c0",), "(6.57)", "7.5", tensor="h0"),
    Key("end.c0", "tensor", "initial-state", ("zero", "without f", "f (1 - f)", "i", "o", "through h only",
                                              "h0"),
        "(6.51)", "7.5", tensor="c0"),
    Key("from.x", "tensor", "input-gradient", _FROM_X + SOME_GATES, "(6.57)", "7.5", tensor="x"),
    *(Key(f"block.b.{gate}", "tensor", "bias-delta", tuple(GATES.replace(gate, "")), "(6.41)", "7.5", gate,
          "b")
      for gate in GATES),
    *(Key(f"order.{tensor}", "tensor", "gate-order", ORDERS, "(6.57)", "6.3", tensor=tensor)
      for tensor in "WUb"),
    Key("order.delta", "tensor", "gate-order", ORDERS, "(6.57)", "6.3", tensor="delta"),
    Key("scale.c0", "tensor", "scaled", SCALES, "(6.51)", "7.5", tensor="c0"),
    *_SHARED,
    *(Key(f"filled.{gate}.{tensor}", "seen", "never-filled", ("zero",), equation, section, gate, tensor)
      for gate in GATES for tensor, equation, section in _SUMMED),
]
LSTM = [Key(k.name, k.part, k.site, k.values + ("c_{k-1}", "c_k"), k.equation, k.section, k.gate, k.tensor)
        if k.name == "input.U" else k for k in LSTM]
DICTIONARY: dict[str, dict[str, Key]] = {"lstm": {key.name: key for key in LSTM},
                                         "rnn": {key.name: key for key in RNN}}


def keys(network: str, part: str, tensor: str | None = None) -> list[Key]:
    """The keys of one part; of the part "tensor", those of one tensor."""
    return [key for key in DICTIONARY[network].values()
            if key.part == part and (part != "tensor" or key.tensor == tensor)]


def entries(network: str) -> list[tuple[str, str]]:
    """Every entry, as (key, value)."""
    return [(key.name, value) for key in DICTIONARY[network].values() for value in key.values]
