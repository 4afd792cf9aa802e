"""What a file does by design is a remark; what can be said without a name is said."""

from pathlib import Path

import pytest
from helpers.check_forwards import RNN_HALF
from helpers.check_sources import LSTM, RNN, with_line

from scratch_lstm.check.checking import check_source
from scratch_lstm.check.report import as_json, as_text, remark_text

DESIGN = Path(__file__).parent / "helpers" / "check_design"


def verdict_of(source):
    verdict, _ = check_source(source, "my.py")
    for language in ("en", "zh"):
        as_text(verdict, "my.py", language, 3)
        as_json(verdict, language)
    return verdict


def codes(verdict):
    return [code for code, _ in verdict.remarks]


def said(verdict):
    return [(one.site, one.value, one.tensors) for one in verdict.mistakes]


@pytest.mark.parametrize("stem, remarks, declared, mistakes", [
    ("zero_start_steps", ["zero start", "not returned"], ("START", "zero", "given"), 2),
    ("zero_start_cs231n", ["zero start"], ("START", "zero", "given"), 1),
    ("last_loss_layer", ["last loss", "mean over the batch"], ("LOSS", "last", "all"), 2),
    ("clips_columns", ["clip value", "not returned"], None, 0)])
def test_a_right_network_of_another_design_is_right_with_a_remark(stem, remarks, declared, mistakes):
    """Found by itself; silent where the file says it; a mistake where the file declares the contrary."""
    source = (DESIGN / f"{stem}.py").read_text(encoding="utf-8")
    verdict = verdict_of(source)
    assert (verdict.verdict, codes(verdict), verdict.mistakes) == ("right", remarks, [])
    stages = {state for stage, state in verdict.stages.items() if stage != "ends"}
    assert stages == {"right"} and verdict.residual <= 1e-13
    if declared:
        name, yes, no = declared
        assert codes(verdict_of(f'{name} = "{yes}"\n{source}')) == remarks[1:]
        verdict = verdict_of(f'{name} = "{no}"\n{source}')
        assert verdict.verdict == "wrong" and len(verdict.mistakes) == mistakes
        assert remarks[0] not in codes(verdict)


def test_a_mistake_beside_a_zero_start_is_named_alone():
    source = (DESIGN / "zero_start_steps.py").read_text(encoding="utf-8")
    for line, wrong, site in (("1 - self.g ** 2", "1", "tanh-derivative-g"),
                              ("dc * self.f", "dc", "path-through-c"),
                              ("dW += np", "dW[...] = np", "sum-over-time")):
        verdict = verdict_of(with_line(source, line, wrong))
        assert codes(verdict)[0] == "zero start" and [one.site for one in verdict.mistakes] == [site]


def test_a_first_state_that_is_not_used_alone_is_a_mistake():
    """A file that takes h_0 has forgotten c_0."""
    verdict = verdict_of(with_line(LSTM, "h, c, states, cache = h0, c0", "h, c, states, cache = h0, 0 * c0"))
    assert said(verdict) == [("forward-state", "zero start", ())] and codes(verdict) == ["backward right"]


def test_a_setting_that_there_is_not():
    verdict = verdict_of(f'START = "nought"\n{LSTM}')
    assert remark_text(*verdict.remarks[0], "en") == "START = 'nought'; it has to be \"zero\" or \"given\""


@pytest.mark.parametrize("line, wrong, code, names", [
    ("    x, h, W, U = cache\n", "    x, h, W, U = cache\n    dh *= 2\n    dh = dh / 2\n", "written", "dh"),
    ("    x, h, W, U = cache\n", "    x, h, W, U = cache\n    x += 1\n    x = x - 1\n", "written", "x"),
    ("    return np.array(h[1:]), (x, h, W, U)", "    b += 1\n    return np.array(h[1:]), (x, h, W, U)",
     "written", "b")])
def test_a_file_that_writes_into_what_it_is_given(line, wrong, code, names):
    verdict = verdict_of(with_line(RNN, line, wrong))
    assert verdict.verdict == "right" and verdict.remarks == [(code, {"names": names})]


