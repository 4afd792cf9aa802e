"""scratch_lstm.check never blames itself for a file: whatever its functions return, or are, the report says
what is wrong with the file."""

import inspect
import json
from pathlib import Path

import pytest
from helpers.check_sources import LSTM, RNN, with_line

from scratch_lstm.check.checking import check_source, look_at_check
from scratch_lstm.check.program import Program
from scratch_lstm.check.report import as_json, as_text, remark_text

FORMS = {path.stem: path.read_text(encoding="utf-8")
         for path in sorted((Path(__file__).parent / "helpers" / "check_forms").glob("*.py"))}
SOURCES = {"lstm": LSTM, "rnn": RNN, **FORMS}
RETURNED = ["None", "0", "1j", "'text'", "()", "(None, None)", "[1, 2]", "{}", "{'W': None}", "{1: 2}",
            "{'W': 'text', 'b': object()}", "{'dWf': 1, 'dWi': [1], 'dWc': 2, 'dWo': 3, 'x': 4}", "object()",
            "lambda: 0", "np.zeros(3)", "np.full((3, 3), np.nan)", "np.array('text')",
            "np.zeros((1, 1, 1, 1))", "(np.zeros(3), None)", "(np.zeros((3, 2)), 0, {})",
            "(np.zeros((1, 3, 3)),) * 5", "(0, {'W': 3, 'b': 'text'})", "(np.nan, {})", "('text', {})"]
TENSORS = ["torch.zeros(3)", "torch.zeros(3, 3, requires_grad=True)", "(torch.zeros(2, 3), 1)",
           "torch.zeros((), dtype=torch.int64)", "(torch.zeros(3, 3, dtype=torch.complex64),)", "torch"]


def places(source):
    """The names of what a file defines: functions, classes, and methods as Class.method."""
    for name, found in Program(source, "student.py").fresh().items():
        if getattr(found, "__module__", None) == "student":
            yield name
            if inspect.isclass(found):
                yield from (f"{name}.{method}" for method, one in vars(found).items()
                            if method == "__init__" or method[0] != "_" and
                            (callable(one) or isinstance(one, staticmethod)))


def check(source):
    """The report in every form that it has; whatever is printed is whole."""
    verdict, gates = check_source(source, "student.py")
    for language in ("en", "zh"):
        assert as_text(verdict, "student.py", language, 3, gates)
        json.dumps(as_json(verdict, language, gates), allow_nan=False)
    return verdict


CASES = [(stem, place) for stem, source in SOURCES.items() for place in places(source)]


@pytest.mark.parametrize("stem, place", CASES)
def test_whatever_a_function_returns(stem, place):
    source, (name, _, method) = SOURCES[stem], place.partition(".")
    for value in RETURNED + TENSORS * ("torch" in stem):
        if method:
            instead = f"{name}.{method} = staticmethod(lambda *given, **named: {value})"
        else:
            instead = f"{name} = lambda *given, **named: {value}"
        verdict = check(f"{source}\n\nimport numpy as np\n{instead}\n")
        assert verdict.verdict != "right" or verdict.missing, value


@pytest.mark.parametrize("stem, place", [case for case in CASES if "." not in case[1]])
@pytest.mark.parametrize("value", ["None", "3", "'text'", "object()", "{}"])
def test_a_name_that_is_no_function(stem, place, value):
    check(f"{SOURCES[stem]}\n\n{place} = {value}\n")


@pytest.mark.parametrize("stem", SOURCES)
@pytest.mark.parametrize("setting", ["NETWORK", "GATES", "FORM", "MODULE", "FUNCTION", "PARAMETERS"])
def test_a_setting_that_is_none(stem, setting):
    for value in ("None", "3", "'nobody'", "'text'", "[]", "{}", "{'a': 'text'}", "object()", "np"):
        check(f"{SOURCES[stem]}\n\nimport numpy as np\n{setting} = {value}\n")


def without(source, name):
    """The source without the last `return` of a function."""
    head, body = source.split(f"def {name}(", 1)
    function, end = body.split("\n\n\ndef ", 1) if "\n\n\ndef " in body else (body, None)
    begin = function.rindex("    return ")
    function = f"{function[:begin]}    pass{function[begin:].partition(chr(10))[1]}"
    return f"{head}def {name}({function}" + (f"\n\n\ndef {end}" if end else "")


