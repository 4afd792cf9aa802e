"""docs/benchmark.md and its Chinese version: the commands parse, and both have the same figures."""

import json
import re
import shlex
from pathlib import Path

import numpy as np
import pytest

from scratch_lstm.evaluation.other_model import read_log_probabilities
from scratch_lstm.training import command_line
from scratch_lstm.training.settings import Settings

DOCS = Path(__file__).resolve().parent.parent / "docs"
PAGES = ["benchmark.md", "benchmark.zh.md"]
FENCE = re.compile(r"^```(?:sh)?\n(.*?)^```$", re.DOTALL | re.MULTILINE)


def text_of(name):
    return (DOCS / name).read_text(encoding="utf-8")


@pytest.mark.parametrize("name", PAGES)
def test_every_command_parses(name):
    lines = [shlex.split(line) for block in FENCE.findall(text_of(name)) for line in block.splitlines()
             if line.startswith("python")]
    assert len(lines) == 7
    for words in lines:
        if words[1] == "train_poems.py":
            command_line.make_parser("x").parse_args(words[2:])
        else:
            changed = words[words.index("--set") + 1:words.index("--out")]
            Settings(**{entry.split("=")[0]: json.loads(entry.split("=")[1]) for entry in changed})


def test_both_pages_have_the_same_commands_flags_and_numbers():
    english, chinese = map(text_of, PAGES)
    assert FENCE.findall(english) == FENCE.findall(chinese)
    english, chinese = FENCE.sub("", english), FENCE.sub("", chinese)
    for pattern in (r"--[a-z][a-z-]*", r"\d+(?:[.,]\d+)*", r"`[^`\n]+`"):
        found = [set(re.findall(pattern, text)) for text in (english, chinese)]
        assert found[0] == found[1], (pattern, found[0] ^ found[1])


def test_a_line_of_log_probabilities_is_read(tmp_path):
    whole, _ = FENCE.findall(text_of("benchmark.md"))[-1].splitlines()
    (tmp_path / "mine.jsonl").write_text(whole + "\n", encoding="utf-8")
    assert read_log_probabilities(tmp_path / "mine.jsonl", np.array([25])).tolist() == [-102.71]
