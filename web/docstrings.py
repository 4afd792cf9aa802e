"""Docstrings are plain text: here they become Markdown that shows the same text, tables of formulas included."""

from __future__ import annotations

import re
from typing import Any

import griffe


def markdown(text: str) -> str:
    """Indented lines become blocks of code; elsewhere no sign is Markdown's, but `code` stays code."""
    lines: list[str] = []
    before_indented = True
    for line in text.split("\n"):
        indented = line.startswith("  ")
        if line.strip() and indented != before_indented and lines and lines[-1].strip():
            lines.append("")
        if line.strip():
            before_indented = indented
        if indented:
            lines.append("    " + line if not line.startswith("    ") else line)
        else:
            parts = re.split(r"(`[^`]*`)", line)
            parts[::2] = [re.sub(r"([\\*_<>\[\]])", r"\\\1", part) for part in parts[::2]]
            lines.append("".join(parts))
    return "\n".join(lines)


class PlainText(griffe.Extension):
    """What mkdocstrings reads of the source, changed before it renders it."""

    def on_instance(self, *, obj: griffe.Object, **kwargs: Any) -> None:
        if obj.docstring:
            obj.docstring.value = markdown(obj.docstring.value)
