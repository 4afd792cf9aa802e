"""What a model's poems are like, beside poems of the corpus: form, rhyme, tones, words, copies.

Every figure is computed in the same way for three lists of poems: sampled from the model, held out, and
`shuffled`: the held-out poems with their characters exchanged at random, which shows what chance gives.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..errors import InputError
from ..model import PoemModel
from ..poems.generate import generate
from ..poems.vocabulary import Vocabulary, has_form, is_punctuation
from . import rhyme
from .grams import longest_runs
from .lines import lines_of
from .tones import keeps_pattern

SHORTEST_LINE = 4                 # characters: shorter ones are the same by chance
NUMBERS_AT_A_TIME = 4_000_000     # probabilities, of all poems that are written together
AT_A_TIME = 1000                  # poems that are written together, at most
ROWS = {"form_kept": "form kept", "rhyme_pingshui": "rhyme, Pingshui", "rhyme_modern": "rhyme, modern",
        "tone_pattern": "tone pattern kept", "distinct_characters": "distinct characters in a poem",
        "repeated_character": "poems with a character twice", "training_lines": "lines in the training poems",
        "poems_with_training_line": "poems with a line of the training poems",
        "longest_run_mean": "longest run in the training poems, mean",
        "longest_run": "longest run in the training poems, longest",
        "repeated_lines": "lines in another of these poems"}


def sample(model: PoemModel, vocabulary: Vocabulary, count: int, seed: int,
           advance: Callable[[int], Any] = int, threads: int = 1) -> list[str]:
    """So many poems at temperature 1, free; seeded. advance, threads: as in likelihood.Poems."""
    rng = np.random.default_rng(seed)
    poems: list[str] = []
    batch = max(1, min(AT_A_TIME, NUMBERS_AT_A_TIME // len(vocabulary)))
    while len(poems) < count:
        some = min(batch, count - len(poems))
        poems += generate(model, vocabulary, [""] * some, temperature=1.0, seed=rng, threads=threads)
        advance(some)
    return poems


def shuffled(poems: list[str], seed: int) -> list[str]:
    """The poems with all their characters exchanged at random; marks stay where they are."""
    text = list("".join(poems))
    places = [n for n, character in enumerate(text) if not is_punctuation(character)]
    for place, character in zip(places, np.random.default_rng(seed).permutation([text[n] for n in places])):
        text[place] = str(character)
    mixed, ends = "".join(text), np.cumsum([len(poem) for poem in poems]).tolist()
    return [mixed[end - len(poem):end] for end, poem in zip(ends, poems)]


@dataclass
class Ruler:
    """What poems are measured by; made once for all lists of poems.

    left_out: row -> why it cannot be measured here.
    """

    vocabulary: Vocabulary
    training_poems: list[str]
    left_out: dict[str, str] = field(default_factory=dict)
    pingshui: rhyme.Readings = field(default_factory=dict)
    modern: rhyme.Readings = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.training_lines = {line for poem in self.training_poems for line in lines_of(poem)}
        self.training_words = self._words(self.training_poems)
        form = self.vocabulary.form
        lines = lines_of(form or "")
        rhyming = [row for row in ROWS if row.startswith("rhyme_")]
        if form is None:
            self._leave_out("the poems of the corpus share no form", "form_kept", "tone_pattern", *rhyming)
        elif len(lines) < 4:
            self._leave_out(f"a poem has {len(lines)} of the 4 lines that this needs", "tone_pattern",
                            *rhyming)
        elif not {len(line) for line in lines} <= {5, 7} or len({*map(len, lines)}) > 1:
            self._leave_out("the lines do not have 5 or 7 characters each", "tone_pattern")
        text = "".join(self.training_poems)
        if sum(map(bool, map(rhyme.IS_HAN.match, text))) < len(text) / 2:
            self._leave_out("lines are known of Chinese poems only", "training_lines", "repeated_lines",
                            "poems_with_training_line")
        if "rhyme_pingshui" in self.left_out:
            return
        try:
            self.pingshui = rhyme.pingshui()
        except InputError as error:
            self._leave_out(str(error), "rhyme_pingshui", "tone_pattern")
        try:
            self.modern = rhyme.modern(self.vocabulary.words)
        except InputError as error:
            self._leave_out(str(error), "rhyme_modern")

    def _leave_out(self, reason: str, *rows: str) -> None:
        self.left_out = dict.fromkeys(rows, reason) | self.left_out

    def _words(self, poems: list[str]) -> tuple[np.ndarray, np.ndarray]:
        number_of = self.vocabulary.word_int_map
        return (np.array([number_of[character] for poem in poems for character in poem], np.int64),
                np.array([len(poem) for poem in poems], np.int64))

    def measure(self, poems: list[str], compared: int | None = None) -> dict[str, float | None]:
        """Every row of ROWS for these poems, at least one; shares from 0 to 1, None for what is left out.

        compared: for repeated_lines only the first so many poems, so that lists of other lengths compare.
        """
        form = self.vocabulary.form or ""
        with_form = [lines_of(poem) for poem in poems if has_form(poem, form)]
        all_lines = [line for poem in poems for line in lines_of(poem) if len(line) >= SHORTEST_LINE]
        characters = [[c for c in poem if not is_punctuation(c)] for poem in poems]
        runs = longest_runs(*self._words(poems), *self.training_words, len(self.vocabulary))
        known = [any(line in self.training_lines for line in lines_of(poem) if len(line) >= SHORTEST_LINE)
                 for poem in poems]
        lines_in = Counter(line for poem in poems[:compared]
                           for line in {line for line in lines_of(poem) if len(line) >= SHORTEST_LINE})

        def share(number: int, of: int = len(poems)) -> float:
            return number / of if of else 0.0

        found: dict[str, float | None] = {
            "form_kept": share(len(with_form)),
            "rhyme_pingshui": share(sum(self._rhymes(lines, self.pingshui) for lines in with_form)),
            "rhyme_modern": share(sum(self._rhymes(lines, self.modern) for lines in with_form)),
            "tone_pattern": share(sum(keeps_pattern(lines, self.pingshui) for lines in with_form)),
            "distinct_characters": share(sum(len(set(some)) for some in characters)),
            "repeated_character": share(sum(len(set(some)) < len(some) for some in characters)),
            "training_lines": share(sum(line in self.training_lines for line in all_lines), len(all_lines)),
            "poems_with_training_line": share(sum(known)),
            "longest_run_mean": float(runs.mean()), "longest_run": float(runs.max()),
            "repeated_lines": share(sum(n for n in lines_in.values() if n > 1), sum(lines_in.values()))}
        return {row: None if row in self.left_out else value for row, value in found.items()}

    @staticmethod
    def _rhymes(lines: list[str], readings: rhyme.Readings) -> bool:
        return len(lines) >= 4 and rhyme.rhymes("".join(line[-1] for line in lines[1::2]), readings)
