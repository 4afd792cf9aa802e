"""A student's file in scratch_lstm.check: its form, its mistakes in words, and what it may do to mislead."""

from pathlib import Path

import numpy as np
import pytest
from helpers.check_sources import LSTM, RNN, WRONG_LSTM, WRONG_RNN, with_line

import scratch_lstm
from scratch_lstm.check.checking import check_source
from scratch_lstm.check.report import remark_text
from scratch_lstm.check.sentences import how
from scratch_lstm.check.template import TEMPLATES

ROOT = Path(scratch_lstm.__file__).parent.parent
FORMS = sorted((Path(__file__).parent / "helpers" / "check_forms").glob("*.py"))
LANGUAGES = pytest.mark.parametrize("language", ["en", "zh"])


def verdict_of(source):
    verdict, _ = check_source(source, "student.py")
    return verdict


# Right and wrong

@pytest.mark.parametrize("source", [LSTM, RNN], ids=["lstm", "rnn"])
def test_a_right_file_is_right(source):
    verdict = verdict_of(source)
    assert verdict.verdict == "right" and verdict.residual <= 1e-13
    assert not verdict.mistakes and not verdict.remarks
    assert set(verdict.stages.values()) == {"right"}


@pytest.mark.parametrize("source, case", [(LSTM, case) for case in WRONG_LSTM] + [(RNN, case)
                                                                                  for case in WRONG_RNN],
                         ids=lambda case: case[0] if isinstance(case, tuple) else "")
def test_a_wrong_line_is_named(source, case):
    """The mistakes are written as a student writes them, in the source, not as parameters of the
    dictionary."""
    _, line, wrong, site, gate = case
    verdict = verdict_of(with_line(source, line, wrong))
    assert verdict.verdict == "wrong", (verdict.where, verdict.remarks)
    assert [(one.site, one.gate) for one in verdict.mistakes] == [(site, gate)]
    assert verdict.residual <= 1e-9


@pytest.mark.parametrize("source, network", [(LSTM, "lstm"), (RNN, "rnn")])
def test_what_nobody_foresaw_is_unknown(source, network):
    verdict = verdict_of(with_line(source, "db += delta", "db += np.cos(delta)"))
    assert verdict.verdict == "unknown" and not verdict.mistakes
    assert verdict.where.pass_ == "backward" and verdict.where.tensors == ["b"] and verdict.where.least == 1
    assert verdict.where.deltas_right and verdict.stages["sums"] == "wrong"


def test_a_path_cut_after_some_steps_is_not_right():
    cut = with_line(LSTM, "dh_next, dc_next = np.zeros", "dh_next, dc_next, n = np.zeros").replace(
        "np.zeros(U.shape[1])\n    for", "np.zeros(U.shape[1]), 0\n    for").replace(
        "dc_next = dc * f\n", "dc_next = dc * f\n        n += 1\n        dh_next = dh_next * (n != 6)\n")
    assert verdict_of(cut).verdict == "unknown"


@pytest.mark.parametrize("order", ["ifog", "fgio", "ogif"])
def test_the_file_chooses_the_order_of_its_gates(order):
    names, deltas = ", ".join(f"z{gate}" for gate in order), ", ".join(f"d{gate}" for gate in order)
    source = LSTM.replace('GATES = "ifgo"', f'GATES = "{order}"').replace("zi, zf, zg, zo = np",
                                                                          f"{names} = np")
    assert verdict_of(source.replace("di, df, dg, do]", f"{deltas}]")).verdict == "right"
    wrong = verdict_of(source)                       # the deltas stay in the order i, f, g, o
    assert [one.site for one in wrong.mistakes] == ["deltas-exchanged"]
    assert f"ifgo where {order} belongs" in how(wrong.mistakes[0], "lstm", "en", order)


def test_several_mistakes_in_one_file():
    source = with_line(LSTM, "(1 - np.tanh(c) ** 2)", "1")
    source = with_line(source, "dU += np.outer(delta, h_prev)", "dU += np.outer(delta, h)")
    source = with_line(source, "dc_next = dc * f\n", "dc_next = dc\n")
    verdict = verdict_of(with_line(source, "db += delta", "db = delta"))
    assert sorted(one.site for one in verdict.mistakes) == ["input-of-sum", "path-through-c", "sum-over-time",
                                                            "tanh-derivative-c"]


def test_a_consistent_wrong_forward_pass_is_the_only_mistake():
    source = LSTM.replace("h = o * np.tanh(c)", "h = o * c").replace("o * (1 - np.tanh(c) ** 2)", "o")
    verdict = verdict_of(source.replace("do = d * np.tanh(c)", "do = d * c"))
    assert [one.site for one in verdict.mistakes] == ["forward-tanh-of-c"]
    assert ("backward fits", {}) in verdict.remarks


# What is not written yet

