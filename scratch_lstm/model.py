"""PoemModel: embedding -> LSTM layers -> linear, and the mean cross-entropy of the next word.

All parameters lie in one flat vector and all gradients in another; the layers hold named views into
them. So clipping and Adam are passes over one array, and a checkpoint is one array with names.

    T time steps, B batch, V vocabulary, E embedding size, H hidden size, L layers.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .backend import Array, Backend, get_backend
from .layers import Embedding, Linear
from .lstm import LSTM, State


class PoemModel:
    """The network of the course's lab.

    vector, gradient:       flat, all parameters and all gradients
    parameters, gradients:  the same by name, views of shapes `embedding` (V, E), `W0` (4H, E),
                            `U0` (4H, H), `b0` (4H,), ..., `fc.weight` (V, H), `fc.bias` (V,)
    training:               dropout acts only while this is true
    """

    def __init__(self, vocabulary_size: int, embedding_size: int = 100, hidden_size: int = 128,
                 num_layers: int = 2, dropout: float = 0.0, backend: str | Backend = "numpy",
                 dtype: Any = "float32", seed: int = 0) -> None:
        self.sizes = {"vocabulary_size": vocabulary_size, "embedding_size": embedding_size,
                      "hidden_size": hidden_size, "num_layers": num_layers}
        self.backend = get_backend(backend)
        self.dropout, self.training = dropout, True
        self.saved: Any = None
        self.rng = rng = np.random.default_rng(seed)
        self.embedding = Embedding(vocabulary_size, embedding_size, self.backend, dtype, rng)
        self.lstm = LSTM(embedding_size, hidden_size, num_layers, dropout, self.backend, dtype, rng)
        self.linear = Linear(hidden_size, vocabulary_size, self.backend, dtype, rng)
        self._hold(self.backend.xp.concatenate(
            [p.reshape(-1) for layer in self.layers for p in layer.parameters.values()]))

    @property
    def layers(self) -> tuple[Embedding, LSTM, Linear]:
        return self.embedding, self.lstm, self.linear

    def _hold(self, vector: Array) -> None:
        """Take `vector` for all parameters, a new one for the gradients; the layers get views of them."""
        self.vector, self.gradient = vector, self.backend.xp.zeros_like(vector)
        self.parameters: dict[str, Array] = {}
        self.gradients: dict[str, Array] = {}
        begin = 0
        for layer in self.layers:
            for name, p in layer.parameters.items():
                end = begin + p.size
                layer.parameters[name] = self.vector[begin:end].reshape(p.shape)
                layer.gradients[name] = self.gradient[begin:end].reshape(p.shape)
                begin = end
            self.parameters |= layer.parameters
            self.gradients |= layer.gradients

    def twin(self) -> PoemModel:
        """A model that shares this one's parameters and has gradients of its own."""
        twin = PoemModel(**self.sizes, dropout=self.dropout, backend=self.backend, dtype=self.vector.dtype)
        twin._hold(self.vector)
        return twin

    @staticmethod
    def shapes(vocabulary_size: int, embedding_size: int, hidden_size: int,
               num_layers: int) -> dict[str, tuple[int, ...]]:
        """The shapes of the parameters of a model of these sizes, by name."""
        V, E, H = vocabulary_size, embedding_size, hidden_size
        return {"embedding": (V, E), **LSTM.shapes(E, H, num_layers), "fc.weight": (V, H), "fc.bias": (V,)}

    def zero_gradients(self) -> None:
        """Set every gradient to zero."""
        self.gradient[...] = 0

    def seed_dropout(self, *seed: int) -> None:
        """Let the dropout masks of the next forward depend on `seed` alone, not on what came before."""
        self.rng = self.lstm.rng = np.random.default_rng(seed)

    def forward(self, tokens: Array, state: State | None = None) -> tuple[Array, State]:
        """tokens (T, B) -> logits (T, B, V) of the word that follows each, and the state (h, c) after them.

        The logits are a buffer that the next forward writes over.
        """
        T, B = tokens.shape
        self.saved = None       # its buffer is about to be written over
        self.lstm.training = self.training
        h, state = self.lstm.forward(self.embedding.forward(tokens), state)             # (T, B, H)
        self.mask = None
        if self.dropout and self.training:
            self.mask = self.backend.dropout_mask(self.rng, self.dropout, h.shape, h.dtype)
            h *= self.mask
        return self.linear.forward(h.reshape(T * B, -1)).reshape(T, B, -1), state

    def loss(self, tokens: Array) -> Array:
        """tokens (T+1, B): each word is to be told from those before it, from a zero state.

        Returns the mean cross-entropy over T * B predictions, in nats: a scalar on the device.
        """
        logits, _ = self.forward(tokens[:-1])
        logits = logits.reshape(-1, logits.shape[2])                                    # (T*B, V)
        self.targets = tokens[1:].reshape(-1)
        loss, self.saved = self.backend.loss.softmax_cross_entropy(logits, self.targets, self.backend.xp,
                                                                   out=logits)
        self.dlogits: Array | None = None
        return loss

    def backward(self, d_loss: float = 1.0) -> None:
        """Add the gradient of d_loss times the latest loss to `gradient`. May be called again, with the same
        d_loss. Raises RuntimeError if there is no loss, or another forward came after it."""
        if self.saved is None:
            raise RuntimeError("backward needs a loss just before it")
        if self.dlogits is None:
            self.dlogits = self.backend.loss.softmax_cross_entropy_backward(
                self.saved, self.targets, d_loss, self.backend.xp, out=self.saved[0])
        dh = self.linear.backward(self.dlogits).reshape(self.lstm.saved[-1].x.shape[:2] + (-1,))
        if self.mask is not None:
            dh *= self.mask
        dx, _ = self.lstm.backward(dh)
        self.embedding.backward(dx)