def test_whole_numbers_are_a_mistake_of_their_own():
    verdict = verdict_of(with_line(RNN, ", np.zeros_like(x)", ", np.zeros(x.shape, int)"))
    assert said(verdict) == [("number-kind", "numbers", ("x",))] and codes(verdict) == ["whole numbers"]
    assert verdict.stages["ends"] == "wrong" and verdict.stages["through time"] == "right"
    verdict = verdict_of(with_line(RNN, '"b": db', '"b": np.zeros(len(db), int)'))
    assert said(verdict) == [("never-filled", "zero", ("b",))] and codes(verdict) == ["whole numbers"]


@pytest.mark.parametrize("start", ["np.ones_like(U)", "U.copy()", "np.full(U.shape, 1e-3)"])
def test_a_sum_that_starts_from_something(start):
    verdict = verdict_of(with_line(RNN, "np.zeros_like(W), np.zeros_like(U)", f"np.zeros_like(W), {start}"))
    assert said(verdict) == [("sum-over-time", "not zero", ("U",))] and verdict.stages["sums"] == "wrong"
    both = with_line(RNN, "np.zeros_like(W), np.zeros_like(U)", f"np.zeros_like(W), {start}")
    verdict = verdict_of(with_line(both, "U.T @ delta", "U @ delta"))
    assert [one.site for one in verdict.mistakes] == ["path-through-h", "sum-over-time"]


def test_a_sum_that_starts_from_noise_has_no_name():
    noise = with_line(RNN, ", np.zeros_like(U)", ", np.random.normal(size=U.shape)")
    verdict = verdict_of(noise)
    assert verdict.verdict == "unknown" and not verdict.mistakes and verdict.where.tensors == ["U"]
    assert ("random", {}) in verdict.remarks


def test_what_does_not_depend_on_dh_is_said():
    verdict = verdict_of(with_line(RNN, '"U": dU', '"U": np.ones_like(dU)'))
    assert verdict.verdict == "unknown" and ("does not depend on dh", {"names": "dU"}) in verdict.remarks
    assert verdict.where.tensors == ["U"] and verdict.stages["sums"] == "wrong"


@pytest.mark.parametrize("source, line, what", [
    (RNN, "dh_next = U.T @ delta", "dh"), (LSTM, "dh_next = U.T @ delta", "dh"),
    (LSTM, "dc_next = dc * f", "dc"), (LSTM, "d = dh[k] + dh_next", "dh with the loss"),
    (RNN, "delta = (1 - h[k + 1] ** 2) * (dh[k] + dh_next)", "δ")])
@pytest.mark.parametrize("limit", [1.0, 5.0, 0.25])
def test_a_clip_inside_the_loop_is_a_mistake(source, line, what, limit):
    name, _, value = line.partition(" = ")
    verdict = verdict_of(with_line(source, line, f"{name} = np.clip({value}, -{limit}, {limit})"))
    assert [(one.key, one.value) for one in verdict.mistakes] == [("clipped inside", f"{what} {limit:g}")]
    assert verdict.stages["through time"] == "wrong" and verdict.stages["sums"] == "no mistake of its own"


def test_both_carries_clipped():
    source = with_line(with_line(LSTM, "dh_next = U.T @ delta", "dh_next = np.clip(U.T @ delta, -1, 1)"),
                       "dc_next = dc * f", "dc_next = np.clip(dc * f, -1, 1)")
    assert [one.value for one in verdict_of(source).mistakes] == ["dh and dc 1"]


def test_what_is_not_linear_takes_the_names_back():
    wrong = with_line(RNN, "dU += np.outer(delta, h[k])", "dU += np.outer(delta, h[k + 1])")
    verdict = verdict_of(with_line(wrong, '"b": db', '"b": db / (1 + 1e-6 * np.abs(db))'))
    assert verdict.verdict == "unknown" and not verdict.mistakes and not verdict.found
    assert "mistake 1" not in as_text(verdict, "my.py", "en")


