"""The simple network of page 1, trained on poems: the explorer shows it beside the LSTM.

embedding -> simple recurrent layer -> linear, the same sizes as the LSTM's; whole batches, and one pass
backward as on page 4. Trained just long enough to compare how far a loss reaches.

    T time steps, B batch, V vocabulary, E embedding size, H hidden size.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from scratch_lstm.functional import softmax_cross_entropy, softmax_cross_entropy_backward
from scratch_lstm.optim import Adam, clip_grad_norm

Array = np.ndarray


class SimpleModel:
    """parameters and gradients by name, views into two flat vectors: embedding (V, E), W (H, E), U (H, H),
    b (H,), weight (V, H), bias (V,)."""

    def __init__(self, V: int, E: int, H: int, seed: int = 0, dtype: str = "float32") -> None:
        shapes = dict(embedding=(V, E), W=(H, E), U=(H, H), b=(H,), weight=(V, H), bias=(V,))
        rng, sizes = np.random.default_rng(seed), [int(np.prod(shape)) for shape in shapes.values()]
        self.flat_parameters = rng.uniform(-1, 1, sum(sizes)).astype(dtype)
        self.flat_parameters[sizes[0]:] /= H ** 0.5
        self.flat_gradients = np.zeros_like(self.flat_parameters)
        self.parameters, self.gradients = (
            {name: part.reshape(shape) for (name, shape), part
             in zip(shapes.items(), np.split(flat, np.cumsum(sizes)[:-1]))}
            for flat in (self.flat_parameters, self.flat_gradients))

    def loss(self, tokens: Array) -> float:
        """tokens (T+1, B) -> the mean cross-entropy, and every gradient in self.gradients."""
        p, g = self.parameters, self.gradients
        x = p["embedding"][tokens[:-1]]                                       # (T, B, E)
        T, B, _ = x.shape
        h = np.zeros((T + 1, B, len(p["b"])), x.dtype)
        wx_plus_b = x @ p["W"].T + p["b"]
        for k in range(T):
            h[k + 1] = np.tanh(h[k] @ p["U"].T + wx_plus_b[k])
        rows, targets = h[1:].reshape(T * B, -1), tokens[1:].reshape(-1)
        loss, saved = softmax_cross_entropy(rows @ p["weight"].T + p["bias"], targets)
        dlogits = softmax_cross_entropy_backward(saved, targets)              # (T*B, V)
        g["weight"][...], g["bias"][...] = dlogits.T @ rows, dlogits.sum(axis=0)
        delta = (dlogits @ p["weight"]).reshape(T, B, -1)                     # dL/dh, made to delta in place
        for k in reversed(range(T)):
            if k + 1 < T:
                delta[k] += delta[k + 1] @ p["U"]                             # (6.36), summed over t
            delta[k] *= 1 - h[k + 1] ** 2
        flat = delta.reshape(T * B, -1)
        g["U"][...], g["W"][...] = flat.T @ h[:-1].reshape(T * B, -1), flat.T @ x.reshape(T * B, -1)
        g["b"][...] = flat.sum(axis=0)
        g["embedding"][...] = 0
        np.add.at(g["embedding"], tokens[:-1].reshape(-1), flat @ p["W"])
        return float(loss)

    def train(self, batches: Iterable[Array], learning_rate: float = 3e-3) -> list[float]:
        """A step of Adam for each batch (T+1, B) of tokens; the losses."""
        adam = Adam(self.flat_parameters, self.flat_gradients, learning_rate=learning_rate)
        losses = []
        for tokens in batches:
            losses.append(self.loss(tokens))
            clip_grad_norm(self.flat_gradients, 1.0)
            adam.step()
        return losses
