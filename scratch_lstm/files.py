"""Files that are always whole: written under another name, flushed to the disk, renamed."""

from __future__ import annotations

import os
import re
import secrets
from pathlib import Path

from .errors import InputError

PARTIAL = re.compile(r"(?P<name>.+)\.[0-9a-f]{8}\.partial")   # what a killed process may leave behind


def atomic_write(path: Path, data: bytes, advice: str = "what was there before still is") -> None:
    """At any moment, also after a crash, `path` is the old file or the new one.

    Two processes may write the same path: each uses a temporary name of its own, and the last rename wins.
    A link at the temporary name is never followed. Raises InputError, with `advice` in its message, when the
    disk is full or the folder cannot be written; the old file is then unchanged.
    """
    partial = path.with_name(f"{path.name}.{secrets.token_hex(4)}.partial")
    try:
        try:
            with open(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666), "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            os.replace(partial, path)
        except OSError:
            partial.unlink(missing_ok=True)
            raise
        if os.name == "posix":  # the rename has to reach the disk too
            folder = os.open(path.parent, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
    except OSError as error:
        raise InputError(f"{path}: cannot be written ({error.strerror}); {advice}") from None


def remove_partial_files(folder: Path, names: set[str]) -> None:
    """Delete what earlier, killed processes left in this folder of the files with these names."""
    for file in folder.iterdir():
        match = PARTIAL.fullmatch(file.name)
        if match and match["name"] in names:
            file.unlink(missing_ok=True)
