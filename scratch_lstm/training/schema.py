"""What a file of a run may contain: a dataclass gives the names and types, `from_json` checks a file's JSON.

A person edits these files, or they come from somebody else; so each value is looked at before work begins.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields
from typing import Any, TypeVar

Record = TypeVar("Record")
LARGEST = 2**62     # of an integer in any of these files


def parse(text: str | bytes) -> Any:
    """JSON without NaN and Infinity, which are not JSON. Raises ValueError, whatever is wrong."""
    try:
        return json.loads(text, parse_constant=_refuse)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not a number of JSON")


def from_json(cls: type[Record], values: Any) -> Record:
    """A dataclass from the entries of a JSON object; other entries are ignored, fields with a default may be
    missing. Raises ValueError, with the entry's name, for a missing one or one of another type."""
    if not isinstance(values, Mapping):
        raise ValueError("not a JSON object")
    found = {}
    for field in fields(cls):  # type: ignore[arg-type]
        if field.name in values:
            found[field.name] = checked(field.name, values[field.name], str(field.type))
        elif field.default is MISSING:
            raise ValueError(f"'{field.name}' is missing")
    return cls(**found)


def checked(name: str, value: Any, kind: str) -> Any:
    """The value, if it is of that kind: int, float, str, bool, or one of them `| None`. ValueError otherwise.

    Integers are from 0 to LARGEST, other numbers finite; a bool is no integer.
    """
    if value is None and kind.endswith(" | None"):
        return None
    kind = kind.removesuffix(" | None")
    is_integer = isinstance(value, int) and not isinstance(value, bool)
    if kind == "int" and is_integer and 0 <= value <= LARGEST:
        return value
    if kind == "float" and (is_integer and abs(value) <= LARGEST
                            or isinstance(value, float) and math.isfinite(value)):
        return float(value)
    if kind == "str" and isinstance(value, str) or kind == "bool" and isinstance(value, bool):
        return value
    shown = repr(value)
    raise ValueError(f"'{name}' is {shown if len(shown) <= 40 else shown[:40] + '...'}; it must be "
                     + {"int": "an integer, 0 or more", "float": "a finite number", "str": "a text",
                        "bool": "true or false"}[kind])


@dataclass
class Position:
    """How far a run has come: what state.safetensors says in its header."""

    step: int = 0                       # updates made, in all
    epoch: int = 0                      # epochs finished
    step_in_epoch: int = 0              # updates made in the current epoch
    loss_sum: float = 0.0               # over its predictions so far, in nats
    predictions: int = 0
    seconds: float = 0.0                # of training, in the current epoch
    best_loss: float | None = None      # lowest held-out loss, and its epoch
    best_epoch: int = 0
    log_bytes: int = 0                  # length of log.jsonl at this position

    @classmethod
    def from_json(cls, values: Any) -> Position:
        """From a header that has all of these. Raises ValueError."""
        for field in fields(cls):
            if not isinstance(values, Mapping) or field.name not in values:
                raise ValueError(f"'{field.name}' is missing")
        position = from_json(cls, values)
        if (max(position.step_in_epoch, position.epoch) > position.step
                or position.best_epoch > position.epoch):
            raise ValueError("its counts of steps and epochs contradict each other")
        if position.step_in_epoch and not position.predictions:
            raise ValueError("an epoch with steps, but without predictions")
        return position


@dataclass
class StepLine:
    """A line of log.jsonl about one step."""

    step: int
    epoch: int
    loss: float
    gradient_norm: float


@dataclass
class EpochLine:
    """A line of log.jsonl about one epoch."""

    step: int
    epoch: int
    training_loss: float
    held_out_loss: float | None
    seconds: float
    poem: str


def log_line(text: bytes) -> dict[str, Any]:
    """One line of log.jsonl. Raises ValueError for what is neither a step nor an epoch."""
    line = parse(text)
    if not isinstance(line, dict):
        raise ValueError("not a JSON object")
    from_json(StepLine if "loss" in line else EpochLine, line)
    return line
