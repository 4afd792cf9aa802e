"""Stage one: a problem with T = 1 fixes every local derivative, gate by gate.

At T = 1 there is no path and no sum: each returned block is delta of one gate times a known vector, and
delta of one gate is dL/dc or dL/dh times a factor times a slope. The blocks are compared one at a time, so
that the costs of several mistakes add and do not multiply.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from itertools import product

import numpy as np

from .dictionary import DICTIONARY
from .forward import Array, Mistakes, States, for_backward, forward, gates_of
from .observation import BOUND, Observation, same
from .problem import GATES, Problem
from .slopes import FACTORS, cell_slope_of, factor_of, slope_of
from .tensors import Result, rows_of_input, scale

Choice = tuple[tuple[str, str], ...]          # some (key, value)


def observed_deltas(seen: Observation, states: States, scaled: bool) -> Iterator[tuple[int, Array]]:
    """What each returned tensor says delta_{1,1} is, (G, H), with the number of mistakes that reading takes;
    `scaled`: if the tensor is a multiple of what it should be."""
    problem, (_, H, _) = seen.problem, seen.problem.sizes
    known = DICTIONARY[problem.network]
    for tensor in ("delta", "b", "U", "W"):
        if tensor not in seen.gradients:
            continue
        value = seen.gradients[tensor].reshape(-1, H) if tensor in ("delta", "b") else None
        readings = [(0, value)] if value is not None else list(_divided(seen, tensor, states))
        scales = known[f"scale.{tensor}"].values if scaled else ("",)
        for (cost, reading), name in product(readings, scales):
            if np.any(reading):
                yield cost + bool(name), reading / scale(name, 1, H)


def _divided(seen: Observation, tensor: str, states: States) -> Iterator[tuple[int, Array]]:
    """W and U are outer products delta a^T: every a that fits gives back a delta."""
    problem, (_, H, _) = seen.problem, seen.problem.sizes
    key = DICTIONARY[problem.network][f"input.{tensor}"]
    blocks = seen.gradients[tensor].reshape(-1, H, seen.gradients[tensor].shape[1])
    turned = [blocks] + [blocks.transpose(0, 2, 1)] * (blocks.shape[1] == blocks.shape[2])
    for n, matrix in enumerate(turned):
        for value in ("x_k" if tensor == "W" else "h_{k-1}", *key.values):
            a = rows_of_input(value, problem, states)[0]
            if len(a) == matrix.shape[2] and np.any(a):
                delta = matrix @ a / (a @ a)
                if same(delta[:, :, None] * a, matrix):
                    yield n + (value in key.values), delta


class Table:
    """Every delta of a gate that the local keys can give, (shared, own, H): the shared choices are those in
    dL/dc, the own ones those of the gate. The fewest mistakes come first."""

    def __init__(self, problem: Problem, states: States, base: Mistakes) -> None:
        network, dh = problem.network, problem.dh[0]
        lstm = network == "lstm"
        self.values: dict[str, Array] = {}
        self.choices: dict[str, list[Choice]] = {}
        self.shared: list[Choice] = [()]
        dc = dh[None]
        if lstm:
            self.shared = _choices(network, "slope.c", "factor.c")
            dc = np.array([dh * factor_of(states, "c", m)[0] * cell_slope_of(states, m)[0]
                           for m in ({**base, **dict(choice)} for choice in self.shared)])
        for gate in gates_of(network):
            names = [f"slope.{gate}", f"factor.{gate}", f"source.{gate}"] if lstm else ["slope"]
            self.choices[gate] = own = _choices(network, *names)
            values = self._values(own, names[0], lambda m: slope_of(states, network, gate, m)[0], base)
            above = dh[None, None]
            if lstm:
                values = values * self._values(own, names[1], lambda m: factor_of(states, gate, m)[0], base)
                from_c = np.array([(f"source.{gate}" in dict(choice)) == (gate == "o") for choice in own])
                above = np.where(from_c[None, :, None], dc[:, None], dh)
            self.values[gate] = above * values

    @staticmethod
    def _values(own: list[Choice], name: str, array_of: Callable[[Mistakes], Array], base: Mistakes) -> Array:
        """For each choice the array that the key `name` gives; each value of the key is computed once."""
        values = [dict(choice).get(name, "") for choice in own]
        arrays = {value: array_of({**base, name: value} if value else base) for value in set(values)}
        return np.array([arrays[value] for value in values])

    def candidates(self, block: Array) -> dict[int, dict[str, Choice]]:
        """For each shared choice, the gates that could have given the block, with their fewest mistakes."""
        found: dict[int, dict[str, Choice]] = {}
        for gate, values in self.values.items():
            fits = np.abs(values - block).max(axis=2) <= BOUND * np.abs(block).max()
            for shared in np.flatnonzero(fits.any(axis=1)):
                found.setdefault(int(shared), {})[gate] = self.choices[gate][int(np.argmax(fits[shared]))]
        return found


@cache
def _choices(network: str, *names: str) -> list[Choice]:
    """All combinations of the keys' values, each key also right, the fewest mistakes first."""
    keys = [DICTIONARY[network][name] for name in names]
    options = [[(), *(((key.name, value),) for value in key.values)] for key in keys]
    return sorted((sum(chosen, ()) for chosen in product(*options)), key=len)


