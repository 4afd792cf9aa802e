"""The layers around the LSTM: words to vectors, and hidden states to logits over the vocabulary.

    T time steps, B batch, V vocabulary, E embedding size, H hidden size.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .backend import Array, Backend, Workspace


class Embedding:
    """A table of word vectors, `embedding` (V, E), uniform in (-1, 1) at the start."""

    def __init__(self, vocabulary_size: int, embedding_size: int, backend: Backend, dtype: Any,
                 seed: int | np.random.Generator) -> None:
        self.backend = backend
        table = backend.uniform(np.random.default_rng(seed), 1.0, (vocabulary_size, embedding_size), dtype)
        self.parameters = {"embedding": table}
        self.gradients = {"embedding": backend.xp.zeros_like(table)}

    def forward(self, tokens: Array) -> Array:
        """tokens (T, B) integers in [0, V) -> x (T, B, E), the rows that they name."""
        self.tokens = tokens
        return self.parameters["embedding"][tokens]

    def backward(self, dx: Array) -> None:
        """dx (T, B, E): each row's gradient is the sum over all the places where its word stands."""
        V, E = self.parameters["embedding"].shape
        self.backend.scatter_add(self.gradients["embedding"], self.tokens.reshape(-1), dx.reshape(-1, E))


class Linear:
    """y = x W^T + b, with `fc.weight` (V, H) Xavier-uniform and `fc.bias` (V,) zero at the start."""

    def __init__(self, input_size: int, output_size: int, backend: Backend, dtype: Any,
                 seed: int | np.random.Generator) -> None:
        bound = math.sqrt(6 / (input_size + output_size))
        weight = backend.uniform(np.random.default_rng(seed), bound, (output_size, input_size), dtype)
        self.backend = backend
        self.parameters = {"fc.weight": weight, "fc.bias": backend.xp.zeros(output_size, dtype)}
        self.gradients = {name: backend.xp.zeros_like(p) for name, p in self.parameters.items()}
        self.workspace = Workspace(backend.xp)

    def forward(self, x: Array) -> Array:
        """x (N, H) -> y (N, V). y is a buffer that the next forward writes over."""
        weight, bias = self.parameters["fc.weight"], self.parameters["fc.bias"]
        self.x = x
        y = self.workspace("y", (len(x), len(bias)), self.backend.xp.result_type(x, weight))
        self.backend.xp.matmul(x, weight.T, out=y)
        y += bias
        return y

    def backward(self, dy: Array) -> Array:
        """dy (N, V) -> dx (N, H)."""
        self.gradients["fc.weight"] += dy.T @ self.x
        self.gradients["fc.bias"] += dy.sum(axis=0)
        return dy @ self.parameters["fc.weight"]
