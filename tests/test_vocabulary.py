"""The words of a corpus, the marks, and the form that poems share."""

import pytest

from scratch_lstm.errors import InputError
from scratch_lstm.poems.vocabulary import LONGEST, Vocabulary, has_form, is_punctuation, marks_of, shared_form

WORDS = ("G", "E", "，", "山", "水")


@pytest.mark.parametrize("arguments, message", [
    ((("G", "E", "山水"),), "a vocabulary is made of single characters"),
    ((("G", "E", ""),), "a vocabulary is made of single characters"),
    ((("G", "E", 5),), "a vocabulary is made of single characters"),
    ((("G", "E", "山", "山"),), "a vocabulary must not have a character twice"),
    ((("E", "山"),), "a vocabulary must have the marks of start and end; 'G' is missing"),
    ((("G", "山"),), "a vocabulary must have the marks of start and end; 'E' is missing"),
    ((("\x02", "G", "E"),), "a vocabulary must have the marks of start and end; '\\x03' is missing"),
    ((WORDS, "字。"), "the form '字。' has other characters than 字 and punctuation"),
    ((WORDS, "字山"), "the form '字山' has other characters than 字 and punctuation"),
    ((WORDS, None, 0), "the longest poem has 0 characters; it must be 1 or more"),
    ((WORDS, None, LONGEST + 1), "the longest poem has 1000001 characters; it must be 1 or more"),
    ((WORDS, None, 5.0), "the longest poem has 5.0 characters; it must be 1 or more"),
])
def test_what_is_no_vocabulary(arguments, message):
    with pytest.raises(InputError) as error:
        Vocabulary(*arguments)
    assert str(error.value) == message


def test_what_is_one():
    for longest in (1, LONGEST):
        vocabulary = Vocabulary(WORDS, "字，字", longest)
        assert (len(vocabulary), vocabulary.start, vocabulary.end) == (5, "G", "E")
        assert vocabulary.word_int_map == {"G": 0, "E": 1, "，": 2, "山": 3, "水": 4}
        assert vocabulary.int_word_map == {0: "G", 1: "E", 2: "，", 3: "山", 4: "水"}
    other = Vocabulary(("G", "\x03", "\x02", "E"))
    assert (other.start, other.end, other.form, other.longest) == ("\x02", "\x03", None, 100)


def test_of_a_map_or_of_a_vocabulary():
    vocabulary = Vocabulary(WORDS, "字，字", 7)
    assert Vocabulary.of(vocabulary) is vocabulary
    assert Vocabulary.of({"山": 3, "E": 1, "G": 0, "水": 4, "，": 2}).words == WORDS
    words = [*WORDS, *map(chr, range(0x4e00, 0x4e00 + 7))]
    assert Vocabulary.of({word: n for n, word in enumerate(words)}).words == tuple(words)   # 10 comes after 9
    for numbers in ([0, 1, 2, 3, 3], [1, 2, 3, 4, 5], [0, 1, 2, 3, "4"], [0, 1, 2, 3, None]):
        with pytest.raises(InputError) as error:
            Vocabulary.of(dict(zip(WORDS, numbers)))
        assert str(error.value) == "a word_int_map must map its words to 0, 1, 2, ..., each number once"


def test_marks_and_punctuation():
    assert marks_of("山GE") == ("G", "E") and marks_of("山\x02GE") == ("\x02", "\x03")
    assert [character for character in "山， a。1《\n" if is_punctuation(character)] == ["，", " ", "。", "《"]


@pytest.mark.parametrize("poems, words, form", [
    (["山，水", "水，山"], WORDS, "字，字"), (["山，水", "水，，"], WORDS, None), (["山"], "山", "字"),
    (["山"], "水", "山"), ([], WORDS, None),
])
def test_shared_form(poems, words, form):
    assert shared_form(poems, words) == form


@pytest.mark.parametrize("poem, form, right", [
    ("山，水", "字，字", True), ("山水", "字，", False), ("，，水", "字，字", False), ("山，", "字，字", False),
    ("山，水水", "字，字", False), ("", "", True),
])
def test_has_form(poem, form, right):
    assert has_form(poem, form) is right
