"""What the command line says, in Chinese: at the place where it is printed, not where it is made.

The source keeps its messages in English, as they are read there; every message is an entry of locale/zh.po,
a gettext catalogue, with {0}, {1}, ... for what stands in it. A line that is about to be printed is compared
with the entries: if it is one, with anything in the places, the Chinese one is printed, and what stands in
the places is looked up in the same way. Anything else is printed as it is: poems, JSON, tables. So files and
JSON do not change.
"""

from __future__ import annotations

import ast
import locale
import os
import re
import sys
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from functools import cache, lru_cache
from pathlib import Path
from typing import Any, TextIO

CATALOGUE = Path(__file__).parent / "locale" / "zh.po"
LANGUAGES = ("en", "zh")
PLACE = re.compile(r"\{(\d)\}")
JOINTS = "; ", ": ", ", "           # of which a message may be put together


def chosen(arguments: Sequence[str], environment: Mapping[str, str]) -> str:
    """"zh" or "en": by --language, else by the first of LANGUAGE, LC_ALL, LC_MESSAGES, LANG that is set."""
    for n, argument in enumerate(arguments):
        value = argument.partition("=")[2] or (arguments[n + 1] if n + 1 < len(arguments) else "")
        if argument.partition("=")[0] == "--language" and value in LANGUAGES:
            return value
    for name in ("LANGUAGE", "LC_ALL", "LC_MESSAGES", "LANG"):
        if environment.get(name):
            return "zh" if environment[name].startswith("zh") else "en"
    return "zh" if os.name == "nt" and (locale.getlocale()[0] or "").startswith(("zh", "Chinese")) else "en"


@cache
def entries() -> dict[str, str]:
    """English -> Chinese, from the catalogue."""
    found: dict[str, str] = {}
    for block in CATALOGUE.read_text(encoding="utf-8").split("\n\n"):
        match = re.search(r'^msgid (".*")\nmsgstr (".*")$', block, re.MULTILINE)
        if match and match[1] != '""':
            found[ast.literal_eval(match[1])] = ast.literal_eval(match[2])
    return found


@cache
def _patterns() -> list[tuple[re.Pattern[str], str]]:
    """Of the entries with places: what encloses every error, then those with most letters of their own."""
    def pattern(english: str) -> re.Pattern[str]:
        parts = PLACE.split(english)
        return re.compile("".join(f"(?P<p{part}>.*?)" if n % 2 else re.escape(part)
                                  for n, part in enumerate(parts)), re.DOTALL)

    placed = [item for item in entries().items() if PLACE.search(item[0])]
    placed.sort(key=lambda item: ("error: " not in item[0], -len(PLACE.sub("", item[0]))))
    return [(pattern(english), chinese) for english, chinese in placed]


@lru_cache(maxsize=1024)
def chinese(text: str) -> str:
    """The text in Chinese, as far as the catalogue has it; spaces at its ends stay."""
    inner = text.strip()
    if not inner or not re.search("[A-Za-z]", inner):
        return text
    for whole in (text, inner):
        if whole in entries():
            return text.replace(whole, entries()[whole], 1)
    for pattern, translation in _patterns():
        match = pattern.fullmatch(text) or pattern.fullmatch(inner)
        if match:
            places = {name[1:]: chinese(part) for name, part in match.groupdict().items()}
            return text.replace(match[0], PLACE.sub(lambda place: places[place[1]], translation), 1)
    for joint in JOINTS:
        first, found, rest = text.partition(joint)
        if found:
            parts = chinese(first), chinese(rest)
            if parts != (first, rest):
                return joint.join(parts)
    return text


class Translated:
    """A stream that prints in Chinese; all else is the stream's own."""

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream

    def write(self, text: str) -> int:
        """Each line, also one that overwrites the last (a bar). Returns what the caller wrote."""
        self.stream.write("".join(chinese(part) for part in re.split(r"(\r|\n)", text)))
        return len(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)


_speaks: Callable[[str], str] = str


@contextmanager
def speaking(arguments: Sequence[str]) -> Iterator[None]:
    """Print in the language that the arguments or the locale ask for, until the end of the block."""
    global _speaks
    if chosen(arguments, os.environ) == "en":
        yield
        return
    before, _speaks = _speaks, chinese
    out, err = (stream and Translated(stream) for stream in (sys.stdout, sys.stderr))
    try:
        with redirect_stdout(out), redirect_stderr(err):
            yield
    finally:
        _speaks = before


def translated(parser: Any) -> Any:
    """An argparse parser with its help in the language that is spoken."""
    parser.description, parser.epilog = _speaks(parser.description), _speaks(parser.epilog)
    for group in parser._action_groups:
        group.title = _speaks(group.title)
    for action in parser._actions:
        action.help = _speaks(action.help)
    return parser


def wrapped(text: str, columns: int) -> list[str]:
    """Lines of at most so many columns. A Chinese character has two and may end a line; no word is cut."""
    lines, line, width = [], "", 0
    for piece in re.findall(r"[^\s\u2e80-\uffef]+|\s+|[\u2e80-\uffef]", text):
        size = sum(2 if unicodedata.east_asian_width(letter) in "WF" else 1 for letter in piece)
        if width + size > columns and line and piece not in "，。；：、）”":
            lines.append(line.rstrip())
            line, width = "", 0
            piece = piece.lstrip()
            size = size if piece else 0
        line, width = line + piece, width + size
    return [*lines, line.rstrip()] if line.strip() else lines
