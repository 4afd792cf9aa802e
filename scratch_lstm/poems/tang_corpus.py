"""Makes the default corpus: quatrains cut from the Complete Tang Poems of the chinese-poetry package.

The rule, with one function for each step, in this order:

1. `poem_texts`: the poems of package/dist/quantangshi/poet.tang.*.json (song: poet.song.*.json; all: both,
   Tang first), in the order of the files' numbers.
2. `without_variants`: what stands in （）, 〖〗 and 〔〕 is taken out: other readings, editors' notes, the
   modes of hymns. They may be nested, and run on from sentence to sentence.
3. `has_missing_mark`: a poem with □, 囗 (U+56D7, which stands for one too), ○, ● or a private-use
   character is left out.
4. `simplified`: traditional to simplified characters, by OpenCC's t2s.
5. `lines_of`, `is_regular`: only poems of which every line has five (or seven) Chinese characters. All other
   signs fail here with their poem: [] around what editors restored, {} around the parts of a character that
   has no code, quotation marks.
6. `units_of`: cut into units of four lines from the first on; one to three lines left over are dropped.
7. `distinct`: of equal units only the first stays.
8. `over_commonest`: only units over the 1,997 commonest characters of the distinct units (ties by first
   appearance), which with ，。 and the marks of start and end makes a vocabulary of 2001. A character may
   lose all its units to rarer companions in them; so the cut stands as far down the list as it must for the
   finished text to hold the number asked for (fewer only if two come in with one unit, or there are no more).
9. `poem_groups`: units of one poem, of poems that share a unit, and of poems with near-duplicates (3 or fewer
   characters different at equal places) get one group, so that no split puts them on different sides.
10. `written`: `AAAAA，BBBBB。CCCCC，DDDDD。`, one unit a line.

The text lies in the cache folder: the environment's SCRATCH_LSTM_CACHE, or the platform's place for caches.
The manifest beside it records where the text came from, the rule, the counts, the sha256 and the groups.
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

from . import download
from .corpus import MADE_BY, manifest_path
from ..errors import InputError
from .reader import END, HAN, START
from .near_duplicates import LINES, NEAR, Unit, poem_groups
from ..files import write_whole

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


def simplified(texts: list[str]) -> list[str]:
    """Every text converted; in one call, because OpenCC's phrases never cross a line break."""
    converter = needed("opencc").OpenCC("t2s")
    return converter.convert("\n".join(texts)).split("\n") if texts else []


def lines_of(text: str) -> list[str]:
    return [line for line in LINE_END.split(text) if line]


def is_regular(lines: list[str], characters: int) -> bool:
    return (all(len(line) == characters for line in lines)
            and CHINESE.fullmatch("".join(lines)) is not None)


def units_of(lines: list[str]) -> list[Unit]:
    return [tuple(lines[i:i + LINES]) for i in range(0, len(lines) - LINES + 1, LINES)]


def distinct(units: Iterable[tuple[Unit, int]]) -> dict[Unit, list[int]]:
    """Unit -> the poems that have it, in order."""
    poems_with: dict[Unit, list[int]] = {}
    for unit, poem in units:
        poems_with.setdefault(unit, []).append(poem)
    return poems_with


def over_commonest(units: list[Unit], wanted: int) -> list[Unit]:
    """The units written with the commonest characters only: `wanted` characters, or all there are."""
    text = "".join("".join(unit) for unit in units)
    rank = {character: r for r, (character, _) in enumerate(Counter(text).most_common())}
    if wanted >= len(rank):
        return units
    ranks = np.array([rank[character] for character in text]).reshape(len(units), -1)
    rarest = ranks.max(axis=1)                        # per unit: where the cut lets it in
    enters = np.full(len(rank), len(rank))            # per character: where its first unit comes in
    np.minimum.at(enters, ranks, rarest[:, None])
    cut = np.sort(enters)[wanted]
    return [unit for unit, keep in zip(units, rarest < cut) if keep]


def written(unit: Unit) -> str:
    return "".join(line + mark for line, mark in zip(unit, "，。，。"))


