"""The tone pattern of regulated verse, in the places that it fixes.

A tone is level (平) or oblique (仄: rising, departing and entering) by the Pingshui rhymes. Tested are the even
places of a line, 2 and 4 of five characters, 2, 4 and 6 of seven; the odd ones are freer (一三五不论, 二四六分明):

- within a line the even places alternate;
- in a couplet, lines 1 and 2, 3 and 4, ..., the two lines are opposite (对);
- the first line of a couplet has in its second place the tone of the line before it (粘).

So the tone of the poem's second character fixes all of them. Source: 王力, 诗词格律 (1977), chapter 2, section 3.
A character with readings in both tones agrees with either; one without a reading with neither.
"""

from __future__ import annotations

from .rhyme import LEVEL, Readings


def is_pattern_place(place: int) -> bool:
    """Whether the pattern fixes that place of a line; from 0."""
    return place % 2 == 1


def is_opposite(line: int, place: int) -> bool:
    """Whether the tone there is the opposite of the poem's second character's; line and place from 0."""
    return (line % 4 in (1, 2)) != (place % 4 == 3)


def has_tone(character: str, level: bool, readings: Readings) -> bool:
    """Whether one of the character's readings has a level tone, or, with level false, an oblique one."""
    return any((LEVEL in rhyme) == level for rhyme in readings.get(character, ()))


def keeps_pattern(lines: list[str], readings: Readings) -> bool:
    """Whether the lines of a poem keep the pattern, with one of the two tones for its second character."""
    places = [(character, is_opposite(number, place)) for number, line in enumerate(lines)
              for place, character in enumerate(line) if is_pattern_place(place)]
    return any(all(has_tone(character, level != opposite, readings) for character, opposite in places)
               for level in (True, False))
