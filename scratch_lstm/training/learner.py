"""The training step: a model with its optimiser, on one batch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

import numpy as np

from ..backend import Array, get_backend
from ..model import PoemModel
from ..optim import Adam
from .data_parallel import DataParallel
from .settings import Settings
from .workers import ALONE, Workers

DROPOUT, SHUFFLE = 0, 1  # two streams of random numbers from one seed


class AnyLearner(Protocol):
    """What the trainer needs of a learner; torch_ref has another one.

    model: what learns; result: what is measured, saved and writes, the model itself or its averaged weights.
    """

    model: Any
    result: Any

    def step(self, tokens: Array, number: int, learning_rate: float | None = None) -> tuple[Array, Array]: ...
    def loss(self, tokens: Array) -> float: ...
    def arrays(self) -> dict[str, np.ndarray]: ...
    def restore(self, arrays: dict[str, np.ndarray], step: int) -> None: ...


# how to make the learner of a backend that scratch_lstm does not know: (settings, vocabulary size) -> learner
LearnerFactories = Mapping[str, Callable[[Settings, int], AnyLearner]]


class Learner:
    """A model and Adam. `step` is one update; `loss` measures `result` without learning.

    result: the model, or, with settings.average, one that has the averaged weights.
    """

    def __init__(self, model: PoemModel, settings: Settings, workers: Workers = ALONE) -> None:
        self.model, self.settings = model, settings
        threads = settings.threads if model.backend.threads_share_batch else 1
        self.data_parallel = DataParallel(model, threads, settings.shards, workers,
                                          in_order=settings.reduce == "ordered")
        self.optimizer = Adam(model.flat_parameters, model.flat_gradients, settings.learning_rate,
                              backend=model.backend, weight_decay=settings.weight_decay)
        self.result = model.replica(model.flat_parameters.copy()) if settings.average else model

    def step(self, tokens: Array, number: int, learning_rate: float | None = None) -> tuple[Array, Array]:
        """One update from tokens (T+1, B) on the device. Returns loss and gradient norm, still there.

        number: of the step, from 0: the dropout masks depend on it. learning_rate: the settings' by default.
        """
        model, settings = self.model, self.settings
        drops = model.dropout or model.embedding_dropout
        seed = (settings.seed, DROPOUT, number) if drops else None
        loss = self.data_parallel.loss_and_gradient(tokens, seed)
        self.optimizer.learning_rate = settings.learning_rate if learning_rate is None else learning_rate
        average = self.result.flat_parameters if self.result is not model else None
        share = 1 - average_decay(settings.average, number)
        return loss, self.optimizer.clipped_step(settings.clip, average, share)

    def loss(self, tokens: Array) -> float:
        """The loss on tokens (T+1, B), without dropout and without learning."""
        return float(self.data_parallel.loss(tokens, self.result))

    def arrays(self) -> dict[str, np.ndarray]:
        """All that a later step depends on, except the position: copies on the host."""
        to_host = self.model.backend.to_host
        return {name: np.array(to_host(vector)) for name, vector in self._vectors().items()}

    def restore(self, arrays: dict[str, np.ndarray], step: int) -> None:
        """Go back to what `arrays` returned after that step."""
        for name, vector in self._vectors().items():
            vector[...] = self.model.backend.to_device(arrays[name])
        self.optimizer.t = step

    def _vectors(self) -> dict[str, Array]:
        vectors = {"vector": self.model.flat_parameters, "m": self.optimizer.m, "v": self.optimizer.v}
        return vectors if self.result is self.model else vectors | {"average": self.result.flat_parameters}


def make_learner(settings: Settings, vocabulary_size: int, workers: Workers = ALONE) -> Learner:
    """A new model of these settings, and its optimiser."""
    backend = get_backend(settings.backend)
    backend.use_tf32(settings.tf32)
    model = PoemModel(vocabulary_size, settings.embedding_size, settings.hidden_size, settings.num_layers,
                      settings.dropout, backend, settings.dtype, settings.seed,
                      tie_embedding=settings.tie_embedding, shared_masks=settings.shared_masks,
                      embedding_dropout=settings.embedding_dropout)
    return Learner(model, settings, workers)


def average_decay(decay: float, number: int) -> float:
    """How much of the averaged weights step `number`, from 0, keeps: at first less, so that the random start
    is soon forgotten."""
    return min(decay, (1 + number) / (10 + number))


def epoch_rng(settings: Settings, epoch: int) -> np.random.Generator:
    """The generator that shuffles the poems of that epoch."""
    return np.random.default_rng((settings.seed, SHUFFLE, epoch))


def count_predictions(tokens: Array) -> int:
    """Of a batch (T+1, B): T * B."""
    return (tokens.shape[0] - 1) * tokens.shape[1]
