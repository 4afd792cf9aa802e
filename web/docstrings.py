"""Docstrings are plain text: here they become Markdown that shows the same text, formulas included."""

from __future__ import annotations

import re
from typing import Any

import griffe

ENTRY = re.compile(r"[\w.`*, ]+: ")


def markdown(text: str) -> str:
    """A paragraph whose lines are set under one another becomes a block of code, any other one prose."""
    paragraphs = []
    for paragraph in re.split(r"\n{2,}", text):
        lines = paragraph.split("\n")
        listed = sum(bool(ENTRY.match(line)) for line in lines)
        if listed > 1 or any(line.startswith("  ") for line in lines):
            paragraphs.append("\n".join("    " + line for line in lines))
        else:
            parts = re.split(r"(`[^`]*`)", paragraph)
            parts[::2] = [re.sub(r"([\\*_\[\]])", r"\\\1", part).replace("<", "&lt;") for part in parts[::2]]
            paragraphs.append("".join(parts))
    return "\n\n".join(paragraphs)


class PlainText(griffe.Extension):
    """What mkdocstrings reads of the source, changed before it renders it."""

    def on_instance(self, *, obj: griffe.Object, **kwargs: Any) -> None:
        if obj.docstring:
            obj.docstring.value = markdown(obj.docstring.value)
