import hashlib
import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scratch_lstm.errors import InputError
from scratch_lstm.poems.corpus import Corpus, process_poems
from scratch_lstm.poems.manifest import MADE_BY, manifest_path
from scratch_lstm.poems.near_lines import near_groups
from scratch_lstm.poems.vocabulary import marks_of

POEMS = ["甲乙丙，丁甲乙。", "丙丁甲，乙丙丁。", "乙乙乙，丁丁甲。"]
# poems of some lengths, in which no two poems are equal
SETS_OF_POEMS = st.lists(st.integers(1, 5), min_size=1, max_size=40).map(
    lambda lengths: [chr(0x4e00 + i) * length for i, length in enumerate(lengths)])
SEEDS = st.integers(0, 2**32 - 1)


@pytest.fixture
def write(tmp_path):
    def write(poems, groups=None, **changes):
        path = tmp_path / "poems.txt"
        path.write_text("\n".join(poems) + "\n", encoding="utf-8", newline="")
        if groups is not None:
            manifest = {"made by": MADE_BY, "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
                        "groups": groups} | changes
            manifest_path(path).write_text(json.dumps(manifest))
        return path
    return write


@pytest.fixture(scope="module")
def corpus_of(tmp_path_factory):
    """A corpus from poems and, if given, groups; the file is overwritten by each call."""
    path = tmp_path_factory.mktemp("corpus") / "poems.txt"

    def corpus_of(poems, groups=None):
        path.write_text("\n".join(poems), encoding="utf-8")
        corpus = Corpus.load(path)
        if groups is not None:
            corpus.groups = np.array(groups)
        return corpus
    return corpus_of


def test_process_poems_has_the_labs_interface(write):
    vectors, word_int_map, int_word_map = process_poems(write(POEMS))
    # 6, 5 and 4 times; the rest 3 times each, as they appear
    assert list(word_int_map) == ["乙", "丁", "甲", "G", "丙", "，", "。", "E"]
    assert list(word_int_map.values()) == list(range(8))
    assert int_word_map == {index: word for word, index in word_int_map.items()}
    assert vectors.shape == (3, 10) and vectors.dtype == np.int64
    assert ["".join(int_word_map[i] for i in row) for row in vectors] == [f"G{poem}E" for poem in POEMS]


def test_process_poems_of_different_lengths_gives_a_list(write):
    vectors, word_int_map, _ = process_poems(write(["甲", "甲乙"]))
    assert isinstance(vectors, list)
    assert [v.tolist() for v in vectors] == [[word_int_map[w] for w in text] for text in ("G甲E", "G甲乙E")]


def test_load_and_process_poems_agree(write):
    path = write(POEMS)
    corpus = Corpus.load(path)
    vectors, word_int_map, int_word_map = process_poems(path)
    np.testing.assert_array_equal(corpus.vectors, vectors)
    assert (corpus.vocabulary.word_int_map, corpus.vocabulary.int_word_map) == (word_int_map, int_word_map)
    assert corpus.poems == POEMS and corpus.normalised == {} and corpus.path == path


def test_characters_beyond_sixteen_bits_are_one_word_each(corpus_of):
    corpus = corpus_of(["𠀀𠀁", "甲"])
    assert corpus.lengths.tolist() == [4, 3]
    assert "𠀀" in corpus.vocabulary.word_int_map


@pytest.mark.parametrize("poems, form", [
    (POEMS, "字字字，字字字。"),
    (["甲？乙a字"], "字？字字字"),
    (["甲，乙。", "甲，乙！"], None),
    (["甲，乙。", "甲，乙丙。"], None),
])
def test_form(corpus_of, poems, form):
    assert corpus_of(poems).vocabulary.form == form


def test_what_was_normalised_is_counted(tmp_path):
    path = tmp_path / "poems.txt"
    path.write_bytes("\ufeff甲,乙\r\n".encode())
    corpus = Corpus.load(path)
    assert corpus.poems == ["甲，乙"]
    assert corpus.normalised == {"byte-order mark": 1, "CRLF line ends": 1, "half-width punctuation": 1}


def test_a_poem_longer_than_the_limit_is_refused(write):
    path = write(["甲乙", "甲乙丙"])
    assert len(Corpus.load(path, limit=3).poems) == 2
    with pytest.raises(InputError, match="poems.txt, line 2: 3 characters, more than the limit of 2"):
        Corpus.load(path, limit=2)