@pytest.mark.parametrize("n", [2, 3, 4, 5, 10, 20])
@pytest.mark.parametrize("source", [LSTM, RNN], ids=["lstm", "rnn"])
def test_a_pass_that_is_cut_says_after_how_many_steps(source, n):
    """In pieces of n steps; the window is in the file of another style below."""
    cut = "dc_next = dc * f\n" if source is LSTM else "dh_next = U.T @ delta\n"
    both = "dh_next = dc_next = 0 * dh_next" if source is LSTM else "dh_next = 0 * dh_next"
    verdict = verdict_of(with_line(source, cut, f"{cut}        if k and k % {n} == 0:\n            {both}\n"))
    assert [(one.key, one.value) for one in verdict.mistakes] == [("cut", f"pieces of {n}")]


WINDOW = '''import numpy as np

NETWORK = "rnn"


def forward(x, h0, W, U, b):
    s = np.zeros((len(x) + 1, len(h0)))
    s[-1] = h0
    for t in range(len(x)):
        s[t] = np.tanh(W @ x[t] + U @ s[t - 1] + b)
    return s[:-1].copy(), (x, s, W, U)


def backward(dh, cache):
    x, s, W, U = cache
    dW, dU, db = np.zeros_like(W), np.zeros_like(U), np.zeros(len(U))
    for t in range(len(x))[::-1]:
        delta = dh[t] * (1 - s[t] ** 2)
        for k in range(max(0, t - STEPS + 1), t + 1)[::-1]:
            dU += np.outer(delta, s[k - 1])
            dW += np.outer(delta, x[k])
            db += delta
            delta = (U.T @ delta) * (1 - s[k - 1] ** 2)
    return {"W": dW, "U": dU, "b": db}
'''


@pytest.mark.parametrize("n", [2, 3, 4, 7, 12])
def test_a_window_says_how_many_steps(n):
    verdict = verdict_of(WINDOW.replace("STEPS", str(n)))
    assert [(one.key, one.value) for one in verdict.mistakes] == [("cut", f"window of {n}")]
    assert f"goes back {n} steps only" in as_text(verdict, "my.py", "en", 3)


def test_up_to_where_all_is_right():
    verdict = verdict_of(with_line(RNN, "db += delta", "db += delta * (1 if k < 4 else 0.3)"))
    assert verdict.verdict == "unknown" and verdict.where.up_to == 4 and verdict.where.least == 5
    assert "Up to T = 4 all is right; it shows at T = 5, in db." in as_text(verdict, "my.py", "en")


def test_a_problem_that_a_file_cannot_run_is_left_out():
    fails_at_1 = "    if len(dh) == 1:\n        raise IndexError('one step')\n    x, h, W, U = cache\n"
    verdict = verdict_of(with_line(RNN, "    x, h, W, U = cache\n", fails_at_1))
    assert verdict.verdict == "right" and codes(verdict) == ["fails at"]
    assert remark_text(*verdict.remarks[0], "en").startswith("T = 1 fails, and was left out (backward, line")
    wrong = with_line(RNN, "    x, h, W, U = cache\n", fails_at_1)
    verdict = verdict_of(with_line(wrong, "U.T @ delta", "U @ delta"))
    assert [one.site for one in verdict.mistakes] == ["path-through-h"] and codes(verdict) == ["fails at"]
    square = "    x, h, W, U = cache\n    assert W.shape == U.shape\n"
    verdict = verdict_of(with_line(RNN, "    x, h, W, U = cache\n", square))
    assert verdict.verdict == "right" and codes(verdict) == ["only D = H"]
    at_one_only = "    x, h, W, U = cache\n    assert len(dh) == 1\n"
    assert verdict_of(with_line(RNN, "    x, h, W, U = cache\n", at_one_only)).verdict == "error"


@pytest.mark.parametrize("line, wrong, code", [
    ("return np.array(h[1:])", "return np.array(h[:-1])", "h of the step before"),
    ("return np.array(h[1:])", "return np.array(h[:0:-1])", "h reversed")])