def test_the_template_filled_in_step_by_step():
    """Nothing, the forward pass, db alone with a mistake, then right, then all."""
    template = TEMPLATES["lstm"]
    verdict = verdict_of(template)
    assert verdict.verdict == "error" and verdict.remarks[0][0] == "nothing written"
    head, back = LSTM.split("def backward")
    stub = "\n\ndef backward(dh, cache):\n    raise NotImplementedError\n"
    verdict = verdict_of(head + stub)
    assert verdict.verdict == "incomplete" and verdict.missing == ["backward"]
    assert verdict.stages == {"forward": "right", "one step": "not written", "through time": "not written",
                              "sums": "not written", "ends": "not written"}
    only_b = LSTM.replace('{"W": dW, "U": dU, "b": db, "x": dx, "h0": dh_next, "c0": dc_next}', '{"b": db}')
    verdict = verdict_of(with_line(only_b, "dh_next = U.T @ delta", "pass"))
    assert [one.site for one in verdict.mistakes] == ["path-through-h"]
    assert verdict.missing == ["U", "W", "x", "h0", "c0"]
    assert verdict.stages["forward"] == verdict.stages["one step"] == "right"
    assert verdict.stages["through time"] == "wrong" and verdict.stages["ends"] == "not written"
    assert verdict_of(only_b).verdict == "incomplete"
    one_step = with_line(with_line(only_b, "dh_next = U.T @ delta", "pass"), "dc_next = dc * f\n", "pass\n")
    verdict = verdict_of(one_step)
    assert [one.site for one in verdict.mistakes] == ["path-through-h", "path-through-c"]
    assert {one.value for one in verdict.mistakes} == {"dropped"}
    assert verdict.stages["one step"] == "right" and verdict.stages["through time"] == "wrong"


def test_a_backward_pass_alone_gets_a_cache():
    delta = (Path(__file__).parent / "helpers" / "check_forms" / "delta_lstm.py").read_text()
    assert verdict_of(delta).verdict == "incomplete" and verdict_of(delta).missing == ["forward", "backward"]
    wrong = verdict_of(with_line(delta, "dc * f", "dc"))
    assert [(one.site, one.value) for one in wrong.mistakes] == [("path-through-c", "without f")]
    assert wrong.stages["sums"] == "not written" and wrong.stages["forward"] == "not written"


# Other people's forms

@pytest.mark.parametrize("path", FORMS, ids=lambda path: path.stem)
def test_other_people_s_forms_are_read(path):
    verdict = verdict_of(path.read_text(encoding="utf-8"))
    only_deltas = "delta" in path.stem                   # that one has nothing but the deltas
    assert verdict.verdict == ("incomplete" if only_deltas else "right"), (verdict.where, verdict.remarks)
    assert verdict.residual <= 1e-13
    if not only_deltas:
        assert set(verdict.stages.values()) == {"right"} and not verdict.missing


@pytest.mark.parametrize("stem, line, wrong, site", [
    ("cs231n_lstm", "da @ Wh.T, dc * f", "da @ Wh.T, dc", "path-through-c"),
    ("cs231n_lstm", "dWh += h_prev.T @ da", "dWh += (o * tanh_c).T @ da", "input-of-sum"),
    ("dlfs2_lstm", "dc * g * i * (1 - i)", "dc * g * i", "sigmoid-derivative"),
    ("coursera_lstm", '* (1 - g["f"])', "", "sigmoid-derivative"),
    ("torch_function", "W.T @ z, U.T @ z, dc * f", "W.T @ z, 0 * d, dc * f", "path-through-h"),
    ("loss_rnn", "np.outer(delta, h[k])", "np.outer(delta, h[k + 1])", "input-of-sum"),
    ("step_lstm", "dc * c * f * (1 - f)", "dc * c_next * f * (1 - f)", "factor-in-gate"),
])
def test_mistakes_in_other_people_s_forms_are_named(stem, line, wrong, site):
    source = next(path for path in FORMS if path.stem == stem).read_text(encoding="utf-8")
    verdict = verdict_of(with_line(source, line, wrong))
    assert [one.site for one in verdict.mistakes] == [site], (verdict.where, verdict.remarks)


def test_a_loss_with_another_forward_pass_is_said_to_be_another_loss():
    source = next(path for path in FORMS if path.stem == "loss_rnn").read_text(encoding="utf-8")
    assert set(verdict_of(source).stages.values()) == {"right"}
    verdict = verdict_of(with_line(source, "np.tanh(U", "np.sin(U"))
    assert verdict.verdict == "error" and verdict.remarks == [("another loss", {})]