# groups and the split

def test_groups_come_from_the_manifest_of_a_built_corpus(write):
    assert Corpus.load(write(POEMS)).groups.tolist() == [0, 1, 2]
    assert Corpus.load(write(POEMS, groups=[0, 1, 0])).groups.tolist() == [0, 1, 0]


@pytest.mark.parametrize("changes", [{"sha256": "0" * 64}, {"groups": [0, 1]}, {"made by": "hand"}])
def test_a_text_changed_after_it_was_built_is_refused(write, changes):
    path = write(POEMS, **{"groups": [0, 1, 0]} | changes)
    with pytest.raises(InputError, match="poems.txt: was changed after it was built.*; delete poems.txt"):
        Corpus.load(path)


@pytest.mark.parametrize("manifest", ["", "{", "[]", "{}", '{"made by": 1, "sha256": 2, "groups": ["x"]}'])
def test_a_manifest_that_is_none_is_refused(write, manifest):
    path = write(POEMS)
    manifest_path(path).write_text(manifest)
    with pytest.raises(InputError, match="manifest.json: is not the manifest.*; delete"):
        Corpus.load(path)


@given(groups=st.lists(st.integers(0, 9), min_size=2, max_size=60).filter(lambda g: len(set(g)) > 1),
       held_out=st.floats(0.01, 0.99), seed=SEEDS)
def test_split_by_whole_groups(corpus_of, groups, held_out, seed):
    corpus = corpus_of(["甲"] * len(groups), groups)
    training, held = corpus.split(held_out, seed)
    assert sorted([*training, *held]) == list(range(len(groups)))
    assert list(training) == sorted(training) and list(held) == sorted(held)
    assert len(training) and len(held)
    assert not set(corpus.groups[training]) & set(corpus.groups[held])
    largest = max(map(groups.count, groups))
    assert abs(len(held) - held_out * len(groups)) <= largest
    for again, side in zip(corpus.split(held_out, seed), (training, held)):
        np.testing.assert_array_equal(again, side)


def test_split_holds_out_the_fraction_and_depends_on_the_seed(corpus_of):
    corpus = corpus_of(["甲"] * 1000, range(1000))
    sides = [corpus.split(0.05, seed)[1] for seed in range(5)]
    assert [len(held) for held in sides] == [50] * 5
    assert len({tuple(held) for held in sides}) == 5


def test_split_of_nothing_and_of_one_group(corpus_of):
    corpus = corpus_of(POEMS, [7, 7, 7])
    training, held = corpus.split(0, 0)
    assert training.tolist() == [0, 1, 2] and held.shape == (0,)
    with pytest.raises(InputError, match="all of one group.*--held-out 0"):
        corpus.split(0.05, 0)


@pytest.mark.parametrize("held_out", [-0.1, 1, float("nan")])
def test_a_held_out_fraction_that_is_none(corpus_of, held_out):
    with pytest.raises(InputError, match="held-out fraction of"):
        corpus_of(POEMS).split(held_out, 0)


# batches

@given(poems=SETS_OF_POEMS, batch_size=st.integers(1, 9), seed=st.none() | SEEDS, data=st.data())
def test_batches_hold_every_poem_once(corpus_of, poems, batch_size, seed, data):
    corpus = corpus_of(poems)
    indices = np.array(data.draw(st.lists(st.sampled_from(range(len(poems))), unique=True)), dtype=int)

    def batches():
        rng = None if seed is None else np.random.default_rng(seed)
        return list(corpus.batches(indices, batch_size, rng))

    found = []
    for batch in batches():
        assert batch.dtype == np.int64 and batch.flags.c_contiguous
        assert 1 <= batch.shape[1] <= batch_size
        texts = ["".join(corpus.vocabulary.int_word_map[i] for i in column) for column in batch.T]
        assert all(text[0] == "G" and text[-1] == "E" for text in texts)
        found += [text[1:-1] for text in texts]
    assert sorted(found) == sorted(poems[i] for i in indices)
    counts = np.unique(corpus.lengths[indices], return_counts=True)[1]
    assert len(batches()) == sum(math.ceil(count / batch_size) for count in counts)   # no batch is split
    for one, other in zip(batches(), batches()):
        np.testing.assert_array_equal(one, other)


