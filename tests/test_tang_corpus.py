"""The rule on made-up lines; the tarball is made here, and no test needs a network."""

import hashlib
import json
import os
import sys

import pytest
from helpers.tang_package import QUATRAIN, TANG, A, B, C, D, write_tarball
from hypothesis import given
from hypothesis import strategies as st

from scratch_lstm.errors import InputError
from scratch_lstm.poems import download
from scratch_lstm.poems import tang_corpus as builder
from scratch_lstm.poems.corpus import Corpus
from scratch_lstm.poems.manifest import manifest_path

SONG = TANG.replace("tang.", "song.")


@pytest.fixture
def package(tmp_path, monkeypatch):
    """Gives the files of the package that `build` will find; counts how often it was fetched."""
    tarball = tmp_path / "made-up.tgz"

    def fetch(folder, quiet):
        package.fetched += 1
        return tarball

    def package(files):
        package.fetched = 0
        write_tarball(tarball, files)
        return tarball
    monkeypatch.setattr(download, "fetch", fetch)
    return package


def made(poems, line_length=5, vocabulary=2001):
    text, groups, counts = builder.make(poems, line_length, vocabulary)
    return text.splitlines(), groups, counts


# the rule, step by step

def test_poems_are_read_in_the_order_of_the_numbers(package):
    tarball = package({
        SONG.format(0): ["丁。"], TANG.format(10000): ["丙。"], TANG.format(2000): ["乙。", "乙，乙。乙。"],
        TANG.format(0): ["甲。"], "package/dist/quantangshi/error/poet.tang.0.json": ["誤。"],
        "package/dist/strains/json/poet.tang.0.json": ["平。"], "package/package.json": []})
    assert builder.poem_texts(tarball, "tang") == ["甲。", "乙。", "乙，乙。乙。", "丙。"]
    assert builder.poem_texts(tarball, "song") == ["丁。"]
    assert builder.poem_texts(tarball, "all") == ["甲。", "乙。", "乙，乙。乙。", "丙。", "丁。"]


@pytest.mark.parametrize("text, without", [
    ("甲乙（一作丙）丁。", "甲乙丁。"),
    ("甲（一作「乙」。又作（見〖1〗某書）丙。）丁", "甲丁"),
    ("〖1〗甲〔宮〕乙", "甲乙"),
    ("甲（乙", "甲（乙"),
    ("甲[乙]丙{丁}", "甲[乙]丙{丁}"),
])
def test_without_variants(text, without):
    assert builder.without_variants(text) == without


@pytest.mark.parametrize("mark", ["□", "\u56d7", "○", "●", "\ue829", "\U000f0001"])
def test_a_poem_with_a_missing_character_is_left_out(mark):
    spoilt = QUATRAIN.replace("丙", mark)
    assert made([spoilt, QUATRAIN])[0] == [QUATRAIN]
    assert made([QUATRAIN + f"（{mark}）"])[0] == [QUATRAIN], "not when only a note has one"


def test_the_mouth_radical_is_not_the_missing_mark():
    assert not builder.has_missing_mark("口回")


def test_simplified_in_one_call_is_simplified_one_by_one():
    texts = ["乾坤，乾", "隆", "頭髮。發", "", "後"]
    assert builder.to_simplified(texts) == [builder.to_simplified([text])[0] for text in texts]
    assert builder.to_simplified(["風雲龍馬", "頭髮發"]) == ["风云龙马", "头发发"]
    assert builder.to_simplified([]) == []


def test_lines_end_at_any_mark():
    assert builder.split_lines("甲，乙。丙？丁！戊；己：庚、辛") == list("甲乙丙丁戊己庚辛")


@pytest.mark.parametrize("line, regular", [
    ("甲乙丙丁戊", True), ("𠀀㐀丙丁戊", True), ("甲乙丙丁", False), ("甲乙丙丁戊己", False), ("甲[乙]丙", False),
    ("甲乙丙丁a", False), ("甲乙丙丁…", False), ("「甲乙丙丁", False)])
def test_every_line_has_five_chinese_characters(line, regular):
    assert builder.is_regular([A, line], 5) == regular


def test_quatrains_of_four_lines_and_the_rest_dropped():
    lines = [str(n) for n in range(11)]
    assert builder.cut_quatrains(lines) == [("0", "1", "2", "3"), ("4", "5", "6", "7")]
    assert builder.cut_quatrains(lines[:3]) == []


