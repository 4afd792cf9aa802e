"""Files of poems as people have them: which are read, and how; which are refused, and with what name."""

import csv
import io
import json
import re

import pytest

from scratch_lstm.errors import InputError
from scratch_lstm.poems.characters import normalise
from scratch_lstm.poems.reader import Reading, read_bytes, read_poems

POEMS = ["一山水七月，风七花一雪。", "二山水八月，风八花二雪。", "三山水九月，风九花三雪。", "四山水十月，风十花四雪。"]
LINES = [[poem[:6], poem[6:]] for poem in POEMS]


def read(tmp_path, data, **reading):
    path = tmp_path / "poems.txt"
    path.write_bytes(data if isinstance(data, bytes) else data.encode())
    return read_poems(path, read_bytes(path), Reading(**reading))


def objects(**more):
    return [{"title": f"题{n}", "author": "佚名", "paragraphs": lines} | more for n, lines in enumerate(LINES)]


def table(delimiter, names=("title", "author", "content")):
    out = io.StringIO()
    writer = csv.writer(out, delimiter=delimiter)
    writer.writerows([names, *([f"题{n}", "佚名", poem] for n, poem in enumerate(POEMS))])
    return out.getvalue()


READ = {
    "JSON, indented": json.dumps(objects(), ensure_ascii=False, indent=2),
    "JSON, compact": json.dumps(objects(), ensure_ascii=False),
    "JSON, ASCII": json.dumps(objects()),
    "JSON lines": "\n".join(json.dumps(one, ensure_ascii=False) for one in objects()),
    "JSON, content as a text": json.dumps([{"content": poem, "author": "佚名"} for poem in POEMS]),
    "JSON, content with line breaks": json.dumps([{"content": "\n".join(lines)} for lines in LINES]),
    "JSON, chapters": json.dumps({"title": "诗选", "content": [{"type": "诗", "content": objects(tags=["春"])}]}),
    "JSON, a list of poems": json.dumps(POEMS),
    "CSV": table(","), "TSV": table("\t"), "semicolons": table(";"),
    "CSV, Chinese header": table(",", ("标题", "作者", "内容")), "CSV, mixed": table(",", ("标题", "x", "poem")),
    "CSV, fields with line breaks": 'title,content\r\n' + "".join(f'题,"{a}\n{b}"\r\n' for a, b in LINES),
    "title:content": "\n".join(f"题{n}:{poem}" for n, poem in enumerate(POEMS)),
    "title：content": "\n".join(f"题{'目' * n}：{poem}" for n, poem in enumerate(POEMS)),
    "title:content, CRLF": "\r\n".join(f"题{n}:{poem}" for n, poem in enumerate(POEMS)) + "\r\n",
    "title::author::content": "\n".join(f"题{n}::佚名::{poem}" for n, poem in enumerate(POEMS)),
    "title::author::content, one title": "\n".join(f"无题::佚名::{poem}" for poem in POEMS),
    "JSON objects, not one a line": "\n".join(json.dumps(one, indent=1) for one in objects()),
    "title:content, one empty": "\n".join([f"题{n}:{poem}" for n, poem in enumerate(POEMS)] + ["无题:"]),
    "JSON, bars between lines": json.dumps([{"content": "|".join(lines)} for lines in LINES]),
    "CSV, bars between lines": "title,content\n" + "\n".join(f"题,{a}|{b}" for a, b in LINES),
    "CSV, one column": "content\n" + "\n".join(POEMS) + "\n",
    "CSV, one column, quoted": '"内容"\r\n\r\n' + "\r\n".join(f'"{poem}"' for poem in POEMS),
    "a space between characters": "\n".join(" ".join(poem) for poem in POEMS),
    "a space between characters, CRLF": "\r\n".join(" ".join(poem) + " " for poem in POEMS) + "\r\n",
    "paragraphs": "\n\n".join("\n".join(lines) for lines in LINES),
    "paragraphs, three line ends between": "\r\n\r\n\r\n".join("\r\n".join(lines) for lines in LINES),
    "lines, CR": "\r".join(POEMS), "lines, BOM": "\ufeff" + "\n".join(POEMS),
    "lines, ideographic spaces": "\n".join(f"\u3000\u3000{poem}\u3000" for poem in POEMS),
    "lines, half-width": "\n".join(poem.replace("，", ", ").replace("。", ".") for poem in POEMS),
}


