"""The whole in one file: its gradients are PoemModel's, its training steps are the Learner's, and it runs."""

import ast
import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from scratch_lstm import PoemModel
from scratch_lstm.functional import softmax_cross_entropy, softmax_cross_entropy_backward
from scratch_lstm.gradcheck import complex_step, relative_error
from scratch_lstm.poems.corpus import Corpus
from scratch_lstm.training.learner import make_learner
from scratch_lstm.training.settings import Settings

pytestmark = pytest.mark.quick

FILE = Path(__file__).parent.parent / "one_file.py"
spec = importlib.util.spec_from_file_location("one_file", FILE)
one_file = importlib.util.module_from_spec(spec)
spec.loader.exec_module(one_file)

V, E, H, T, B = 9, 3, 4, 6, 5


def problem(dtype="float64"):
    """Parameters, none of them zero, tokens (T+1, B) with repetitions, and a state ((h, c), (h, c))."""
    rng = np.random.default_rng(1)
    p = {name: rng.normal(size=array.shape).astype(dtype) / 2
         for name, array in one_file.make_parameters(V, E, H).items()}
    return p, rng.integers(0, V, (T + 1, B)), rng.normal(size=(2, 2, B, H)).astype(dtype)


def model_of(p):
    """A PoemModel with these parameters."""
    model = PoemModel(*p["embedding"].shape, p["U0"].shape[1], dtype=p["U0"].dtype)
    assert list(model.parameters) == ["embedding", "W0", "U0", "b0", "W1", "U1", "b1", "fc.weight", "fc.bias"]
    assert model.parameters.keys() == p.keys()
    for name, array in p.items():
        assert array.all() and array.shape == model.parameters[name].shape
        model.parameters[name][...] = array
    return model


def assert_equal(ours, theirs):
    """Two dictionaries of tensors: relative errors of at most 1e-13."""
    assert ours.keys() == theirs.keys()
    for name in ours:
        assert relative_error(ours[name], theirs[name], name) <= 1e-13, name


def test_the_start_is_poem_models_to_the_bit():
    for seed in (0, 3):
        ours, theirs = one_file.make_parameters(50, 20, 6, seed), PoemModel(50, 20, 6, seed=seed).parameters
        assert list(ours) == list(theirs)
        for name, array in ours.items():
            assert array.dtype == np.float32 and np.array_equal(array, theirs[name]), name
    assert {name: array.shape for name, array in one_file.make_parameters(5).items()} == PoemModel.shapes(
        5, 100, 128, 2)


def test_loss_and_gradients_are_poem_models():
    p, tokens, _ = problem()
    before = {name: array.copy() for name, array in p.items()}
    model = model_of(p)
    loss, d = one_file.loss_and_gradients(p, tokens)
    assert abs(loss - model.loss(tokens)) <= 1e-14 * loss
    model.backward()
    assert_equal(d, model.gradients)
    assert all(np.array_equal(p[name], before[name]) for name in p)


def test_with_a_state_they_are_those_of_the_layers():
    p, tokens, state = problem()
    model, targets = model_of(p), tokens[1:].reshape(-1)
    h, last = model.lstm.forward(model.embedding.forward(tokens[:-1]), state.swapaxes(0, 1))
    theirs, saved = softmax_cross_entropy(model.linear.forward(h.reshape(T * B, H)), targets)
    dh = model.linear.backward(softmax_cross_entropy_backward(saved, targets)).reshape(T, B, H)
    model.embedding.backward(model.lstm.backward(dh)[0])
    loss, d = one_file.loss_and_gradients(p, tokens, state)
    assert abs(loss - theirs) <= 1e-14 * loss and abs(loss - model.loss(tokens)) >= 1e-3
    assert_equal(d, model.gradients)
    assert relative_error(np.array(one_file.forward(p, tokens[:-1], state)[1]).swapaxes(0, 1),
                          np.array(last)) <= 1e-13


