"""Makes the default corpus: quatrains from the Complete Tang Poems of the chinese-poetry package.

The rule, with one function for each step, in this order:

1. `poem_texts`: the poems of package/dist/quantangshi/poet.tang.*.json (song: poet.song.*.json; all: both,
   Tang first), in the order of the files' numbers.
2. `without_variants`: delete what is inside （）, 〖〗 and 〔〕: other readings, editors' notes, the modes of
   hymns. They may be nested, and continue from sentence to sentence.
3. `has_missing_mark`: leave out a poem with □, 囗 (U+56D7, also used as one), ○, ● or a private-use character.
4. `to_simplified`: traditional to simplified characters, by OpenCC's t2s.
5. `split_lines`, `is_regular`: only poems of which every line has five (or seven) Chinese characters. Any
   other sign excludes its poem: [] around what editors restored, {} around the parts of a character that has
   no code, quotation marks.
6. `cut_quatrains`: cut into quatrains of four lines, from the first line on; the last one to three lines of
   a longer poem are dropped.
7. `group_equal`: of equal quatrains keep the first.
8. `keep_common_quatrains`: only quatrains over the 1,997 commonest characters of the distinct quatrains (ties
   by first appearance); with ，。 and the marks of start and end that makes a vocabulary of 2001. A character
   can lose all its quatrains because of rarer characters in them; so the cut is as far down the list as it
   must be for the finished text to have the number asked for (fewer only if two enter with one quatrain, or
   if there are no more).
9. `poem_groups`: quatrains of one poem, of poems that share a quatrain, and of poems with near-duplicates (3
   or fewer characters different at equal places) get one group, so that no split puts them on two sides.
10. `format_quatrain`: `AAAAA，BBBBB。CCCCC，DDDDD。`, one quatrain a line.

The text is in the cache folder: the environment's SCRATCH_LSTM_CACHE, or the platform's place for caches.
Its manifest (manifest.py) records where the text came from, the rule, the counts, the sha256 and the groups.
"""

from __future__ import annotations

import hashlib
import importlib
import json
import os
import re
import sys
import tarfile
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import InputError
from ..files import atomic_write
from . import download
from .characters import HAN
from .manifest import MADE_BY, manifest_path
from .near_duplicates import LINES_PER_QUATRAIN, MAX_DIFFERENCES, Quatrain, poem_groups
from .vocabulary import END, START

DYNASTIES = {"tang": ["tang"], "song": ["song"], "all": ["tang", "song"]}
MARKS = f"，。{START}{END}"   # in the vocabulary besides the characters

VARIANT = re.compile("（[^（）]*）|〖[^〖〗]*〗|〔[^〔〕]*〕")
MISSING = re.compile("[□囗○●\ue000-\uf8ff\U000f0000-\U0010ffff]")
LINE_END = re.compile("[，。？！；：、]")
CHINESE = re.compile(f"[{HAN}]+")


def poem_texts(tarball: Path, dynasty: str) -> list[str]:
    """Each poem in one string; the tarball is read as a stream, once from front to back."""
    path = re.compile(r"package/dist/quantangshi/poet\.(\w+)\.(\d+)\.json")
    files = {}
    with tarfile.open(tarball, "r|gz") as tar:
        for member in tar:
            match = path.fullmatch(member.name)
            if match and match[1] in DYNASTIES[dynasty]:
                order = DYNASTIES[dynasty].index(match[1]), int(match[2])
                files[order] = json.load(tar.extractfile(member))  # type: ignore[arg-type]
    return ["".join(poem["paragraphs"]) for order in sorted(files) for poem in files[order]]


def without_variants(text: str) -> str:
    found = 1
    while found:   # the innermost first
        text, found = VARIANT.subn("", text)
    return text


def has_missing_mark(text: str) -> bool:
    return MISSING.search(text) is not None


def to_simplified(texts: list[str]) -> list[str]:
    """Every text converted; in one call, because OpenCC's phrases never cross a line break."""
    converter = import_optional("opencc").OpenCC("t2s")
    return converter.convert("\n".join(texts)).split("\n") if texts else []


def split_lines(text: str) -> list[str]:
    return [line for line in LINE_END.split(text) if line]


def is_regular(lines: list[str], line_length: int) -> bool:
    return (all(len(line) == line_length for line in lines)
            and CHINESE.fullmatch("".join(lines)) is not None)


def cut_quatrains(lines: list[str]) -> list[Quatrain]:
    whole = len(lines) // LINES_PER_QUATRAIN * LINES_PER_QUATRAIN
    return [tuple(lines[i:i + LINES_PER_QUATRAIN]) for i in range(0, whole, LINES_PER_QUATRAIN)]


def group_equal(quatrains: Iterable[tuple[Quatrain, int]]) -> dict[Quatrain, list[int]]:
    """Quatrain -> the poems that have it, in order."""
    poems_with: dict[Quatrain, list[int]] = {}
    for quatrain, poem in quatrains:
        poems_with.setdefault(quatrain, []).append(poem)
    return poems_with


