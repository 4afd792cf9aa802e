"""The one reader of poem files: UTF-8 text, one poem a line.

What does no harm is mended and counted: a byte-order mark, CRLF line ends, spaces at the ends of a line, and
half-width `,.?!;:` between Chinese characters or after the last of a line. Newlines after the last poem are
ignored. Whatever else could not be learnt from raises InputError with the file, the line and what to do.
"""

from __future__ import annotations

import re
from pathlib import Path

from ..errors import InputError

START, END = "G", "E"   # stand before and after each poem, as in the course's lab
OTHER_MARKS = "\x02", "\x03"   # where a text has the letters G or E itself; no poem may hold these two
LIMIT = 1000            # characters in one poem: more is a file that is not one poem a line

HAN = "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
FULL_WIDTH = dict(zip(",.?!;:", "，。？！；："))
HALF_WIDTH = re.compile(rf"(?<=[{HAN}])([,.?!;:]) *(?=[{HAN}]|$)", re.MULTILINE)
EDGE_SPACES = re.compile("^[ \t\u3000]+|[ \t\u3000]+$", re.MULTILINE)
# control, format and line-separating characters: unseen by the reader, a word of its own to the model
UNSEEN = re.compile("[\x00-\x1f\x7f-\x9f\u00ad\u200b-\u200f\u2028-\u202e\u2060\ufeff]")


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


def mend(text: str) -> tuple[str, dict[str, int]]:
    """The text without harmless irregularities, and how many there were of each kind."""
    mended = {}

    def note(what: str, result: tuple[str, int]) -> str:
        if result[1]:
            mended[what] = result[1]
        return result[0]

    text = note("byte-order mark", (text.removeprefix("\ufeff"), int(text.startswith("\ufeff"))))
    text = note("CRLF line ends", (text.replace("\r\n", "\n"), text.count("\r\n")))
    text = note("spaces at line ends", EDGE_SPACES.subn("", text))
    text = note("half-width punctuation", HALF_WIDTH.subn(lambda m: FULL_WIDTH[m[1]], text))
    return text, mended


def check_poem(where: str, poem: str, limit: int) -> None:
    """Raise InputError for a line that is no poem; `where` names the file and the line."""
    if not poem:
        raise InputError(f"{where}: an empty line; take it out, the file is one poem a line")
    if len(poem) > limit:
        raise InputError(f"{where}: {len(poem)} characters, more than the limit of {limit}; "
                         "write one poem a line")
    unseen = UNSEEN.search(poem)
    if unseen:
        raise InputError(f"{where}: holds the invisible character U+{ord(unseen[0]):04X} "
                         f"at position {unseen.start() + 1}; take it out")


def read_poems(path: Path, data: bytes, limit: int) -> tuple[list[str], dict[str, int]]:
    """The poems, without START and END, and what was mended."""
    text, mended = mend(decode(path, data))
    text = text.rstrip("\n")
    if not text:
        raise InputError(f"{path}: the file is empty; give a UTF-8 text file, one poem a line")
    poems = text.split("\n")
    for number, poem in enumerate(poems, 1):
        check_poem(f"{path}, line {number}", poem, limit)
    return poems, mended