def test_the_complex_step_on_its_own_loss_gives_its_gradients():
    p, tokens, state = problem()
    _, d = one_file.loss_and_gradients(p, tokens, state)
    for name, array in p.items():
        exact = complex_step(lambda moved: one_file.loss_and_gradients(
            {**{key: a.astype(complex) for key, a in p.items()}, name: moved}, tokens, state)[0], array)
        assert relative_error(d[name], exact, name) <= 1e-13, name


def test_a_character_at_a_time_is_the_whole_poem():
    p, tokens, state = problem()
    whole = one_file.forward(p, tokens, state)[0].reshape(T + 1, B, V)
    assert abs(np.exp(whole).sum(axis=2) - 1).max() <= 1e-14
    for t in range(T + 1):
        log_p, state, _ = one_file.forward(p, tokens[t:t + 1], state)
        assert relative_error(log_p, whole[t]) <= 1e-13


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_dtype_is_that_of_the_parameters(dtype):
    p, tokens, _ = problem(dtype)
    m, v = ({name: np.zeros_like(array) for name, array in p.items()} for _ in "mv")
    loss, d = one_file.loss_and_gradients(p, tokens)
    one_file.clipped_adam(p, d, m, v, 1)
    assert {a.dtype for a in (loss, *d.values(), *p.values(), *m.values(), *v.values())} == {np.dtype(dtype)}


def test_large_logits_do_not_overflow():
    p, tokens, _ = problem("float32")
    p["fc.bias"][0] = 1e4
    loss, d = one_file.loss_and_gradients(p, tokens)
    assert 1e3 <= loss <= 1e4 and all(np.isfinite(gradient).all() for gradient in d.values())


def test_twenty_steps_are_the_learners(corpus_file):
    """Same start, same batches; the gradient is clipped in some steps and not in others."""
    (poems, characters), corpus = one_file.read(corpus_file), Corpus.load(corpus_file)
    learner = make_learner(Settings(backend="numpy", dtype="float64", embedding_size=20, hidden_size=24),
                           len(characters))
    rng = np.random.default_rng(5)
    p = {name: rng.normal(size=array.shape) / 2 for name, array in learner.model.parameters.items()}
    p["fc.bias"] *= 6
    for name, array in p.items():
        learner.model.parameters[name][...] = array
    m, v = ({name: np.zeros_like(array) for name, array in p.items()} for _ in "mv")
    mine, same, losses, norms = np.random.default_rng(2), np.random.default_rng(2), [], []
    for _ in range(10):
        ours, others = one_file.batches(poems, mine), corpus.batches(np.arange(len(poems)), 32, same)
        for tokens, theirs in zip(ours, others, strict=True):
            assert np.array_equal(tokens, theirs)
            loss, d = one_file.loss_and_gradients(p, tokens)
            one_file.clipped_adam(p, d, m, v, len(losses) + 1)
            expected, norm = learner.step(theirs, len(losses))
            assert abs(loss - expected) <= 1e-13 * expected
            losses.append(loss)
            norms.append(norm)
    assert len(losses) == 20 and losses[-1] < losses[0] - 0.3 and min(norms) < 1 < max(norms)
    assert_equal(p, learner.model.parameters)
    for name, begin in zip(p, np.cumsum([0] + [array.size for array in p.values()])):
        for ours, theirs in ((m, learner.optimizer.m), (v, learner.optimizer.v)):
            assert relative_error(ours[name].reshape(-1), theirs[begin:begin + p[name].size], name) <= 1e-13


def test_poems_are_read_as_the_package_reads_them(corpus_file):
    """Apart from the marks before and after each poem, which are letters there."""
    poems, characters = one_file.read(corpus_file)
    corpus = Corpus.load(corpus_file)
    marks = {one_file.START: corpus.vocabulary.start, one_file.END: corpus.vocabulary.end}
    assert [marks.get(c, c) for c in characters] == list(corpus.vocabulary.words)
    assert np.array_equal(poems, corpus.vectors)


