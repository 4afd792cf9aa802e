"""One rule for characters: of a corpus, of a prompt, of an acrostic."""

import re
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scratch_lstm.errors import InputError
from scratch_lstm.poems import prompts
from scratch_lstm.poems.characters import FORMAT, SPACES, normalise, refuse
from scratch_lstm.poems.prompts import fitted, readable
from scratch_lstm.poems.vocabulary import Vocabulary, shared_form

VOCABULARY = Vocabulary(tuple("GE山水风月，。 a"), None, 20)


@pytest.mark.parametrize("before, after, what", [
    ("山\r水", "山\n水", "CR line ends"),
    ("山\u200b水\u2060", "山水", "invisible format characters"),
    ("山\u00ad\ufeff水", "山水", "invisible format characters"),
    ("山\ufe0f水\U000e0100", "山水", "variation selectors"),
    ("⼭⽔", "山水", "compatibility forms"),              # Kangxi radicals, as they come out of a PDF
    ("山水｡", "山水。", "compatibility forms"),
    ("Ａ１", "A1", "compatibility forms"),
    ("e\u0301", "é", "characters composed (NFC)"),
    ("\uf9d1", "六", "characters composed (NFC)"),
    ("山水，\u00a0风月", "山水，风月", "spaces next to punctuation"),
    ("山水\u2003\u3000风月", "山水 风月", "other or repeated spaces"),
    ("a  b", "a b", "other or repeated spaces"),
    ("\u00a0山水\u2003", "山水", "spaces at line ends"),
    ("山水”,风月", "山水”，风月", "half-width punctuation"),
    ("公元618,山水", "公元618，山水", "half-width punctuation"),
    ("山水?!", "山水？！", "half-width punctuation"),
])
def test_each_kind_has_its_normal_form_and_is_counted(before, after, what):
    text, normalised = normalise(before)
    assert text == after and normalised[what] >= 1


@pytest.mark.parametrize("character", ["\x00", "\x1b", "\x85", "\t", "\u2029", "\ud800", "\ufffd", "\uffff"])
def test_what_has_no_normal_form_is_refused(character):
    text, _ = normalise(f"山{character}水\n")
    with pytest.raises(InputError, match="position 2; delete it"):
        refuse(text.rstrip("\n"), "poems.txt, line 1")


def test_every_format_character_and_every_space_of_unicode_has_a_rule():
    for code in range(0x110000):
        character = chr(code)
        category = unicodedata.category(character)
        if category == "Zs":
            assert re.match(f"[{SPACES}]", character), hex(code)
        elif category in ("Zl", "Zp"):
            with pytest.raises(InputError):
                refuse(character, "x")
        elif category == "Cf" and not is_visible(code):
            assert FORMAT.search(character), hex(code)


def is_visible(code):
    """Format characters that are drawn: signs of other scripts before numbers, joiners of hieroglyphs."""
    return (code in (0x6dd, 0x70f, 0x890, 0x891, 0x8e2, 0x110bd, 0x110cd) or 0x600 <= code <= 0x605
            or 0x13430 <= code <= 0x1343f)


@given(st.text(st.sampled_from("山水，。,.! \u00a0\u3000\u200b\ufe0fｅ1a\n⼭é\u0301\r")))
def test_what_is_normal_stays(text):
    once = normalise(text)[0]
    assert normalise(once) == (once, {})


def test_a_form_never_counts_a_space():
    assert shared_form(["山水 风月", "风月 山水"], "山水风月 ") == "字字 字字"


@pytest.mark.parametrize("typed, meant", [
    ("山,", "山，"), (" 山\u3000", "山"), ("山\u200b水", "山水"), ("⼭", "山"), ("a  a", "a a"), ("山\ufe0f", "山"),
])
def test_a_prompt_is_normalised_like_a_corpus(typed, meant):
    assert fitted(typed, VOCABULARY, print) == meant


def test_traditional_and_simplified_prompts_are_converted_and_that_is_said():
    pytest.importorskip("opencc")
    said = []
    assert fitted("風，", VOCABULARY, said.append) == "风，"
    assert said == ["# prompt 風， as 风，, the characters that the model has"]
    assert fitted("云", Vocabulary(tuple("GE雲")), said.append) == "雲"
    assert fitted("龍", VOCABULARY, said.append) == "龍" and len(said) == 2      # left to the error message


def test_without_opencc_that_is_said(monkeypatch):
    monkeypatch.setattr(prompts, "converter", lambda rule: None)
    said = []
    assert fitted("風", VOCABULARY, said.append) == "風"
    assert said == ["# OpenCC is not installed: traditional and simplified characters are not converted"]


def test_a_prompt_of_a_c_locale_is_utf_8():
    assert readable("山".encode().decode("ascii", "surrogateescape")) == "山"
    assert readable("山\udcff") == "山\udcff"