def test_rows_of_h_in_other_places_are_said(line, wrong, code):
    verdict = verdict_of(with_line(RNN, line, wrong))
    assert verdict.verdict == "unknown" and code in codes(verdict) and verdict.stages["forward"] == "wrong"


@pytest.mark.parametrize("rows, words", [
    ("h[1:-1]", "the last row is missing"), ("h[2:]", "the first row is missing"),
    ("h", "its first row is h_0")])
def test_a_row_too_few_or_too_many(rows, words):
    given = with_line(RNN, "np.array(h[1:])", f"np.array({rows}).reshape(-1, len(h0))")
    verdict = verdict_of(given)
    assert verdict.verdict == "error" and words in remark_text(*verdict.remarks[0], "en")


def test_both_paths_dropped_are_two_paths():
    source = with_line(with_line(LSTM, "d = dh[k] + dh_next", "d = dh[k]"), "dc = dc_next + d", "dc = d")
    for part in (source, source.replace(', "x": dx, "h0": dh_next, "c0": dc_next', "")):
        dropped = [("path-through-h", "dropped", ()), ("path-through-c", "dropped", ())]
        assert said(verdict_of(part)) == dropped


def test_a_multiple_is_said_with_its_number():
    verdict = verdict_of(with_line(RNN, '"U": dU', '"U": 1.7 * dU'))
    assert verdict.where.multiples == {"U": 1.7}
    text = as_text(verdict, "my.py", "en")
    assert "dU is 1.7 times the right one in every entry." in text
    assert "every δ is right, dW, db would show it; wrong is what is made of them: dU" in text


NEW = [
    (LSTM, "dc * c_prev * f * (1 - f)", "dc * steps[k - 1][7] * f * (1 - f)", "factor-in-gate"),
    (LSTM, "dc = dc_next + d * o * (1 - np.tanh(c) ** 2)", "dc = (dc_next + d * o) * (1 - np.tanh(c) ** 2)",
     "path-through-c"),
    (RNN, "dU += np.outer(delta, h[k])", "dU += np.outer(delta, h[1:][k - 1])", "input-of-sum"),
    (RNN, "dU += np.outer(delta, h[k])", "dU += np.outer(delta, h[k - 1])", "input-of-sum"),
    (RNN, "dW += np.outer(delta, x[k])", "dW += np.outer(delta, x[k]) * (1 + (k == len(x) - 1))",
     "sum-over-time"),
    (RNN, "delta = (1 - h[k + 1] ** 2) * (dh[k] + dh_next)",
     "delta = np.diag((1 - h[k + 1] ** 2)[None]) * (dh[k] + dh_next)", "tanh-derivative-g"),
    (RNN, "delta = (1 - h[k + 1] ** 2) * (dh[k] + dh_next)",
     "delta = np.full(len(U), (1 - h[k + 1] ** 2) @ (dh[k] + dh_next))", "entrywise-product"),
    (RNN, "    x, h, W, U = cache\n", "    x, h, W, U = cache\n    h = [h[0]] + [h[-1]] * len(x)\n",
     "remembered-states"),
]


@pytest.mark.parametrize("source, line, wrong, site", NEW)
def test_mistakes_of_public_code_that_are_new_in_the_dictionary(source, line, wrong, site):
    verdict = verdict_of(with_line(source, line, wrong))
    assert [one.site for one in verdict.mistakes] == [site], (verdict.where, verdict.remarks)
    assert verdict.residual <= 1e-9


# Kinds that a second reader found

CS231N = (Path(__file__).parent / "helpers" / "check_forms" / "cs231n_lstm.py").read_text(encoding="utf-8")


