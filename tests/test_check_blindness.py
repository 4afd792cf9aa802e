"""What usual checks cannot see, and check() in a notebook."""

import re
from pathlib import Path

import numpy as np
import pytest
from helpers.check_sources import LSTM, RNN

from scratch_lstm.check import check
from scratch_lstm.check.blindness import PROPERTIES, blindness
from scratch_lstm.check.blindness_report import LINES, REASONS, as_json, as_text
from scratch_lstm.check.checking import look_at_check
from scratch_lstm.check.networks import Network, planted
from scratch_lstm.check.pages import DERIVATIONS
from scratch_lstm.check.problem import draw
from scratch_lstm.check.tensors import Result

CHECKS = Path(__file__).parent / "helpers" / "check_blind"


def functions(source):
    names = {}
    exec(source, names)
    return names["forward"], names["backward"]


def slow(*values):
    return pytest.param(*values, marks=pytest.mark.slow)


PAGE = DERIVATIONS / "12_wrong_in_the_wild.md"


@pytest.mark.parametrize("name, reasons", [
    ("one_step", {("one step",), ("forward",)}),
    slow("last_h", {("some tensors",), ("forward",), ("some losses",), ("zero states",)}),
    slow("float32", {("some tensors",), ("forward",), ("zero states",), ("small weights",), ("tolerance",)}),
    slow("all_ones", {("some tensors",), ("forward",), ("zero states",), ("all ones",)}),
    slow("complex_step", {("forward",)}),
])
def test_the_usual_checks(name, reasons):
    """The numbers are those of the page; the reasons are these; the remedy names what it takes to see all."""
    source = (CHECKS / f"{name}.py").read_text(encoding="utf-8")
    found = look_at_check(source, name)
    row = next(line for line in PAGE.read_text(encoding="utf-8").splitlines()
               if line.startswith(f"| {name}.py"))
    assert found.accepts_right and f"| {len(found.hidden)} of {found.tried} |" in row
    counted = {len(group) for group in found.groups().values()}
    assert {int(number) for number in re.findall(r"\((\d+)\)", row)} <= counted
    assert set(found.groups()) >= reasons
    assert {reason for one in found.hidden for reason in one.reasons} >= set(found.remedy) >= {"forward"}
    for language in ("en", "zh"):
        text = as_text(found, "my.py", language)
        assert str(len(found.hidden)) in text and all(REASONS[language][r][1] in text for r in found.remedy)
    answer = as_json(found, "en")
    assert answer["hidden"] == sum(len(group["mistakes"]) for group in answer["groups"])


def test_a_check_that_accepts_all_or_nothing():
    found = blindness(lambda forward, backward: True, "rnn")
    assert len(found.hidden) == found.tried == len(list(planted("rnn")))
    found = blindness(lambda forward, backward: False)
    assert not found.accepts_right and LINES["en"]["refuses"].format(file="f") in as_text(found, "f", "en")
    assert look_at_check("x = 1", "f").remarks[0][0] == "no function"


def test_a_check_with_a_reference_sees_everything():
    p = draw("rnn", 4, 3, 3, 0)
    right = Result(p, {})

    def reference(forward, backward):
        h, cache = forward(p.x, p.h0, p.W, p.U, p.b)
        return np.allclose(h, right.states.h[1:], 1e-9, 0) and all(
            value.shape == right.tensor(name).shape and np.allclose(value, right.tensor(name), 1e-7, 1e-12)
            for name, value in backward(p.dh, cache).items())

    assert blindness(reference, "rnn").hidden == []


@pytest.mark.parametrize("name", PROPERTIES)
def test_each_change_takes_the_property_away(name):
    p = draw("lstm", 1, 1, 1, 0)
    zero = {"x": p.x, "h0": 0 * p.h0, "c0": 0 * p.c0, "W": 1e-4 * p.W, "U": 1e-4 * p.U, "b": 0 * p.b}
    problem = type(p)("lstm", dh=np.ones((1, 1)), **zero)
    if name in ("some losses", "all ones"):
        more = draw("lstm", 3, 2, 2, 0)
        problem = type(p)("lstm", more.x, more.h0, more.c0, more.W, more.U, more.b,
                          np.array([[0.0, 0], [0, 0], [1, 1]]) if name == "some losses" else np.ones((3, 2)))
    holds, change = PROPERTIES[name]
    assert holds(problem) and not holds(change(problem))


def test_the_networks_that_a_check_gets_are_right_without_a_mistake():
    p = draw("lstm", 3, 2, 4, 0)
    network = Network("lstm", "ifgo", {})
    h, cache = network.forward(*p.arguments.values())
    gradients = network.backward(p.dh, cache)
    right = Result(p, {})
    assert np.array_equal(h, right.states.h[1:]) and network.asked == set()
    for name, value in gradients.items():
        assert np.array_equal(value, right.tensor(name))
    assert network.asked == {"W", "U", "b", "x", "h0", "c0"}


def test_from_a_notebook():
    shown = check(*functions(LSTM))
    assert shown.verdict.verdict == "right" and "<table>" in shown._repr_html_()
    wrong = functions(RNN.replace("dh_next = U.T @ delta", "dh_next = U @ delta"))
    shown = check(*wrong, network="rnn", language="zh", hint=3)
    assert shown.json["mistakes"][0]["site"] == "path-through-h"
    assert "U δ_{k+1}" in shown._repr_html_() and "有错误" in repr(shown)
    assert "U δ_{k+1}" not in check(*wrong, network="rnn", hint=2)._repr_html_()


@pytest.mark.parametrize("wrong, words", [
    ({"network": "gru"}, "NETWORK = 'gru'; it has to be"), ({"gates": "abc"}, "GATES = 'abc'; it has to be"),
    ({"language": "fr"}, "language 'fr'"), ({"hint": 7}, "hint 7")])
def test_an_argument_that_there_is_not(wrong, words):
    with pytest.raises(ValueError, match=words):
        check(*functions(LSTM), **wrong)


def test_functions_that_keep_something_are_not_named():
    total = {}
    forward, backward = functions(RNN)

    def adds(dh, cache):
        for name, value in backward(dh, cache).items():
            total[name] = total.get(name, 0) + value.sum()
        return {**backward(dh, cache), "b": backward(dh, cache)["b"] + total["b"]}

    verdict = check(forward, adds, network="rnn").verdict
    assert verdict.verdict == "unknown" and not verdict.mistakes and verdict.remarks == [("keeps state", {})]
