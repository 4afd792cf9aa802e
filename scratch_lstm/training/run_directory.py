"""The files of one training run, and the order in which they are written.

    config.json         the settings, and which corpus it was
    log.jsonl           one line a step, one line an epoch
    model.safetensors   the model as it last was, with its vocabulary
    best.safetensors    the model of the epoch with the lowest held-out loss
    state.safetensors   parameters, Adam's moments and the position: what resuming starts from
    loss.png            the loss curves

state.safetensors is written last and alone decides where a run is: a run that is killed
before that goes back to the previous state and does the same steps again, to the same bits.
"""

from __future__ import annotations

import json
import os
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import InputError
from ..files import atomic_write, remove_partial_files
from ..model import PoemModel
from ..poems.vocabulary import Vocabulary
from . import checkpoint

try:
    import fcntl
except ImportError:   # Windows
    fcntl = None  # type: ignore[assignment]


@dataclass
class Position:
    """How far a run has come."""

    step: int = 0                       # updates made, in all
    epoch: int = 0                      # epochs finished
    step_in_epoch: int = 0              # updates made in the current epoch
    loss_sum: float = 0.0               # over its predictions so far, in nats
    predictions: int = 0
    seconds: float = 0.0                # of training, in the current epoch
    best_loss: float | None = None      # lowest held-out loss, and its epoch
    best_epoch: int = 0
    log_bytes: int = 0                  # length of log.jsonl at this position


class RunDirectory:
    """Reads and writes the files of runs/NAME. Raises InputError where they are not what they should be.

    program: the command that a message names, for the user to type again.
    """

    def __init__(self, path: str | Path, program: str = "scratch-lstm") -> None:
        self.path, self.program = Path(path), program
        self.model, self.best = self.path / "model.safetensors", self.path / "best.safetensors"
        self.plot = self.path / "loss.png"
        self._config, self._log = self.path / "config.json", self.path / "log.jsonl"
        self._state = self.path / "state.safetensors"

    @property
    def resume_command(self) -> str:
        return f"{self.program} --resume {shlex.quote(str(self.path))}"

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Two processes must not train one run. The system releases the lock, however a process ends."""
        with open(self._log, "ab") as file:     # the one file that is never replaced
            if fcntl is not None:
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except OSError:
                    raise InputError(f"{self.path}: another process is training this run") from None
            remove_partial_files(self.path, {file.name for file in (
                self.model, self.best, self.plot, self._config, self._state)})
            yield

    def check_free(self) -> None:
        """Raise InputError if there is a run already: it must not be overwritten."""
        if os.path.exists(self._config):
            raise InputError(f"{self.path}: already a run; continue it with --resume {self.path}, "
                             "or choose another --out")

    def create(self, config: dict[str, Any]) -> None:
        """Make the folder and config.json."""
        self.check_free()
        try:
            self.path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(f"{self.path}: cannot be made ({error.strerror}); "
                             "choose another --out") from None
        self.write_config(config)

    def write_config(self, config: dict[str, Any]) -> None:
        text = json.dumps(config, ensure_ascii=False, indent=2)
        atomic_write(self._config, (text + "\n").encode())

    def read_config(self) -> dict[str, Any]:
        try:
            return json.loads(self._config.read_text(encoding="utf-8"))
        except OSError as error:
            raise InputError(f"{self._config}: {error.strerror}; --resume takes a folder "
                             "that a training run has made") from None
        except ValueError:
            raise InputError(f"{self._config}: not a scratch-lstm configuration") from None

    def save(self, position: Position, arrays: dict[str, np.ndarray], model: PoemModel,
             vocabulary: Vocabulary, is_best: bool = False) -> None:
        """Write everything that belongs to a position; the state, which decides, last."""
        for path in (self.best, self.model) if is_best else (self.model,):
            checkpoint.save(path, model, vocabulary)
        with open(self._log, "ab") as file:
            os.fsync(file.fileno())
            position.log_bytes = file.tell()
        checkpoint.write_arrays(self._state, arrays, asdict(position))

    def restore(self) -> tuple[Position, dict[str, np.ndarray]]:
        """The last position and its arrays; the log is cut back to it. Call it only while holding lock()."""
        position, arrays = self.last_saved()
        if self._log.exists() and self._log.stat().st_size > position.log_bytes:
            os.truncate(self._log, position.log_bytes)
        return position, arrays

    def last_saved(self) -> tuple[Position, dict[str, np.ndarray]]:
        """The last position and its arrays; Position() and {} before the first save."""
        position, arrays = Position(), dict[str, np.ndarray]()
        if self._state.exists():
            arrays, about = checkpoint.read_arrays(self._state)
            try:
                position = Position(**about)
            except TypeError:
                raise InputError(f"{self._state}: not the state of a training run") from None
        return position, arrays

    def log(self, lines: list[dict[str, Any]]) -> None:
        """Append lines to log.jsonl."""
        text = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
        try:
            with open(self._log, "ab") as file:
                file.write(text.encode())
        except OSError as error:
            raise InputError(f"{self._log}: cannot be written ({error.strerror}); "
                             f"correct that, then: {self.resume_command}") from None

    def read_log(self) -> list[dict[str, Any]]:
        try:
            return [json.loads(line) for line in self._log.read_text(encoding="utf-8").splitlines()]
        except (OSError, ValueError) as error:
            raise InputError(f"{self._log}: cannot be read ({error}); the models are not changed") from None
