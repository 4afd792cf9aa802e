"""PoemModel: embedding -> LSTM layers -> linear, and the mean cross-entropy of the next word.

All parameters are one flat vector and all gradients another; the layers have named views into them. So
clipping and Adam are passes over one array, and a checkpoint is one array with names.

    T time steps, B batch, V vocabulary, E embedding size, H hidden size, L layers.

A training step is five lines (README.md runs them, training/learner.py is the same on threads):

    loss = model.loss(tokens)
    model.zero_gradients()
    model.backward()
    clip_grad_norm(model.flat_gradients, 1.0)
    adam.step()
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .backend import Array, Backend, Workspace, check_settings, get_backend
from .layers import Embedding, Linear
from .lstm import LSTM, State


class PoemModel:
    """The network of the course's lab.

    flat_parameters, flat_gradients: all parameters and all gradients, two flat vectors
    parameters, gradients:  the same by name, views of shapes `embedding` (V, E), `W0` (4H, E),
                            `U0` (4H, H), `b0` (4H,), ..., `fc.weight` (V, H), `fc.bias` (V,)
    training:               dropout acts only while this is true

    Raises ValueError for sizes below 1, a dropout outside [0, 1), or a dtype that is not float32, float64,
    complex64 or complex128.
    """

    def __init__(self, vocabulary_size: int, embedding_size: int = 100, hidden_size: int = 128,
                 num_layers: int = 2, dropout: float = 0.0, backend: str | Backend = "numpy",
                 dtype: Any = "float32", seed: int = 0) -> None:
        self.sizes = {"vocabulary_size": vocabulary_size, "embedding_size": embedding_size,
                      "hidden_size": hidden_size, "num_layers": num_layers}
        check_settings(dropout, dtype, **self.sizes)
        self.backend = get_backend(backend)
        self.dropout, self.training = dropout, True
        self.rng = rng = np.random.default_rng(seed)
        self.embedding = Embedding(vocabulary_size, embedding_size, self.backend, dtype, rng)
        self.lstm = LSTM(embedding_size, hidden_size, num_layers, dropout, self.backend, dtype, rng)
        self.linear = Linear(hidden_size, vocabulary_size, self.backend, dtype, rng)
        self.workspace = Workspace(self.backend.xp)
        self.mask: Array | None = None          # (T, B, H): dropout on the output of the LSTM
        self.targets: Array = None              # (T*B,) of the latest loss
        self.saved: Any = None                  # what the softmax keeps; None: backward has no loss to follow
        self.logits: Array = None               # (T*B, V): logits, then exponentials, then dlogits, in place
        self.d_loss: float | None = None        # which dlogits are in `logits`; None: not computed yet
        self._bind_flat(self.backend.xp.concatenate(
            [p.reshape(-1) for _, layer in self.layers for p in layer.parameters.values()]))

    @property
    def layers(self) -> tuple[tuple[str, Embedding | LSTM | Linear], ...]:
        """Each layer, and what the names of its parameters begin with."""
        return ("embedding.", self.embedding), ("", self.lstm), ("fc.", self.linear)

    def _bind_flat(self, flat_parameters: Array) -> None:
        """Use `flat_parameters`, and a new vector for the gradients; the layers get views of them."""
        self.flat_parameters = flat_parameters
        self.flat_gradients = self.backend.xp.zeros_like(flat_parameters)
        self.parameters: dict[str, Array] = {}
        self.gradients: dict[str, Array] = {}
        begin = 0
        for prefix, layer in self.layers:
            for name, p in layer.parameters.items():
                end = begin + p.size
                layer.parameters[name] = self.flat_parameters[begin:end].reshape(p.shape)
                layer.gradients[name] = self.flat_gradients[begin:end].reshape(p.shape)
                full_name = "embedding" if prefix == "embedding." else prefix + name
                self.parameters[full_name] = layer.parameters[name]
                self.gradients[full_name] = layer.gradients[name]
                begin = end

    def replica(self) -> PoemModel:
        """A model that shares this one's parameters and has gradients and buffers of its own."""
        replica = PoemModel(**self.sizes, dropout=self.dropout, backend=self.backend,
                            dtype=self.flat_parameters.dtype)
        replica._bind_flat(self.flat_parameters)
        return replica

    @staticmethod
    def shapes(vocabulary_size: int, embedding_size: int, hidden_size: int,
               num_layers: int) -> dict[str, tuple[int, ...]]:
        """The shapes of the parameters of a model of these sizes, by name."""
        V, E, H = vocabulary_size, embedding_size, hidden_size
        return {"embedding": (V, E), **LSTM.shapes(E, H, num_layers), "fc.weight": (V, H), "fc.bias": (V,)}

    def zero_gradients(self) -> None:
        """Set every gradient to zero."""
        self.flat_gradients[...] = 0

    def seed_dropout(self, *seed: int) -> None:
        """Let the dropout masks of the next forward depend on `seed` alone, not on what came before."""
        self.rng = self.lstm.rng = np.random.default_rng(seed)

    def forward(self, tokens: Array, state: State | None = None) -> tuple[Array, State]:
        """tokens (T, B) -> logits (T, B, V) of the word that follows each, and the state (h, c) after them.

        Both are new arrays, the caller's own. Raises ValueError for tokens that are not integers (T, B) in
        [0, V), or a state of another shape.
        """
        tokens = self._tokens(tokens, 1)
        h, state = self._hidden(tokens, state)
        return self.linear.forward(h).reshape(*tokens.shape, -1), state

    def loss(self, tokens: Array) -> Array:
        """tokens (T+1, B): predict tokens[1:] from tokens[:-1], starting from a zero state.

        Returns the mean cross-entropy over T * B predictions, in nats: a scalar on the device. Raises
        ValueError for tokens that are not integers (T+1, B) in [0, V), T of 1 or more.
        """
        tokens = self._tokens(tokens, 2)
        h, _ = self._hidden(tokens[:-1], None)                                          # (T*B, H)
        self.targets = tokens[1:].reshape(-1)
        shape = len(h), self.sizes["vocabulary_size"]
        self.logits = self.workspace("logits", shape, h.dtype)
        self.linear.forward(h, out=self.logits)
        loss, self.saved = self.backend.loss.softmax_cross_entropy(
            self.logits, self.targets, out=self.logits)
        return loss

    def backward(self, d_loss: float = 1.0) -> None:
        """Add the gradient of d_loss times the latest loss to the gradients. May be called again, with the
        same d_loss: dlogits overwrite what another d_loss would need.

        Raises RuntimeError if there is no loss, or another forward came after it; ValueError for another
        d_loss than the first.
        """
        if self.saved is None:
            raise RuntimeError("backward needs a loss just before it")
        if self.d_loss is None:
            self.backend.loss.softmax_cross_entropy_backward(
                self.saved, self.targets, d_loss, out=self.logits)
            self.d_loss = d_loss
        elif d_loss != self.d_loss:
            raise ValueError(f"backward was called with d_loss {self.d_loss} and now with {d_loss}; "
                             "compute the loss again in between")
        dh = self.linear.backward(self.logits).reshape(*self.embedding.tokens.shape, -1)    # (T, B, H)
        if self.mask is not None:
            dh *= self.mask
        dx, _ = self.lstm.backward(dh)
        self.embedding.backward(dx)

    def _hidden(self, tokens: Array, state: State | None) -> tuple[Array, State]:
        """tokens (T, B) -> the LSTM's output after dropout, (T*B, H), and the state."""
        self.saved = self.d_loss = self.mask = None     # this forward overwrites what backward needs
        self.lstm.training = self.training
        h, state = self.lstm.forward(self.embedding.forward(tokens), state)             # (T, B, H)
        if self.dropout and self.training:
            self.mask = self.backend.dropout_mask(self.rng, self.dropout, h.shape, h.dtype)
            h *= self.mask
        return h.reshape(-1, h.shape[2]), state

    def _tokens(self, tokens: Any, rows: int) -> Array:
        """A copy as int64 (at least `rows`, B), each in [0, V); ValueError otherwise."""
        if not isinstance(tokens, self.backend.xp.ndarray):
            tokens = np.asarray(tokens)
        if tokens.dtype.kind not in "iu":
            raise ValueError(f"tokens have dtype {tokens.dtype}; they must be integers")
        if tokens.ndim != 2 or tokens.shape[0] < rows or tokens.shape[1] < 1:
            raise ValueError(f"tokens have shape {tokens.shape}; it must be (T{'+1' * (rows - 1)}, B): time "
                             f"first, at least {rows} of it")
        self.backend.check_indices(tokens, self.sizes["vocabulary_size"], "token")
        return self.backend.to_device(tokens.astype(np.int64))
