"""The one reader of poem files: from bytes to poems, each a line of characters.

The encoding is UTF-8, or the one that is asked for. Here it is decided what the file is (formats.py,
line_formats.py, not_poems.py), whether its poems are lines or paragraphs between empty lines, and what
becomes of each character (characters.py). Anything that cannot be learnt raises InputError with the file, the
line and what to do.
"""

from __future__ import annotations

import codecs
from dataclasses import dataclass, field, replace
from pathlib import Path

from ..errors import InputError
from ..files import read_file
from .characters import REFUSED, normalise, refuse
from .formats import Found, join_lines, read_format
from .line_formats import read_line_format
from .not_poems import refuse_binary, refuse_text

FIRST_RULES = {"byte-order mark", "CRLF line ends", "spaces at line ends", "half-width punctuation"}
ENCODINGS = {"gb18030": "GB18030 or GBK", "big5": "Big5", "utf-16": "UTF-16"}
LONGEST = 100    # lines of a paragraph, on average; with more they are poems, and some empty lines
UTF_16_MARKS = b"\xff\xfe", b"\xfe\xff"
COMMON = set("一不人山無无日風风春來来花月天年有中上下秋水雲云何自此生白時时長长行歸归東东江心夜落見见是知去相為为空君，。")


@dataclass(frozen=True)
class Reading:
    """How a file is to be read: the flags --encoding, --column, --format and --poems-are; `auto` looks at the
    file. Raises InputError for flags that contradict each other."""

    encoding: str | None = None
    column: str | None = None
    format: str = "auto"
    poems_are: str = "auto"

    def __post_init__(self) -> None:
        if self.column is not None and self.format == "text":
            raise InputError("--column has no effect with --format text, which takes lines whole; "
                             "leave one of them out")


@dataclass
class Poems:
    """What was read: the poems, what was normalised and how often, how the file was understood."""

    poems: list[str]
    normalised: dict[str, int]
    reading: Reading
    said: list[str] = field(default_factory=list)


def read_bytes(path: Path) -> bytes:
    """Raises InputError for what is missing, a folder, a pipe or a device."""
    return read_file(path, "give a UTF-8 text file, one poem a line")


def decode(path: Path, data: bytes, encoding: str | None = None) -> str:
    """The text; InputError names the line, and the encoding that the file seems to have."""
    if encoding is not None:
        try:
            if not codecs.lookup(encoding)._is_text_encoding:
                raise LookupError
            return data.decode(encoding)
        except LookupError:
            raise InputError(f"--encoding {encoding}: there is none of that name; "
                             "give for example gb18030 or big5") from None
        except UnicodeError as error:
            raise InputError(f"{path}: is not {encoding} ({error}); give another --encoding") from None
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        guess = guess_encoding(data)
        advice = "save the file as UTF-8" if guess is None else (
            f"give --encoding {guess}, or save the file as UTF-8: iconv -f {guess} -t UTF-8 FILE > NEW")
        looks = f" (it looks like {ENCODINGS[guess]})" if guess else ""
        raise InputError(f"{path}, line {line}: byte {error.start} of the file is not UTF-8{looks}; "
                         f"{advice}") from None


def guess_encoding(data: bytes) -> str | None:
    """utf-16 by its mark; else gb18030 or big5, whichever gives more common characters, if it gives many."""
    if data.startswith(UTF_16_MARKS):
        return "utf-16"
    best, name = 0.05, None
    for encoding in ("gb18030", "big5"):
        try:
            text = data.decode(encoding)
        except UnicodeError:
            continue
        part = sum(character in COMMON for character in text) / max(len(text), 1)
        if part > best:
            best, name = part, encoding
    return name


