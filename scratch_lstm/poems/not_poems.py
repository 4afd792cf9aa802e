"""Files that are no poems, one a line, by their marks: refused with the name of what they look like."""

from __future__ import annotations

import re

from ..errors import InputError

ASK = "save the poems as a UTF-8 text, one poem a line (if it is one: --format text)"
BINARY = {
    b"%PDF": "a PDF file", b"PK\x03\x04": "a ZIP archive, or a Word, Excel or EPUB file",
    b"\x1f\x8b": "a gzip file", b"BZh": "a bzip2 file", b"\xfd7zXZ": "an xz file",
    b"7z\xbc\xaf": "a 7z file", b"Rar!": "a RAR archive",
    b"\x28\xb5\x2f\xfd": "a Zstandard file", b"SQLite format 3": "an SQLite database",
    b"PAR1": "a Parquet file",
    b"\xd0\xcf\x11\xe0": "an old Office file", b"{\\rtf": "an RTF document", b"\x89PNG": "a PNG picture",
    b"\xff\xd8\xff": "a JPEG picture", b"\x93NUMPY": "a NumPy array"}

# name, what marks a line, the part of all lines that must have it (0: one is enough), what to do
TEXTS = [
    ("a Git LFS pointer, not the file itself", r"version https://git-lfs\.github\.com/", 0,
     "fetch the file: git lfs pull"),
    ("HTML or XML", r"\s*(<!doctype|<\?xml|<html|<(head|body|div|p|br|tei|poem|text)\b)", 0,
     "take the text out of the page"),
    ("subtitles", r"(\d+:)?\d\d:\d\d[,.]\d{3} --> |WEBVTT", 0, "take the text out, without times"),
    ("song lyrics with times (LRC)", r"\[\d+:\d\d([.:]\d+)?\]", 0.3,
     r"remove the times: sed -E 's/\[[0-9:.]+\]//g' FILE > NEW"),
    ("Markdown", r"#{1,6} \S|```|\|?\s*:?-{3,}:?\s*\|", 0, "take the poems out"),
    ("a Markdown list", r"\s*[*+-] \S", 0.5, "take the marks of the list out"),
    ("a book of Project Gutenberg with its licence", r"\*\*\* ?START OF (THE|THIS) PROJECT GUTENBERG", 0,
     "delete all before the line *** START and all from the line *** END on"),
    ("wiki markup", r"\s*(\{\{|\[\[|={2,6}[^=]+={2,6}\s*$)", 0.05, "take the poems out"),
    ("LaTeX", r"\s*\\(documentclass|begin|usepackage|section)\b", 0, "take the poems out"),
    ("program code", r"\s*(import \w|from \w+ import|def \w+\(|class \w+[(:]|#include|#!/|function \w*\(|"
                     r"(var|let|const) \w+ ?=|local \w+|return\b.*;|if __name__)", 0.03, "give a text"),
    ("YAML", r"\s*(- )?['\"/@\w.-]+:( .*)?$|---$", 0.8, "take the poems out"),
    ("a numbered list", r"\s*[(（\[]?([0-9]{1,6}|[一二三四五六七八九十百]{1,5})[.．、)）\]:：]\s*\D", 0.8,
     r"remove the numbers: sed -E 's/^ *[(（\[]?([0-9]+|[一二三四五六七八九十百]+)[.．、)）:：\]] *//' FILE > NEW"),
    ("words with tags (a segmented corpus)", r"\S+/[a-z]{1,3}( +\S+/[a-z]{1,3})+", 0.5, "join the words"),
    ("a word list with counts", r"\S{1,8}[ \t]\d+$", 0.8, "give poems instead"),
    ("a list of links or paths", r"\s*(https?://|www\.|/)\S+$", 0.8, "give the poems that they lead to"),
    ("numbers", r"[-+\d.eE,; ]+$", 0.8, "give poems instead"),
]


def refuse_binary(path: str, data: bytes) -> None:
    """Raise InputError for a file of a well-known kind that is no text."""
    for magic, name in BINARY.items():
        if data.startswith(magic):
            raise InputError(f"{path}: looks like {name}, not like a text; {ASK}")


def refuse_text(path: str, text: str) -> None:
    """Raise InputError for a text whose lines are marked as something else than poems."""
    lines = text.lstrip("\ufeff").split("\n")[:20_000]
    count = sum(bool(line.strip()) for line in lines)
    for name, mark, part, advice in TEXTS:
        flags = re.IGNORECASE if name.startswith("HTML") else 0
        marked = [bool(re.match(mark, line, flags)) for line in lines]
        if sum(marked) > max(part * count, 0.5 if part == 0 else 1.5):
            raise InputError(f"{path}, line {marked.index(True) + 1}: looks like {name}, not like poems, "
                             f"one a line; {advice}, or {ASK}")
