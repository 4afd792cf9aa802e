"""Formats with one poem a line that is more than the poem: `title:content`, `title::author::content`, and
characters with a space between each two of them."""

from __future__ import annotations

import re

from .formats import Found

TITLE = re.compile(r"[^:：，。,.!?！？；;\s][^:：，。？！；]{0,150}(::[^:]{0,60})*[:：]{1,2}(?!//)")
SPACED = re.compile(r"\s*\S(?: +\S)+\s*")


def read_line_format(text: str) -> Found | None:
    """The poems of a text in one of these formats; None for a text that has none of them."""
    return read_spaced(text) or read_titles(text)


def read_spaced(text: str) -> Found | None:
    """Lines like `一 山 水 ， 二 风 月 。`, if nearly all are of that kind: the spaces are no words."""
    lines = [(number, line) for number, line in enumerate(text.lstrip("\ufeff").split("\n"), 1)
             if line.strip()]
    spaced = sum(SPACED.fullmatch(line) is not None for _, line in lines)
    if len(lines) < 2 or spaced < 0.8 * len(lines):
        return None
    poems = [line.replace(" ", "") if SPACED.fullmatch(line) else line for _, line in lines]
    return Found(poems, [f"line {number}" for number, _ in lines],
                 [f"a space between all characters, {spaced} poems: these spaces are left out"])


def read_titles(text: str) -> Found | None:
    """`title:content`, if nearly all lines are of that kind, with titles that differ."""
    lines = [(number, line) for number, line in enumerate(text.split("\n"), 1) if line.strip()]
    matches = [(TITLE.match(line.lstrip("\ufeff")), number, line) for number, line in lines]
    titles = {match[0] for match, _, _ in matches if match}
    with_text = sum(match is not None and match.end() < len(line.strip("\ufeff \r"))
                    for match, _, line in matches)
    keys = sum(re.fullmatch(r"[A-Za-z_][\w ]*:", title) is not None for title in titles)
    if keys > 0.5 * len(titles):
        return None                              # YAML, a letter's head or a conversation
    doubled = sum(match is not None and "::" in match[0] for match, _, _ in matches)
    differ = len(titles) >= max(2, 0.3 * with_text) or doubled >= 0.8 * len(lines)
    if len(lines) < 2 or with_text < 0.8 * len(lines) or not differ:
        return None
    half = sum(match is not None and match[0].endswith(":") for match, _, _ in matches)
    if half < 0.8 * len(lines) and len({len(match[0]) for match, _, _ in matches if match}) < 2:
        return None                              # a colon at one place of every line: a form, not a title
    found, empty, without = Found([], [], []), 0, 0
    for match, number, line in matches:
        poem = line.lstrip("\ufeff")[match.end() if match else 0:].strip()
        without += match is None
        if poem:
            found.poems.append(poem)
            found.where.append(f"line {number}")
        else:
            empty += 1
    found.said.append(f"title:content, {len(found.poems)} poems: what is before the colon is left out"
                      + f"; {empty} titles without a poem" * bool(empty)
                      + f"; {without} lines without a title, kept whole" * bool(without))
    return found
