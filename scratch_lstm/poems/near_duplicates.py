"""Which quatrains belong together: of one poem, of poems that share a quatrain, or nearly the same.

Many poems exist in more than one wording, and under more than one title. A model that is tested on one
version after it was trained on the other would be tested on what it has seen; so both get one group.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from itertools import combinations

LINES_PER_QUATRAIN = 4
MAX_DIFFERENCES = 3          # characters in which near-duplicates differ; less than LINES_PER_QUATRAIN
Quatrain = tuple[str, ...]   # four lines of equal length


def near_duplicates(quatrains: list[Quatrain]) -> Iterator[tuple[int, int]]:
    """Pairs of indices of quatrains that differ in at most three characters; some pairs more than once.

    Three differences change at most three of the four lines (pigeonhole): such a pair has an equal line at
    the same place, so only quatrains that share a line have to be compared.
    """
    with_line = defaultdict(list)
    for index, quatrain in enumerate(quatrains):
        for place, line in enumerate(quatrain):
            with_line[place, line].append(index)
    letters = ["".join(quatrain) for quatrain in quatrains]
    for indices in with_line.values():
        for one, other in combinations(indices, 2):
            if sum(a != b for a, b in zip(letters[one], letters[other])) <= MAX_DIFFERENCES:
                yield one, other


def poem_groups(quatrains: list[Quatrain], poems_with: dict[Quatrain, list[int]]) -> list[int]:
    """Each quatrain's group, numbered by first appearance.

    poems_with: quatrain -> the poems that have it. It may have quatrains that are not in the list; poems that
    share one of those are one group too.
    """
    leader: dict[int, int] = {}   # union-find over poems: each points towards the first poem of its group

    def find(poem: int) -> int:
        while leader.setdefault(poem, poem) != poem:
            leader[poem] = poem = leader[leader[poem]]
        return poem

    for first, *others in poems_with.values():
        for other in others:
            leader[find(other)] = find(first)
    poem_of = [poems_with[quatrain][0] for quatrain in quatrains]
    for one, other in near_duplicates(quatrains):
        leader[find(poem_of[other])] = find(poem_of[one])
    number: dict[int, int] = {}
    return [number.setdefault(find(poem), len(number)) for poem in poem_of]