@pytest.mark.parametrize("name", READ)
def test_what_holds_poems_is_read(name, tmp_path):
    found = read(tmp_path, READ[name])
    assert found.poems == POEMS
    assert bool(found.said) == (not name.startswith("lines")), "a form that was recognised is said"


def test_another_column_and_another_key(tmp_path):
    assert read(tmp_path, table(",", ("a", "b", "c")), column="c").poems == POEMS
    assert read(tmp_path, json.dumps([{"verse": poem} for poem in POEMS]), column="verse").poems == POEMS


REFUSED = {
    "JSON": ["[{\"paragraphs\": [\"一\"", json.dumps([{"name": "佚名"}] * 3), "[" * 100_000 + '"'],
    "HTML": ["<!DOCTYPE html>\n<p>一山</p>", "<html><body>\n一山水\n</body></html>",
             "<?xml version='1.0'?>\n<a>一</a>"],
    "subtitles": ["1\n00:00:01,000 --> 00:00:02,000\n一山水\n", "WEBVTT\n\n00:01.000 --> 00:02.000\n一山水"],
    "LRC": ["[00:01.00]一山水\n[00:02.00]二山水\n[00:03.00]三山水"],
    "Markdown": ["# 诗选\n\n一山水\n二山水", "一山水\n```\n二山水\n```", "- 一山水\n- 二山水\n- 三山水"],
    "Git LFS pointer": ["version https://git-lfs.github.com/spec/v1\noid sha256:0a1b\nsize 9\n"],
    "Project Gutenberg": ["Poems\n\n*** START OF THE PROJECT GUTENBERG EBOOK POEMS ***\n\nA line"],
    "wiki markup": ["[[File:a.png]]\n== 春 ==\n一山水",
                    "{{header|title=诗}}\n== 春 ==\n一山水，\n二风月。\n[[Category:诗]]"],
    "links or paths": ["/poem/1.aspx\n/poem/2.aspx\n", "https://a.org/1\nhttps://a.org/2"],
    "LaTeX": ["\\documentclass{article}\n\\begin{document}\n一山水"],
    "program code": ["import os\n\ndef f(x):\n    return x\n",
                     "#include <stdio.h>\nint main() {\n  return 0;\n}"],
    "YAML": ["title: 一\nauthor: 二\nbody: 三", "a: 5.4\n  /b/1.0:\n    c: true\n    'd': x"],
    "numbered list": ["1.一山水\n2.二山水\n3.三山水", "一、一山水\n二、二山水\n三、三山水", "(1) 一山水\n(2) 二山水"],
    "segmented": ["一/m 山/n 水/n\n二/m 山/n 水/n"],
    "word list": ["山水 12\n风月 11\n花雪 9"],
    "numbers": ["1.5 2.5\n-3 1e-4\n7 8", "3.14\n2.72"],
    "a table": ["题\t一山水\n目\t二山水", '"题","一山水"\n"目","二山水"', "title,author\n题,佚名\n目,佚名"],
    "PDF": [b"%PDF-1.7\n\x00\xff"], "ZIP": [b"PK\x03\x04\x00\x00"], "gzip": [b"\x1f\x8b\x08"],
    "SQLite": [b"SQLite format 3\x00"], "UTF-16": ["一山水".encode("utf-16")], "RTF": [b"{\\rtf1 x}"],
    "PNG": [b"\x89PNG\r\n\x1a\n\x00"],
}


@pytest.mark.parametrize("name, data", [(name, data) for name, each in REFUSED.items() for data in each])
def test_what_holds_none_is_refused_by_name(name, data, tmp_path):
    with pytest.raises(InputError) as error:
        read(tmp_path, data)
    message = str(error.value)
    assert message.startswith(f"{tmp_path / 'poems.txt'}") and name in message and "\n" not in message
    assert "; " in message, "it says what to do"