def test_only_the_last_batch_of_a_length_is_smaller(corpus_of):
    corpus = corpus_of(["甲"] * 7 + ["乙乙"] * 4)
    sizes = [batch.shape for batch in corpus.batches(np.arange(11), 3, None)]
    assert sizes == [(3, 3), (3, 3), (3, 1), (4, 3), (4, 1)]


def test_without_rng_the_order_is_that_of_the_file(corpus_of):
    poems = [chr(0x4e00 + i) * (1 + i % 2) for i in range(100)]
    corpus = corpus_of(poems)
    words = ["".join(corpus.vocabulary.int_word_map[i] for i in batch[1])
             for batch in corpus.batches(np.arange(100), 50, None)]
    assert words == ["".join(poem[0] for poem in poems[length::2]) for length in (0, 1)]


def test_rng_shuffles_poems_and_lengths(corpus_of):
    corpus = corpus_of([chr(0x4e00 + i) * (1 + i % 2) for i in range(200)])
    one, other = (list(corpus.batches(np.arange(200), 10, np.random.default_rng(s))) for s in (0, 1))
    lengths = [len(batch) for batch in one]
    assert lengths != sorted(lengths), "batches of both lengths are mixed"
    assert [b.tolist() for b in one] != [b.tolist() for b in other]
    assert any(np.any(np.diff(batch[1]) < 0) for batch in one), "poems are mixed within a length"


def test_the_draws_are_made_at_the_call(corpus_of):
    """So that a generator's state, saved after the call, does not depend on how far the epoch has come."""
    corpus = corpus_of(POEMS)
    rng = np.random.default_rng(0)
    batches = corpus.batches(np.arange(3), 1, rng)
    state = rng.bit_generator.state
    list(batches)
    assert rng.bit_generator.state == state


def test_a_text_with_the_letters_of_the_marks_gets_other_marks(tmp_path):
    file = tmp_path / "limericks.txt"
    file.write_text("Every Good Boy\nEats Grapes\n", encoding="utf-8")
    corpus = Corpus.load(file)
    assert marks_of(corpus.vocabulary.word_int_map) == ("\x02", "\x03")
    assert [corpus.vocabulary.int_word_map[n] for n in corpus.vectors[1]] == ["\x02", *"Eats Grapes", "\x03"]
    assert marks_of({"G": 0, "E": 1, "甲": 2}) == ("G", "E")


def test_the_longest_poem(corpus_of):
    corpus = corpus_of(["甲乙丙", "甲", "乙丙丁戊己"])
    assert corpus.vocabulary.longest == 5 and sorted(corpus.lengths) == [3, 5, 7]


# equal and nearly equal poems of any corpus

QUATRAIN = "甲乙丙丁戊，己庚辛壬癸。子丑寅卯辰，巳午未申酉。"


def with_changes(poem, *places):
    return "".join("山" if n in places else character for n, character in enumerate(poem))


@pytest.mark.parametrize("poems, groups", [
    ([QUATRAIN, "风" * 24, QUATRAIN], [0, 1, 0]),
    ([QUATRAIN, with_changes(QUATRAIN, 0, 6, 18), with_changes(QUATRAIN, 0, 6, 12, 18)], [0, 0, 0]),
    ([QUATRAIN, with_changes(QUATRAIN, 0, 6, 12, 18)], [0, 1]),
    ([QUATRAIN, QUATRAIN[:-1]], [0, 1]),                                       # of another length
    (["甲乙丙丁戊己庚", "山乙丙丁戊己庚"], [0, 1]),                                # short: only equal ones
    (["甲乙丙丁戊己庚辛", "山乙丙丁戊己庚辛"], [0, 0]),
    (["甲", "乙", "甲"], [0, 1, 0]),
])
def test_equal_and_nearly_equal_poems_are_one_group(poems, groups, corpus_of):
    assert corpus_of(poems).groups.tolist() == groups


