"""From a text file, one poem a line, to a vocabulary, integer vectors and batches.

Each line becomes START + line + END, as in the course's lab, and each character is a word. The words are
numbered by falling count, ties by first appearance. In a text that has the letters G or E itself two
control characters take their place.

A corpus made by tang_corpus has a manifest beside it (`tang.txt.manifest.json` for `tang.txt`), which
gives each poem's group: poems of one group never stand on both sides of the held-out split. Without a
manifest each line is its own group. The manifest holds the text's sha256, so a text that was edited
afterwards is found out.
"""

from __future__ import annotations

import hashlib
import json
import unicodedata
from collections import Counter
from collections.abc import Callable, Container, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import InputError
from .reader import END, LIMIT, OTHER_MARKS, START, read_bytes, read_poems

MADE_BY = "scratch_lstm.corpus_builder"


def manifest_path(path: str | Path) -> Path:
    """Where the manifest of a built corpus lies: `tang.txt.manifest.json` beside `tang.txt`."""
    return Path(f"{path}.manifest.json")


def read_groups(path: Path, data: bytes, count: int) -> np.ndarray:
    """Each poem's group (count,): from the manifest of a built corpus, otherwise every line its own."""
    beside = manifest_path(path)
    if not beside.exists():
        return np.arange(count)
    way_out = f"delete {beside.name} to use the text as it is, or both files to build the corpus again"
    try:
        manifest = json.loads(read_bytes(beside))
        made_by, sha256, groups = (manifest[key] for key in ("made by", "sha256", "groups"))
        groups = np.array(groups, dtype=np.int64)
    except (ValueError, KeyError, TypeError, OverflowError):
        raise InputError(f"{beside}: is not the manifest of a built corpus; {way_out}") from None
    if made_by != MADE_BY or sha256 != hashlib.sha256(data).hexdigest() or groups.shape != (count,):
        raise InputError(f"{path}: was changed after it was built, it is not the text "
                         f"its manifest describes; {way_out}")
    return groups


def marks_of(words: Container[str]) -> tuple[str, str]:
    """What stands before and after each poem of a corpus with these words: START and END, unless its poems
    hold those letters themselves."""
    return OTHER_MARKS if OTHER_MARKS[0] in words else (START, END)


def with_marks(poems: list[str]) -> str:
    """All poems in one text, each between its marks."""
    text = "".join(poems)
    start, end = OTHER_MARKS if START in text or END in text else (START, END)
    return "".join(start + poem + end for poem in poems)


def number_words(poems: list[str]) -> dict[str, int]:
    """Word -> integer, by falling count, ties by first appearance; START and END count as words."""
    counts = Counter(with_marks(poems))
    return {word: index for index, (word, _) in enumerate(counts.most_common())}


def encode(poems: list[str], word_int_map: dict[str, int]) -> tuple[np.ndarray, np.ndarray]:
    """All poems' words in one row (total,), and each poem's length with START and END (N,)."""
    text = with_marks(poems)
    code_points = np.frombuffer(text.encode("utf-32-le"), dtype=np.uint32)
    number_of = np.zeros(0x110000, dtype=np.int64)
    number_of[[ord(word) for word in word_int_map]] = list(word_int_map.values())
    return number_of[code_points], np.array([len(poem) + 2 for poem in poems])


def is_punctuation(character: str) -> bool:
    """Whether Unicode counts the character among the punctuation."""
    return unicodedata.category(character).startswith("P")


def shared_form(poems: list[str], words: dict[str, int]) -> str | None:
    """The form that all poems share, 字 for each character that is not punctuation; None if they differ."""
    to_form = {ord(word): "字" for word in words if not is_punctuation(word)}
    forms = {poem.translate(to_form) for poem in poems}
    return forms.pop() if len(forms) == 1 else None


