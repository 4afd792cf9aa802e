"""Groups of equal and nearly equal poems of any corpus: no split may put them on two sides.

Two poems of one length are nearly equal if they differ in at most one of eight characters, and in at most
three (the rule of the default corpus, whose quatrains have 24). If the places are then cut into one more part
than there may be differences, at least one part is equal (pigeonhole): only poems that share a part are
compared.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

MAX_DIFFERENCES = 3
ONE_IN = 8
FEW = 64          # poems that are compared each with each; more are divided by a further part first


def near_groups(tokens: np.ndarray, starts: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """tokens, starts, lengths as in Corpus -> the group of each poem (N,), numbered by first appearance."""
    leader = np.arange(len(lengths))

    def find(poem: int) -> int:
        while leader[poem] != poem:
            leader[poem] = poem = leader[leader[poem]]
        return poem

    for length in np.unique(lengths):
        poems = np.flatnonzero(lengths == length)
        rows = tokens[starts[poems][:, None] + np.arange(length)]
        rows, first, inverse = np.unique(rows, axis=0, return_index=True, return_inverse=True)
        representative = poems[first]
        for poem, row in zip(poems, inverse.ravel()):
            leader[find(int(poem))] = find(int(representative[row]))
        differences = min(MAX_DIFFERENCES, (int(length) - 2) // ONE_IN)     # without START and END
        if differences:
            for one, other in near_pairs(rows, np.arange(len(rows)), np.arange(int(length)), differences):
                leader[find(int(representative[one]))] = find(int(representative[other]))
    number: dict[int, int] = {}
    return np.array([number.setdefault(find(poem), len(number)) for poem in range(len(lengths))])


def near_pairs(rows: np.ndarray, among: np.ndarray, places: np.ndarray,
               differences: int) -> Iterator[tuple[int, int]]:
    """Pairs of rows (of those in `among`) that differ in at most so many of these places; some pairs come
    more than once, and of three or more that are all near each other not every pair has to.

    At all other places the rows are equal.
    """
    if len(places) <= differences:
        yield from ((int(among[0]), int(other)) for other in among[1:])
        return
    if len(among) <= FEW:
        few = rows[among][:, places]
        for n in range(len(among) - 1):
            near = (few[n + 1:] != few[n]).sum(axis=1) <= differences
            for other in among[n + 1:][near]:
                yield int(among[n]), int(other)
        return
    for part in np.array_split(places, differences + 1):
        _, group = np.unique(rows[among][:, part], axis=0, return_inverse=True)
        order = np.argsort(group.ravel(), kind="stable")
        ends = np.flatnonzero(np.diff(group.ravel()[order])) + 1
        rest = np.setdiff1d(places, part)
        for same in np.split(among[order], ends):
            if len(same) > 1:
                yield from near_pairs(rows, same, rest, differences)