@given(seed=SEEDS, count=st.integers(2, 300), letters=st.integers(1, 3))
def test_near_poems_as_by_comparing_each_with_each(seed, count, letters):
    rng = np.random.default_rng(seed)
    rows = rng.integers(0, 2 if letters == 1 else 9, (count, 26)) if letters < 3 else (
        np.repeat(rng.integers(0, 50, (-(-count // 6), 26)), 6, axis=0)[:count])
    noise = rng.random(rows.shape) < 0.06
    rows = np.where(noise, 99, rows)
    found = near_groups(rows.ravel(), np.arange(count) * 26, np.full(count, 26))
    near = (rows[:, None] != rows).sum(axis=2) <= 3
    expected = np.arange(count)
    for _ in range(count):
        lowest = np.where(near, expected, count).min(axis=1)
        if (lowest == expected).all():
            break
        expected = lowest
    assert [found.tolist().index(g) for g in found] == expected.tolist()


def test_repeated_poems_are_not_on_both_sides(write):
    poems = [chr(0x4e00 + n) * 5 + "，" + chr(0x5e00 + n) * 5 + "。" for n in range(60)]
    corpus = Corpus.load(write(poems * 5))
    training, held_out = corpus.split(0.1, 0)
    assert not {corpus.poems[n] for n in training} & {corpus.poems[n] for n in held_out}
    assert any("300 poems in 60 groups" in line for line in corpus.description())


def test_a_corpus_describes_itself(write):
    lines = list(Corpus.load(write(["甲乙丙", "乙丙丁", "丙丁戊", "戊" * 100])).description())
    assert [line for line in lines if line.startswith("  poem")] == [
        "  poem 1: 甲乙丙", "  poem 2: 乙丙丁", "  poem 3: 丙丁戊"]
    assert "  rarest characters: 甲 乙 丁 丙 G E 戊" in lines
    assert lines[-1] == "poems_vector (4,)  word_int_map 7  int_word_map 7"


# batches of long poems

def test_long_poems_come_in_smaller_batches(corpus_of):
    corpus = corpus_of(["甲" * 4] * 5 + ["乙" * 98] * 5 + ["丙" * 1998])
    sizes = [batch.shape for batch in corpus.batches(np.arange(11), 4, None, characters=300)]
    assert sizes == [(6, 4), (6, 1), (100, 3), (100, 2), (2000, 1)]
    assert corpus.count_batches(np.arange(11), 4, 300) == len(sizes)
    assert corpus.words_in_batch(4, 300) == 2000 and corpus.words_in_batch(4) == 2000
    assert corpus.words_in_batch(32, 10**9) == 2000


def test_what_is_learnt_has_a_hash_that_line_ends_do_not_change(tmp_path):
    files = {"lf": "甲\n乙\n", "crlf": "甲\r\n乙\r\n", "bom": "\ufeff甲\n乙", "other": "甲\n丙\n"}
    hashes = {}
    for name, text in files.items():
        (tmp_path / name).write_bytes(text.encode())
        hashes[name] = Corpus.load(tmp_path / name).poems_sha256
    assert hashes["lf"] == hashes["crlf"] == hashes["bom"] != hashes["other"]


def test_a_form_that_nearly_all_poems_have_is_said(write):
    corpus = Corpus.load(write(["甲乙，丙丁。"] * 19 + ["甲乙，丙丁"]))
    assert corpus.vocabulary.form is None
    assert any(line.startswith("  19 of 20 poems have the form 字字，字字。; --strict needs") for line in
               corpus.description())


def test_every_line_of_a_description(tmp_path):
    path = tmp_path / "a\u200bb.txt"
    twice = "甲乙丙丁戊己庚,辛\r\n" * 2
    path.write_bytes(f"\ufeff{twice}{'山' * 61}\r\n{'水' * 60}".encode())
    corpus = Corpus.load(path)
    assert list(corpus.description()) == [
        f"corpus {tmp_path}/a\\u200bb.txt", *(f"  {line}" for line in corpus.said),
        *(f"  normalised: {what}, {times} times" for what, times in corpus.normalised.items()),
        "  poem 1: 甲乙丙丁戊己庚，辛", "  poem 2: 甲乙丙丁戊己庚，辛", f"  poem 3: {'山' * 60}...",
        "  rarest characters: 甲 乙 丙 丁 戊 己 庚 ， 辛 G",
        "  4 poems in 3 groups of one poem, or of equal and nearly equal ones; each group is on one side of "
        "the held-out split",
        "poems_vector (4,)  word_int_map 13  int_word_map 13"]
    assert len(corpus.normalised) == 3


def test_the_last_line_gives_the_shape_of_equal_poems(corpus_of):
    assert list(corpus_of(POEMS).description())[-1] == "poems_vector (3, 10)  word_int_map 8  int_word_map 8"
    exactly = list(corpus_of(["山" * 60]).description())
    assert f"  poem 1: {'山' * 60}" in exactly and not any("groups" in line for line in exactly)


@pytest.mark.parametrize("with_form, of, said", [(9, 10, True), (8, 10, False), (10, 10, False)])
def test_a_form_of_nine_tenths_is_said(corpus_of, with_form, of, said):
    poems = [chr(0x4e00 + n) + "，山。" for n in range(with_form)] + ["山"] * (of - with_form)
    line = (f"  {with_form} of {of} poems have the form 字，字。; --strict needs that all have it")
    assert (line in list(corpus_of(poems).description())) == said


def test_what_cannot_be_split_is_said_in_full(corpus_of):
    corpus = corpus_of(POEMS, [7, 7, 7])
    with pytest.raises(InputError) as error:
        corpus.split(0.05, 0)
    assert str(error.value) == (f"{corpus.path}: the poems are all of one group, none can be held out; "
                                "use --held-out 0")
    one = corpus_of(POEMS[:1])
    with pytest.raises(InputError) as error:
        one.split(0.05, 0)
    assert str(error.value) == (f"{one.path}: is one poem, of {len(one.poems[0])} characters; give one "
                                "poem a line, or learn this one with --held-out 0")
    with pytest.raises(InputError, match="^a held-out fraction of 1: give one from 0 to less than 1$"):
        corpus.split(1, 0)


def test_the_number_of_words_in_a_batch(corpus_of):
    """poems_in_batch, count_batches and words_in_batch: long poems come in smaller batches."""
    corpus = corpus_of(["甲乙丙"] * 7 + ["丁"] * 2)                      # 5 and 3 words with the marks
    for batch_size, characters, batches, words in [
            (3, None, 4, 15), (3, 10, 5, 10), (3, 9, 8, 6), (3, 4, 9, 5), (9, None, 2, 35), (1, None, 9, 5),
            (2, 100, 5, 10)]:
        assert corpus.count_batches(np.arange(9), batch_size, characters) == batches
        assert corpus.words_in_batch(batch_size, characters) == words
        found = corpus.batches(np.arange(9), batch_size, None, characters=characters)
        sizes = [batch.shape for batch in found]
        assert len(sizes) == batches and max(T * B for T, B in sizes) == words
    assert corpus.count_batches(np.arange(7, 9), 1) == 2 and corpus.count_batches(np.arange(0), 1) == 0


def test_batches_go_to_the_device_once(corpus_of):
    """to_device gets the corpus, the order and the steps at the call, and nothing afterwards."""
    given = []

    def to_device(array):
        given.append(array)
        return array

    corpus = corpus_of(["甲乙", "丙丁", "山"])
    batches = corpus.batches(np.array([2, 0]), 1, None, to_device)
    assert [array.tolist() for array in given] == [corpus.tokens.tolist(), [8, 0], [0, 1, 2, 3]]
    assert [batch.shape for batch in batches] == [(3, 1), (4, 1)] and len(given) == 3


def test_the_hash_of_the_poems_is_of_the_poems_and_their_groups(write):
    for groups in (None, [0, 1, 0]):
        numbers = groups or [0, 1, 2]
        expected = hashlib.sha256("\n".join([*POEMS, *map(str, numbers)]).encode()).hexdigest()
        corpus = Corpus.load(write(POEMS, groups=groups))
        assert corpus.poems_sha256 == expected and corpus.has_manifest is (groups is not None)
        assert corpus.file_sha256 == hashlib.sha256(corpus.path.read_bytes()).hexdigest()


def test_a_corpus_can_be_loaded_from_the_name_of_its_file(write):
    assert Corpus.load(str(write(POEMS))).path == write(POEMS)


@pytest.mark.parametrize("poem", ["aG", "aE", "GE"])
def test_one_letter_of_the_marks_is_enough_for_other_marks(corpus_of, poem):
    vocabulary = corpus_of([poem, "bc"]).vocabulary
    assert (vocabulary.start, vocabulary.end) == ("\x02", "\x03")


def test_how_a_file_was_read_reads_it_again(write):
    """`auto` has looked at the file, and is replaced by what it found."""
    corpus = Corpus.load(write(POEMS))
    assert corpus.reading.poems_are == "lines"
    assert Corpus.load(corpus.path, corpus.reading).poems == POEMS
