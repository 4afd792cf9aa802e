"""scratch-lstm --explain: the picture of a line, and what it refuses; and the site's simple network."""

import sys
from pathlib import Path

import numpy as np
import pytest
from helpers.small_run import finish_small_run

import train_poems
from scratch_lstm import rnn_textbook as rnn
from scratch_lstm.gradcheck import complex_step, relative_error
from scratch_lstm.training import checkpoint
from scratch_lstm.training.explain import picture, simple_norms
from scratch_lstm.training.line_states import read_line

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "web"))

from simple_rnn import SimpleModel  # noqa: E402

LINE = "一山水七月，"


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return finish_small_run(tmp_path_factory.mktemp("explain"))


@pytest.mark.parametrize("name, first", [("line.svg", b"<?xml"), ("line.png", b"\x89PNG"),
                                         ("LINE.SVG", b"<?xml")])
def test_the_picture_is_written(run, name, first, tmp_path, capsys):
    out = tmp_path / name
    capsys.readouterr()
    assert train_poems.main(["--explain", str(run), "--line", LINE, "--out", str(out)]) == 0
    assert out.read_bytes().startswith(first) and capsys.readouterr() == ("", "")
    again = tmp_path / f"again{name}"
    train_poems.main(["--explain", str(run / "model.safetensors"), "--line", LINE, "--out", str(again)])
    assert again.read_bytes() == out.read_bytes(), "the same line gives the same bytes"


@pytest.mark.parametrize("flags, said", [
    (["--line", "龙", "--out", "a.svg"], "the character '龙' is not in the model's vocabulary"),
    (["--line", LINE, "--out", "a.gif"], "the picture is an SVG or a PNG"),
    (["--line", LINE], "--explain needs --line TEXT and --out"),
    (["--line", LINE, "--out", "no/such/a.svg"], "a.svg"),
    (["--line", LINE, "--out", "a.svg", "--epochs", "3"], "--epochs has no effect with --explain"),
])
def test_what_cannot_be_drawn_is_said_in_one_line(run, flags, said, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    capsys.readouterr()
    assert train_poems.main(["--explain", str(run), *flags]) == 2
    error = capsys.readouterr().err
    assert said in error and error.count("\n") == 1 and not [*tmp_path.iterdir()]


def test_the_triangles_are_those_of_the_line(run):
    """Each panel's numbers, taken back out of the figure."""
    model, vocabulary = checkpoint.load(run / "model.safetensors")
    read = read_line(model, vocabulary, LINE)
    figure = picture(read, vocabulary.words)
    images = [axes.images[0].get_array() for part in figure.subfigs for axes in part.axes if axes.images]
    largest = max(norm.max() for norm in (read.norm, read.via_h, read.via_c, simple_norms(read)))
    T = len(LINE) + 1
    for drawn, norm in zip(images[-4:], (read.norm, read.via_h, read.via_c, simple_norms(read))):
        assert norm.shape == (T, T) and not np.triu(norm, 1).any()
        assert relative_error(largest * 10 ** np.ma.filled(drawn, -np.inf), norm) <= 1e-13
    for drawn, gate in zip(images, np.split(read.states.gates, 4, axis=1)):
        assert np.array_equal(drawn, gate.T)


def test_the_simple_network_of_the_site_has_the_right_gradients():
    V, E, H, T, B = 7, 3, 4, 5, 2
    model = SimpleModel(V, E, H, dtype="float64")
    tokens = np.random.default_rng(0).integers(0, V, (T + 1, B))
    loss = model.loss(tokens)
    found = {name: gradient.copy() for name, gradient in model.gradients.items()}

    def of(name, value):
        p = {**model.parameters, name: value}
        total = 0
        for column in tokens.T:
            h = rnn.forward(p["embedding"][column[:-1]], np.zeros(H), p["W"], p["U"], p["b"]).h[1:]
            logits = h @ p["weight"].T + p["bias"]
            total += (np.log(np.exp(logits).sum(axis=1)) - logits[np.arange(T), column[1:]]).sum()
        return total / (T * B)

    assert loss == pytest.approx(of("b", model.parameters["b"]), rel=1e-14)
    for name, value in model.parameters.items():
        exact = complex_step(lambda value: of(name, value), value)
        assert relative_error(found[name], exact, name) <= 1e-13


def test_the_simple_network_learns():
    model = SimpleModel(5, 3, 8)
    tokens = np.tile(np.arange(5)[:, None], (3, 4))
    losses = model.train([tokens] * 60, learning_rate=1e-2)
    assert losses[-1] < 0.5 * losses[0]
