"""docs/files.md and its Chinese version: every example is read as the page says, every flag exists."""

import re
import shlex
from pathlib import Path

import pytest
from helpers.small_run import TINY

import train_poems
from scratch_lstm.poems import characters
from scratch_lstm.poems.not_poems import BINARY, TEXTS
from scratch_lstm.poems.reader import Reading, read_bytes, read_poems
from scratch_lstm.training import command_line

DOCS = Path(__file__).resolve().parent.parent / "docs"
PAGES = ["files.md", "files.zh.md"]
FENCE = re.compile(r"^```sh\n(.*?)^```$", re.DOTALL | re.MULTILINE)
PARSER = command_line.make_parser("x")
each = pytest.mark.parametrize("name", PAGES)


def text_of(name):
    return (DOCS / name).read_text(encoding="utf-8")


def rows(name, columns):
    """The rows of the table with so many columns, without its header."""
    tables = [[[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()]
              for table in re.findall(r"(?:^\|.*\n)+", text_of(name), re.MULTILINE)]
    table, = (table for table in tables if len(table[0]) == columns)
    return table[2:]


@each
@pytest.mark.parametrize("number", range(8))
def test_every_example_is_read_as_the_page_says(name, number, tmp_path):
    _, example, learnt, said, flag = rows(name, 5)[number]
    path = tmp_path / "poems"
    path.write_text(example.strip("`").replace("⏎", "\n"), encoding="utf-8")
    found = read_poems(path, read_bytes(path), Reading())
    assert found.poems == learnt.split("·")
    assert found.said[0].startswith(said) if said else not found.said
    PARSER.parse_args(flag.strip("`").split())


@each
def test_every_flag_exists_and_every_command_parses(name, capsys):
    flags = {flag for action in PARSER._actions for flag in action.option_strings}
    assert set(re.findall(r"--[a-z][a-z-]*", text_of(name))) <= flags
    for line in "".join(FENCE.findall(text_of(name))).splitlines():
        words = shlex.split(line)
        assert words[:2] == ["python", "train_poems.py"]
        PARSER.parse_args(words[2:])


@each
def test_the_flags_of_reading_are_all_there(name):
    for field in command_line.READING:
        assert command_line.flag(field) in text_of(name)


def test_the_rule_for_characters_is_the_programs():
    rule = [line.strip("|").split("|") for line in characters.__doc__.splitlines() if line.startswith("| ")]
    assert rows("files.md", 2) == [[cell.strip() for cell in row] for row in rule[1:]]
    assert len(rows("files.zh.md", 2)) == len(rule) - 1


def test_everything_that_is_refused_is_named():
    page = " ".join(text_of("files.md").split())
    for what, *_ in TEXTS:
        assert what in page, what
    for kind in ("PDF", "ZIP", "Word", "gzip"):
        assert kind in page and any(kind in what for what in BINARY.values())


def test_both_pages_have_the_same_commands_numbers_and_flags():
    english, chinese = map(text_of, PAGES)
    assert FENCE.findall(english) == FENCE.findall(chinese)
    english, chinese = FENCE.sub("", english), FENCE.sub("", chinese)
    for pattern in (r"--[a-z][a-z-]*", r"\d+", r"`[^`\n]+`"):
        assert set(re.findall(pattern, english)) == set(re.findall(pattern, chinese)), pattern


def test_what_the_page_says_of_a_run(corpus_file, tmp_path, capsys):
    """Three poems, ten rare characters, memory and groups, before the first epoch."""
    lines = corpus_file.read_text(encoding="utf-8")
    corpus_file.write_text(lines + lines, encoding="utf-8")
    run = tmp_path / "run"
    assert train_poems.main([*TINY, "--corpus", str(corpus_file), "--out", str(run)]) == 0
    before = capsys.readouterr().out.split("epoch  1")[0]
    assert before.count("  poem ") == 3 and len(re.search("rarest characters: (.*)", before)[1].split()) == 10
    assert "of memory" in before and "80 poems in 40 groups" in before