def local_mistakes(seen: Observation, base: Mistakes) -> tuple[list[dict[str, str]], tuple[str, ...]]:
    """The cheapest sets of local mistakes that explain what was seen at T = 1, cheapest first; and the orders
    of the gates in which the blocks were seen.

    Exchanged blocks come twice: as deltas that are exchanged before they go on (key "exchange"), and without,
    for the search that follows may find the same order in what was returned (keys "order.W", ...).
    """
    states = forward(seen.problem, base)
    right = Result(seen.problem, base, states)
    if all(same(value, right.tensor(name)) for name, value in seen.gradients.items()
           if value.shape == right.tensor(name).shape):
        return [{}], ()
    table = Table(seen.problem, for_backward(states, base), base)
    found: dict[Choice, int] = {}
    orders: set[str] = set()
    twins = _twins(states) if seen.problem.network == "lstm" else {}
    for scaled in (False, True):
        read: list[Array] = []
        for cost, delta in observed_deltas(seen, states, scaled):
            if any(same(delta, other) for other in read):
                continue                                  # most often all tensors say the same
            read.append(delta)
            for local, order in _explained(delta, table, base):
                _keep(found, local, cost + (order != ""), twins)
                if order:
                    orders.add(order)
                    _keep(found, (("exchange", order), *local), cost, twins)
        if found:
            break
    _keep(found, (), 3, twins)
    return [dict(local) for local in sorted(found, key=lambda local: found[local])], tuple(sorted(orders))


def _twins(states: States) -> dict[tuple[str, str], list[str]]:
    """For each wrong factor the others that are the same at T = 1: there index -1 of a list is c_1, and all
    that begins with c_0 = 0 is 0."""
    arrays = {(f"factor.{gate}", value): factor_of(states, gate, {f"factor.{gate}": value})
              for gate, values in FACTORS.items() for value in values}
    return {one: [other[1] for other, b in arrays.items() if other != one and other[0] == one[0]
                  and np.array_equal(a, b)] for one, a in arrays.items()}


def _keep(found: dict[Choice, int], local: Choice, cost: int,
          twins: dict[tuple[str, str], list[str]]) -> None:
    found[local] = min(found.get(local, 99), cost + len(local))
    for n, one in enumerate(local):
        for value in twins.get(one, ()):
            other = (*local[:n], (one[0], value), *local[n + 1:])
            found[other] = min(found.get(other, 99), cost + len(local))
    rest = tuple(choice for choice in local if not (choice[0][:6] == "slope." and choice[1] == "missing"))
    if len(local) - len(rest) == 4 or len(rest) < len(local) == 1 and local[0][0] == "slope":
        found[rest] = min(found.get(rest, 99), cost + 1 + len(rest))       # deltas before f' in one tensor


def _explained(delta: Array, table: Table, base: Mistakes) -> Iterator[tuple[Choice, str]]:
    """(local mistakes, the order of the gates or "") for each shared choice that explains all blocks."""
    gates = "".join(table.values)
    expected = base.get("forward.order", gates) if base.get("backward.of") == "own" else gates
    candidates = [table.candidates(block) for block in delta]
    known = [block for block, row in zip(candidates, delta) if block or np.any(row)]     # zeros tell nothing
    for shared in sorted(set(known[0]).intersection(*known[1:])):
        local, order = table.shared[shared], ""
        for block, wanted in zip(candidates, expected):
            options = block.get(shared, {wanted: ()})
            gate = min(options, key=lambda g: (len(options[g]) + (g != wanted), g != wanted))
            order += gate
            local += tuple(choice for choice in options[gate] if choice not in local)
        if order == expected:
            yield local, ""
        elif expected == GATES and sorted(order) == sorted(gates):
            yield local, order
