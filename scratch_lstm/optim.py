"""Clipping and Adam on the flat vectors: exactly torch's formulas, with epsilon where torch adds it."""

from __future__ import annotations

import math

from .backend import Array, Backend, get_backend


def clip_grad_norm(gradient: Array, max_norm: float, backend: str | Backend = "numpy") -> Array:
    """Scale `gradient` in place so that its Euclidean norm is at most `max_norm`; return the norm it had.

    gradient: an array of any shape; the norm is that of all its entries. The factor is
    min(1, max_norm / (norm + 1e-6)), as in torch.nn.utils.clip_grad_norm_. Raises ValueError for a
    max_norm that is not positive.
    """
    if not max_norm > 0:
        raise ValueError(f"max_norm is {max_norm}; it must be positive")
    xp, flat = get_backend(backend).xp, gradient.reshape(-1)
    norm = xp.sqrt(flat @ flat)
    gradient *= xp.minimum(1.0, max_norm / (norm + 1e-6))
    return norm


class Adam:
    """Adam (Kingma and Ba, 2015), with torch's default values; with weight_decay, AdamW (Loshchilov and
    Hutter, 2019): the decay does not pass through m and v.

    m = beta1 m + (1 - beta1) g,  v = beta2 v + (1 - beta2) g^2,
    p = (1 - learning_rate * weight_decay) p
        - learning_rate / (1 - beta1^t) * m / (sqrt(v) / sqrt(1 - beta2^t) + epsilon)

    parameters, gradient: arrays of one shape, contiguous; the parameters are changed in place. m, v (flat)
    and t are the state; learning_rate may be changed between steps. Raises ValueError where the two do not
    fit.
    """

    def __init__(self, parameters: Array, gradient: Array, learning_rate: float = 1e-3,
                 betas: tuple[float, float] = (0.9, 0.999), epsilon: float = 1e-8,
                 backend: str | Backend = "numpy", weight_decay: float = 0.0) -> None:
        self.backend = get_backend(backend)
        for name, array in (("parameters", parameters), ("gradient", gradient)):
            if array.shape != parameters.shape or not array.flags.c_contiguous:
                raise ValueError(f"{name} {array.shape}: both must be contiguous arrays of "
                                 f"one shape; the parameters have {parameters.shape}")
        self.parameters, self.gradient = parameters.reshape(-1), gradient.reshape(-1)
        self.learning_rate, self.betas, self.epsilon = learning_rate, betas, epsilon
        self.weight_decay = weight_decay
        self.m = self.backend.xp.zeros_like(self.parameters)
        self.v = self.backend.xp.zeros_like(self.parameters)
        self.t = 0

    def step(self) -> None:
        """One update from the gradient as it is now."""
        beta1, beta2 = self.betas
        self.t += 1
        self.backend.adam.update(self.parameters, self.gradient, self.m, self.v,
                                 self.learning_rate / (1 - beta1 ** self.t),
                                 math.sqrt(1 - beta2 ** self.t), beta1, beta2, self.epsilon,
                                 1 - self.learning_rate * self.weight_decay)

    def clipped_step(self, max_norm: float, average: Array | None = None, share: float = 0.0) -> Array:
        """clip_grad_norm, then `step`, then average += share * (parameters - average) where there is one,
        flat. Returns the norm that the gradient had."""
        fused = self.backend.clipped_adam
        if fused is None:
            norm = clip_grad_norm(self.gradient, max_norm, self.backend)
            self.step()
            if average is not None:
                average += (self.parameters - average) * share
            return norm
        self.t += 1
        corrections = [1 - beta ** self.t for beta in self.betas]
        decayed = self.learning_rate * self.weight_decay
        return fused.clip_and_update(self.parameters, self.gradient, self.m, self.v, max_norm,
                                     self.learning_rate / corrections[0], math.sqrt(corrections[1]),
                                     *self.betas, self.epsilon, 1 - decayed, average, share)
