"""From a file of poems to a vocabulary, integer vectors and batches.

Each poem becomes START + poem + END, as in the course's lab, and each character is a word. The words are
numbered by falling count, ties by first appearance. In a text that has the letters G or E itself two
control characters replace these marks.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import InputError, one_line
from .manifest import read_groups
from .near_lines import near_groups
from .reader import Reading, read_bytes, read_poems
from .vocabulary import END, OTHER_MARKS, START, Vocabulary, count_forms, shared_form


def add_marks(poems: list[str]) -> str:
    """All poems in one text, each between its marks."""
    text = "".join(poems)
    start, end = OTHER_MARKS if START in text or END in text else (START, END)
    return "".join(start + poem + end for poem in poems)


def number_words(poems: list[str]) -> dict[str, int]:
    """Word -> integer, by falling count, ties by first appearance; START and END count as words."""
    counts = Counter(add_marks(poems))
    return {word: index for index, (word, _) in enumerate(counts.most_common())}


def encode(poems: list[str], word_int_map: dict[str, int]) -> tuple[np.ndarray, np.ndarray]:
    """All poems' words in one row (total,), and each poem's length with START and END (N,)."""
    text = add_marks(poems)
    code_points = np.frombuffer(text.encode("utf-32-le"), dtype=np.uint32)
    number_of = np.zeros(0x110000, dtype=np.int64)
    number_of[[ord(word) for word in word_int_map]] = list(word_int_map.values())
    return number_of[code_points], np.array([len(poem) + 2 for poem in poems])


@dataclass(eq=False)
class Corpus:
    """Poems as text and as integers; made by `Corpus.load`."""

    path: Path
    poems: list[str]              # as normalised, without START and END
    tokens: np.ndarray            # (total,) int64: all poems with START and END, one after another
    starts: np.ndarray            # (N,) where each poem begins in tokens
    lengths: np.ndarray           # (N,) with START and END: T + 1
    vocabulary: Vocabulary
    groups: np.ndarray            # (N,) poems of one group are on one side of the split
    has_manifest: bool            # whether the groups come from the manifest of a built corpus
    normalised: dict[str, int]    # what was normalised, and how often
    said: list[str]               # how the file was understood
    reading: Reading              # how it can be read again to the same poems
    file_sha256: str              # of its bytes

    @classmethod
    def load(cls, path: str | Path, reading: Reading = Reading(), limit: int | None = None) -> Corpus:
        """Read a file of poems, of at most `limit` characters each if that is given. Raises InputError."""
        path = Path(path)
        data = read_bytes(path)
        read = read_poems(path, data, reading, limit)
        word_int_map = number_words(read.poems)
        tokens, lengths = encode(read.poems, word_int_map)
        starts = np.cumsum(lengths) - lengths
        form = shared_form(read.poems, word_int_map)
        vocabulary = Vocabulary(tuple(word_int_map), form, int(lengths.max()) - 2)
        groups = read_groups(path, data, len(read.poems))
        has_manifest = groups is not None
        if groups is None:
            groups = near_groups(tokens, starts, lengths)
        return cls(path, read.poems, tokens, starts, lengths, vocabulary, groups, has_manifest,
                   read.normalised, read.said, read.reading, hashlib.sha256(data).hexdigest())

    @property
    def poems_sha256(self) -> str:
        """Of what is learnt: the poems, and which of them are one group."""
        return hashlib.sha256("\n".join([*self.poems, *map(str, self.groups)]).encode()).hexdigest()

    def description(self) -> Iterator[str]:
        """What a person should look at before the training: how the file was understood, and its poems."""
        yield f"corpus {one_line(str(self.path))}"
        yield from (f"  {line}" for line in self.said)
        for what, times in self.normalised.items():
            yield f"  normalised: {what}, {times} times"
        for number, poem in enumerate(self.poems[:3], 1):
            yield f"  poem {number}: {one_line(poem[:60])}{'...' * (len(poem) > 60)}"
        words, counts = np.unique(self.tokens, return_counts=True)
        rarest = words[np.argsort(counts, kind="stable")][:10]
        yield f"  rarest characters: {one_line(' '.join(self.vocabulary.words[n] for n in rarest))}"
        if self.vocabulary.form is None:
            (form, count), = count_forms(self.poems, self.vocabulary.words).most_common(1)
            if count >= 0.9 * len(self.poems):
                yield (f"  {count:,} of {len(self.poems):,} poems have the form {form}; --strict needs that "
                       "all have it")
        groups = len(np.unique(self.groups))
        if groups < len(self.poems):
            yield (f"  {len(self.poems):,} poems in {groups:,} groups of one poem, or of equal and nearly "
                   "equal ones; each group is on one side of the held-out split")
        same = (self.lengths == self.lengths[0]).all()
        shape = (len(self.poems), int(self.lengths[0])) if same else (len(self.poems),)
        size = len(self.vocabulary)
        yield f"poems_vector {shape}  word_int_map {size}  int_word_map {size}"

    @property
    def vectors(self) -> list[np.ndarray]:
        """Each poem's words, START first and END last: a list of N views (length,)."""
        return np.split(self.tokens, self.starts[1:])

    def split(self, held_out: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
        """Sorted (train, held-out) indices; about the fraction held_out, by whole groups, seeded.

        With held_out > 0 neither side is empty; InputError if all poems are of one group.
        """
        everything = np.arange(len(self.poems))
        if not 0 <= held_out < 1:
            raise InputError(f"a held-out fraction of {held_out}: give one from 0 to less than 1")
        if held_out == 0:
            return everything, everything[:0]
        _, group, sizes = np.unique(self.groups, return_inverse=True, return_counts=True)
        if len(everything) == 1:
            raise InputError(f"{self.path}: is one poem, of {self.lengths[0] - 2:,} characters; give one "
                             "poem a line, or learn this one with --held-out 0")
        if len(sizes) == 1:
            raise InputError(f"{self.path}: the poems are all of one group, none can be held out; "
                             "use --held-out 0")
        order = np.random.default_rng(seed).permutation(len(sizes))
        poems_held = np.cumsum(sizes[order])[:-1]
        count = 1 + np.argmin(np.abs(poems_held - held_out * len(everything)))
        is_held = np.isin(group, order[:count])
        return everything[~is_held], everything[is_held]

    def batches(self, indices: np.ndarray, batch_size: int, rng: np.random.Generator | None,
                to_device: Callable[[np.ndarray], Any] = lambda array: array,
                characters: int | None = None) -> Iterator[Any]:
        """The poems in batches (T+1, B) int64 of equal lengths, START first, END last; each poem once.

        characters: a batch of long poems has fewer of them, so that it has at most so many words (START and
        END too), or one poem. Nothing is padded and nothing dropped: the last batch of a length may be
        smaller. With rng the poems
        are shuffled, then the batches across lengths (all drawn at the call); without it the order is fixed.
        to_device takes the whole corpus and the order to where the batches are wanted, once, at the call.
        """
        order = np.asarray(indices) if rng is None else rng.permutation(indices)
        order = order[np.argsort(self.lengths[order], kind="stable")]
        ends_of_length = np.flatnonzero(np.diff(self.lengths[order])) + 1
        chunks = []
        for same in np.split(np.arange(len(order)), ends_of_length):
            size = poems_in_batch(self.lengths[order[same[0]]], batch_size, characters) if len(same) else 1
            chunks += [same[i:i + size] for i in range(0, len(same), size)]
        turns = range(len(chunks)) if rng is None else rng.permutation(len(chunks))
        spans = [(chunk[0], chunk[-1] + 1, self.lengths[order[chunk[0]]]) for chunk in chunks]
        tokens, starts = to_device(self.tokens), to_device(self.starts[order])
        steps = to_device(np.arange(self.lengths.max()))
        return (tokens[steps[:length, None] + starts[None, begin:end]]            # (T+1, B)
                for begin, end, length in (spans[turn] for turn in turns))

    def count_batches(self, indices: np.ndarray, batch_size: int, characters: int | None = None) -> int:
        """How many batches these poems make."""
        lengths, counts = np.unique(self.lengths[indices], return_counts=True)
        return sum(-(-int(count) // poems_in_batch(length, batch_size, characters))
                   for length, count in zip(lengths, counts))

    def words_in_batch(self, batch_size: int, characters: int | None = None) -> int:
        """In the largest batch that can come; START and END are words too."""
        lengths, counts = np.unique(self.lengths, return_counts=True)
        return max(int(length) * min(int(count), poems_in_batch(length, batch_size, characters))
                   for length, count in zip(lengths, counts))


def poems_in_batch(length: int, batch_size: int, characters: int | None) -> int:
    """How many poems of that length a batch has, if there are enough."""
    return batch_size if characters is None else max(1, min(batch_size, characters // int(length)))


def process_poems(path: str | Path) -> tuple[np.ndarray | list[np.ndarray], dict[str, int], dict[int, str]]:
    """The course lab's interface: poems_vector, word_int_map, int_word_map.

    poems_vector is an integer array (N, length) if all poems have the same length, otherwise a list of N
    arrays (length,), START and END among the words. Raises InputError as Corpus.load does.
    """
    corpus = Corpus.load(path)
    vectors, vocabulary = corpus.vectors, corpus.vocabulary
    same = len(set(map(len, vectors))) == 1
    return np.stack(vectors) if same else vectors, vocabulary.word_int_map, vocabulary.int_word_map
