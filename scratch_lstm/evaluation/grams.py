"""n-grams of any length as integers.

An n-gram is the (n-1)-gram before its last word, and that word. So if the (n-1)-grams are numbered, the key
(number of the first n-1 words) * V + (last word) says which n-gram it is, and does not overflow however long
the n-grams are. Each function works on all positions of a text at once.
"""

from __future__ import annotations

import numpy as np


def keys(shorter: np.ndarray, words: np.ndarray, place: np.ndarray, n: int, V: int) -> np.ndarray:
    """The key of the n-gram that ends at each position (total,); -1 where there is none.

    shorter: (total,) the number of the (n-1)-gram that ends at each position, or -1; for n = 1 not used.
    words:   (total,) from 0 to V-1.
    place:   (total,) of each word in its poem, from 0: an n-gram does not reach beyond the poem's first word.
    """
    before = np.zeros_like(words) if n == 1 else np.concatenate([[-1], shorter[:-1]])
    return np.where((place >= n - 1) & (before >= 0), before * V + words, -1)


def find(known: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Where each wanted key is among the sorted known ones; -1 where it is not."""
    if not len(known):
        return np.full(wanted.shape, -1)
    at = np.minimum(np.searchsorted(known, wanted), len(known) - 1)
    return np.where(known[at] == wanted, at, -1)


def places(lengths: np.ndarray) -> np.ndarray:
    """0, 1, 2, ... in each poem of these lengths (N,), one poem after another: (total,)."""
    lengths = np.asarray(lengths)
    return np.arange(lengths.sum()) - np.repeat(np.cumsum(lengths) - lengths, lengths)


def longest_runs(words: np.ndarray, lengths: np.ndarray, other_words: np.ndarray,
                 other_lengths: np.ndarray, V: int) -> np.ndarray:
    """For each poem (N,) how many words of its longest run stand in one of the other poems as well.

    words: of all poems, one after another (total,), and lengths (N,) of the poems; the same of the others.
    """
    place, other_place = places(lengths), places(other_lengths)
    poem = np.repeat(np.arange(len(lengths)), lengths)
    runs = np.zeros(len(lengths), np.int64)
    ids, other_ids = np.zeros_like(words), np.zeros_like(other_words)
    for n in range(1, int(max(lengths, default=0)) + 1):
        here, there = keys(ids, words, place, n, V), keys(other_ids, other_words, other_place, n, V)
        common = np.intersect1d(here[here >= 0], there[there >= 0])
        if not len(common):
            break
        ids, other_ids = find(common, here), find(common, there)
        runs[poem[ids >= 0]] = n
    return runs
