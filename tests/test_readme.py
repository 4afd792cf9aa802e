"""Both READMEs: their Python runs, their commands exist, and both have the same code and figures."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from scratch_lstm.check.__main__ import parser as check_parser
from scratch_lstm.training import command_line

ROOT = Path(__file__).resolve().parent.parent
READMES = ["README.md", "README.zh.md"]
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
each = pytest.mark.parametrize("name", READMES)


def text_of(name):
    return (ROOT / name).read_text(encoding="utf-8")


def blocks(name, language):
    return [body for kind, body in FENCE.findall(text_of(name)) if kind == language]


@each
def test_the_python_of_the_readme_runs(name):
    """Each block in a process of its own, so that it needs nothing that is not on the page."""
    for block in blocks(name, "python"):
        subprocess.run([sys.executable, "-W", "error", "-c", block], cwd=ROOT, check=True,
                       env={**os.environ, "OPENBLAS_NUM_THREADS": "1"})


@each
def test_the_commands_of_the_readme_exist(name):
    targets = re.findall(r"^([a-z]+):", text_of("Makefile"), re.MULTILINE)
    for line in "".join(blocks(name, "sh")).splitlines():
        words = shlex.split(line, comments=True)
        if words[0] == "make":
            assert words[1] in targets, line
        elif words[:3] == ["python", "-m", "scratch_lstm.check"]:
            check_parser().parse_args([word for word in words[3:] if word not in (">", "my_lstm.py")])
        else:
            assert words[:2] == ["python", "train_poems.py"], line
            command_line.make_parser("x").parse_args([word.replace("FILE", "f") for word in words[2:]])


@each
def test_every_link_of_the_readme_is_there(name):
    for target in re.findall(r"\]\(([^)#]+)\)", text_of(name)):
        assert (ROOT / target).exists(), target


def test_both_readmes_have_the_same_code_figures_and_links():
    english, chinese = map(text_of, READMES)
    assert FENCE.findall(english) == FENCE.findall(chinese)
    number = r"\d+(?:[.,]\d+)*(?:e[-+]\d+)?"
    numbers = [re.findall(number, FENCE.sub("", text)) for text in (english, chinese)]
    links = [re.findall(r"\]\(([^)]+)\)", text.replace(".zh.md", ".md")) for text in (english, chinese)]
    for one, other in (numbers, links):
        assert set(one) - {"2"} == set(other) - {"2"}


def test_make_mutants_installs_what_the_tests_need():
    """It runs them; a package that happens to be there hides that it is not installed."""
    wanted = {stamp: set(names.split()) for stamp, names in
              re.findall(r"^\.venv/([a-z-]+)\.installed: WANTED = (.*)$", text_of("Makefile"), re.MULTILINE)}
    assert wanted["test"] < wanted["mutants"] and not {"torch", "cupy"} & wanted["quick"]


@each
def test_the_first_page_is_short(name):
    assert len(text_of(name).splitlines()) <= 120