def test_any_loss_is_compared_with_its_own_differences():
    source = ('import numpy as np\nFORM = "loss"\n'
              'PARAMETERS = {"a": np.arange(1., 5), "b": np.ones((2, 2))}\n\n\n'
              'def loss(p):\n    return np.sum(np.sin(p["a"])) * np.sum(p["b"] ** 3), '
              '{"a": np.cos(p["a"]) * np.sum(p["b"] ** 3), "b": 3 * p["b"] ** 2 * np.sum(np.sin(p["a"]))}\n')
    assert verdict_of(source).verdict == "right"
    verdict = verdict_of(source.replace("3 * p", "2 * p"))
    assert verdict.verdict == "unknown" and verdict.where.tensors == ["b"] and verdict.where.right == ["a"]
    assert verdict.where.multiples == {"b": 0.666667} and set(verdict.stages.values()) == {"not looked at"}
    kinked = ('import numpy as np\nFORM = "loss"\nPARAMETERS = {"a": np.zeros(2)}\n\n\n'
              'def loss(p):\n    return np.sum(np.maximum(p["a"], 0)), {"a": np.ones(2)}\n')
    assert verdict_of(kinked).remarks == [("not smooth", {"names": "da"})]


# What a file may do

SLOPPY = {
    "prints": "print('x' * 10000)\n    import sys; sys.stderr.write('y')",
    "writes into what it is given": "dh[...] = 7",
    "uses up its cache": "steps = list(steps); cache[0].clear()",
    "warns": "import warnings; warnings.warn('careful')",
    "leaves numpy strict": "np.seterr(all='raise')",
    "divides by zero": "np.ones(2) / np.zeros(2)",
}


@pytest.mark.parametrize("line", SLOPPY.values(), ids=SLOPPY)
def test_a_sloppy_file_is_judged_by_its_gradients(line):
    before = np.geterr()
    source = with_line(LSTM, "    steps, W, U = cache\n",
                       f"    steps, W, U = cache\n    dh_given = dh.copy()\n    {line}\n")
    source = source.replace("dh[k] + dh_next", "dh_given[k] + dh_next")
    try:
        assert verdict_of(source).verdict == "right"
        wrong = verdict_of(source.replace("dc_next = dc * f\n", "dc_next = dc\n"))
        assert [one.site for one in wrong.mistakes] == ["path-through-c"]
    finally:
        np.seterr(**before)


def test_what_a_file_keeps_between_two_calls_does_not_count():
    source = "import numpy as np\nTOTAL = {}\n" + LSTM.replace(
        "    return {",
        "    for n, v in (('W', dW), ('U', dU), ('b', db)):\n        TOTAL[n] = v = TOTAL.get(n, 0) + v\n"
        "    dW, dU, db = TOTAL['W'], TOTAL['U'], TOTAL['b']\n    return {")
    assert verdict_of(source).verdict == "right"


def test_the_inputs_of_forward_are_copies():
    assert verdict_of(with_line(LSTM, "    h, c, states, cache = h0, c0, [], []\n",
                                "    h, c, states, cache = h0.copy(), c0.copy(), [], []\n"
                                "    h0[:] = 9; c0[:] = 9\n"
                                )).verdict == "right"


RETURNED = '{"W": dW, "U": dU, "b": db, "x": dx, "h0": dh_next, "c0": dc_next}'


@pytest.mark.parametrize("source, code", [
    ("def forward(:", "syntax"), ("import sys\nsys.exit(0)", "exit"), ("raise ValueError('no')", "raised"),
    ("x = 1", "nothing written"), ("NETWORK = 'gru'", "network"),
    ("GATES = 'ifg'\n" + LSTM.split("GATES")[0], "gates"),
    ("FORM = 'keras'", "form"), (LSTM.replace("    return np.array(states), (cache, W, U)",
                                              "    return np.array(states)"),
                                 "no pair"),
    (with_line(LSTM, RETURNED, "[dW, dU]"), "no dict"),
    (LSTM.replace("np.array(states), (", "np.array(states).T, ("), "shape of h"),
    (LSTM.replace("dx[k] = W.T @ delta", "dx[k] = W.T @ delta; undefined"), "raised"),
])
def test_an_error_says_what_and_where(source, code):
    verdict = verdict_of(source)
    assert verdict.verdict == "error" and verdict.remarks[0][0] == code
    for language in ("en", "zh"):
        assert remark_text(*verdict.remarks[0], language)
    if "undefined" in source:
        assert verdict.remarks[0][1]["line"] == 1 + source[:source.index("undefined")].count("\n")


def test_float32_is_rounding_and_a_mistake_in_float32_is_none():
    single = with_line(RNN, "    h = [h0]\n",
                       "    x, h0, W, U, b = (v.astype(np.float32) for v in (x, h0, W, U, b))\n"
                       "    h = [h0]\n")
    verdict = verdict_of(single)
    assert verdict.verdict == "right" and verdict.remarks[0][0] == "float32"
    assert 1e-9 < verdict.residual < 1e-5
    assert verdict_of(with_line(single, "dh_next = U.T @ delta", "dh_next = U @ delta")).verdict == "unknown"
    assert verdict_of(with_line(RNN, "db += delta", "db += delta * (1 + 1e-6)")).verdict == "unknown"
