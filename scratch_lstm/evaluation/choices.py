"""Which characters may come next so that a poem rhymes and keeps the tone pattern: for strict writing.

Rhyme: the last characters of all even lines have one Pingshui rhyme, of the level tone, and are different.
The first of them must be one that has enough others in the vocabulary; a later one rhymes with all before it.
Tones: the places that tones.py names. Where a prompt leaves no choice that fits, every choice is allowed.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..errors import InputError
from ..poems.vocabulary import ANY, Vocabulary
from . import rhyme, tones
from .lines import lines_of


class Choices:
    """Called with the poems so far, all of one length; returns (B, V) which words may come next.

    can_rhyme: whether the vocabulary has the characters for a rhyme. Raises InputError where the form has no
    rhyme or no tone pattern, or a package is missing.
    """

    def __init__(self, vocabulary: Vocabulary, keep_rhyme: bool, keep_tones: bool) -> None:
        form = vocabulary.form or ""
        lines = lines_of(form)
        if keep_rhyme and len(lines) < 4:
            raise InputError("--rhyme is for poems of one form with 4 lines or more; leave it out")
        if keep_tones and (len(lines) < 4 or {len(line) for line in lines} not in ({5}, {7})):
            raise InputError("--tones is for poems of one form with 4 lines or more of 5 or of 7 characters; "
                             "leave it out")
        self.keep_rhyme, self.keep_tones = keep_rhyme, keep_tones
        try:
            self.readings = rhyme.pingshui(usual=True)
        except InputError as error:
            raise InputError(f"--rhyme and --tones: {error}") from None
        self.number_of = vocabulary.word_int_map
        names = sorted({name for word in vocabulary.words for name in self.readings.get(word, ())})
        # (R, V) which word has which rhyme
        self.rhymes: np.ndarray = np.array([[name in self.readings.get(word, ()) for word in vocabulary.words]
                                            for name in names], bool).reshape(len(names), len(vocabulary))
        self.is_level = np.array([rhyme.LEVEL in name for name in names], bool)              # (R,)
        self.has_tone = {level: self.rhymes[self.is_level == level].any(axis=0) for level in (True, False)}
        is_rich = self.rhymes.sum(axis=1) >= len(lines) // 2
        self.first = self.rhymes[self.is_level & is_rich].any(axis=0)                             # (V,)
        self.can_rhyme = bool(self.first.any())
        self.line_of: dict[int, tuple[int, int]] = {}         # place in the poem -> line, place in the line
        self.endings: dict[int, list[int]] = {}               # where an even line ends -> the ends before it
        ends: list[int] = []
        line = column = 0
        for place, sign in enumerate(form):
            if sign != ANY:
                line, column = (line + 1 if column else line), 0
                continue
            self.line_of[place] = line, column
            column += 1
            if line % 2 and form[place + 1:place + 2] != ANY:
                self.endings[place] = list(ends)
                ends.append(place)

    def __call__(self, poems: Sequence[str]) -> np.ndarray:
        allowed: np.ndarray = np.ones((len(poems), self.rhymes.shape[1]), bool)
        place = len(poems[0])
        for b, poem in enumerate(poems):
            if self.keep_rhyme and place in self.endings:
                allowed[b] = self._rhyming([self.number_of[poem[end]] for end in self.endings[place]])
            if self.keep_tones and place in self.line_of and tones.is_pattern_place(self.line_of[place][1]):
                allowed[b] &= self._in_tone(poem, place)
        allowed[~allowed.any(axis=1)] = True
        return allowed

    def _rhyming(self, endings: list[int]) -> np.ndarray:
        """(V,) what rhymes with these characters, at the end of the next even line."""
        if not endings:
            return self.first
        common = np.all(self.rhymes[:, endings], axis=1)                                     # (R,)
        if (common & self.is_level).any():
            common &= self.is_level
        allowed = np.any(self.rhymes[common], axis=0)
        allowed[endings] = False
        return allowed

    def _in_tone(self, poem: str, place: int) -> np.ndarray:
        """(V,) what keeps the pattern of the poem so far; the tone of its second character is free."""
        allowed = np.zeros(self.rhymes.shape[1], bool)
        fixed = [(poem[at], tones.is_opposite(*where)) for at, where in self.line_of.items()
                 if at < place and tones.is_pattern_place(where[1])]
        for level in (True, False):
            if all(tones.has_tone(character, level != opposite, self.readings)
                   for character, opposite in fixed):
                allowed |= self.has_tone[level != tones.is_opposite(*self.line_of[place])]
        return allowed

    def rhymes_in(self, poem: str) -> bool:
        """Whether the even lines of a poem rhyme."""
        return rhyme.rhymes("".join(line[-1] for line in lines_of(poem)[1::2]), self.readings)

    def keeps_tones(self, poem: str) -> bool:
        """Whether the poem keeps the tone pattern."""
        return tones.keeps_pattern(lines_of(poem), self.readings)