@pytest.mark.parametrize("source, code, words", [
    (without(LSTM, "backward"), "no dict", "backward has to return a dict of gradients; it returned None"),
    (without(LSTM, "forward"), "no pair", "it returned None"),
    (LSTM.split("def forward")[0] + "def backward(dh, cache):\n    steps, W, U = cache\n",
     "raised on our cache", "so the cache is the checker's own, a dict with x, h"),
    (FORMS["cs231n_lstm"].replace("return dx, dh_next, dWx, dWh, db", "return dx, dh_next, dWx"), "no tuple",
     "lstm_backward has to return 5 values; it returned 3"),
    (FORMS["torch_function"] + "\nFUNCTION = 'HandLST'\n", "no function", "the file has no HandLST"),
    (FORMS["torch_module"].replace('"Layer"', '"Lyer"'), "no function", "the file has no Lyer"),
    ("import torch\nFORM = 'torch'\n\n\ndef run(x, *rest):\n    x.sum()\n", "no tensor",
     "run has to return h, a torch tensor; it returned None"),
    ("import torch\nFORM = 'torch'\n\n\ndef run(x, *rest):\n    return x.detach().numpy()\n",
     "no tensor", "it returned ndarray"),
    ("FORM = 'loss'\nPARAMETERS = 3\n", "no parameters", "PARAMETERS has to be a dict of arrays; it is int"),
    ("FORM = 'dlfs2'\n\n\nclass TimeLSTM:\n    def __init__(self, *given):\n        self.given = given\n",
     "no function", "the file has no TimeLSTM.set_state"),
])
def test_what_is_said(source, code, words):
    verdict = check(source)
    assert verdict.verdict == "error"
    note = verdict.remarks[-1]
    note = (note[1]["code"], note[1]["details"]) if note[0] == "only D = H" else note
    assert note[0] == code and words in remark_text(*note, "en")


def test_a_skeleton_is_not_written_yet():
    for body in ("pass", "...", '"""h, cache"""', '"""h"""\n    return None'):
        verdict = check(f"def forward(x, h0, c0, W, U, b):\n    {body}\n")
        assert verdict.remarks[0][0] == "nothing written"
        verdict = check(LSTM.split("def backward")[0] + f"def backward(dh, cache):\n    {body}\n")
        assert verdict.verdict == "incomplete" and verdict.missing == ["backward"]


LAYERS = """
import torch

FORM, MODULE = "torch", "Layers"


class Layers(torch.nn.Module):
    def __init__(self, D, H):
        super().__init__()
        self.ih, self.hh = torch.nn.Linear(D, 4 * H), torch.nn.Linear(H, 4 * H)

    def forward(self, x, state):
        (h, c), states = state, []
        for x_k in x:
            i, f, g, o = (self.ih(x_k) + self.hh(h)).chunk(4)
            c = f.sigmoid() * c + i.sigmoid() * g.tanh()
            h = o.sigmoid() * c.tanh()
            states.append(h)
        return torch.stack(states)
"""


def test_a_module_of_linear_layers():
    assert check(LAYERS).verdict == "right"
    wrong = check(LAYERS.replace("* c.tanh()", "* c"))
    assert [one.site for one in wrong.mistakes] == ["forward-tanh-of-c"]
    verdict = check(LAYERS.replace("self.ih", "self.first"))
    assert verdict.verdict == "error" and "contain ih, hh or bias" in remark_text(*verdict.remarks[-1], "en")


@pytest.mark.parametrize("right, wrong", [("f * c_prev + i * g", "i * c_prev + f * g"),
                                          ("zi, zf, zg, zo = np", "zf, zi, zg, zo = np")])
def test_exchanged_gates_in_the_forward_pass_are_one_mistake(right, wrong):
    """The backward pass is as printed: it takes the gates by their names."""
    verdict = check(with_line(LSTM, right, wrong))
    assert [(one.site, one.value) for one in verdict.mistakes][0] == ("forward-gate-order", "figo")
    if "prev" in right:
        assert len(verdict.mistakes) == 1 and ("backward right", {}) in verdict.remarks


@pytest.mark.parametrize("line, wrong, gates, equation", [
    ("c = f * c_prev + i * g", "c = c_prev + i * g", "f", "(6.51)"),
    ("c = f * c_prev + i * g", "c = f * c_prev + g", "i", "(6.51)"),
    ("c = f * c_prev + i * g", "c = c_prev + g", "if", "(6.51)"),
    ("h = o * np.tanh(c)", "h = np.tanh(c)", "o", "(6.52)")])
