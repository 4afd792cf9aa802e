"""A prompt as the model can take it: its characters by the rule of the corpus, and in its kind of Chinese."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

from .characters import normalise
from .vocabulary import Vocabulary


def fitted(prompt: str, vocabulary: Vocabulary, say: Callable[[str], Any]) -> str:
    """The prompt normalised; traditional or simplified characters that the vocabulary does not have are
    converted to what it has, where OpenCC is installed, and that is said. What is left unknown, generate
    refuses."""
    normal = normalise(readable(prompt))[0]
    known = vocabulary.word_int_map
    if all(character in known for character in normal):
        return normal
    for rule in ("t2s", "s2t"):
        convert = converter(rule)
        if convert is None:
            say("# OpenCC is not installed: traditional and simplified characters are not converted")
            break
        converted = "".join(c if c in known else convert(c) for c in normal)
        if converted != normal and all(character in known for character in converted):
            say(f"# prompt {normal} as {converted}, the characters that the model has")
            return converted
    return normal


def readable(prompt: str) -> str:
    """UTF-8 that a C locale left as lone surrogates, as the text that was typed."""
    try:
        return prompt.encode("utf-8", "surrogateescape").decode("utf-8")
    except UnicodeError:
        return prompt


def converter(rule: str) -> Callable[[str], str] | None:
    """OpenCC's conversion by that rule; None where OpenCC is not installed."""
    try:
        return importlib.import_module("opencc").OpenCC(rule).convert
    except ImportError:
        return None
