"""The delta explorer of the site: its JavaScript computes what NumPy computes (link 9 of the chain)."""

import inspect
from pathlib import Path

import numpy as np
import pytest
from helpers.explorer import as_net, explore

from scratch_lstm import PoemModel, lstm_textbook
from scratch_lstm import rnn_textbook as rnn
from scratch_lstm.errors import InputError
from scratch_lstm.gradcheck import complex_step, relative_error
from scratch_lstm.poems.vocabulary import Vocabulary
from scratch_lstm.training.line_states import MOST, read_line

BOUND = 1e-12
LINE = "春眠不觉晓，处处闻啼鸟。"
ASSETS = Path(__file__).resolve().parent.parent / "web" / "assets"


def small_model(layers, tied=False, seed=0, hidden_size=7):
    words = tuple("GE" + "".join(dict.fromkeys(LINE)) + "山水风花")
    model = PoemModel(len(words), 5, hidden_size, layers, dtype="float64", seed=seed, tie_embedding=tied)
    rng = np.random.default_rng(seed)
    model.flat_parameters[...] += rng.standard_normal(model.flat_parameters.shape) / 3
    return model, Vocabulary(words)


def net_of(model):
    p, L = model.parameters, model.sizes["num_layers"]
    return as_net(p["embedding"], [(p[f"W{n}"], p[f"U{n}"], p[f"b{n}"]) for n in range(L)],
                  p["embedding"] if model.tie_embedding else p["fc.weight"], p["fc.bias"])


def numbers(vocabulary, words):
    return [vocabulary.word_int_map[word] for word in words]


@pytest.mark.parametrize("layers, tied", [(1, False), (2, False), (2, True)])
def test_every_quantity_of_the_lstm_is_numpy_s(layers, tied):
    model, vocabulary = small_model(layers, tied)
    line = read_line(model, vocabulary, LINE)
    found = explore(net_of(model), numbers(vocabulary, line.words), numbers(vocabulary, line.targets[:-1]))
    assert found["targets"].tolist() == numbers(vocabulary, line.targets)
    dW, dU, db = lstm_textbook.gradients(line.delta, line.states, line.x)
    expected = dict(h=line.states.h, c=line.states.c, gates=line.states.gates, p=line.probabilities,
                    losses=line.losses, dh=line.dL_dh, delta=line.delta.transpose(1, 0, 2), norm=line.norm,
                    viaH=line.via_h, viaC=line.via_c, dW=dW, dU=dU, db=db)
    for name, value in expected.items():
        error = relative_error(found[name].reshape(value.shape), value, name)
        assert error <= BOUND, name
        print(f"{name:6} {error:.1e}")


def test_the_simple_network_is_numpy_s():
    model, vocabulary = small_model(1)
    H, p = 7, model.parameters
    layer = p["W0"][:H], p["U0"][:H], p["b0"][:H]
    tokens, targets = numbers(vocabulary, "G" + LINE[:-1]), numbers(vocabulary, LINE)
    found = explore(as_net(p["embedding"], [layer], p["fc.weight"], p["fc.bias"]), tokens, targets)
    x = p["embedding"][tokens]
    states = rnn.forward(x, np.zeros(H), *layer)
    logits = states.h[1:] @ p["fc.weight"].T + p["fc.bias"]
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    dL_dh = (probabilities - np.eye(len(vocabulary))[targets]) @ p["fc.weight"]
    delta = rnn.delta(states, layer[1], dL_dh)
    dW, dU, db = rnn.gradients(delta, states, x)
    for name, value in dict(h=states.h, p=probabilities, dh=dL_dh, delta=delta.transpose(1, 0, 2),
                            norm=np.linalg.norm(delta, axis=2), dW=dW, dU=dU, db=db).items():
        assert relative_error(found[name].reshape(value.shape), value, name) <= BOUND


# What each switch makes of lstm_textbook.backward: (the source's text, the text with the switch)
SWITCHES = {
    "c": ("dc = dc_next + dh * o", "dc = dh * o"),
    "u": ("dh = U.T @ delta[t, k]", "dh = 0 * dh"),
    "chain": ("dL_dc[t, 0] = dc_next", "delta[t, 1:], dL_dc[t, 0] = 0, dc_next"),
}