def test_duplicates_are_removed_and_their_poems_joined():
    other = f"{D}，{C}。{B}，{A}。"
    third = f"{B}，{D}。{A}，{C}。"
    lines, groups, counts = made([QUATRAIN + other, third, QUATRAIN + third])
    assert lines == [QUATRAIN, other, third]
    assert groups == [0, 0, 0], "the third poem shares a unit with the first, and one with the second"
    assert counts["units"] == 5 and counts["distinct units"] == 3 and counts["groups"] == 1


UNITS = st.lists(st.tuples(*[st.text("甲乙丙丁戊己庚辛", min_size=2, max_size=2)] * 4), unique=True, min_size=1,
                 max_size=12)


@given(units=UNITS, wanted=st.integers(0, 9))
def test_keep_common_quatrains_is_the_longest_cut_within_the_vocabulary(units, wanted):
    def letters(units):
        return "".join("".join(unit) for unit in units)

    by_count = sorted(dict.fromkeys(letters(units)), key=letters(units).count, reverse=True)
    cuts = [[unit for unit in units if set("".join(unit)) <= set(by_count[:cut])]
            for cut in range(len(by_count) + 1)]
    assert builder.keep_common_quatrains(units, wanted) == max(
        (kept for kept in cuts if len(set(letters(kept))) <= wanted), key=len)


def test_a_vocabulary_is_filled_although_a_common_character_loses_its_units():
    # 庚 is commoner than 己 and 辛, but occurs only with the rare 壬, 癸, 子
    common = [("甲乙", "丙丁", "戊甲", last) for last in ("乙丙", "丙乙", "己己", "辛辛")]
    rare = [("庚庚", "壬癸", "子甲", "庚甲")]
    kept = builder.keep_common_quatrains(common + rare, 7)
    assert kept == common and len(set("".join(map("".join, kept)))) == 7


def test_make_counts_every_step():
    turned, other = QUATRAIN.replace("甲乙", "乙甲"), f"{D}，{B}。{C}，{A}。"
    poems = [QUATRAIN, QUATRAIN.replace("甲", "□"), "甲乙，丙丁。", f"{A}，{B}。", turned,
             QUATRAIN.replace("甲", "風") + other + f"{A}，{A}。"]
    lines, groups, counts = made(poems)
    assert lines == [QUATRAIN, turned, QUATRAIN.replace("甲", "风"), other]
    assert groups == [0, 0, 0, 0]
    assert counts == {
        "poems": 6, "poems without missing characters": 5, "poems of regular lines": 4, "units": 4,
        "distinct units": 4, "units over the vocabulary": 4, "poems they come from": 3, "groups": 1,
        "vocabulary": 25}


@pytest.mark.parametrize("vocabulary, kept", [(-1, 0), (3, 0), (8, 0), (9, 1), (23, 1), (24, 2), (99, 2)])
def test_the_vocabulary_counts_the_marks(vocabulary, kept):
    few = f"{A}，{A}。{A}，{A}。"   # five characters; the quatrain has twenty; ，。G E make four more
    lines, _, counts = made([few, QUATRAIN], vocabulary=vocabulary)
    assert lines == [few, QUATRAIN][:kept]
    assert counts["vocabulary"] == [4, 9, 24][kept]


def test_notes_without_a_poem_are_no_poem():
    assert made(["（缺）", QUATRAIN])[2]["poems of regular lines"] == 1


def test_seven_characters():
    poem = "甲乙丙丁戊己庚，辛壬癸子丑寅卯。" * 2
    assert made([poem, QUATRAIN], line_length=7)[0] == [poem]


# the files

FILES = {TANG.format(0): [QUATRAIN, f"{D}，{C}。{B}，{A}。", QUATRAIN.replace("甲", "癸")]}


def test_build_gives_a_corpus_that_loads(package, tmp_path):
    package(FILES)
    path = builder.build(cache=tmp_path / "a" / "new" / "folder", quiet=True)
    corpus = Corpus.load(path)
    assert corpus.poems == [QUATRAIN, f"{D}，{C}。{B}，{A}。", QUATRAIN.replace("甲", "癸")]
    assert corpus.groups.tolist() == [0, 1, 0]
    assert corpus.vocabulary.form == "字字字字字，字字字字字。字字字字字，字字字字字。"
    assert sorted(os.listdir(path.parent)) == ["tang-5-2001.txt", "tang-5-2001.txt.manifest.json"]


