"""All that determines a training run: the lab's recipe is the default, every number is a flag."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, fields
from typing import Any

from ..errors import InputError
from .schema import LARGEST, from_json

COUNTS = ("epochs", "batch_size", "embedding_size", "hidden_size", "num_layers", "threads", "log_every",
          "save_every")            # 1 or more
LARGEST_SEED = 9 * 10**12          # torch's generator takes a million times as much
MOST_THREADS = 1024
PER_POEM = 256                     # characters of a poem for which --batch-size alone decides


def setting(default: Any, help: str) -> Any:
    """A field with its default and the text that --help shows for it."""
    return field(default=default, metadata={"help": help})


@dataclass(frozen=True)
class Settings:
    """A run is a function of its settings and its corpus. Raises InputError for a value out of range."""

    backend: str = setting("auto", "what computes (auto takes the fastest that works, and reports which)")
    dtype: str = setting("float32", "float32 or float64")
    epochs: int = setting(30, "passes over the corpus")
    batch_size: int = setting(32, "poems in a step")
    embedding_size: int = setting(100, "length of a word vector")
    hidden_size: int = setting(128, "length of h and of c")
    num_layers: int = setting(2, "LSTM layers")
    dropout: float = setting(0.0, "rate of dropout between layers and before the linear layer")
    learning_rate: float = setting(3e-3, "of Adam")
    clip: float = setting(1.0, "largest norm of the gradient")
    held_out: float = setting(0.05, "fraction of the poems to measure on, not to train on")
    seed: int = setting(0, "of everything random")
    batch_characters: int = setting(0, "characters in a step at most: of long poems it takes fewer; "
                                       "0 for 256 times --batch-size")
    threads: int = setting(1, "of the matrix library (numpy, torch), or parts of each batch (numba)")
    log_every: int = setting(10, "steps between two readings of the loss from the device")
    save_every: int = setting(200, "steps between two checkpoints; each epoch ends with one too")

    def __post_init__(self) -> None:
        for name in COUNTS:
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
        if self.seed > LARGEST_SEED:
            raise InputError(f"--seed {self.seed}: it must be at most {LARGEST_SEED}")
        if self.threads > MOST_THREADS:
            raise InputError(f"--threads {self.threads}: it must be at most {MOST_THREADS}")
        if self.batch_characters < 0:
            raise InputError(f"--batch-characters {self.batch_characters}: it must be 0 or more")
        if max(getattr(self, name) for name in COUNTS) > LARGEST:
            raise InputError(f"a setting is greater than {LARGEST}; give a smaller one")
        if self.dtype not in ("float32", "float64"):
            raise InputError(f"--dtype {self.dtype}: it must be float32 or float64")

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Settings:
        """From the entries of a config.json; its other entries are ignored. Raises ValueError."""
        missing = {field.name for field in fields(cls)} - config.keys() - {"batch_characters"}
        if missing:
            raise ValueError(f"'{min(missing)}' is missing")
        # a run of before that setting: its batches had no such limit
        return from_json(cls, {"batch_characters": LARGEST} | config)

    @property
    def characters_in_batch(self) -> int:
        """At most; START and END count too."""
        return self.batch_characters or PER_POEM * self.batch_size


def flag(name: str) -> str:
    """The command-line flag of a setting."""
    return "--" + name.replace("_", "-")
