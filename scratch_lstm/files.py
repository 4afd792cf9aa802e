"""Files: read only where they are regular ones, written always whole (under another name, then renamed).

A pipe or a device would keep a program waiting, or never end; a link in a folder that came from somebody else
may lead to any file of the user's. So nothing here reads the former or writes through the latter.
"""

from __future__ import annotations

import os
import re
import secrets
import stat
import sys
from pathlib import Path

from .errors import InputError

PARTIAL = re.compile(r"(?P<name>.+)\.[0-9a-f]{8}\.partial")   # what a killed process may leave behind
NO_FOLLOW = getattr(os, "O_NOFOLLOW", 0)                      # Windows has neither
NO_WAIT = getattr(os, "O_NONBLOCK", 0)
BINARY = getattr(os, "O_BINARY", 0)                           # nor do others have this one


def reason(error: Exception) -> str:
    """What the system says of an error, without the file's name and in one line."""
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return " ".join(text.split())


def check_regular(path: Path, advice: str = "give a file") -> int:
    """The size of a regular file in bytes. Raises InputError for everything else."""
    try:
        found = os.stat(path)
    except (OSError, ValueError) as error:     # ValueError: a zero byte in the name
        raise InputError(f"{path}: {reason(error)}; {advice}") from None
    if stat.S_ISDIR(found.st_mode):
        raise InputError(f"{path}: Is a directory; {advice}")
    if not stat.S_ISREG(found.st_mode):
        raise InputError(f"{path}: a pipe or a device, not a file; save what it gives in a file first")
    return found.st_size


def read_file(path: Path, advice: str = "give a file", largest: int | None = None) -> bytes:
    """All bytes of a regular file, of at most `largest` if that is given. Raises InputError."""
    size = check_regular(path, advice)
    if largest is not None and size > largest:
        raise InputError(f"{path}: has {size:,} bytes, more than {largest:,}; {advice}")
    try:
        # what is there may have been exchanged for a pipe since: do not wait for it
        with open(os.open(path, os.O_RDONLY | NO_WAIT | BINARY), "rb") as file:
            return file.read()
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: {reason(error)}; {advice}") from None


def open_to_append(path: Path) -> int:
    """A descriptor to read and append to a regular file, made if it is not there. Raises OSError.

    A link is not followed.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | NO_FOLLOW | NO_WAIT | BINARY, 0o666)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(None, "not a regular file")
    return descriptor


def atomic_write(path: Path, data: bytes, advice: str = "what was there before still is") -> None:
    """At any moment, also after a crash, `path` is the old file or the new one.

    Two processes may write the same path: each uses a temporary name of its own, and the last rename wins.
    A link at the temporary name is never followed, one at `path` is replaced. Raises InputError, with
    `advice` in its message, when the disk is full or the folder cannot be written; the old file is then
    unchanged.
    """
    partial = path.with_name(f"{path.name}.{secrets.token_hex(4)}.partial")
    try:
        try:
            with open(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL | BINARY, 0o666), "wb") as file:
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
        raise InputError(f"{path}: cannot be written ({reason(error)}); {advice}") from None


def is_partial(name: str, names: set[str]) -> bool:
    """Whether a killed process left a file of this name while it wrote one of `names`."""
    match = PARTIAL.fullmatch(name)
    return match is not None and match["name"] in names


def remove_partial_files(folder: Path, names: set[str]) -> None:
    """Delete what earlier, killed processes left in this folder of the files with these names."""
    for file in folder.iterdir():
        if is_partial(file.name, names):
            file.unlink(missing_ok=True)


def stdout_works() -> bool:
    """Whether what was printed could be written."""
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
        return True
    except (OSError, ValueError):
        return False