@dataclass(eq=False)
class Corpus:
    """Poems as text and as integers; made by `Corpus.load`."""

    path: Path
    poems: list[str]              # as mended, without START and END
    tokens: np.ndarray            # (total,) int64: all poems with START and END, one after another
    starts: np.ndarray            # (N,) where each poem begins in tokens
    lengths: np.ndarray           # (N,) with START and END: T + 1
    word_int_map: dict[str, int]
    int_word_map: dict[int, str]
    groups: np.ndarray            # (N,) poems of equal group stay on one side of the split
    form: str | None              # "字字字字字，字字字字字。..." if all poems share one
    mended: dict[str, int]        # what was normalised, and how often

    @classmethod
    def load(cls, path: str | Path, limit: int = LIMIT) -> Corpus:
        """Read a UTF-8 text, one poem of at most `limit` characters a line; InputError if it is not."""
        path = Path(path)
        data = read_bytes(path)
        poems, mended = read_poems(path, data, limit)
        groups = read_groups(path, data, len(poems))
        word_int_map = number_words(poems)
        tokens, lengths = encode(poems, word_int_map)
        return cls(path, poems, tokens, np.cumsum(lengths) - lengths, lengths, word_int_map,
                   {index: word for word, index in word_int_map.items()},
                   groups, shared_form(poems, word_int_map), mended)

    @property
    def vectors(self) -> list[np.ndarray]:
        """Each poem's words, START first and END last: a list of N views (length,)."""
        return np.split(self.tokens, self.starts[1:])

    @property
    def longest(self) -> int:
        """Characters in the longest poem, without START and END."""
        return int(self.lengths.max()) - 2

    def split(self, held_out: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
        """Sorted (training, held-out) indices; about the fraction held_out, by whole groups, seeded.

        With held_out > 0 neither side is empty; InputError if all poems are of one group.
        """
        everything = np.arange(len(self.poems))
        if not 0 <= held_out < 1:
            raise InputError(f"a held-out fraction of {held_out}: give one from 0 to less than 1")
        if held_out == 0:
            return everything, everything[:0]
        _, group, sizes = np.unique(self.groups, return_inverse=True, return_counts=True)
        if len(sizes) == 1:
            raise InputError(f"{self.path}: the poems are all of one group, none can be held out; "
                             "use --held-out 0")
        order = np.random.default_rng(seed).permutation(len(sizes))
        poems_held = np.cumsum(sizes[order])[:-1]
        count = 1 + np.argmin(np.abs(poems_held - held_out * len(everything)))
        is_held = np.isin(group, order[:count])
        return everything[~is_held], everything[is_held]

    def count_batches(self, indices: np.ndarray, batch_size: int) -> int:
        """How many batches `batches` gives."""
        _, counts = np.unique(self.lengths[indices], return_counts=True)
        return int(np.sum(-(-counts // batch_size)))

    def batches(self, indices: np.ndarray, batch_size: int, rng: np.random.Generator | None,
                to_device: Callable[[np.ndarray], Any] = lambda array: array) -> Iterator[Any]:
        """The poems in batches (T+1, B) int64 of equal lengths, START first, END last; each poem once.

        Nothing is padded and nothing dropped: the last batch of a length may be smaller. With rng the poems
        are shuffled, then the batches across lengths (all drawn at the call); without it the order is fixed.
        to_device takes the whole corpus and the order to where the batches are wanted, once, at the call.
        """
        order = np.asarray(indices) if rng is None else rng.permutation(indices)
        order = order[np.argsort(self.lengths[order], kind="stable")]
        ends_of_length = np.flatnonzero(np.diff(self.lengths[order])) + 1
        chunks = [same[i:i + batch_size] for same in np.split(np.arange(len(order)), ends_of_length)
                  for i in range(0, len(same), batch_size)]
        turns = range(len(chunks)) if rng is None else rng.permutation(len(chunks))
        spans = [(chunk[0], chunk[-1] + 1, self.lengths[order[chunk[0]]]) for chunk in chunks]
        tokens, starts = to_device(self.tokens), to_device(self.starts[order])
        steps = to_device(np.arange(self.lengths.max()))
        return (tokens[steps[:length, None] + starts[None, begin:end]]            # (T+1, B)
                for begin, end, length in (spans[turn] for turn in turns))


def process_poems(path: str | Path) -> tuple[np.ndarray | list[np.ndarray], dict[str, int], dict[int, str]]:
    """The course lab's interface: poems_vector, word_int_map, int_word_map.

    poems_vector is an integer array (N, length) if all poems have the same length, otherwise a list of N
    arrays (length,), START and END among the words. Raises InputError as Corpus.load does.
    """
    corpus = Corpus.load(path)
    vectors = corpus.vectors
    same = len(set(map(len, vectors))) == 1
    return np.stack(vectors) if same else vectors, corpus.word_int_map, corpus.int_word_map
