"""The layers around the LSTM: words to vectors, and hidden states to logits over the vocabulary.

    T time steps, B batch, V vocabulary, E embedding size, H hidden size, N = T * B.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .backend import Array, Backend

Named = tuple[str, Any, str, Array]     # a parameter's name, its layer, the layer's name for it, the array


def named_parameters(layers: dict[str, Any]) -> list[Named]:
    """Of all layers, which are given by the first part of the names: that of the embedding is the whole name.
    A matrix that is in two layers is only named in the first."""
    everything = [(prefix if prefix == "embedding" else prefix + name, layer, name, p)
                  for prefix, layer in layers.items() for name, p in layer.parameters.items()]
    arrays = [p for *_, p in everything]
    return [entry for n, entry in enumerate(everything) if not any(entry[3] is p for p in arrays[:n])]


def bind(named: list[Named], flat_parameters: Array,
         flat_gradients: Array) -> tuple[dict[str, Array], dict[str, Array]]:
    """Give the layers views of two flat vectors. Returns these of both, by name."""
    parameters: dict[str, Array] = {}
    gradients: dict[str, Array] = {}
    begin = 0
    for full_name, layer, name, p in named:
        end = begin + p.size
        layer.parameters[name] = parameters[full_name] = flat_parameters[begin:end].reshape(p.shape)
        layer.gradients[name] = gradients[full_name] = flat_gradients[begin:end].reshape(p.shape)
        begin = end
    return parameters, gradients


class Embedding:
    """A table of word vectors: `weight` (V, E), uniform in (-bound, bound) at the start."""

    def __init__(self, vocabulary_size: int, embedding_size: int, backend: Backend, dtype: Any,
                 seed: int | np.random.Generator, bound: float = 1.0) -> None:
        self.backend = backend
        weight = backend.uniform(np.random.default_rng(seed), bound, (vocabulary_size, embedding_size), dtype)
        self.parameters = {"weight": weight}
        self.gradients = {"weight": backend.xp.zeros_like(weight)}
        self.tokens: Array = None
        self.order: Array | None = None         # which argsort the tokens have, where it is known

    def forward(self, tokens: Array) -> Array:
        """tokens (T, B) integers in [0, V) -> x (T, B, E), the rows that they name, a new array.

        The caller must not change tokens before backward. Raises ValueError for a token outside [0, V).
        """
        weight = self.parameters["weight"]
        self.backend.check_indices(tokens, len(weight), "token")
        self.tokens, self.order = tokens, None
        return weight.take(tokens, axis=0)

    def checked(self, tokens: Any, rows: int) -> Array:
        """Integers (at least `rows`, B), each in [0, V), as an array; ValueError otherwise."""
        if not isinstance(tokens, self.backend.xp.ndarray):
            tokens = np.asarray(tokens)
        if tokens.dtype.kind not in "iu":
            raise ValueError(f"tokens have dtype {tokens.dtype}; they must be integers")
        if tokens.ndim != 2 or tokens.shape[0] < rows or tokens.shape[1] < 1:
            raise ValueError(f"tokens have shape {tokens.shape}; it must be (T{'+1' * (rows - 1)}, B): time "
                             f"first, at least {rows} of it")
        self.backend.check_indices(tokens, len(self.parameters["weight"]), "token")
        return tokens

    def backward(self, dx: Array) -> None:
        """dx (T, B, E): the gradient of a row is the sum over all places where its word occurs."""
        dx = dx.reshape(-1, dx.shape[2])
        self.backend.scatter.scatter_add(self.gradients["weight"], self.tokens.reshape(-1), dx, self.order)


class Linear:
    """y = x W^T + b, with `weight` W (V, H) Xavier-uniform and `bias` b (V,) zero at the start.

    tied_to: an embedding of V words whose `weight` (V, E), E = H, is used for W. It has one gradient then, to
    which both layers add (derivations/13_better_poems.md).
    """

    def __init__(self, input_size: int, output_size: int, backend: Backend, dtype: Any,
                 seed: int | np.random.Generator, tied_to: Embedding | None = None) -> None:
        self.backend = backend
        if tied_to is None:
            bound = math.sqrt(6 / (input_size + output_size))
            weight = backend.uniform(np.random.default_rng(seed), bound, (output_size, input_size), dtype)
            gradient = backend.xp.zeros_like(weight)
        else:
            weight, gradient = tied_to.parameters["weight"], tied_to.gradients["weight"]
        bias = backend.xp.zeros(output_size, dtype)
        self.parameters = {"weight": weight, "bias": bias}
        self.gradients = {"weight": gradient, "bias": backend.xp.zeros_like(bias)}
        self.x: Array = None

    def forward(self, x: Array, out: Array | None = None) -> Array:
        """x (N, H) -> y (N, V), in `out` if it is given. The caller must not change x before backward."""
        weight, bias = self.parameters["weight"], self.parameters["bias"]
        self.x = x
        y = self.backend.products.product(x, weight.T, out)
        y += bias
        return y

    def backward(self, dy: Array) -> Array:
        """dy (N, V) -> dx (N, H). Adds to the gradients."""
        products = self.backend.products
        products.add_product(self.gradients["weight"], dy.T, self.x)    # sum over n of dy_n x_n^T
        products.add_column_sum(self.gradients["bias"], dy)
        return products.product(dy, self.parameters["weight"])
