"""A problem to try a network on: one sequence, its parameters, and the gradient that comes from the loss.

Sizes: T time steps, D inputs, H hidden units; G blocks of H rows, four for the LSTM and one for the RNN.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

Array = np.ndarray
GATES = "ifgo"                      # the order of the four blocks in every array of this package
TENSORS = {"lstm": ("W", "U", "b", "x", "h0", "c0"), "rnn": ("W", "U", "b", "x", "h0")}


@dataclass(frozen=True)
class Problem:
    """x (T, D), h0 (H,), c0 (H,; empty for the RNN), W (GH, D), U (GH, H), b (GH,), dh (T, H).

    Row t of dh is dL_t/dh_t. All arrays are float64.
    """

    network: str                    # "lstm" or "rnn"
    x: Array
    h0: Array
    c0: Array
    W: Array
    U: Array
    b: Array
    dh: Array

    @property
    def sizes(self) -> tuple[int, int, int]:
        """T, H, D"""
        return len(self.x), len(self.h0), self.x.shape[1]

    @property
    def arguments(self) -> dict[str, Array]:
        """What `forward` is called with, in its order."""
        names = ("x", "h0", "c0", "W", "U", "b") if self.network == "lstm" else ("x", "h0", "W", "U", "b")
        return {name: getattr(self, name) for name in names}

    def shape(self, tensor: str) -> tuple[int, ...]:
        """The shape of a gradient; of "delta", all delta_{t,k}, it is (T, T, GH)."""
        if tensor == "delta":
            return len(self.x), len(self.x), len(self.b)
        return getattr(self, tensor).shape


def draw(network: str, T: int, H: int, D: int, seed: int) -> Problem:
    """Random numbers of size 0.3 to 1.2, none of them near zero: nothing can hide behind a zero."""
    rng = np.random.default_rng([seed, T, H, D])
    blocks = 4 if network == "lstm" else 1

    def numbers(*shape: int) -> Array:
        return rng.choice([-1.0, 1.0], shape) * rng.uniform(0.3, 1.2, shape)

    return Problem(network, numbers(T, D), numbers(H), numbers(H if network == "lstm" else 0),
                   numbers(blocks * H, D), numbers(blocks * H, H), numbers(blocks * H), numbers(T, H))