def test_what_is_done_to_the_first_sequence_of_a_batch_only():
    verdict = verdict_of(with_line(CS231N, "db += da.sum(axis=0)", "db += da[0]"))
    assert said(verdict) == [("batch", "first only", ("b",))] and verdict.stages["sums"] == "wrong"
    verdict = verdict_of(with_line(CS231N, "return dx, dh_next", "dx[1:] = 7\n    return dx, dh_next"))
    assert verdict.verdict == "unknown" and ("batch", {"names": "dx"}) in verdict.remarks
    assert verdict.stages["ends"] == "wrong" and verdict.where.tensors == ["x"]


@pytest.mark.parametrize("line, wrong, shown", [
    ("carry = U.T @ delta", "carry = U.T @ delta * (k != len(x) - 5)", 9),
    ("carry = U.T @ delta", "carry = np.clip(U.T @ delta, -5, 5)", 1)])
def test_a_long_or_a_large_loss_shows_what_a_short_small_one_does_not(line, wrong, shown):
    """Also where the forward pass is not the textbook's."""
    verdict = verdict_of(with_line(RNN_HALF, line, wrong))
    assert verdict.verdict == "unknown" and verdict.stages["through time"] != "right"
    assert verdict.where.least == shown and verdict.where.tensors


def test_what_is_added_is_wrong_for_the_own_forward_pass_too():
    verdict = verdict_of(with_line(RNN_HALF, '"W": dW', '"W": dW + 0.01 * W'))
    assert verdict.where.tensors == ["W"] and verdict.stages["sums"] == "wrong"


def test_an_own_forward_pass_that_cannot_run_one_step_is_compared_all_the_same():
    fails = "    x, h, W, U = cache\n    assert len(x) > 1\n"
    verdict = verdict_of(with_line(RNN_HALF, "    x, h, W, U = cache\n", fails))
    assert set(verdict.where.right) == {"W", "U", "b", "x", "h0"} and codes(verdict) == ["fails at"]


SINGLE = RNN.replace("h = [h0]", "h = [h0.astype(np.float32)]").replace(
    "h.append(np.tanh(U @ h[-1] + W @ x[k] + b))",
    "h.append(np.tanh(U @ h[-1] + W @ x[k] + b).astype(np.float32))")


def test_float32_is_rounding_and_a_mistake_in_float32_is_none():
    assert verdict_of(SINGLE).verdict == "right" and codes(verdict_of(SINGLE)) == ["float32"]
    verdict = verdict_of(with_line(SINGLE, "(1 - h[k + 1] ** 2)", "(1 - h[k + 1] ** 2 + 1e-5)"))
    assert verdict.verdict == "unknown" and codes(verdict) == ["float32 inside"]
    verdict = verdict_of(with_line(SINGLE, '"x": dx', '"x": dx * 1.5'))
    assert verdict.stages["forward"] == verdict.stages["through time"] == "right"
    assert verdict.where.tensors == ["x"] and "W" in verdict.where.right


def test_sums_that_are_all_wrong_in_one_way_do_not_make_the_deltas_wrong():
    for wrong in ('"W": dW / 10, "U": dU / 10, "b": db / 10',
                  '"W": dW / len(x) ** 0.5, "U": dU / len(x) ** 0.5, "b": db / len(x) ** 0.5'):
        verdict = verdict_of(with_line(RNN, '"W": dW, "U": dU, "b": db', wrong))
        assert verdict.verdict == "unknown" and verdict.stages["ends"] == "right"
        assert "wrong" not in (verdict.stages["one step"], verdict.stages["through time"])


def test_no_recurrence_is_no_zero_start():
    for source, line, wrong, values in ((RNN, "U @ h[-1] + W", "W", ["left out"]),
                                        (LSTM, "c = f * c_prev + i * g", "c = i * g", ["left out"])):
        verdict = verdict_of(with_line(source, line, wrong))
        assert [one.value for one in verdict.mistakes] == values and codes(verdict) == ["backward right"]
    empty = verdict_of(with_line(RNN, "h.append(np.tanh(U @ h[-1] + W @ x[k] + b))", "h.append(0 * h0)"))
    assert codes(empty) == ["h is zero"] and empty.stages["forward"] == "wrong"
    assert not empty.where.cannot_tell


