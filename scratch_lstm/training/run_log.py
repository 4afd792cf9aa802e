"""log.jsonl: one line a step, one line an epoch. It is also the file that is locked: it is never replaced."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from ..errors import InputError
from ..files import open_to_append, read_file, reason
from .schema import log_line

try:
    import fcntl
except ImportError:   # Windows
    fcntl = None  # type: ignore[assignment]


class RunLog:
    """The log of a run. Inside lock() every write uses the one locked descriptor."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.locked: int | None = None      # the log, open, while lock() is held
        self.unwritten = b""                # lines that the disk has not taken yet

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Raises InputError if another process has it. The system releases it, however a process ends."""
        made = not os.path.lexists(self.path)
        try:
            descriptor = open_to_append(self.path)
        except OSError as error:
            raise InputError(f"{self.path}: cannot be opened to write ({reason(error)}); "
                             "it must be a file of your own, not a link") from None
        try:
            self._take(descriptor)
            self.locked = descriptor
            yield
        except Exception:
            if made and self.locked is not None and os.fstat(descriptor).st_size == 0:
                with suppress(OSError):
                    self.path.unlink()      # a refused command leaves nothing behind
            raise
        finally:
            self.locked = None
            os.close(descriptor)

    def _take(self, descriptor: int) -> None:
        """Lock the open log. Where the system has no locks (some network folders) there is none."""
        if fcntl is None:
            return
        message = f"{self.path.parent}: another process is training this run"
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise InputError(message) from None
        except OSError:
            return
        try:
            same = os.path.samestat(os.fstat(descriptor), os.stat(self.path))
        except OSError:
            same = False
        if not same:                        # it was removed, and perhaps made anew, in between
            raise InputError(message)

    @contextmanager
    def open(self) -> Iterator[int]:
        """A descriptor to append: the locked one, inside lock(). Raises OSError."""
        log = open_to_append(self.path) if self.locked is None else self.locked
        try:
            yield log
        finally:
            if log != self.locked:
                os.close(log)

    def append(self, lines: list[dict[str, Any]]) -> str | None:
        """Write lines. If the disk does not take them the reason is returned, and they are written with the
        next ones."""
        self.unwritten += "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines).encode()
        try:
            with self.open() as log:
                before, written = os.fstat(log).st_size, 0
                try:
                    while written < len(self.unwritten):
                        written += os.write(log, self.unwritten[written:])
                except OSError:
                    os.ftruncate(log, before)       # no half lines
                    raise
        except OSError as error:
            return reason(error)
        self.unwritten = b""
        return None

    def flushed_size(self) -> int:
        """Bytes of the log, all of them on the disk. Raises OSError."""
        with self.open() as log:
            os.fsync(log)
            return os.fstat(log).st_size

    def cut(self, size: int) -> None:
        """Remove what is after the last whole line of the first `size` bytes."""
        end = self._bytes()[:size].rfind(b"\n") + 1
        try:
            with self.open() as log:
                os.ftruncate(log, end)
        except OSError as error:
            raise InputError(f"{self.path}: cannot be written ({reason(error)})") from None

    def read(self, size: int | None = None) -> list[dict[str, Any]]:
        """The lines, or those in the first `size` bytes; [] where there is no log. Every line is checked:
        InputError names the first that is none."""
        lines = []
        for number, text in enumerate(self._bytes()[:size].split(b"\n")[:-1], 1):
            try:
                lines.append(log_line(text))
            except ValueError as error:
                raise InputError(f"{self.path}, line {number}: damaged ({error}); correct the line, or move "
                                 "the file away: the models are not changed") from None
        return lines

    def _bytes(self) -> bytes:
        return read_file(self.path, "it is the log of a run") if os.path.lexists(self.path) else b""
