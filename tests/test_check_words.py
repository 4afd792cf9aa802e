"""What scratch_lstm.check prints: words in two languages, pages, hints, examples, JSON, the command line."""

import json
import re
import subprocess
import sys

import numpy as np
import pytest
from helpers.check_sources import LSTM, RNN
from test_check_files import LANGUAGES, ROOT, verdict_of

from scratch_lstm.check.dictionary import entries
from scratch_lstm.check.naming import named
from scratch_lstm.check.pages import DERIVATIONS, page
from scratch_lstm.check.problem import TENSORS
from scratch_lstm.check.report import as_json, as_text
from scratch_lstm.check.sentences import WORDS, how
from scratch_lstm.check.template import TEMPLATES


def run(*arguments, cwd=None):
    """The command line, as a process: (exit status, what it printed)."""
    done = subprocess.run([sys.executable, "-m", "scratch_lstm.check", *map(str, arguments)], cwd=cwd or ROOT,
                          capture_output=True, text=True, encoding="utf-8", env={"PYTHONPATH": str(ROOT)})
    return done.returncode, done.stdout, done.stderr


# What is printed

@LANGUAGES
def test_every_entry_has_its_words_its_page_and_its_example(language):
    """The section exists: its number begins a heading of that page."""
    for network in ("lstm", "rnn"):
        for name, value in entries(network):
            one = named(network, {name: value}, list(TENSORS[network]))[0]
            text = how(one, network, language)
            assert text and not re.search(r"\{(?!k[+-]\d\}|[tk],k\}|\d)", text), text
            assert one.site in WORDS[language].SITES
            place = page(one.section, language)
            path, _, anchor = place.partition("#")
            assert (DERIVATIONS.parent / path).is_file() and anchor.startswith(one.section.replace(".",
                                                                                                   "")), place
    assert page("99.1") == "derivations, section 99.1"


def test_both_languages_say_the_same_things():
    for table in ("SENTENCES", "VERDICTS", "STAGES", "STATES", "SITES", "LINES", "REMARKS"):
        assert getattr(WORDS["en"], table).keys() == getattr(WORDS["zh"], table).keys(), table
    for key, sentence in WORDS["en"].SENTENCES.items():
        names = set(re.findall(r"\{(\w+)\}", sentence))
        assert names == set(re.findall(r"\{(\w+)\}", WORDS["zh"].SENTENCES[key])), key


@LANGUAGES
def test_the_hints_give_away_more_and_more(language):
    verdict = verdict_of(LSTM.replace("dc_next = dc * f\n", "dc_next = dc\n"))
    texts = [as_text(verdict, "my.py", language, hint) for hint in (1, 2, 3)]
    assert "(6.51)" not in texts[0] and "73-" not in texts[0]
    assert all("(6.51)" in text and re.search(r"07_lstm_backward(\.zh)?\.md#73-", text) for text in texts[1:])
    assert all("f_{k+1}" not in text for text in texts[:2]) and "f_{k+1}" in texts[2]
    assert all(WORDS[language].SITES["path-through-c"] in text for text in texts)
    assert "T = 1" in texts[1] and "T = 1" not in texts[0]


def test_the_example_has_the_numbers_of_the_mistake():
    """The two numbers of the example are the right entry and the one that the student's own code gives."""
    verdict = verdict_of(LSTM.replace("dc_next = dc * f\n", "dc_next = dc\n"))
    text = as_text(verdict, "my.py", "en", 2)
    numbers = {name: np.array([float(v) for v in values.split()]) for name, values in
               re.findall(r"(\w+)(?: \(i f g o\))? = ((?:-?[\d.]+ ?)+)", text)}
    names, f = {}, numbers["f"][0]
    exec(LSTM, names)
    h, cache = names["forward"](numbers["x"][:, None], numbers["h0"], numbers["c0"], numbers["W"][:, None],
                                numbers["U"][:, None], numbers["b"])
    right = names["backward"](np.ones((1, 1)), cache)["c0"][0]
    assert f"dc_0 = {right:.4f}, with the mistake {right / f:.4f}"[:20] in text
    assert abs(float(re.search(r"with the mistake (\S+)", text)[1]) - right / f) < 2e-4


def test_json_is_one_object_with_what_was_promised():
    answer = as_json(verdict_of(LSTM.replace("dc * g * i * (1 - i)", "dc * g")), "en")
    assert answer["verdict"] == "wrong" and answer["residual"] <= 1e-9
    assert answer["mistakes"] == [{
        "site": "sigmoid-derivative", "gate": "i", "how": "δ^i_k: the factor i (1 - i) is missing.",
        "equation": "(6.54)", "page": page("7.4")}]
    assert answer["where"] == {"pass": "backward", "tensors": ["W", "U", "b", "x", "h0", "c0"], "right": [],
                               "first": ["W", "U", "b", "x", "h0"], "gates": ["i"], "steps": 1, "up_to": None,
                               "multiples": {}, "large_dh": False, "compared_with": "textbook"}
    assert tuple(answer) == ("version", "verdict", "network", "remarks", "mistakes", "stages", "where",
                             "residual", "missing")
    json.dumps(answer, allow_nan=False)


# The command line

CLOSES = """import os, sys
sys.stdout.close()
for n in (0, 1, 2):
    try:
        os.close(n)
    except OSError:
        pass
"""


def test_the_command_line(tmp_path):
    status, text, _ = run("--template", "rnn")
    assert status == 0 and text == TEMPLATES["rnn"]
    file = tmp_path / "my.py"
    file.write_text(text, encoding="utf-8")
    status, text, _ = run(file, "--language", "zh")
    assert status == 2 and "还什么都没有写" in text
    noisy = "import atexit\nprint('hello')\natexit.register(print, 'bye')\n" + RNN
    file.write_text(noisy.replace("dh_next = U.T @ delta", "dh_next = U @ delta"), encoding="utf-8")
    status, text, errors = run(file, "--json", "--language", "en")
    answer = json.loads(text)
    assert status == 1 and errors == "" and answer["mistakes"][0]["site"] == "path-through-h"
    file.write_text(noisy, encoding="utf-8")
    status, text, _ = run(file, "--json")
    assert status == 0 and json.loads(text)["verdict"] == "right" and len(text.splitlines()) == 1


@pytest.mark.parametrize("source, said", [("import os\nos._exit(0)", "ended the program"),
                                          ("while True: pass", "did not finish"),
                                          (CLOSES + RNN, "right")])
def test_the_command_line_survives_the_file(tmp_path, source, said):
    file = tmp_path / "my.py"
    file.write_text(source, encoding="utf-8")
    status, text, _ = run(file, "--language", "en", "--seconds", "2")
    assert said in text and status == (0 if said == "right" else 2)
    assert run(tmp_path / "none.py", "--json")[0] == 2
