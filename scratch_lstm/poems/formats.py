"""Which format does a text have? Common formats of poems are read; other files are refused (not_poems.py).

Read: JSON of chinese-poetry (`paragraphs` or `content` in each object, however deep) and JSON lines; CSV and
TSV with a header, also of one column. Formats whose poems are single lines: line_formats.py. The plain cases
are left to reader.py.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain, islice
from typing import Any

from ..errors import InputError, one_line
from .not_poems import ASK

POEM_KEYS = ("paragraphs", "content", "para", "poem", "body", "text", "verse", "内容", "正文", "诗句", "诗", "原文",
             "詩")
OTHER_KEYS = {"title", "author", "dynasty", "id", "no", "标题", "题目", "诗名", "作者", "朝代", "標題", "詩名",
              "序号", "类型", "type", "rhythmic", "chapter", "section", "name", "tags"}
BREAK = re.compile(r"[\n|]")      # between the lines of a poem in one entry of a JSON or a table


@dataclass
class Found:
    """Poems as in the file, where each is (for messages), and how they were recognised, for the user."""

    poems: list[str]
    where: list[str]
    said: list[str]


def read_format(path: str, text: str, column: str | None) -> Found | None:
    """The poems of a text in one of the forms above; None for a text that has none of them.

    text: with LF line ends. column: the column or key that has the poems. Raises InputError.
    """
    start = text.lstrip("\ufeff \n\t")[:200]
    if re.match(r'[\[{]\s*"|\[\s*[{\[][\s\d"\]}{\[]', start):
        return read_json(path, text, column)
    return read_table(path, text, column)


def read_json(path: str, text: str, column: str | None) -> Found:
    keys = (column,) if column else POEM_KEYS
    try:
        documents = list(json_documents(text))
        kind = "JSON" if len(documents) == 1 else "JSON lines"
        poems = [poem for document in documents for poem in strings_of(document, keys) if poem]
        entries = () if poems else chain.from_iterable(map(names_of, documents))
        names = ", ".join(islice(dict.fromkeys(entries), 8)) or "it has none"
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: looks like JSON, but is damaged ({' '.join(str(error).split())}); "
                         f"correct it, or {ASK}") from None
    if not poems:
        raise InputError(f"{path}: {kind} without an entry {' or '.join(map(repr, keys[:2]))} that has text; "
                         f"name the entry that has the poems, --column NAME ({names}), "
                         f"or {ASK}")
    return Found(poems, [f"poem {n}" for n in range(1, len(poems) + 1)],
                 [f"{kind}: {len(poems)} poems, the entries {' or '.join(map(repr, keys[:2]))}; "
                  "titles and authors are left out"])


def json_documents(text: str) -> Iterator[Any]:
    """Each of the JSON documents that follow one another in a text, mostly one, or one a line."""
    decoder, between = json.JSONDecoder(), re.compile(r"[\s,\ufeff]*")
    place = between.match(text).end()  # type: ignore[union-attr]
    while place < len(text):
        document, place = decoder.raw_decode(text, place)
        yield document
        place = between.match(text, place).end()  # type: ignore[union-attr]


def names_of(value: Any) -> Iterator[str]:
    """The names of the entries of a JSON document, however deep."""
    if isinstance(value, dict):
        yield from map(one_line, value)
    for each in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from names_of(each)


def strings_of(value: Any, keys: tuple[str, ...]) -> Iterator[str]:
    """Each poem in a JSON document: the first of the keys that an object has, its lines joined."""
    if isinstance(value, list):
        if value and all(isinstance(line, str) for line in value):
            yield from value                       # a bare list of poems
            return
        for each in value:
            yield from strings_of(each, keys)
    elif isinstance(value, dict):
        key = next((key for key in keys if key in value), None)
        if key is None:
            for each in value.values():
                if isinstance(each, (dict, list)) and not is_list_of_texts(each):
                    yield from strings_of(each, keys)
        elif isinstance(value[key], str):
            yield join_lines(BREAK.split(value[key]))
        elif is_list_of_texts(value[key]):
            yield join_lines(value[key])
        else:
            yield from strings_of(value[key], keys)


def is_list_of_texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(line, str) for line in value)


def join_lines(lines: list[str]) -> str:
    """The lines of one poem as one: directly after a punctuation mark, otherwise with a space between."""
    poem = ""
    for line in map(str.strip, lines):
        poem += line if not poem or not line or poem[-1] in "，。？！；：、”’」』）》—…" else " " + line
    return poem


def read_table(path: str, text: str, column: str | None) -> Found | None:
    """CSV, or a table with tabs, semicolons or bars, whose header says which column has the poems.

    A table of one column has no separator; its header is then the whole first line.
    """
    first, *others = text.lstrip("\ufeff").rstrip("\n").split("\n")
    is_one_column = first.strip().strip('"').lower() in POEM_KEYS and others != []
    delimiter = "\x1f" if is_one_column else max("\t,;|", key=first.count)
    header = [name.strip().strip('"').lower() for name in first.split(delimiter)]
    known = set(POEM_KEYS) | OTHER_KEYS
    if column is None and not is_one_column and (len(header) < 2 or not known.intersection(header)):
        has_tabs = others and "\t" in first and all(line.count("\t") == first.count("\t") for line in others)
        if has_tabs or quoted_fields(text):
            raise InputError(f"{path}: looks like a table ({'TSV' if has_tabs else 'CSV'}) without a header; "
                             "write one as its first line, e.g. title,content, and name the column: "
                             f"--column content, or {ASK}")
        return None
    try:
        rows = [row for row in csv.reader(io.StringIO(text.lstrip("\ufeff")), delimiter=delimiter) if row]
    except csv.Error as error:
        raise InputError(f"{path}: looks like a table, but cannot be read ({error}); {ASK}") from None
    header = [name.strip().lower() for name in rows[0]] if rows else header
    name = column.lower() if column else next((key for key in POEM_KEYS if key in header), None)
    if name is None or name not in header:
        raise InputError(f"{path}: a table without a column {column or 'content'}; name one of its columns: "
                         f"--column {' or '.join(header[:6])}, or {ASK}")
    place = header.index(name)
    found = Found([], [], [])
    for number, row in enumerate(rows[1:], 2):
        if len(row) != len(header):
            raise InputError(f"{path}, row {number}: {len(row)} fields, the header has {len(header)}; "
                             f"put quotes around a field that has the separator in it, or {ASK}")
        poem = join_lines(BREAK.split(row[place]))
        if poem:
            found.poems.append(poem)
            found.where.append(f"row {number}")
    found.said.append(f"a table: {len(found.poems)} poems, the column '{name}'; the others are left out")
    return found


def quoted_fields(text: str) -> bool:
    """Whether most lines begin and go on like quoted fields of CSV."""
    lines = [line for line in text.split("\n")[:1000] if line]
    return len(lines) > 1 and sum(bool(re.match('"[^"]*",', line)) for line in lines) > 0.5 * len(lines)