def keep_common_quatrains(quatrains: list[Quatrain], wanted: int) -> list[Quatrain]:
    """The quatrains written with the commonest characters only: `wanted` characters, or all there are."""
    text = "".join("".join(quatrain) for quatrain in quatrains)
    rank = {character: r for r, (character, _) in enumerate(Counter(text).most_common())}
    if wanted >= len(rank):
        return quatrains
    ranks = np.array([rank[character] for character in text]).reshape(len(quatrains), -1)
    rarest = ranks.max(axis=1)                        # of each quatrain: the rank of its rarest character
    enters = np.full(len(rank), len(rank))            # of each character: the cut with which it enters
    np.minimum.at(enters, ranks, rarest[:, None])
    cut = np.sort(enters)[wanted]
    return [quatrain for quatrain, keep in zip(quatrains, rarest < cut) if keep]


def format_quatrain(quatrain: Quatrain) -> str:
    return "".join(line + mark for line, mark in zip(quatrain, "，。，。"))


def make(texts: list[str], line_length: int, vocabulary: int) -> tuple[str, list[int], dict[str, int]]:
    """Steps 2 to 10: the corpus's text, each line's group, and the counts of every step."""
    counts = {"poems": len(texts)}
    texts = [text for text in map(without_variants, texts) if not has_missing_mark(text)]
    counts["poems without missing characters"] = len(texts)
    poems = [lines for lines in map(split_lines, to_simplified(texts)) if is_regular(lines, line_length)]
    counts["poems of regular lines"] = len(poems)
    all_quatrains = [(quatrain, poem) for poem, lines in enumerate(poems)
                     for quatrain in cut_quatrains(lines)]
    counts["units"] = len(all_quatrains)
    poems_with = group_equal(all_quatrains)
    counts["distinct units"] = len(poems_with)
    quatrains = keep_common_quatrains(list(poems_with), max(vocabulary - len(MARKS), 0))
    counts["units over the vocabulary"] = len(quatrains)
    groups = poem_groups(quatrains, poems_with)
    counts["poems they come from"] = len({poems_with[quatrain][0] for quatrain in quatrains})
    counts["groups"] = len(set(groups))
    counts["vocabulary"] = len(set().union(MARKS, *map(format_quatrain, quatrains)))
    return "".join(format_quatrain(quatrain) + "\n" for quatrain in quatrains), groups, counts


def build(dynasty: str = "tang", line_length: int = 5, vocabulary: int = 2001,
          cache: str | Path | None = None, quiet: bool = False) -> Path:
    """The path of the corpus's text, which is made if it is not there and whole.

    dynasty: tang, song or all; line_length: 5 or 7 characters; vocabulary: words in all, ，。G E included;
    cache: the folder for tarball and text. Raises InputError: npm or OpenCC missing, no network, a full disk,
    a rule that leaves no poems.
    """
    if dynasty not in DYNASTIES or line_length not in (5, 7):
        raise InputError(f"no corpus of dynasty {dynasty} and {line_length} characters a line: "
                         f"give one of {', '.join(DYNASTIES)}, and 5 or 7")
    rule = {"dynasty": dynasty, "characters": line_length, "vocabulary": vocabulary,
            "lines": LINES_PER_QUATRAIN, "near-duplicates differ in at most": MAX_DIFFERENCES}
    folder = Path(cache) if cache is not None else cache_folder()
    path = folder / f"{dynasty}-{line_length}-{vocabulary}.txt"
    if is_built(path, rule):
        return path
    opencc = import_optional("opencc")
    advice = "make room there, or set SCRATCH_LSTM_CACHE to another cache folder"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        tarball = download.fetch(folder, quiet)
        if not quiet:
            print(f"making the corpus {path}", file=sys.stderr, flush=True)
        text, groups, counts = make(poem_texts(tarball, dynasty), line_length, vocabulary)
        if not groups:
            raise InputError(f"a vocabulary of {vocabulary} leaves no poems of {dynasty} with "
                             f"{line_length} characters a line; ask for a larger one")
        data = text.encode()
        manifest = {"made by": MADE_BY, "package": download.PACKAGE, "version": download.VERSION,
                    "integrity": download.INTEGRITY, "OpenCC": opencc.__version__, "rule": rule,
                    "counts": counts, "sha256": hashlib.sha256(data).hexdigest(), "groups": groups}
        atomic_write(path, data, advice)
        one_key_a_line = ",\n".join(f"{json.dumps(key)}: {json.dumps(value, ensure_ascii=False)}"
                                    for key, value in manifest.items())
        atomic_write(manifest_path(path), f"{{\n{one_key_a_line}\n}}\n".encode(), advice)
    except OSError as error:
        raise InputError(f"{folder}: {error.strerror or error}; {advice}") from None
    return path


def cache_folder() -> Path:
    named = os.environ.get("SCRATCH_LSTM_CACHE")
    return Path(named or import_optional("platformdirs").user_cache_dir("scratch-lstm", appauthor=False))


def import_optional(module: str) -> Any:
    """The module of the extra `corpus`; InputError with the install line if it is not installed."""
    try:
        return importlib.import_module(module)
    except ImportError:
        raise InputError(f"making the default corpus needs {module}: run `pip install "
                         f"'scratch-lstm[corpus]'`, {download.OR_OWN_CORPUS}") from None


def is_built(path: Path, rule: dict[str, Any]) -> bool:
    """Whether the text is there, whole, and made by this rule from this release."""
    try:
        manifest = json.loads(manifest_path(path).read_bytes())
        return (manifest["rule"] == rule and manifest["integrity"] == download.INTEGRITY
                and manifest["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest())
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return False
