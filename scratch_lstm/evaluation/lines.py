"""The lines of a poem."""

from __future__ import annotations

from ..poems.vocabulary import is_punctuation


def lines_of(poem: str) -> list[str]:
    """What stands between the marks of a poem, or of a form."""
    return "".join(" " if is_punctuation(character) else character for character in poem).split()
