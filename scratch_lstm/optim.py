"""Clipping and Adam on the flat vectors, to the letter of torch's formulas, epsilon included."""

from __future__ import annotations

import math

from .backend import Array, Backend, get_backend


def clip_grad_norm(gradient: Array, max_norm: float, backend: str | Backend = "numpy") -> Array:
    """Scale `gradient` in place so that its Euclidean norm is at most `max_norm`; return the norm it had.

    The factor is min(1, max_norm / (norm + 1e-6)), as in torch.nn.utils.clip_grad_norm_.
    """
    xp = get_backend(backend).xp
    norm = xp.sqrt(gradient @ gradient)
    gradient *= xp.minimum(1.0, max_norm / (norm + 1e-6))
    return norm


class Adam:
    """Adam (Kingma and Ba, 2015), with torch's defaults and torch's place for epsilon.

    m = beta1 m + (1 - beta1) g,  v = beta2 v + (1 - beta2) g^2,
    p = p - rate / (1 - beta1^t) * m / (sqrt(v) / sqrt(1 - beta2^t) + epsilon)

    parameters, gradient: flat vectors; the parameters are changed in place. m, v and t are the state.
    """

    def __init__(self, parameters: Array, gradient: Array, learning_rate: float = 1e-3,
                 betas: tuple[float, float] = (0.9, 0.999), epsilon: float = 1e-8,
                 backend: str | Backend = "numpy") -> None:
        self.backend = get_backend(backend)
        self.parameters, self.gradient = parameters, gradient
        self.learning_rate, self.betas, self.epsilon = learning_rate, betas, epsilon
        self.m = self.backend.xp.zeros_like(parameters)
        self.v = self.backend.xp.zeros_like(parameters)
        self.t = 0

    def step(self) -> None:
        """One update from the gradient as it stands."""
        beta1, beta2 = self.betas
        self.t += 1
        self.backend.adam.update(self.parameters, self.gradient, self.m, self.v,
                                 self.learning_rate / (1 - beta1 ** self.t),
                                 math.sqrt(1 - beta2 ** self.t), beta1, beta2, self.epsilon)