def make(texts: list[str], characters: int, vocabulary: int) -> tuple[str, list[int], dict[str, int]]:
    """Steps 2 to 10: the corpus's text, each line's group, and the counts of every step."""
    counts = {"poems": len(texts)}
    texts = [text for text in map(without_variants, texts) if not has_missing_mark(text)]
    counts["poems without missing characters"] = len(texts)
    poems = [lines for lines in map(lines_of, simplified(texts)) if is_regular(lines, characters)]
    counts["poems of regular lines"] = len(poems)
    all_units = [(unit, poem) for poem, lines in enumerate(poems) for unit in units_of(lines)]
    counts["units"] = len(all_units)
    poems_with = distinct(all_units)
    counts["distinct units"] = len(poems_with)
    units = over_commonest(list(poems_with), max(vocabulary - len(MARKS), 0))
    counts["units over the vocabulary"] = len(units)
    groups = poem_groups(units, poems_with)
    counts["poems they come from"] = len({poems_with[unit][0] for unit in units})
    counts["groups"] = len(set(groups))
    counts["vocabulary"] = len(set().union(MARKS, *map(written, units)))
    return "".join(written(unit) + "\n" for unit in units), groups, counts


def build(dynasty: str = "tang", characters: int = 5, vocabulary: int = 2001,
          cache: str | Path | None = None, quiet: bool = False) -> Path:
    """The path of the corpus's text, which is made if it is not there and whole.

    dynasty: tang, song or all; characters of a line: 5 or 7; vocabulary: words in all, ，。G E included;
    cache: the folder for tarball and text. Raises InputError: npm or OpenCC missing, no network, a full disk,
    a rule that leaves no poems.
    """
    if dynasty not in DYNASTIES or characters not in (5, 7):
        raise InputError(f"no corpus of dynasty {dynasty} and {characters} characters a line: "
                         f"give one of {', '.join(DYNASTIES)}, and 5 or 7")
    rule = {"dynasty": dynasty, "characters": characters, "vocabulary": vocabulary,
            "lines": LINES, "near-duplicates differ in at most": NEAR}
    folder = Path(cache) if cache is not None else cache_folder()
    path = folder / f"{dynasty}-{characters}-{vocabulary}.txt"
    if is_built(path, rule):
        return path
    opencc = needed("opencc")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        tarball = download.fetch(folder, quiet)
        if not quiet:
            print(f"making the corpus {path}", file=sys.stderr, flush=True)
        text, groups, counts = make(poem_texts(tarball, dynasty), characters, vocabulary)
        if not groups:
            raise InputError(f"a vocabulary of {vocabulary} leaves no poems of {dynasty} with "
                             f"{characters} characters a line; ask for a larger one")
        data = text.encode()
        manifest = {"made by": MADE_BY, "package": download.PACKAGE, "version": download.VERSION,
                    "integrity": download.INTEGRITY, "OpenCC": opencc.__version__, "rule": rule,
                    "counts": counts, "sha256": hashlib.sha256(data).hexdigest(), "groups": groups}
        write_whole(path, data)
        one_key_a_line = ",\n".join(f"{json.dumps(key)}: {json.dumps(value, ensure_ascii=False)}"
                                    for key, value in manifest.items())
        write_whole(manifest_path(path), f"{{\n{one_key_a_line}\n}}\n".encode())
    except OSError as error:
        raise InputError(f"{folder}: {error.strerror or error}; make room there, or name another "
                         "cache folder in SCRATCH_LSTM_CACHE") from None
    return path


def cache_folder() -> Path:
    named = os.environ.get("SCRATCH_LSTM_CACHE")
    return Path(named or needed("platformdirs").user_cache_dir("scratch-lstm", appauthor=False))


def needed(module: str) -> Any:
    """The module of the extra `corpus`; InputError with the install line if it is not installed."""
    try:
        return importlib.import_module(module)
    except ImportError:
        raise InputError(f"making the default corpus needs {module}: run `pip install "
                         f"'scratch-lstm[corpus]'`, {download.WAY_OUT}") from None


def is_built(path: Path, rule: dict[str, Any]) -> bool:
    """Whether the text is there, whole, and made by this rule from this release."""
    try:
        manifest = json.loads(manifest_path(path).read_bytes())
        return (manifest["rule"] == rule and manifest["integrity"] == download.INTEGRITY
                and manifest["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest())
    except (OSError, ValueError, KeyError, TypeError):
        return False