ORDINARY = ["一 二 三\n山水 风月\n春 秋", "a b c\nthe end of it",
            "甲乙丙丁戊,己庚辛壬癸.\n子丑寅卯辰,巳午未申酉.", "问：何处是？答：山中。\n问：何时归？答：秋后。\n",
            "Every Good Boy\nEats Grapes", "一，山。\n二，水。", "山/水\n风/月"]


@pytest.mark.parametrize("text", ORDINARY)
def test_ordinary_lines_are_not_taken_for_a_format(text, tmp_path):
    found = read(tmp_path, text)
    assert len(found.poems) == len(text.rstrip("\n").split("\n")) and not found.said


PLAIN = ["title:content", "title：content", "title::author::content", "CSV, Chinese header", "JSON lines"]


@pytest.mark.parametrize("name", PLAIN)
def test_a_format_that_was_wrongly_recognised(name, tmp_path):
    """What was said names the flag, and with it each line is a poem, in the file's own order."""
    text = READ[name].replace("\r\n", "\n").rstrip("\n")
    assert "--format text" in read(tmp_path, text).said[-1]
    found = read(tmp_path, text, format="text")
    assert found.poems == normalise(text)[0].split("\n") and not found.said
    assert found.reading == Reading(format="text", poems_are="lines")


@pytest.mark.parametrize("name", ["subtitles", "LRC", "Markdown", "LaTeX", "program code", "YAML", "HTML",
                                  "numbered list", "segmented", "word list", "numbers", "a table"])
def test_a_file_that_was_wrongly_refused(name, tmp_path):
    text = REFUSED[name][0].replace("\n\n", "\n").replace("\t", " ")
    if name != "a table":
        with pytest.raises(InputError, match="--format text"):
            read(tmp_path, text)
    assert len(read(tmp_path, text, format="text").poems) == len(text.rstrip("\n").split("\n"))


def test_the_other_refusals_name_the_flag_too(tmp_path):
    for data in ("title,content\n题,一山水\n题,二山,水\n", "title,author\n题,佚名\n", '"题","一山水"\n"目","二山水"',
                 '[{"name": "佚名"}]', b"BZh, the start of a poem"):
        with pytest.raises(InputError, match="--format text"):
            read(tmp_path, data)
    assert read(tmp_path, b"BZh, the start of a poem", format="text").poems == ["BZh, the start of a poem"]


def test_a_plain_text_has_no_column_but_may_have_paragraphs(tmp_path):
    with pytest.raises(InputError, match="--column has no effect with --format text"):
        read(tmp_path, table(","), column="content", format="text")
    found = read(tmp_path, "题一:\n一山水，\n\n题二:\n二山水，\n\n题三:\n三山水，", format="text")
    assert found.poems == ["题一：一山水，", "题二：二山水，", "题三：三山水，"]
    assert found.reading == Reading(format="text", poems_are="paragraphs")


def test_what_was_found_plain_stays_plain(tmp_path):
    """A later version may know more formats; the run reads its corpus as it did."""
    assert read(tmp_path, "\n".join(POEMS)).reading.format == "text"
    assert read(tmp_path, table(",")).reading.format == "auto"


def test_a_row_that_does_not_fit_is_named(tmp_path):
    with pytest.raises(InputError, match="row 3: 3 fields, the header has 2"):
        read(tmp_path, "title,content\n题,一山水\n题,二山,水\n")
    with pytest.raises(InputError, match="without a column verse; name one of its columns: --column title"):
        read(tmp_path, table(","), column="verse")