def test_a_gate_that_the_forward_pass_leaves_out(line, wrong, gates, equation):
    verdict = check(with_line(LSTM, line, wrong))
    (one,) = verdict.mistakes
    assert (one.site, one.value, one.gates, one.equation) == ("forward-state", "left out", gates, equation)
    assert ("backward right", {}) in verdict.remarks
    assert verdict.stages["one step"] == "no mistake of its own"


def test_a_gate_that_both_passes_leave_out():
    source = with_line(LSTM, "h = o * np.tanh(c)", "h = np.tanh(c)")
    source = with_line(source, "d * o * (1 - np.tanh(c) ** 2)", "d * (1 - np.tanh(c) ** 2)")
    verdict = check(with_line(source, "do = d * np.tanh(c) * o * (1 - o)", "do = 0 * o"))
    assert [(one.value, one.gates) for one in verdict.mistakes] == [("left out", "o")]
    assert ("backward fits", {}) in verdict.remarks


def test_one_array_for_all_states_and_nan_are_said():
    assert ("same rows", {}) in check(with_line(LSTM, "h = o * np.tanh(c)", "h[:] = o * np.tanh(c)")).remarks
    verdict = check(with_line(LSTM, "db += delta", "db += delta * np.nan"))
    assert ("not finite", {"names": "db"}) in verdict.remarks and verdict.verdict == "unknown"
    assert not check(LSTM).remarks


def test_a_matrix_of_another_shape_shows_at_one_step():
    verdict = check(with_line(LSTM, '"W": dW,', '"W": dW.T,'))
    assert verdict.where.least == 1 and verdict.where.tensors == ["W"]


@pytest.mark.parametrize("stem, line, wrong, site", [
    ("cs231n_lstm", "dWh += h_prev.T @ da", "dWh += h_prev.T @ da / len(da)", "scaled"),
    ("dlfs2_lstm", "h_prev.T @ dA,", "h_prev.T @ dA / len(dA),", "scaled")])
def test_a_mean_over_the_batch_is_no_sum(stem, line, wrong, site):
    verdict = check(with_line(FORMS[stem], line, wrong))
    assert [(one.site, one.value, one.tensors) for one in verdict.mistakes] == [(site, "half", ("U",))]


def test_a_part_of_the_batch_is_said():
    verdict = check(with_line(FORMS["cs231n_lstm"], "def lstm_forward(x, h0, Wx, Wh, b):\n",
                              "def lstm_forward(x, h0, Wx, Wh, b):\n    x, h0 = x[:1], h0[:1]\n"))
    assert verdict.verdict == "error"
    assert "the batch has 2 sequences" in remark_text(*verdict.remarks[0], "en")


def test_a_gradient_that_any_loss_lacks_is_missing():
    source = ("import numpy as np\nFORM = 'loss'\nPARAMETERS = {'a': np.ones(2), 'v': np.ones(3)}\n\n\n"
              "def loss(p):\n    return np.sum(p['a'] ** 2) + 7 * np.sum(p['v']), {'a': 2 * p['a']}\n")
    verdict = check(source)
    assert verdict.verdict == "incomplete" and verdict.missing == ["v"]


def test_a_step_whose_gradients_have_another_shape():
    source = FORMS["step_lstm"]
    assert check(source).verdict == "right"
    source += "\n\nright = cell_backward\n\n\ndef cell_backward(*given):\n    d = right(*given)\n    return "
    for name, value in (("h0", "d['h0'][:1]"), ("x", "d['x'][:1]"), ("c0", "d['c0'][None]")):
        verdict = check(f"{source}{{**d, '{name}': {value}}}\n")
        assert verdict.verdict == "error" and verdict.remarks[-1][1].get("name", name) == name
    assert ("unknown keys", {"names": "h"}) in check(f"{source}{{**d, 'h': 0}}\n").remarks


def test_a_check_without_an_answer():
    found = look_at_check("def check(forward, backward):\n    assert forward is not backward\n", "student.py")
    assert found.verdict == "error" and found.remarks == [("no answer", {})]


@pytest.mark.parametrize("value", ["None", "3", "lambda: True", "lambda forward: True",
                                   "lambda forward, backward: 'text' + 3", "lambda *given: object()"])
def test_a_check_that_is_none(value):
    found = look_at_check(f"check = {value}\n", "student.py")
    if not value.startswith("lambda *"):
        assert found.verdict == "error" and found.remarks[0][0].startswith("raised")