def test_the_manifest_says_where_the_text_comes_from(package, tmp_path):
    package(FILES)
    path = builder.build(cache=tmp_path, vocabulary=30, quiet=True)
    manifest = json.loads(manifest_path(path).read_text(encoding="utf-8"))
    assert manifest["package"] == "chinese-poetry" and manifest["version"] == "2.0.1"
    assert manifest["integrity"] == download.INTEGRITY and manifest["OpenCC"]
    assert manifest["rule"]["dynasty"] == "tang" and manifest["rule"]["vocabulary"] == 30
    assert manifest["counts"]["vocabulary"] == len(Corpus.load(path).vocabulary) == 24
    assert manifest["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()


def test_build_is_deterministic_and_builds_once(package, tmp_path):
    package(FILES)
    paths = [builder.build(cache=tmp_path / name, quiet=True) for name in ("one", "other", "one")]
    assert package.fetched == 2
    for file in (paths[0], manifest_path(paths[0])):
        assert file.read_bytes() == (tmp_path / "other" / file.name).read_bytes()


@pytest.mark.parametrize("damage", [
    lambda path: path.write_bytes(path.read_bytes()[:-9]),
    lambda path: path.unlink(),
    lambda path: manifest_path(path).unlink(),
    lambda path: manifest_path(path).write_text("{"),
])
def test_what_is_not_whole_is_built_again(package, tmp_path, damage):
    package(FILES)
    path = builder.build(cache=tmp_path, quiet=True)
    before = path.read_bytes()
    damage(path)
    assert builder.build(cache=tmp_path, quiet=True) == path
    assert path.read_bytes() == before and package.fetched == 2


def test_another_rule_is_built_again(package, tmp_path, monkeypatch):
    package(FILES)
    builder.build(cache=tmp_path, quiet=True)
    monkeypatch.setattr(builder, "MAX_DIFFERENCES", 2)
    builder.build(cache=tmp_path, quiet=True)
    assert package.fetched == 2


def test_the_cache_folder(monkeypatch, tmp_path):
    monkeypatch.setenv("SCRATCH_LSTM_CACHE", str(tmp_path))
    assert builder.cache_folder() == tmp_path
    monkeypatch.delenv("SCRATCH_LSTM_CACHE")
    assert "scratch-lstm" in str(builder.cache_folder())


# what can go wrong

@pytest.mark.parametrize("rule", [{"dynasty": "ming"}, {"line_length": 6}])
def test_no_such_rule(rule):
    with pytest.raises(InputError, match="give one of tang, song, all, and 5 or 7"):
        builder.build(**rule)


@pytest.mark.parametrize("rule", [{"vocabulary": 10}, {"vocabulary": -3}, {"dynasty": "song"}])
def test_a_rule_that_leaves_no_poems(package, tmp_path, rule):
    package(FILES)
    with pytest.raises(InputError, match="leaves no poems .*; ask for a larger one"):
        builder.build(cache=tmp_path / "cache", quiet=True, **rule)
    assert os.listdir(tmp_path / "cache") == []


def test_a_full_disk(package, tmp_path, monkeypatch):
    def full(file):
        raise OSError(28, "No space left on device")
    package(FILES)
    monkeypatch.setattr(builder.os, "fsync", full)
    with pytest.raises(InputError, match="No space left on device.; make room there, .*SCRATCH_LSTM_CACHE"):
        builder.build(cache=tmp_path, quiet=True)
    assert os.listdir(tmp_path) == ["made-up.tgz"], "no half file is left"


def test_a_cache_that_is_a_file(package, tmp_path):
    package(FILES)
    (tmp_path / "cache").touch()
    with pytest.raises(InputError, match="cache: .*SCRATCH_LSTM_CACHE"):
        builder.build(cache=tmp_path / "cache", quiet=True)


def test_without_the_extra_the_install_line_is_named(package, tmp_path, monkeypatch):
    package(FILES)
    monkeypatch.setitem(sys.modules, "opencc", None)
    with pytest.raises(InputError, match=r"needs opencc: run `pip install 'scratch-lstm\[corpus\]'`"):
        builder.build(cache=tmp_path)
    assert package.fetched == 0, "reported before 85 MB are downloaded"


def test_the_default_corpus_where_it_was_built():
    path = builder.cache_folder() / "tang-5-2001.txt"
    if not path.exists():
        pytest.skip("the default corpus is not in the cache")
    corpus = Corpus.load(path)
    assert len(corpus.vocabulary.word_int_map) == 2001
    assert corpus.vocabulary.form == "字字字字字，字字字字字。字字字字字，字字字字字。"