def test_a_zero_start_that_returns_its_zero_gradient_is_right():
    source = (DESIGN / "zero_start_steps.py").read_text(encoding="utf-8")
    verdict = verdict_of(with_line(source, '"b": db}', '"b": db, "h0": 0 * dh_next, "c0": 0 * dc_next}'))
    assert verdict.verdict == "right" and codes(verdict) == ["zero start", "not returned"]


@pytest.mark.parametrize("clip, code", [
    ("d[n] = d[n] * min(1, 5 / np.linalg.norm(d[n]))", "clip norm"),
    ("d[n] = d[n] * min(1, {'W': 1, 'U': 5, 'b': 2}[n] / np.abs(d[n]).max())", "clip scaled"),
    ("d[n] = np.clip(d[n], -{'W': 1, 'U': 5, 'b': 2}[n], {'W': 1, 'U': 5, 'b': 2}[n])", "clip value"),
    ("d[n] = np.clip(d[n], -1e-3, 1e-3)", "clip value")])
def test_clips_at_the_end_of_many_kinds(clip, code):
    end = '    return {"W": dW, "U": dU, "b": db,'
    source = with_line(RNN, end, f'    d = {{"W": dW, "U": dU, "b": db}}\n    for n in d:\n        {clip}\n'
                                 '    return {**d,')
    verdict = verdict_of(source)
    assert verdict.verdict == "right" and codes(verdict) == [code]


def test_a_large_gradient_that_is_thrown_away_is_no_clip():
    verdict = verdict_of(with_line(RNN, '"U": dU', '"U": dU * (np.abs(dU).max() < 100)'))
    assert verdict.verdict == "unknown" and codes(verdict) == ["not linear"] and verdict.where.large
    assert "It shows where dh is large, in dU." in as_text(verdict, "my.py", "en")


def test_a_file_that_keeps_something_is_said_to():
    kept = with_line(RNN, "    x, h, W, U = cache\n", "    x, h, W, U = cache\n    KEPT.append(1)\n")
    kept = with_line(kept, '"b": db', '"b": db * len(KEPT)').replace("NETWORK", "KEPT = []\nNETWORK", 1)
    verdict = verdict_of(kept)
    assert verdict.verdict == "right" and codes(verdict) == ["another call"]


@pytest.mark.parametrize("n", [1, 2, 5, 20])
def test_a_backward_loop_that_ends_early_says_after_how_many_steps(n):
    line = "    for k in reversed(range(len(x))):\n        delta"
    loop = f"    for k in list(reversed(range(len(x))))[:{n}]:\n        delta"
    verdict = verdict_of(with_line(RNN, line, loop))
    assert [(one.key, one.value) for one in verdict.mistakes] == [("cut", f"end after {n}")]


def test_what_no_gradient_shows_is_not_looked_at():
    """U for U^T, where only the last step is summed and nothing else is returned."""
    wrong = with_line(RNN, "U.T @ delta", "U @ delta").replace("+= np.outer", "= np.outer").replace(
        "db += delta", "db = delta").replace(', "x": dx, "h0": dh_next', "")
    wrong = wrong.replace("reversed(range(len(x)))", "range(len(x))").replace("(dh[k] + dh_next)", "dh[k]")
    verdict = verdict_of(wrong)
    assert verdict.stages["through time"] != "right"
    assert verdict.stages["through time"] in ("not looked at", "wrong")


def test_another_shape_has_no_infinite_error():
    verdict = verdict_of(with_line(RNN, '"W": dW', '"W": np.vstack([dW.T])'))
    assert as_json(verdict, "en")["residual"] is not None and "inf" not in as_text(verdict, "my.py", "en")


def test_a_loss_from_a_zero_start_is_right():
    source = (Path(__file__).parent / "helpers" / "check_forms" / "loss_rnn.py").read_text(encoding="utf-8")
    verdict = verdict_of(with_line(source, "h = [h0]", "h = [0 * h0]"))
    assert codes(verdict)[0] == "zero start", verdict.remarks
