"""torch's network behind the interface that the trainer, generate and checkpoint use."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from scratch_lstm import PoemModel
from scratch_lstm.backend import Backend
from scratch_lstm.training import learner
from scratch_lstm.training.settings import Settings

from .convert import from_torch, to_torch
from .model import PoemNet, keep_one_bias
from .regularised import RegularisedNet


class TorchBackend(Backend):
    """Host arrays to tensors and back; on CUDA where torch has it."""

    name = "torch"

    def __init__(self) -> None:
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")

    def use_tf32(self, on: bool) -> None:
        if self.device.type == "cpu":
            super().use_tf32(on)
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = on

    def to_device(self, array: Any) -> torch.Tensor:
        return torch.as_tensor(array).to(self.device)

    def to_host(self, array: Any) -> np.ndarray:
        return array.detach().cpu().numpy() if isinstance(array, torch.Tensor) else np.asarray(array)


class TorchModel:
    """torch's network as a PoemModel: time-major tokens, parameters by this project's names."""

    def __init__(self, model: PoemModel) -> None:
        self.sizes, self.options = model.sizes, model.options
        self.backend = TorchBackend()
        self.net: PoemNet | RegularisedNet = to_torch(model).to(self.backend.device)
        keep_one_bias(self.net)
        self.trained = [p for p in self.net.parameters() if p.requires_grad]
        self.training = True

    @property
    def parameters(self) -> dict[str, np.ndarray]:
        return from_torch(self.net).parameters

    @property
    def flat_parameters(self) -> torch.Tensor:
        """All that is trained, flat: a copy, in torch's order."""
        return torch.cat([p.detach().reshape(-1) for p in self.trained])

    def forward(self, tokens: torch.Tensor, state: Any = None) -> tuple[torch.Tensor, Any]:
        """tokens (T, B) -> logits (T, B, V) and the state (h, c)."""
        self.net.train(self.training)
        with torch.no_grad():
            logits, state = self.net(tokens.T, state)
        return logits.transpose(0, 1), state

    def loss(self, tokens: torch.Tensor, masks: Sequence[np.ndarray | None] | None = None) -> torch.Tensor:
        """tokens (T+1, B) -> the mean cross-entropy.

        masks: dropout masks (T or 1, B, n) of the embedding, None where it has none, and of the output of
        each layer; None for torch's own.
        """
        self.net.train(self.training)
        if masks is None:
            return self.net.loss(tokens.T)
        given = [None if mask is None else self.backend.to_device(mask).transpose(0, 1) for mask in masks]
        return self.net.loss(tokens.T, given[1:] if isinstance(self.net, PoemNet) else given)


def make_learner(settings: Settings, vocabulary_size: int) -> TorchLearner:
    """A new network of these settings, from the very start that the other backends have."""
    here = learner.make_learner(replace(settings, backend="numpy", threads=1, tf32=False), vocabulary_size)
    return TorchLearner(here.model, settings)


class TorchLearner:
    """As scratch_lstm.training.learner.Learner: autograd, torch's clipping, torch's Adam."""

    def __init__(self, model: PoemModel, settings: Settings, fused: bool = False) -> None:
        torch.set_num_threads(settings.threads)
        self.model, self.settings = TorchModel(model), settings
        self.model.backend.use_tf32(settings.tf32)
        self.optimizer = torch.optim.AdamW(self.model.trained, lr=settings.learning_rate,
                                           weight_decay=settings.weight_decay, fused=fused or None)
        self.result = copy.deepcopy(self.model) if settings.average else self.model

    def step(self, tokens: np.ndarray, number: int, learning_rate: float | None = None,
             masks: Sequence[np.ndarray | None] | None = None) -> tuple[torch.Tensor, torch.Tensor]:
        """One update from tokens (T+1, B). Returns loss and gradient norm, still on the device.

        masks: as TorchModel.loss takes them.
        """
        if (self.model.options["dropout"] or self.model.options["embedding_dropout"]) and masks is None:
            torch.manual_seed(self.settings.seed * 1_000_003 + number)
        self.model.training = True
        self.optimizer.zero_grad()
        loss = self.model.loss(self.model.backend.to_device(tokens), masks)
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(self.model.trained, self.settings.clip)
        for group in self.optimizer.param_groups:
            group["lr"] = self.settings.learning_rate if learning_rate is None else learning_rate
        self.optimizer.step()
        if self.result is not self.model:
            decay = learner.average_decay(self.settings.average, number)
            for average, p in zip(self.result.trained, self.model.trained, strict=True):
                average.data.lerp_(p.data, 1 - decay)
        return loss.detach(), norm

    def loss(self, tokens: np.ndarray) -> float:
        """The loss on tokens (T+1, B), without dropout and without learning."""
        self.result.training = False
        with torch.no_grad():
            return float(self.result.loss(self.model.backend.to_device(tokens)))

    def arrays(self) -> dict[str, np.ndarray]:
        """All that a later step depends on, besides the position."""
        vectors = {"vector": self.model.flat_parameters}
        for name, key in (("m", "exp_avg"), ("v", "exp_avg_sq")):
            vectors[name] = torch.cat([self.optimizer.state[p].get(key, torch.zeros_like(p)).reshape(-1)
                                       for p in self.model.trained])
        if self.result is not self.model:
            vectors["average"] = self.result.flat_parameters
        return {name: self.model.backend.to_host(vector) for name, vector in vectors.items()}

    def restore(self, arrays: dict[str, np.ndarray], step: int) -> None:
        """Go back to what `arrays` returned after that step."""
        sizes = [p.numel() for p in self.model.trained]
        vector, m, v = (self.model.backend.to_device(arrays[name]).split(sizes)
                        for name in ("vector", "m", "v"))
        for n, p in enumerate(self.model.trained):
            p.data.copy_(vector[n].reshape(p.shape))
            if step:
                self.optimizer.state[p] = {"step": torch.tensor(float(step)),
                                           "exp_avg": m[n].reshape(p.shape).clone(),
                                           "exp_avg_sq": v[n].reshape(p.shape).clone()}
        if self.result is not self.model:
            averages = self.model.backend.to_device(arrays["average"]).split(sizes)
            for p, average in zip(self.result.trained, averages, strict=True):
                p.data.copy_(average.reshape(p.shape))
