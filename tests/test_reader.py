"""The reader of poem files: what is normalised, what is refused."""

import re

import pytest

from scratch_lstm.errors import InputError
from scratch_lstm.poems.characters import normalise
from scratch_lstm.poems.reader import Reading, read_bytes, read_poems

POEM = "甲乙丙丁戊，己庚辛壬癸。"


def read(tmp_path, data, limit=1000):
    path = tmp_path / "poems.txt"
    path.write_bytes(data if isinstance(data, bytes) else data.encode())
    found = read_poems(path, read_bytes(path), Reading(), limit)
    return found.poems, found.normalised


@pytest.mark.parametrize("end", ["", "\n", "\n\n", "\r\n"])
def test_one_poem_a_line_whatever_ends_the_file(tmp_path, end):
    poems, normalised = read(tmp_path, POEM + "\n" + "子丑" + end)
    assert poems == [POEM, "子丑"]
    assert normalised == ({"CRLF line ends": 1} if end == "\r\n" else {})


@pytest.mark.parametrize("data, normalised", [
    ("\ufeff" + POEM, {"byte-order mark": 1}),
    (f"{POEM}\r\n{POEM}\r\n", {"CRLF line ends": 2}),
    (f"\u3000{POEM} \n{POEM}\t", {"spaces at line ends": 3}),
    ("甲乙丙丁戊,己庚辛壬癸.", {"half-width punctuation": 2}),
    ("甲乙丙丁戊, 己庚辛壬癸. \r\n", {"CRLF line ends": 1, "spaces at line ends": 1, "half-width punctuation": 2}),
])
def test_harmless_irregularities_are_normalised_and_counted(tmp_path, data, normalised):
    poems, counted = read(tmp_path, data)
    assert set(poems) == {POEM}
    assert counted == normalised


def test_each_half_width_mark_has_its_full_width():
    assert normalise("甲,乙.丙?丁!戊;己:庚") == ("甲，乙。丙？丁！戊；己：庚", {"half-width punctuation": 6})


@pytest.mark.parametrize("text", ["3.14", "a, b.", "甲...乙", "甲, b"])
def test_half_width_punctuation_elsewhere_is_left_alone(text):
    assert normalise(text) == (text, {})


@pytest.mark.parametrize("data, where, what", [
    (b"", "", "the file is empty"),
    ("\ufeff\r\n  \n", "", "the file is empty"),
    (f"{POEM}\n\n{POEM}\n", ", line 2", "empty line"),
    (f"{POEM}\n \u3000\n{POEM}\n", ", line 2", "empty line"),
    (f"{POEM}\n".encode() + "風".encode("gb18030") + b"\n", ", line 2", "byte 37 of the file is not UTF-8"),
    (POEM.encode("utf-16"), ", line 1", "byte 0 of the file is not UTF-8"),
    (f"{POEM}\n{POEM * 2}\n", ", line 2", "24 characters, more than the limit of 20"),
    ("甲\t乙", ", line 1", "U+0009 at position 2"),
    ("甲\r乙\n", ", line 1", "U+000D at position 2"),
    ("甲\u2028乙", ", line 1", "U+2028 at position 2"),
    ("甲\x1b乙", ", line 1", "U+001B at position 2"),
    ("甲\ufffd乙", ", line 1", "U+FFFD at position 2"),
])
def test_bad_input_is_one_line_with_file_and_line(tmp_path, data, where, what):
    with pytest.raises(InputError) as error:
        read(tmp_path, data, limit=20)
    message = str(error.value)
    assert message.startswith(f"{tmp_path / 'poems.txt'}{where}:") and what in message
    assert "\n" not in message
    assert re.search("; (give|save|delete|write) ", message), "it says what to do"


def test_a_missing_file_and_a_folder_are_named(tmp_path):
    with pytest.raises(InputError, match="nowhere.txt: No such file.*; give a UTF-8 text"):
        read_bytes(tmp_path / "nowhere.txt")
    with pytest.raises(InputError, match=f"{re.escape(str(tmp_path))}: .*; give a UTF-8 text"):
        read_bytes(tmp_path)
