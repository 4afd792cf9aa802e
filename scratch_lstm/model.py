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
from .kernels.one_blas_thread import one_blas_thread_in
from .layers import Embedding, Linear, Named, bind, named_parameters
from .lstm import LSTM, State


@one_blas_thread_in("forward", "loss", "fused_loss", "backward")
class PoemModel:
    """The network of the course's lab, and three changes to it (derivations/13_better_poems.md).

    flat_parameters, flat_gradients: all parameters and all gradients, two flat vectors
    parameters, gradients:  the same by name, views of shapes `embedding` (V, E), `W0` (4H, E),
                            `U0` (4H, H), `b0` (4H,), ..., `fc.weight` (V, H), `fc.bias` (V,)
    training:               dropout acts only while this is true
    dropout:            rate on the output of each LSTM layer
    tie_embedding:      the linear layer uses the matrix of the embedding, so there is no `fc.weight`, and the
                        last LSTM layer has size E; of a single layer hidden_size is not used
    embedding_dropout:  rate on the output of the embedding
    shared_masks:       all time steps have one dropout mask

    Raises ValueError for sizes below 1, a dropout outside [0, 1), or a dtype that is not in backend.DTYPES.
    """

    def __init__(self, vocabulary_size: int, embedding_size: int = 100, hidden_size: int = 128,
                 num_layers: int = 2, dropout: float = 0.0, backend: str | Backend = "numpy",
                 dtype: Any = "float32", seed: int = 0, *, tie_embedding: bool = False,
                 embedding_dropout: float = 0.0, shared_masks: bool = False) -> None:
        if tie_embedding and num_layers == 1:
            hidden_size = embedding_size
        output_size = embedding_size if tie_embedding else hidden_size
        self.sizes = {"vocabulary_size": vocabulary_size, "embedding_size": embedding_size,
                      "hidden_size": hidden_size, "num_layers": num_layers}
        for rate in (dropout, embedding_dropout):
            check_settings(rate, dtype, **self.sizes)
        self.backend = get_backend(backend)
        self.dropout, self.embedding_dropout, self.shared_masks = dropout, embedding_dropout, shared_masks
        self.tie_embedding, self.training = tie_embedding, True
        self.rng = rng = np.random.default_rng(seed)
        self.embedding = Embedding(vocabulary_size, embedding_size, self.backend, dtype, rng,
                                   bound=0.1 if tie_embedding else 1.0)
        self.lstm = LSTM(embedding_size, hidden_size, num_layers, dropout, self.backend, dtype, rng,
                         output_size=output_size, shared_masks=shared_masks)
        self.linear = Linear(output_size, vocabulary_size, self.backend, dtype, rng,
                             tied_to=self.embedding if tie_embedding else None)
        self.workspace = Workspace(self.backend.xp)
        self.x_mask: Array | None = None        # (T or 1, B, E): dropout on the output of the embedding
        self.mask: Array | None = None          # (T or 1, B, H): dropout on the output of the LSTM
        self.targets: Array = None              # (T*B,) of the latest loss
        self.saved: Any = None                  # what the softmax keeps; None: backward has no loss to follow
        self.logits: Array = None               # (T*B, V): logits, then exponentials, then dlogits, in place
        self.d_loss: float | None = None        # which dlogits are in `logits`; None: not computed yet
        self._bind_flat(self.backend.xp.concatenate([p.reshape(-1) for *_, p in self._named()]))

    def _named(self) -> list[Named]:
        """Of every parameter; a matrix of two layers once."""
        return named_parameters({"embedding": self.embedding, "": self.lstm, "fc.": self.linear})

    def _bind_flat(self, flat_parameters: Array) -> None:
        """Use `flat_parameters`, and a new vector for the gradients; the layers get views of them."""
        self.flat_parameters = flat_parameters
        self.flat_gradients = self.backend.xp.zeros_like(flat_parameters)
        self.parameters, self.gradients = bind(self._named(), flat_parameters, self.flat_gradients)
        if self.tie_embedding:
            self.linear.parameters["weight"] = self.embedding.parameters["weight"]
            self.linear.gradients["weight"] = self.embedding.gradients["weight"]

    @property
    def options(self) -> dict[str, Any]:
        """What PoemModel takes besides its sizes, backend, dtype and seed."""
        return {"dropout": self.dropout, "tie_embedding": self.tie_embedding,
                "embedding_dropout": self.embedding_dropout, "shared_masks": self.shared_masks}

    @property
    def masks(self) -> list[Array | None]:
        """The dropout masks of the latest forward: of the embedding, then of the output of each layer."""
        return [self.x_mask, *self.lstm.masks[:-1], self.mask]

    def replica(self, flat_parameters: Array | None = None) -> PoemModel:
        """A model with this one's parameters, or those given, and its own gradients and buffers."""
        options: dict[str, Any] = {**self.sizes, **self.options}
        replica = PoemModel(**options, backend=self.backend, dtype=self.flat_parameters.dtype)
        replica._bind_flat(self.flat_parameters if flat_parameters is None else flat_parameters)
        return replica

    @staticmethod
    def shapes(vocabulary_size: int, embedding_size: int, hidden_size: int,
               num_layers: int, tie_embedding: bool = False) -> dict[str, tuple[int, ...]]:
        """The shapes of the parameters of a model of these sizes, by name."""
        V, E, H = vocabulary_size, embedding_size, hidden_size
        if tie_embedding:
            return {"embedding": (V, E), **LSTM.shapes(E, H, num_layers, E), "fc.bias": (V,)}
        return {"embedding": (V, E), **LSTM.shapes(E, H, num_layers), "fc.weight": (V, H), "fc.bias": (V,)}

    def zero_gradients(self) -> None:
        """Set every gradient to zero."""
        self.flat_gradients[...] = 0

    def seed_dropout(self, *seed: int) -> None:
        """Let the dropout masks of the next forward depend on `seed` alone, not on what came before."""
        self.rng = self.lstm.rng = np.random.default_rng(seed)

    def forward(self, tokens: Array, state: State | None = None) -> tuple[Array, State]:
        """tokens (T, B) -> logits (T, B, V) of the word that follows each, and the state (h, c) after them.

        Both are the caller's own. Raises ValueError as `loss` does, or for a state of another shape.
        """
        tokens, _ = self.backend.send_tokens(self.embedding.checked(tokens, 1), last=False)
        h, state = self.lstm.forward(self._embedded(tokens), state)                     # (T, B, H)
        return self.linear.forward(self._dropped(h)).reshape(*tokens.shape, -1), state

    def loss(self, tokens: Array) -> Array:
        """tokens (T+1, B): predict tokens[1:] from tokens[:-1], starting from a zero state.

        Returns the mean cross-entropy over T * B predictions, in nats: a scalar on the device. Raises
        ValueError for tokens that are not integers (T+1, B) in [0, V), T of 1 or more.
        """
        h = self._hidden(tokens)                                                        # (T*B, H)
        self.logits = self.workspace("logits", (len(h), self.sizes["vocabulary_size"]), h.dtype)
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
        self._backward_of_hidden(self.linear.backward(self.logits))

    def fused_loss(self, tokens: Array, d_loss: float | None = None) -> Array:
        """`loss`, and with d_loss then `backward(d_loss)`, in one call, equal to rounding. Where the backend
        has a FusedLoss (kernels/protocols.py), only some rows of the logits (T*B, V) are in memory at a time.

        Returns and raises what `loss` does. No other backward can follow.
        """
        fused = self.backend.fused_for(self.flat_parameters.dtype)
        if fused is None:
            loss = self.loss(tokens)
            if d_loss is not None:
                self.backward(d_loss)
            self.saved = None
            return loss
        h, p, gradients = self._hidden(tokens), self.linear.parameters, self.linear.gradients
        loss, dh = fused.fused_loss(h, p, gradients, self.targets, d_loss, self.workspace)
        if dh is not None:
            self._backward_of_hidden(dh)
        return loss

    def _hidden(self, tokens: Array) -> Array:
        """tokens (T+1, B) -> the input of the linear layer, (T*B, H); sets the targets."""
        tokens, order = self.backend.send_tokens(self.embedding.checked(tokens, 2))
        h = self._dropped(self.lstm.run(self._embedded(tokens[:-1])))
        self.embedding.order, self.targets = order, tokens[1:].reshape(-1)
        return h

    def _backward_of_hidden(self, dh: Array) -> None:
        """dh (T*B, H): adds to the gradients of all layers below the linear one."""
        dh = dh.reshape(*self.embedding.tokens.shape, -1)                               # (T, B, H)
        if self.mask is not None:
            dh *= self.mask
        dx, _ = self.lstm.run_backward(dh, keep=False)
        if self.x_mask is not None:
            dx *= self.x_mask
        self.embedding.backward(dx)

    def _embedded(self, tokens: Array) -> Array:
        """tokens (T, B) -> the LSTM's input after dropout, (T, B, E)."""
        self.saved = self.d_loss = None                 # this forward overwrites what backward needs
        self.lstm.training = self.training
        x = self.embedding.forward(tokens)                                              # (T, B, E)
        self.x_mask = self._drop(x, self.embedding_dropout)
        return x

    def _dropped(self, h: Array) -> Array:
        """h (T, B, H) of the LSTM -> the same after dropout, (T*B, H)."""
        self.mask = self._drop(h, self.dropout)
        return h.reshape(-1, h.shape[2])

    def _drop(self, x: Array, rate: float) -> Array | None:
        """Dropout on x (T, B, n), in place, while training. Returns its mask (T or 1, B, n)."""
        if not rate or not self.training:
            return None
        shape = (1, *x.shape[1:]) if self.shared_masks else x.shape
        mask = self.backend.dropout_mask(self.rng, rate, shape, x.dtype)
        x *= mask
        return mask
