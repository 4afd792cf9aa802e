"""docs/gpu.md and its Chinese version: the same tables and commands, links that lead somewhere."""

import re
from pathlib import Path

import pytest
from helpers.loop_faults import FAULTS, HARMLESS

from scratch_lstm.kernels.gpu.persistent_split import LARGEST

ROOT = Path(__file__).resolve().parent.parent
PAGES = ["gpu.md", "gpu.zh.md"]
TEXTS = {name: (ROOT / "docs" / name).read_text(encoding="utf-8") for name in PAGES}
each = pytest.mark.parametrize("name", PAGES)


@each
def test_every_link_is_there(name):
    for target in re.findall(r"\]\(([^)#]+)\)", TEXTS[name]):
        assert (ROOT / "docs" / target).exists(), target


@each
def test_every_command_is_there(name):
    blocks = re.findall(r"```sh\n(.*?)\n```", TEXTS[name])
    assert len(blocks) == 5
    for command in blocks:
        file = command.split()[-1]
        assert file == "gpu" or (ROOT / file).is_file()


def test_both_pages_have_the_same_tables_and_commands():
    for pattern in (r"^\|.*", r"```sh\n.*?\n```"):
        english, chinese = (re.findall(pattern, text, re.MULTILINE) for text in TEXTS.values())
        assert english == chinese and english


@each
def test_the_table_of_faults_is_that_of_the_tests(name):
    for fault in FAULTS:
        row, = (line for line in TEXTS[name].splitlines()
                if line.startswith(f"| {fault.loop} | {fault.name} |"))
        assert fault.caught_by in row.split("|")[3]
    assert re.search(rf"\b{len(FAULTS)} ", TEXTS[name]) and len(HARMLESS) == 3
    assert f"H = {LARGEST}" in TEXTS["gpu.md"]


@each
def test_it_names_the_card_and_what_is_still_open(name):
    for said in {"gpu.md": ("**has run on one GPU, an NVIDIA H200**", "## What is still open"),
                 "gpu.zh.md": ("**已经在一块 GPU（NVIDIA H200）上运行过**", "## 还没有验证的")}[name]:
        assert said in TEXTS[name]