def test_a_batch_has_poems_of_one_length_and_each_poem_comes_once(tmp_path):
    lines = ["春" * n + chr(0x4e00 + k) for k in range(70) for n in (2, 5)] + ["", "  ", " 一首诗 "]
    (tmp_path / "poems.txt").write_text("\ufeff" + "\r\n".join(lines), encoding="utf-8")
    poems, characters = one_file.read(tmp_path / "poems.txt")
    batches = one_file.batches(poems, np.random.default_rng(0))
    assert sorted(batch.shape for batch in batches) == [(5, 7), (5, 32), (5, 32), (8, 6), (8, 32), (8, 32)]
    read = ["".join(characters[n] for n in poem) for batch in batches for poem in batch.T]
    assert sorted(read) == sorted(f"{one_file.START}{line.strip()}{one_file.END}" for line in lines
                                  if line.strip())
    again, other = (one_file.batches(poems, np.random.default_rng(seed)) for seed in (0, 1))
    assert all(map(np.array_equal, batches, again)) and not all(map(np.array_equal, batches, other))


def test_a_poem_ends_at_its_mark_or_at_the_longest():
    p, characters = one_file.make_parameters(5, 3, 4), ["一", one_file.START, "二", one_file.END, "三"]
    for likely, poem in (("一", "一" * 8), ("三", "三" * 8), (one_file.END, ""), (one_file.START, "")):
        p["fc.bias"][...] = [100 * (c == likely) for c in characters]
        assert one_file.write(p, characters, 8, np.random.default_rng(0)) == poem
    p["fc.bias"][...] = [-100, -100, np.log(3), -100, 0]                # 二 three times as often as 三
    p["fc.weight"][...] = 0
    share = one_file.write(p, characters, 1000, np.random.default_rng(0)).count("二") / 1000
    assert abs(share - 0.75) <= 0.05


def test_it_needs_numpy_and_nothing_else_and_is_short():
    source = FILE.read_text(encoding="utf-8")
    assert len(source.splitlines()) <= 150
    nodes = list(ast.walk(ast.parse(source)))
    names = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    names |= {node.module if not node.level else "." for node in nodes if isinstance(node, ast.ImportFrom)}
    roots = {name.split(".")[0] for name in names}
    assert "numpy" in roots and roots - {"numpy"} <= sys.stdlib_module_names - {"argparse", "importlib"}


def run(*arguments):
    """python one_file.py in a process of its own, with warnings as errors."""
    environment = os.environ | {"PYTHONUTF8": "1", "PYTHONWARNINGS": "error"}
    return subprocess.run([sys.executable, FILE, *arguments], capture_output=True, encoding="utf-8",
                          env=environment, timeout=100)


def test_it_trains_and_writes_poems(corpus_file):
    result = run(corpus_file)
    assert result.returncode == 0 and result.stderr == ""
    lines = [re.fullmatch(r"epoch +(\d+)  loss (\d+\.\d{3})  (.*)", line).groups()
             for line in result.stdout.splitlines()]
    assert [int(epoch) for epoch, _, _ in lines] == list(range(1, 11))
    losses, poems = [float(loss) for _, loss, _ in lines], [poem for *_, poem in lines]
    assert losses[-1] < 0.8 * losses[0] and max(losses[5:]) < min(losses[:3])
    assert set("".join(poems)) <= set(corpus_file.read_text(encoding="utf-8"))
    assert len(set(poems)) == 10 and max(map(len, poems)) == 24
    assert run(corpus_file).stdout == result.stdout


@pytest.mark.parametrize("content", [None, b"", b"\n \n", "床前明月光".encode("gb18030")],
                         ids=["missing", "empty", "blank", "GB 18030"])
def test_a_file_that_holds_no_poems_is_one_line(tmp_path, content):
    file = tmp_path / "poems.txt"
    if content is not None:
        file.write_bytes(content)
    result = run(file)
    assert result.returncode in (1, 2) and result.stdout == "" and result.stderr.count("\n") == 1
    assert "one poem a line: python one_file.py poems.txt" in result.stderr


def test_without_a_file_it_says_what_to_give():
    result = run()
    assert result.returncode in (1, 2) and result.stdout == "" and result.stderr.count("\n") == 1
    assert "one poem a line: python one_file.py poems.txt" in result.stderr
