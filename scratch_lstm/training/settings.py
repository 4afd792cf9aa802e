"""All that determines a training run: the lab's recipe is the default, every number is a flag."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from ..errors import InputError
from .schema import LARGEST, from_json

SCHEDULES = ("constant", "cosine")
REDUCES = ("ordered", "fast")
COUNTS = ("epochs", "batch_size", "embedding_size", "hidden_size", "num_layers", "threads", "log_every",
          "save_every")            # 1 or more
OR_ZERO = ("batch_characters", "warmup", "patience", "shards", "rate_for_batch")
LARGEST_SEED = 9 * 10**12          # torch's generator takes a million times as much
MOST_THREADS = 1024
# settings that the first runs do not have, and what those runs did
LATER = {"batch_characters": LARGEST, "embedding_dropout": 0.0, "shared_masks": False, "tie_embedding": False,
         "schedule": "constant", "warmup": 0, "weight_decay": 0.0, "average": 0.0, "patience": 0,
         "tf32": False, "shards": 0, "reduce": "ordered", "rate_for_batch": 0}
READ_AT_ONCE = 128                 # poems
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
    embedding_dropout: float = setting(0.0, "rate of dropout on the word vectors")
    shared_masks: bool = setting(False, "one dropout mask for all time steps of a poem")
    tie_embedding: bool = setting(False, "one matrix for the embedding and the linear layer; the last LSTM "
                                         "layer has --embedding-size then")
    learning_rate: float = setting(3e-3, "of Adam; the highest one")
    schedule: str = setting("constant", "of the learning rate: constant, or cosine, down to 0 at the end")
    warmup: int = setting(0, "first steps, in which the learning rate rises to its highest")
    weight_decay: float = setting(0.0, "of AdamW: each step takes learning rate * this off each weight")
    average: float = setting(0.0, "decay of the averaged weights that measure and write, e.g. 0.999; 0 for "
                                  "the weights as they are")
    clip: float = setting(1.0, "largest norm of the gradient")
    held_out: float = setting(0.05, "fraction of the poems to measure on, not to train on")
    patience: int = setting(0, "epochs without a lower held-out loss after which the run ends; 0 for never")
    seed: int = setting(0, "of everything random")
    batch_characters: int = setting(0, "characters in a step at most: of long poems it takes fewer; "
                                       "0 for 256 times --batch-size")
    tf32: bool = setting(False, "on a GPU: products of float32 may round their factors to 10 bits (TF32)")
    threads: int = setting(1, "of the matrix library (numpy, torch), or parts of each batch (numba); with "
                           "--generate and --evaluate: batches at the same time")
    shards: int = setting(0, "parts into which a batch is cut and in whose order gradients are added: the "
                             "result depends on them, not on threads or workers; 0 for one a thread, "
                             "or 8 under torchrun")
    reduce: str = setting("ordered", "how several workers add gradients: ordered, the same bits for any "
                                     "number of them, or fast")
    rate_for_batch: int = setting(0, "batch size that --learning-rate is for: at another it is scaled by the "
                                     "square root of the ratio; 0 for any")
    log_every: int = setting(10, "steps between two readings of the loss from the device")
    save_every: int = setting(200, "steps between two checkpoints; each epoch ends with one too")

    def __post_init__(self) -> None:
        for name in COUNTS:
            if getattr(self, name) < 1:
                raise InputError(f"{flag(name)} {getattr(self, name)}: it must be at least 1")
        for name in ("learning_rate", "clip"):
            if not 0 < getattr(self, name) < math.inf:
                raise InputError(f"{flag(name)} {getattr(self, name)}: it must be a positive number")
        if not 0 <= self.weight_decay < math.inf or self.learning_rate * self.weight_decay >= 1:
            raise InputError(f"--weight-decay {self.weight_decay}: it must be 0 or more, and less than 1 / "
                             "learning rate")
        for name in ("dropout", "embedding_dropout", "average", "held_out"):
            if not 0 <= getattr(self, name) < 1:
                raise InputError(f"{flag(name)} {getattr(self, name)}: it must be from 0 to below 1")
        if self.seed < 0:
            raise InputError(f"--seed {self.seed}: it must be 0 or more")
        if self.seed > LARGEST_SEED:
            raise InputError(f"--seed {self.seed}: it must be at most {LARGEST_SEED}")
        if self.threads > MOST_THREADS:
            raise InputError(f"--threads {self.threads}: it must be at most {MOST_THREADS}")
        for name in OR_ZERO:
            if getattr(self, name) < 0:
                raise InputError(f"{flag(name)} {getattr(self, name)}: it must be 0 or more")
        if max(getattr(self, name) for name in COUNTS + OR_ZERO) > LARGEST:
            raise InputError(f"a setting is greater than {LARGEST}; give a smaller one")
        if self.dtype not in ("float32", "float64"):
            raise InputError(f"--dtype {self.dtype}: it must be float32 or float64")
        for name, known in (("schedule", SCHEDULES), ("reduce", REDUCES)):
            if getattr(self, name) not in known:
                raise InputError(f"{flag(name)} {getattr(self, name)}: it must be one of {', '.join(known)}")
        if self.patience and not self.held_out:
            raise InputError("--patience: without held-out poems there is no held-out loss; leave it out")

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Settings:
        """From the entries of a config.json; its other entries are ignored. Raises ValueError."""
        missing = {field.name for field in fields(cls)} - config.keys() - LATER.keys()
        if missing:
            raise ValueError(f"'{min(missing)}' is missing")
        return from_json(cls, LATER | config)

    @property
    def characters_in_batch(self) -> int:
        """At most; START and END count too."""
        return self.batch_characters or PER_POEM * self.batch_size

    @property
    def poems_read_at_once(self) -> int:
        """In a batch that is only measured, if they are not too long: enough for several threads."""
        return max(self.batch_size, READ_AT_ONCE)


# settings under one name; what a recipe does not have is Settings' default, and the command line overrides it
RECIPES: dict[str, dict[str, Any]] = {
    "course": {},
    "best": {"tie_embedding": True, "embedding_size": 200, "hidden_size": 320, "dropout": 0.3,
             "embedding_dropout": 0.15, "shared_masks": True, "learning_rate": 4e-3, "schedule": "cosine",
             "warmup": 200, "weight_decay": 0.05, "epochs": 18},
}


def as_flags(settings: Mapping[str, Any]) -> str:
    """Settings as they would be typed on the command line."""
    return " ".join(flag(name) if value is True else f"{flag(name)} {value}"
                    for name, value in settings.items())


def flag(name: str) -> str:
    """The command-line flag of a setting."""
    return "--" + name.replace("_", "-")
