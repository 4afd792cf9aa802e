"""The words of a corpus and their numbers, the two marks around each poem, and the form that poems share."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

from ..errors import InputError

START, END = "G", "E"          # before and after each poem, as in the course's lab
OTHER_MARKS = "\x02", "\x03"   # for a text that has the letters G or E itself; no poem may contain these two
LONGEST = 10**6                # characters in a poem: more is no poem, and no network has seen one
ANY = "字"                     # in a form, the place of any character that is not punctuation


@dataclass(frozen=True, eq=True)
class Vocabulary:
    """words: every word (one character each), in the order of their numbers; the marks are among them.

    form: the form that all poems of the corpus share, ANY for each character that is not punctuation
    ("字字字字字，字字字字字。..."), or None. longest: characters in the longest poem, without the marks.
    Raises InputError for words that are not different single characters, or do not include the marks.
    """

    words: tuple[str, ...]
    form: str | None = None
    longest: int = 100

    def __post_init__(self) -> None:
        if not all(isinstance(word, str) and len(word) == 1 for word in self.words):
            raise InputError("a vocabulary is made of single characters")
        if len(set(self.words)) != len(self.words):
            raise InputError("a vocabulary must not have a character twice")
        missing = [mark for mark in (self.start, self.end) if mark not in self.words]
        if missing:
            raise InputError(f"a vocabulary must have the marks of start and end; {missing[0]!r} is missing")
        places = set(self.form or "") - {ANY}
        if not places <= set(self.words) or not all(map(is_punctuation, places)):
            raise InputError(f"the form {self.form!r} has other characters than {ANY} and punctuation")
        if type(self.longest) is not int or not 1 <= self.longest <= LONGEST:
            raise InputError(f"the longest poem has {self.longest!r} characters; it must be 1 or more")

    @classmethod
    def of(cls, words: Vocabulary | Mapping[str, int]) -> Vocabulary:
        """A Vocabulary as it is, or the one of a word_int_map, whose numbers must be 0, 1, 2, ..."""
        if isinstance(words, Vocabulary):
            return words
        if sorted(words.values(), key=str) != sorted(range(len(words)), key=str):
            raise InputError("a word_int_map must map its words to 0, 1, 2, ..., each number once")
        return cls(tuple(sorted(words, key=words.__getitem__)))

    def __len__(self) -> int:
        return len(self.words)

    @cached_property
    def word_int_map(self) -> dict[str, int]:
        """Word -> number; the lab's name."""
        return {word: number for number, word in enumerate(self.words)}

    @cached_property
    def int_word_map(self) -> dict[int, str]:
        """Number -> word; the lab's name."""
        return dict(enumerate(self.words))

    @cached_property
    def start(self) -> str:
        """The mark before each poem."""
        return marks_of(self.words)[0]

    @cached_property
    def end(self) -> str:
        """The mark after each poem."""
        return marks_of(self.words)[1]


def marks_of(words: Container[str]) -> tuple[str, str]:
    """The marks before and after each poem of a corpus with these words: START and END, unless its poems
    contain those letters themselves."""
    return OTHER_MARKS if OTHER_MARKS[0] in words else (START, END)


def is_punctuation(character: str) -> bool:
    """Whether Unicode counts the character as punctuation; a space between words is a mark too."""
    return character == " " or unicodedata.category(character).startswith("P")


def shared_form(poems: Iterable[str], words: Iterable[str]) -> str | None:
    """The form that all poems share; None if they differ."""
    forms = count_forms(poems, words)
    return next(iter(forms)) if len(forms) == 1 else None


def count_forms(poems: Iterable[str], words: Iterable[str]) -> Counter[str]:
    """Each form that the poems have, and how many have it."""
    to_form = {ord(word): ANY for word in words if not is_punctuation(word)}
    return Counter(poem.translate(to_form) for poem in poems)


def has_form(poem: str, form: str) -> bool:
    """Whether the poem has its punctuation exactly where the form has it."""
    return len(poem) == len(form) and all(
        not is_punctuation(character) if place == ANY else character == place
        for character, place in zip(poem, form))