def read_poems(path: Path, data: bytes, reading: Reading = Reading(), limit: int | None = None) -> Poems:
    """The poems, without START and END; of at most `limit` characters each, if that is given."""
    if reading.format == "auto" and reading.encoding is None:
        refuse_binary(str(path), data)
    text = decode(path, data, reading.encoding)
    found = recognise(path, text, reading.column) if reading.format == "auto" else None
    if found is None:
        text, normalised = normalise(text)
        found, reading = split_poems(path, text, replace(reading, format="text"))
    else:
        reading = replace(reading, poems_are="lines")
        lines = (poem.replace("\n", " ").replace("\r", " ") for poem in found.poems)
        text, normalised = normalise("\n".join(lines))
        found.poems = text.split("\n")
        leave_out_damaged(found)
    check_poems(path, found, limit)
    return Poems(found.poems, normalised, reading, found.said)


def recognise(path: Path, text: str, column: str | None) -> Found | None:
    """The poems of a file in one of the known formats; None for a plain text. InputError for what is neither.

    Both may be a mistake, so what is said, and the error, name the flag against it.
    """
    lf = text.replace("\r\n", "\n")
    lf = lf if "\n" in lf else lf.replace("\r", "\n")
    found = read_format(str(path), lf, column) or read_line_format(lf)
    if found is None:
        refuse_text(str(path), lf)
    else:
        found.said.append("if each line is a poem as it is: --format text")
    return found


def leave_out_damaged(found: Found) -> None:
    """Without the poems that have a character that is refused, if they are fewer than one of ten: in JSON or
    a table nobody wants to find and delete them by hand."""
    damaged = {number: match[0] for number, poem in enumerate(found.poems)
               if (match := REFUSED.search(poem))}
    if damaged and 10 * len(damaged) < len(found.poems):
        first = min(damaged)
        found.said.append(f"{len(damaged)} poems with a damaged character are left out; the first is "
                          f"{found.where[first]}, with U+{ord(damaged[first]):04X}")
        whole = [number for number in range(len(found.poems)) if number not in damaged]
        found.poems = [found.poems[number] for number in whole]
        found.where = [found.where[number] for number in whole]


def split_poems(path: Path, text: str, reading: Reading) -> tuple[Found, Reading]:
    """The poems of a normalised plain text, by lines or paragraphs."""
    lines = text.rstrip("\n").split("\n")
    if lines == [""]:
        raise InputError(f"{path}: the file is empty; give a UTF-8 text file, one poem a line")
    paragraphs: list[list[int]] = [[]]
    for number, line in enumerate(lines, 1):
        if line:
            paragraphs[-1].append(number)
        elif paragraphs[-1]:
            paragraphs.append([])
    several = sum(len(paragraph) > 1 for paragraph in paragraphs)
    are = reading.poems_are
    if are == "auto":
        is_like_it = len(paragraphs) > 2 and 2 * several >= len(paragraphs)
        are = "paragraphs" if is_like_it and len(lines) <= LONGEST * len(paragraphs) else "lines"
    if are == "lines":
        return (Found(lines, [f"line {number}" for number in range(1, len(lines) + 1)], []),
                replace(reading, poems_are=are))
    poems = [join_lines([lines[number - 1] for number in paragraph]) for paragraph in paragraphs if paragraph]
    return (Found(poems, [f"line {paragraph[0]}" for paragraph in paragraphs if paragraph],
                  [f"poems are paragraphs, {len(poems)} of them, between empty lines; their lines are joined "
                   "(--poems-are lines to take each line as a poem)"]), replace(reading, poems_are=are))


def check_poems(path: Path, found: Found, limit: int | None) -> None:
    """Raise InputError for a poem that cannot be learnt."""
    for poem, place in zip(found.poems, found.where):
        where = f"{path}, {place}"
        if not poem:
            raise InputError(f"{where}: an empty line; delete it, the file is one poem a line "
                             "(or is it one between empty lines? --poems-are paragraphs)")
        if limit is not None and len(poem) > limit:
            raise InputError(f"{where}: {len(poem)} characters, more than the limit of {limit}; "
                             "write one poem a line")
        refuse(poem, where)