@pytest.mark.parametrize("switch", SWITCHES)
def test_a_switch_is_the_known_wrong_answer(switch):
    """Also: the gradient is then wrong, so that the page has something to show."""
    model, vocabulary = small_model(1)
    line = read_line(model, vocabulary, LINE)
    source, module = inspect.getsource(lstm_textbook.backward), dict(vars(lstm_textbook))
    assert source.count(SWITCHES[switch][0]) == 1
    exec(source.replace(*SWITCHES[switch]), module)
    delta = module["backward"](line.states, model.parameters["U0"], line.dL_dh)[0]
    found = explore(net_of(model), numbers(vocabulary, line.words), numbers(vocabulary, line.targets),
                    {switch: True})
    assert relative_error(found["norm"].reshape(line.norm.shape), np.linalg.norm(delta, axis=2)) <= BOUND
    gradients = lstm_textbook.gradients(delta, line.states, line.x)
    exact = lstm_textbook.gradients(line.delta, line.states, line.x)
    for name, value, correct in zip(("dW", "dU", "db"), gradients, exact):
        if np.any(value):
            assert relative_error(found[name].reshape(value.shape), value, name) <= BOUND
        else:
            assert not found[name].any(), "h_0 = 0, so the term k = 1 of dU is zero (lab5)"
        assert relative_error(value, correct, name) > 0.01


def test_the_open_forget_gate_is_a_network_of_its_own():
    """f = 1 by a bias so large that the sigmoid is 1, and its block of delta is zero."""
    model, vocabulary = small_model(1)
    tokens, targets = numbers(vocabulary, "G" + LINE[:-1]), numbers(vocabulary, LINE)
    found = explore(net_of(model), tokens, targets, hold_open=True)
    model.parameters["b0"][7:14] = 1e3
    expected = explore(net_of(model), tokens, targets)
    for name in ("h", "c", "gates", "p", "delta", "norm", "viaH", "viaC"):
        assert relative_error(found[name], expected[name], name) <= BOUND


def test_the_parts_are_what_the_complex_step_says():
    """delta_{t,k} with dL_t/dh_k held away from c_k is the part along c: c_k alone is moved."""
    model, vocabulary = small_model(1)
    line = read_line(model, vocabulary, LINE[:4])
    U, b, W = (model.parameters[name] for name in ("U0", "b0", "W0"))
    t, k, H = 3, 1, 7

    def loss(c_k):
        state = line.states.h[k + 1], c_k        # h_k stays: what c_k does through h_k is the other part
        h = lstm_textbook.forward(line.x[k + 1:], state, W, U, b).h[t - k]
        logits = model.parameters["fc.weight"] @ h + model.parameters["fc.bias"]
        return np.log(np.exp(logits).sum()) - logits[vocabulary.word_int_map[line.targets[t]]]

    along_c = complex_step(loss, line.states.c[k + 1])
    i, f, g, _ = np.split(line.states.gates[k], 4)
    slopes = np.concatenate([g * i * (1 - i), line.states.c[k] * f * (1 - f), i * (1 - g ** 2)])
    assert relative_error(line.via_c[t, k], np.linalg.norm(np.tile(along_c, 3) * slopes)) <= 1e-13
    assert H == len(along_c) and line.via_h[t, t] == pytest.approx(line.norm[t, t], rel=1e-14)


@pytest.mark.parametrize("line", ["", "春" * (MOST + 1), "春G", "春A"])
def test_a_line_that_cannot_be_read_is_refused(line):
    model, vocabulary = small_model(1)
    with pytest.raises(InputError, match=f"^line '{line}': "):
        read_line(model, vocabulary, line)


def test_the_explorer_has_at_most_400_lines_and_no_framework():
    files = sorted(ASSETS.glob("explorer*.js"))
    texts = [path.read_text(encoding="utf-8") for path in files]
    assert files and sum(text.count("\n") for text in texts) <= 400
    outside = "import ", "require(", "http:", "https:", "fetch("
    assert not any(word in text for text in texts for word in outside)
