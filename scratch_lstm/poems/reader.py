"""The one reader of poem files: UTF-8 text, one poem a line.

Harmless irregularities are normalised and counted: a byte-order mark, CRLF line ends, spaces at the ends of a
line, and half-width `,.?!;:` between Chinese characters or after the last one of a line. Newlines after the
last poem are ignored. Anything else that cannot be learnt raises InputError with the file, the line and what
to do.
"""

from __future__ import annotations

import re
from pathlib import Path

from ..errors import InputError

LIMIT = 1000            # characters in one poem: more is a file that is not one poem a line

HAN = "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
FULL_WIDTH = dict(zip(",.?!;:", "，。？！；："))
HALF_WIDTH = re.compile(rf"(?<=[{HAN}])([,.?!;:]) *(?=[{HAN}]|$)", re.MULTILINE)
EDGE_SPACES = re.compile("^[ \t\u3000]+|[ \t\u3000]+$", re.MULTILINE)
# control, format and line-separating characters: a person does not see them, the model would learn them
INVISIBLE = re.compile("[\x00-\x1f\x7f-\x9f\u00ad\u200b-\u200f\u2028-\u202e\u2060\ufeff]")


def read_bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: {error.strerror or error}; "
                         "give a UTF-8 text file, one poem a line") from None


def decode(path: Path, data: bytes) -> str:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise InputError(f"{path}, line {line}: byte {error.start} of the file is not UTF-8; "
                         "save the file as UTF-8") from None


def normalise(text: str) -> tuple[str, dict[str, int]]:
    """The text without its harmless irregularities, and how many there were of each kind."""
    normalised = {}

    def count(what: str, result: tuple[str, int]) -> str:
        if result[1]:
            normalised[what] = result[1]
        return result[0]

    text = count("byte-order mark", (text.removeprefix("\ufeff"), int(text.startswith("\ufeff"))))
    text = count("CRLF line ends", (text.replace("\r\n", "\n"), text.count("\r\n")))
    text = count("spaces at line ends", EDGE_SPACES.subn("", text))
    text = count("half-width punctuation", HALF_WIDTH.subn(lambda m: FULL_WIDTH[m[1]], text))
    return text, normalised


def check_poem(where: str, poem: str, limit: int) -> None:
    """Raise InputError for a line that is not a poem; `where` names the file and the line."""
    if not poem:
        raise InputError(f"{where}: an empty line; delete it, the file is one poem a line")
    if len(poem) > limit:
        raise InputError(f"{where}: {len(poem)} characters, more than the limit of {limit}; "
                         "write one poem a line")
    invisible = INVISIBLE.search(poem)
    if invisible:
        raise InputError(f"{where}: has the invisible character U+{ord(invisible[0]):04X} "
                         f"at position {invisible.start() + 1}; delete it")


def read_poems(path: Path, data: bytes, limit: int) -> tuple[list[str], dict[str, int]]:
    """The poems, without START and END, and what was normalised."""
    text, normalised = normalise(decode(path, data))
    text = text.rstrip("\n")
    if not text:
        raise InputError(f"{path}: the file is empty; give a UTF-8 text file, one poem a line")
    poems = text.split("\n")
    for number, poem in enumerate(poems, 1):
        check_poem(f"{path}, line {number}", poem, limit)
    return poems, normalised
