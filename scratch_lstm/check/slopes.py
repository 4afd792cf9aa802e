"""What multiplies dL/dc_k and dL/dh_k to give each delta, and the ways to get it wrong.

    delta^i = dL/dc * g       * i (1 - i)          delta^g = dL/dc * i         * (1 - g^2)
    delta^f = dL/dc * c_{k-1} * f (1 - f)          delta^o = dL/dh * tanh(c_k) * o (1 - o)
                      factor    slope                        factor              slope

    dL/dc_k = dL/dc_{k+1} f_{k+1} + dL/dh_k * o * (1 - tanh(c_k)^2)     here too a factor and a slope

Each table maps the value of a key to the array (T, H) that it means; "right" is the textbook's.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ..functional import sigmoid
from .forward import ACTIVATIONS, Array, Mistakes, States, activation, gates_of


def _first_unit(slopes: Array) -> Array:
    """The slope of the first unit for all of them, as np.diag of a row (1, H) gives it."""
    return np.repeat(slopes[:, :1], slopes.shape[1], axis=1)


LOGISTIC: dict[str, Callable[[Array, Array], Array]] = {                               # of z and a = sigma(z)
    "right": lambda z, a: a * (1 - a),
    "missing": lambda z, a: np.ones_like(a),
    "sigma": lambda z, a: a,
    "of the activated value": lambda z, a: sigmoid(a) * (1 - sigmoid(a)),
    "1 - sigma": lambda z, a: 1 - a,
    "tanh'": lambda z, a: 1 - a ** 2,
    "tanh' of z": lambda z, a: 1 - np.tanh(z) ** 2,
    "z (1 - z)": lambda z, a: z * (1 - z),
    "sigma of sigma": lambda z, a: sigmoid(a),
    "squared": lambda z, a: (a * (1 - a)) ** 2,
    "of unit 1": lambda z, a: _first_unit(a * (1 - a)),
}
TANH: dict[str, Callable[[Array, Array], Array]] = {                                   # of z and a = tanh(z)
    "right": lambda z, a: 1 - a ** 2,
    "missing": lambda z, a: np.ones_like(a),
    "tanh": lambda z, a: a,
    "of the activated value": lambda z, a: 1 - np.tanh(a) ** 2,
    "1 - tanh": lambda z, a: 1 - a,
    "1 - z^2": lambda z, a: 1 - z ** 2,
    "sigma'": lambda z, a: a * (1 - a),
    "sigma' of z": lambda z, a: sigmoid(z) * (1 - sigmoid(z)),
    "1 + tanh^2": lambda z, a: 1 + a ** 2,
    "squared": lambda z, a: (1 - a ** 2) ** 2,
    "1 / tanh'": lambda z, a: 1 / (1 - a ** 2),
    "of unit 1": lambda z, a: _first_unit(1 - a ** 2),
}
SLOPE_C: dict[str, Callable[[States], Array]] = {                   # the derivative of tanh at c_k, (T, H)
    "right": lambda s: 1 - np.tanh(s.c[1:]) ** 2,
    "missing": lambda s: np.ones_like(s.squashed),
    "1 - c^2": lambda s: 1 - s.c[1:] ** 2,
    "of tanh c": lambda s: 1 - np.tanh(np.tanh(s.c[1:])) ** 2,
    "of z": lambda s: 1 - np.tanh(s.z[:, 2]) ** 2,
    "tanh c": lambda s: np.tanh(s.c[1:]),
    "1 - tanh c": lambda s: 1 - np.tanh(s.c[1:]),
    "1 - h^2": lambda s: 1 - s.h[1:] ** 2,
    "of h": lambda s: 1 - np.tanh(s.h[1:]) ** 2,
    "of c_{k-1}": lambda s: 1 - np.tanh(s.previous_c) ** 2,
    "of unit 1": lambda s: _first_unit(1 - np.tanh(s.c[1:]) ** 2),
}
RIGHT_FACTOR = {"i": "g", "f": "c_{k-1}", "g": "i", "o": "tanh c_k", "c": "o"}
FACTORS = {                                # what people write in place of the right one
    "i": ("i", "missing", "c_{k-1}", "c_k", "f", "z_g", "0"),
    "f": ("c_k", "c_{k-2}", "c_{k-1}, c_T for c_0", "c_{k-2}, c_T for c_{-1}", "missing", "h_{k-1}",
          "tanh c_{k-1}", "g", "f", "0"),
    "g": ("g", "missing", "f", "o", "c_{k-1}", "0"),
    "o": ("c_k", "missing", "tanh c_{k-1}", "c_{k-1}", "h_k", "g", "0"),
    "c": ("missing", "i", "f", "o (1 - o)", "tanh c_k"),
}


FACTOR: dict[str, Callable[[States], Array]] = {
    "i": lambda s: s.a[:, 0], "f": lambda s: s.a[:, 1], "g": lambda s: s.a[:, 2], "o": lambda s: s.a[:, 3],
    "missing": lambda s: np.ones_like(s.squashed), "0": lambda s: np.zeros_like(s.squashed),
    "z_g": lambda s: s.z[:, 2],
    "c_k": lambda s: s.c[1:], "c_{k-1}": lambda s: s.previous_c,
    "c_{k-2}": lambda s: s.c[[max(k - 1, 0) for k in s.sources_c]],
    "c_{k-1}, c_T for c_0": lambda s: np.roll(s.c[1:], 1, 0),          # index -1 of a list without c_0
    "c_{k-2}, c_T for c_{-1}": lambda s: np.roll(s.c, 1, 0)[:-1],       # index k-2 of a list that has c_0
    "h_k": lambda s: s.h[1:], "h_{k-1}": lambda s: s.previous_h,
    "tanh c_k": lambda s: np.tanh(s.c[1:]), "tanh c_{k-1}": lambda s: np.tanh(s.previous_c),
    "o (1 - o)": lambda s: s.a[:, 3] * (1 - s.a[:, 3]),
}


def slope_of(s: States, network: str, gate: str, m: Mistakes) -> Array:
    """(T, H): the derivative of a gate's activation, under these mistakes.

    "backward.of" says which forward pass the backward pass belongs to, where that one has a mistake:
    absent, it is the textbook's; "own": the file's own; "cache": the values are the file's own and the
    derivatives are the textbook's; "names": see forward.for_backward.
    """
    n = gates_of(network).index(gate)
    z, a = s.z[:, n], s.a[:, n]
    value = m.get(f"slope.{gate}" if gate != " " else "slope", "right")
    if value == "right" and m.get("backward.of") == "own":
        return ACTIVATIONS[activation(network, gate.strip(), m)][1](z, a)
    return (TANH if gate in "g " else LOGISTIC)[value](z, a)


def factor_of(s: States, gate: str, m: Mistakes) -> Array:
    """(T, H): what multiplies the derivative of the gate's activation, and dL/dc or dL/dh."""
    value = m.get(f"factor.{gate}", RIGHT_FACTOR[gate])
    if gate == "o" and value == "tanh c_k" and "backward.of" in m:
        return s.squashed
    return FACTOR[value](s)


def cell_slope_of(s: States, m: Mistakes) -> Array:
    """(T, H): the derivative of tanh at c_k."""
    value = m.get("slope.c", "right")
    if value == "right" and m.get("backward.of") == "own":
        return ACTIVATIONS[m.get("forward.squash", "tanh")][1](s.c[1:], s.squashed)
    return SLOPE_C[value](s)


def coefficients(s: States, network: str, m: Mistakes) -> tuple[Array, Array, Array]:
    """(T, G, H): what makes each delta of dL/dc or dL/dh; the same without the slope; and (T, H): what makes
    dL/dc of dL/dh."""
    gates = gates_of(network)
    slopes = np.stack([slope_of(s, network, gate, m) for gate in gates], 1)
    if network == "rnn":
        return slopes, np.ones_like(slopes), np.empty_like(s.squashed)
    factors = np.stack([factor_of(s, gate, m) for gate in gates], 1)
    return factors * slopes, factors, factor_of(s, "c", m) * cell_slope_of(s, m)