def test_the_entries_that_a_json_has_are_named(tmp_path):
    with pytest.raises(InputError, match=r"--column NAME \(haiku, rank\)"):
        read(tmp_path, json.dumps([{"haiku": ["一山水", "二风月"], "rank": 3}] * 2))
    with pytest.raises(InputError, match=r"--column NAME \(a, b0, b1, b2, b3, b4, b5, b6\)"):
        read(tmp_path, json.dumps({"a": {"\n": 1}} | {f"b{n}": n for n in range(9)}))
    with pytest.raises(InputError, match=r"--column NAME \(a, \\n\)"):
        read(tmp_path, json.dumps({"a": {"\n": 1}}))
    for depth in range(100, 3000, 100):
        with pytest.raises(InputError, match="JSON"):
            read(tmp_path, '{"a":' * depth + "1" + "}" * depth)
    with pytest.raises(InputError, match=r"--column NAME \(it has none\)"):
        read(tmp_path, "[[1]]\n[{}]")


@pytest.mark.parametrize("character", ["\ufffd", "\x87", "\u2028"])
def test_poems_with_damaged_characters(character, tmp_path):
    """A few are left out of a JSON or a table, whose text nobody edits; in a plain text the line is named."""
    poems, code = POEMS * 4, f"U+{ord(character):04X}"
    damaged = [POEMS[0], POEMS[1].replace("山", character), *poems[2:]]
    found = read(tmp_path, json.dumps([{"content": poem} for poem in damaged]))
    assert found.poems == [POEMS[0], *poems[2:]]
    assert found.said[-1] == ("1 poems with a damaged character are left out; the first is poem 2, "
                              f"with {code}")
    found = read(tmp_path, "title,content\n" + "\n".join(f"题,{poem}" for poem in damaged))
    assert len(found.poems) == 15 and f"the first is row 3, with {code}" in found.said[-1]
    for text in (json.dumps([{"content": poem} for poem in damaged[:4]]), "\n".join(damaged)):
        with pytest.raises(InputError, match=re.escape(f"{code} at position 2")):
            read(tmp_path, text)


def test_few_empty_lines_in_a_long_file_make_no_paragraphs(tmp_path):
    """Poems, one a line, with three empty lines: not four poems of 150 lines."""
    text = "\n\n".join(["\n".join(POEMS * 38)] * 4)
    with pytest.raises(InputError, match="line 153: an empty line; .*--poems-are paragraphs"):
        read(tmp_path, text)
    assert len(read(tmp_path, text, poems_are="paragraphs").poems) == 4
    assert len(read(tmp_path, "\n\n".join(["\n".join(POEMS * 20)] * 4)).poems) == 4


def test_lines_or_paragraphs(tmp_path):
    text = "\n\n".join("\n".join(lines) for lines in LINES)
    with pytest.raises(InputError, match="line 3: an empty line"):
        read(tmp_path, text, poems_are="lines")
    found = read(tmp_path, "\n".join(POEMS), poems_are="paragraphs")
    assert found.poems == ["".join(POEMS)] and "poems are paragraphs, 1 of them" in found.said[0]
    joined = read(tmp_path, "no marks\nat the ends\n\nof these\nlines\n\n\nFirst Citizen:\nSpeak.")
    assert joined.poems == ["no marks at the ends", "of these lines", "First Citizen: Speak."]


@pytest.mark.parametrize("encoding, name", [("gb18030", "GB18030 or GBK"), ("big5", "Big5")])
def test_other_encodings_are_named_and_read(encoding, name, tmp_path):
    poems = ["白日依山盡，黃河入海流。欲窮千里目，更上一層樓。"]
    data = "\n".join(poems).encode(encoding)
    with pytest.raises(InputError, match=rf"not UTF-8 \(it looks like {name}\); give --encoding {encoding}, "
                                         f"or save .*iconv -f {encoding} -t UTF-8"):
        read(tmp_path, data)
    assert read(tmp_path, data, encoding=encoding).poems == poems


@pytest.mark.parametrize("encoding", ["nonsense", "base64", "ascii"])
def test_an_encoding_that_is_none(encoding, tmp_path):
    with pytest.raises(InputError, match="encoding"):
        read(tmp_path, "一山水", encoding=encoding)


def test_no_length_is_too_long(tmp_path):
    assert len(read(tmp_path, "一" * 100_000 + "\n山").poems[0]) == 100_000
