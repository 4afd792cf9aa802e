"""Files with known mistakes for the tests of scratch_lstm.check: from the dictionary, and from outside it."""

import numpy as np

from scratch_lstm.check.dictionary import ORDERS, SUMS, entries
from scratch_lstm.check.observation import Observation, error
from scratch_lstm.check.problem import TENSORS, draw
from scratch_lstm.check.slopes import FACTOR, LOGISTIC, SLOPE_C, TANH
from scratch_lstm.check.tensors import Result

SMALL = 2.0 ** -10


def look_at(network, mistakes, change=None):
    """What a file with these mistakes gives; `change` may spoil the gradients of each answer further."""
    def look(T, H, D, seed):
        problem = draw(network, T, H, D, seed)
        result = Result(problem, mistakes)
        gradients = result.all()
        return Observation(problem, result.states.h[1:], change(gradients, problem) if change else gradients)
    return look


def equal_as_functions(network, first, second):
    """Whether two sets of mistakes give the same states and gradients on problems of several sizes."""
    for T, H, D in ((1, 3, 3), (4, 3, 3), (6, 2, 2)):
        problem = draw(network, T, H, D, 77)
        a, b = Result(problem, first), Result(problem, second)
        pairs = [(a.states.h, b.states.h), *((x, b.tensor(name)) for name, x in a.all().items())]
        if not all(error(x, y) <= 1e-9 for x, y in pairs):
            return False
    return True


def alone(network):
    """Every entry that concerns a gradient or a state, alone."""
    return [{name: value} for name, value in entries(network) if not name.endswith("delta")]


def together(network):
    """One mistake to a reader that is several keys: the same in all sums, one factor for all, exchanged
    ends."""
    tensors = TENSORS[network]
    found = [{f"sum.{name}": value for name in "WUb"} for value in SUMS if value != "without the first"]
    found += [{f"scale.{name}": value for name in tensors} for value in ("half", "minus")]
    if network == "lstm":
        found += [{f"order.{name}": order for name in "WUb"} for order in ORDERS[::4]]
        found += [{"end.h0": "c0", "end.c0": "h0"}]
    return found


def several(network, rng, count):
    """`count` mistakes in different places of one file."""
    pool = {}
    for one in alone(network):
        pool.setdefault(next(iter(one)), []).append(one)
    pool["together"] = together(network)
    names = sorted(pool)
    while True:
        mistakes, free = {}, True
        for name in rng.choice(names, count, replace=False):
            one = pool[name][rng.integers(len(pool[name]))]
            free &= not set(one) & set(mistakes)
            mistakes.update(one)
        if free:
            return mistakes


# Faults that the dictionary does not have

OUTSIDE = {
    "slope.i": (LOGISTIC, {"x1": lambda z, a: np.cos(z), "x2": lambda z, a: a ** 2 * (1 - a),
                           "x3": lambda z, a: 1.1 * a * (1 - a), "x4": lambda z, a: a * (1 - a) + 0.01}),
    "slope.g": (TANH, {"x1": lambda z, a: 1 / (1 + z ** 2), "x2": lambda z, a: 1 - a ** 4,
                       "x3": lambda z, a: 2 - a ** 2}),
    "slope.c": (SLOPE_C, {"x1": lambda s: 1 / (1 + s.c[1:] ** 2), "x2": lambda s: 1 - np.tanh(s.c[1:]) ** 3,
                          "x3": lambda s: 1 - np.tanh(2 * s.c[1:]) ** 2}),
    "factor.i": (FACTOR, {"x1": lambda s: -s.a[:, 2], "x2": lambda s: s.a[:, 2] * s.a[:, 0],
                          "x3": lambda s: np.tanh(s.a[:, 2])}),
    "factor.f": (FACTOR, {"x1": lambda s: s.previous_c ** 2, "x2": lambda s: s.previous_c + s.previous_h}),
    "factor.o": (FACTOR, {"x1": lambda s: np.tanh(s.h[1:]), "x2": lambda s: 0.5 * np.tanh(s.c[1:])}),
}
for table, values in OUTSIDE.values():
    for value, function in values.items():
        table[f"outside {id(values)} {value}"] = function


def _scaled(name, factor):
    return lambda gradients, problem: {**gradients, name: factor * gradients[name]}


def _one_entry(name, rng):
    where = rng.random()

    def change(gradients, problem):
        spoiled = gradients[name].copy()
        spoiled.flat[int(where * spoiled.size)] *= 0.5
        return {**gradients, name: spoiled}
    return change


def _added(name, other):
    def change(gradients, problem):
        return {**gradients, name: gradients[name] + 0.1 * np.resize(gradients[other], gradients[name].shape)}
    return change


def _little(name):
    """A relative error of 1e-6: no rounding, and nothing that a gradient check in use would notice."""
    return lambda gradients, problem: {**gradients, name: gradients[name] * (1 + 1e-6)}


def _two_blocks(name, rng):
    factor = rng.uniform(0.2, 0.8)

    def change(gradients, problem):
        spoiled = gradients[name].copy()
        spoiled[:len(spoiled) // 2] *= factor
        return {**gradients, name: spoiled}
    return change


def outside(network, rng):
    """(mistakes, change): a fault that the dictionary does not have, now and then with one that it has."""
    names = TENSORS[network]
    name, other = rng.choice(names, 2, replace=False)
    kind = rng.integers(6 if network == "lstm" else 5)
    mistakes = several(network, rng, 1) if rng.random() < 0.3 else {}
    if kind == 5:
        key = sorted(OUTSIDE)[rng.integers(len(OUTSIDE))]
        values = OUTSIDE[key][1]
        value = sorted(values)[rng.integers(len(values))]
        return {**mistakes, key: f"outside {id(values)} {value}"}, None
    change = [_scaled(name, rng.uniform(0.6, 0.95)), _one_entry(name, rng), _added(name, other),
              _little(name),
              _two_blocks(name, rng)][kind]
    return mistakes, change
