"""A quick look before the slow one: which deltas can the returned sums be made of?

dW = sum_k delta_k x_k^T, delta_k being the sum over t. With fewer steps than inputs the x_k are
independent, so that dW gives every delta_k back; the same for dU and h_{k-1}, or whatever is in their
place. A hypothesis about the paths whose deltas are none of these is not worth the search through the
tensors. """

from __future__ import annotations

import numpy as np

from .dictionary import DICTIONARY
from .forward import Array
from .observation import Observation, error, same
from .problem import GATES
from .tensors import Result, rows_of_input


def readings(seen: Observation, base: Result, orders: tuple[str, ...]) -> list[Array]:
    """Every (T, G, H) that W, U or "delta" can be made of, in each of these orders of the gates."""
    problem, (T, H, _) = seen.problem, seen.problem.sizes
    found: list[Array] = []
    if "delta" in seen.gradients:
        found.append(seen.gradients["delta"].sum(axis=0).reshape(T, -1, H))
    for tensor in ("W", "U"):
        if tensor not in seen.gradients or T >= seen.gradients[tensor].shape[1]:
            continue
        blocks = seen.gradients[tensor].reshape(-1, H, seen.gradients[tensor].shape[1])
        turned = [blocks] + [blocks.transpose(0, 2, 1)] * (blocks.shape[1] == blocks.shape[2])
        right = "x_k" if tensor == "W" else "h_{k-1}"
        for value in (right, *DICTIONARY[problem.network][f"input.{tensor}"].values):
            rows = rows_of_input(value, problem, base.states)
            if rows.shape[1] != blocks.shape[2]:
                continue
            inverse = np.linalg.pinv(rows)                                  # (inputs, T)
            for matrix in turned:
                deltas = np.einsum("gij,jk->kgi", matrix, inverse)
                if same(np.einsum("kgi,kj->gij", deltas, rows), matrix):
                    found.append(deltas)
    for order in orders:
        back = [order.index(gate) for gate in GATES]
        found += [deltas[:, back] for deltas in found[:]]
    return found


def could_be(result: Result, found: list[Array]) -> bool:
    """Whether the deltas of the result are a multiple of one of these, at the steps that are there."""
    deltas = result.deltas(result.mistakes).z.sum(axis=0)
    for reading in found:
        there = np.abs(reading).max(axis=(1, 2)) > 0
        if not there.any():
            return True
        a, b = deltas[there], reading[there]
        ratio = np.sum(a * b) / np.sum(b * b)
        if ratio and error(ratio * b, a) <= 1e-7:
            return True
    return False
