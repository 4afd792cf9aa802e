"""Which units of a corpus belong together: of one poem, of poems that share a unit, or nearly the same.

Poems were handed down in more than one wording, and under more than one name. A model that is tested on one
version after training on the other would be tested on what it has seen; so both get one group.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from itertools import combinations

Unit = tuple[str, ...]   # LINES lines of equal length
LINES = 4
NEAR = 3                 # near-duplicates differ in at most so many characters; must be less than LINES


def near_duplicates(units: list[Unit]) -> Iterator[tuple[int, int]]:
    """Pairs of indices of units that differ in at most NEAR characters; some pairs more than once.

    NEAR differences spoil at most NEAR of the LINES lines (pigeonhole): such a pair has an equal line at an
    equal place, and only units that share one need be compared.
    """
    with_line = defaultdict(list)
    for index, unit in enumerate(units):
        for place, line in enumerate(unit):
            with_line[place, line].append(index)
    letters = ["".join(unit) for unit in units]
    for indices in with_line.values():
        for one, other in combinations(indices, 2):
            if sum(a != b for a, b in zip(letters[one], letters[other])) <= NEAR:
                yield one, other


def poem_groups(units: list[Unit], poems_with: dict[Unit, list[int]]) -> list[int]:
    """Each unit's group, numbered by first appearance.

    poems_with: unit -> the poems that have it; it may hold more units than are grouped, and poems that share
    one of those are one group all the same.
    """
    leader: dict[int, int] = {}   # union-find over poems: towards the poem that stands for the group

    def find(poem: int) -> int:
        while leader.setdefault(poem, poem) != poem:
            leader[poem] = poem = leader[leader[poem]]
        return poem

    for first, *others in poems_with.values():
        for other in others:
            leader[find(other)] = find(first)
    poem_of = [poems_with[unit][0] for unit in units]
    for one, other in near_duplicates(units):
        leader[find(poem_of[other])] = find(poem_of[one])
    number: dict[int, int] = {}
    return [number.setdefault(find(poem), len(number)) for poem in poem_of]
