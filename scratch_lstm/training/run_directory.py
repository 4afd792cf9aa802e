"""The files of one training run, and the order in which they are written.

    config.json         the settings, and which corpus it was
    log.jsonl           one line a step, one line an epoch
    model.safetensors   the model as it last was, with its vocabulary
    best.safetensors    the model of the epoch with the lowest held-out loss
    state.safetensors   parameters, Adam's moments and the position: what resuming starts from
    loss.png            the loss curves

state.safetensors is written last and alone decides where a run is: a run that is killed
before that goes back to the previous state and does the same steps again, to the same bits.

All writing is done while the folder is locked, and after all that is read has been checked.
"""

from __future__ import annotations

import json
import os
import shlex
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import InputError
from ..files import atomic_write, is_partial, read_file, reason, remove_partial_files
from ..model import PoemModel
from ..poems.vocabulary import Vocabulary
from . import checkpoint
from .run_log import RunLog
from .schema import Position, parse


class RunDirectory:
    """Reads and writes the files of runs/NAME. Raises InputError where they are not what they should be.

    program: the command that a message names, for the user to type again.
    """

    def __init__(self, path: str | Path, program: str = "scratch-lstm") -> None:
        self.path, self.program = Path(path), program
        self.model, self.best = self.path / "model.safetensors", self.path / "best.safetensors"
        self.plot = self.path / "loss.png"
        self._config, self._log = self.path / "config.json", RunLog(self.path / "log.jsonl")
        self._state = self.path / "state.safetensors"
        self._own = {file.name for file in (self.model, self.best, self.plot, self._config, self._state)}

    @property
    def resume_command(self) -> str:
        return f"{self.program} --resume {shlex.quote(str(self.path))}"

    @property
    def has_config(self) -> bool:
        """Whether a run has begun here."""
        return os.path.lexists(self._config)

    @property
    def best_or_last(self) -> Path:
        """The model of the epoch with the lowest held-out loss, if there is one; else the last one."""
        return self.best if os.path.lexists(self.best) else self.model

    @contextmanager
    def lock(self, new: bool = False) -> Iterator[None]:
        """Two processes must not train one run. The system releases the lock, however a process ends.

        new: for a run that begins; the folder is made, and must have nothing in it.
        """
        made = new and not os.path.lexists(self.path)
        if new:
            self.check_free()
            try:
                self.path.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise InputError(f"{self.path}: cannot be made ({reason(error)}); "
                                 "choose another --out") from None
        try:
            with self._log.lock():
                if new:
                    self.check_free()           # again: another process may have been faster
                yield
        except Exception:
            if made:
                with suppress(OSError):         # only if it is empty
                    self.path.rmdir()
            raise

    def check_free(self) -> None:
        """Raise InputError unless a run can begin here: there is no folder, or nothing in it."""
        if os.path.lexists(self._config):
            raise InputError(f"{self.path}: already a run; continue it with --resume {self.path}, "
                             "or choose another --out")
        try:
            others = [name for name in os.listdir(self.path) if not is_partial(name, self._own)
                      and not (name == self._log.path.name and is_empty_file(self._log.path))]
        except FileNotFoundError:
            return
        except OSError as error:
            raise InputError(f"{self.path}: {reason(error)}; choose another --out") from None
        if others:
            raise InputError(f"{self.path}: not empty ({min(others)}), and not a run; choose another --out")

    def create(self, config: dict[str, Any]) -> None:
        """Make the folder and config.json."""
        with self.lock(new=True):
            self.write_config(config)

    def write_config(self, config: dict[str, Any]) -> None:
        """Call it only while holding lock()."""
        try:
            data = json.dumps(config, ensure_ascii=False, indent=2).encode()
        except UnicodeEncodeError:            # a path whose bytes are no text: JSON writes them as \\udcxx
            data = json.dumps(config, indent=2).encode()
        atomic_write(self._config, data + b"\n")

    def read_config(self) -> dict[str, Any]:
        data = read_file(self._config, "name a folder that a training run has made", 1 << 20)
        try:
            config = parse(data)
            if isinstance(config, dict):
                return config
        except ValueError:
            pass
        raise InputError(f"{self._config}: not a scratch-lstm configuration")

    def save(self, position: Position, arrays: dict[str, np.ndarray], model: PoemModel,
             vocabulary: Vocabulary, is_best: bool = False) -> None:
        """Write everything that belongs to a position; the state, which decides, last."""
        for path in (self.best, self.model) if is_best else (self.model,):
            checkpoint.save(path, model, vocabulary)
        try:
            position.log_bytes = self._log.flushed_size()
        except OSError as error:
            raise InputError(f"{self._log.path}: cannot be written ({reason(error)})") from None
        checkpoint.write_arrays(self._state, arrays, asdict(position))

    def last_saved(self) -> tuple[Position, dict[str, np.ndarray]]:
        """The last position and its arrays; Position() and {} before the first save."""
        if not os.path.lexists(self._state):
            return Position(), {}
        arrays, about = checkpoint.read_arrays(self._state)
        try:
            return Position.from_json(about), arrays
        except ValueError as error:
            raise InputError(f"{self._state}: not the state of a training run ({error})") from None

    def go_back(self, position: Position) -> None:
        """Remove what was written after that position. Call it only while holding lock()."""
        remove_partial_files(self.path, self._own)
        self._log.cut(position.log_bytes)

    def log(self, lines: list[dict[str, Any]]) -> str | None:
        """Append lines to log.jsonl; what RunLog.append returns."""
        return self._log.append(lines)

    def read_log(self, size: int | None = None) -> list[dict[str, Any]]:
        """The lines of log.jsonl, each checked; see RunLog.read."""
        return self._log.read(size)


class ReadRun(RunDirectory):
    """The same for a worker that leaves all writing to another one: its methods that write do nothing."""

    @contextmanager
    def lock(self, new: bool = False) -> Iterator[None]:
        yield

    def write_config(self, config: dict[str, Any]) -> None:
        pass

    def save(self, *arguments: Any, **options: Any) -> None:
        pass

    def go_back(self, position: Position) -> None:
        pass

    def log(self, lines: list[dict[str, Any]]) -> str | None:
        return None


def is_empty_file(path: Path) -> bool:
    return path.is_file() and not path.is_symlink() and path.stat().st_size == 0
