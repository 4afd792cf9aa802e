"""All that determines a training run: the lab's recipe is the default, every number is a flag."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import Any

from ..errors import InputError


@dataclass(frozen=True)
class Settings:
    """A run is a function of its settings and its corpus. Raises InputError for what cannot be."""

    backend: str = "auto"
    dtype: str = "float32"
    epochs: int = 30
    batch_size: int = 32
    embedding_size: int = 100
    hidden_size: int = 128
    num_layers: int = 2
    dropout: float = 0.0            # between layers and before the linear layer
    learning_rate: float = 3e-3
    clip: float = 1.0               # the gradient's norm is kept at or below this
    held_out: float = 0.05          # fraction of the poems that are not trained on
    seed: int = 0
    threads: int = 1                # of the BLAS library
    log_every: int = 10             # steps between two readings of the loss from the device
    save_every: int = 200           # steps between two checkpoints; each epoch ends with one too

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size", "embedding_size", "hidden_size", "num_layers", "threads",
                     "log_every", "save_every"):
            if getattr(self, name) < 1:
                raise InputError(f"{flag(name)} {getattr(self, name)}: it must be at least 1")
        for name in ("learning_rate", "clip"):
            if not 0 < getattr(self, name) < math.inf:
                raise InputError(f"{flag(name)} {getattr(self, name)}: it must be a positive number")
        for name in ("dropout", "held_out"):
            if not 0 <= getattr(self, name) < 1:
                raise InputError(f"{flag(name)} {getattr(self, name)}: it must be from 0 to below 1")
        if self.seed < 0:
            raise InputError(f"--seed {self.seed}: it must be 0 or more")
        if self.dtype not in ("float32", "float64"):
            raise InputError(f"--dtype {self.dtype}: it must be float32 or float64")

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Settings:
        """From the entries of a config.json; others in it are left alone."""
        return cls(**{field.name: config[field.name] for field in fields(cls)})


def flag(name: str) -> str:
    """The command-line flag of a setting."""
    return "--" + name.replace("_", "-")
