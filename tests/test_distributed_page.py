"""docs/distributed.md and its Chinese version: the commands parse, the messages are the program's."""

import re
import shlex
from pathlib import Path

import pytest

from scratch_lstm.training import command_line

ROOT = Path(__file__).resolve().parent.parent
PAGES = ["distributed.md", "distributed.zh.md"]
FENCE = re.compile(r"^```sh\n(.*?)^```$", re.DOTALL | re.MULTILINE)


def text_of(name):
    return (ROOT / "docs" / name).read_text(encoding="utf-8")


@pytest.mark.parametrize("name", PAGES)
def test_every_command_parses(name):
    commands = [shlex.split(line) for block in FENCE.findall(text_of(name)) for line in block.splitlines()]
    assert len(commands) == 5
    for words in commands[:4]:
        place = words.index("train_poems.py")
        assert words[:place] == ["python"] or words[0] == "torchrun"
        if words[0] == "torchrun":
            from torch.distributed.run import get_args_parser
            get_args_parser().parse_args(words[1:])
        command_line.make_parser("x").parse_args(words[place + 1:])


@pytest.mark.parametrize("name", PAGES)
def test_every_message_is_in_the_source(name):
    files = [ROOT / "train_poems.py"]
    for package in ("scratch_lstm", "torch_ref"):
        files += (ROOT / package).rglob("*.py")
    source = "".join(re.sub(r'"\s*f?"', "", file.read_text(encoding="utf-8")) for file in files)
    messages = re.findall(r"`(?:error: )?([a-z -]+[a-z]) [^`]*`", text_of(name).split("\n## ")[2])
    assert len(messages) >= 3
    for message in messages:
        assert message.removeprefix("error: ") in source, message


def test_both_pages_have_the_same_commands_flags_and_numbers():
    english, chinese = map(text_of, PAGES)
    assert FENCE.findall(english) == FENCE.findall(chinese)
    for pattern in (r"--[a-z][a-z-]*", r"\d+(?:[.,]\d+)*", r"`[^`\n]+`"):
        found = [set(re.findall(pattern, FENCE.sub("", text))) for text in (english, chinese)]
        assert found[0] == found[1], (pattern, found[0] ^ found[1])
