"""lstm.py and the whole model against torch: results and every gradient, over shapes drawn at random.

`pytest -k equivalence` runs this comparison alone. The bounds are 1e-13 for float64 and 1e-5 for float32,
relative to the largest entry of each tensor. float32 is compared with both implementations that torch has on
a CPU, its own and oneDNN's.
"""

import json

import numpy as np
import pytest
import torch
from helpers.lstm_oracles import (
    BACKENDS,
    EXACT,
    SINGLE,
    USES,
    by_delta,
    by_torch,
    draw,
    forward_backward,
    layer_of,
    loss_of,
    onednn_switched,
    ours,
    shapes,
    single,
)
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import torch_ref.gradients
from scratch_lstm import LSTM, PoemModel
from scratch_lstm.gradcheck import check_gradients, relative_error, taylor_order
from scratch_lstm.kernels.numpy_cell import GATES
from torch_ref.convert import from_torch, lstm_gradients, to_torch

backends = pytest.mark.parametrize("backend", BACKENDS)


def assert_equal(found, expected, bound):
    assert found.keys() == expected.keys()
    for name, tensor in expected.items():
        error = relative_error(found[name], tensor, name)
        assert error <= bound, f"{name}: {error}"


def assume_well_conditioned(in_float32, in_float64):
    """Leave out the rare draw in which sums cancel so far that torch's own float32 misses its own float64 by
    much of the bound. Judged from torch alone, whatever this project computes."""
    assume(all(relative_error(value.astype("float64"), exact[name], name) <= SINGLE / 4
               for found, exact in zip(in_float32, in_float64) for name, value in found.items()))


# The LSTM

@backends
@given(**shapes)
@settings(max_examples=100)
def test_lstm_is_torch_in_float64(backend, **shape):
    case = draw(**shape)
    for found, expected in zip(ours(*case, backend), by_torch(*case)):
        assert_equal(found, expected, EXACT)


@pytest.mark.parametrize("onednn", [False, True], ids=["plain", "oneDNN"])
@backends
@given(**shapes)
@settings(max_examples=50)
def test_lstm_is_torch_in_float32(backend, onednn, **shape):
    arguments, upstream = (single(arrays) for arrays in draw(**shape))
    expected = by_torch(arguments, upstream, onednn=onednn)
    exact = by_torch({name: a.astype("float64") for name, a in arguments.items()},
                     {name: d if d is None else d.astype("float64") for name, d in upstream.items()})
    assume_well_conditioned(expected, exact)
    for found, tensors in zip(ours(arguments, upstream, backend), expected):
        assert_equal(found, tensors, SINGLE)


@pytest.mark.parametrize("onednn", [False, True], ids=["plain", "oneDNN"])
def test_the_switch_chooses_torch_s_hand(onednn):
    case = [single(arrays) for arrays in draw()]
    with torch.autograd.profiler.profile() as profile:
        by_torch(*case, onednn=onednn)
    called = {event.name for event in profile.function_events}
    assert "aten::lstm" in called and ("aten::mkldnn_rnn_layer" in called) == onednn


@backends
@given(**shapes)
@settings(max_examples=30)
def test_lstm_is_torch_for_x_of_any_layout(backend, **shape):
    """x as every second entry of a wider array, backwards in its features, and batch first."""
    arguments, upstream = draw(**shape)
    x = arguments["x"]
    wide = np.full([2 * n for n in x.shape], np.nan)
    strided, batch_first = wide[::2, 1::2, ::-2], x.transpose(1, 0, 2).copy().transpose(1, 0, 2)
    strided[...] = x
    expected = by_torch(arguments, upstream)
    for view in (strided, batch_first, np.asfortranarray(x)):
        for found, tensors in zip(ours({**arguments, "x": view}, upstream, backend), expected):
            assert_equal(found, tensors, EXACT)


@backends
@pytest.mark.parametrize("uses", sorted(USES))
@pytest.mark.parametrize("sizes", [(25, 8, 10, 16, 2), (80, 2, 5, 7, 1), (3, 2, 4, 5, 6)], ids=str)
def test_lstm_is_torch_where_it_is_long_or_deep(backend, uses, sizes):
    case = draw(0, *sizes, uses=uses)
    for found, expected in zip(ours(*case, backend), by_torch(*case)):
        assert_equal(found, expected, EXACT)


@backends
def test_lstm_is_torch_from_a_zero_state(backend):
    """Without a state; and at T = 1 U is never used, so that both gradients of it are exactly zero."""
    arguments, upstream = draw(1, T=1)
    arguments["h_0"], arguments["c_0"] = 0 * arguments["h_0"], 0 * arguments["c_0"]
    layer = layer_of(arguments, backend)
    h, (h_n, c_n) = layer.forward(arguments["x"])
    dx, (dh_0, dc_0) = layer.backward(upstream["h"], (upstream["h_n"], upstream["c_n"]))
    found = {**layer.gradients, "x": dx, "h_0": dh_0, "c_0": dc_0}
    results, expected = by_torch(arguments, upstream)
    for name in ("U0", "U1"):
        assert not found.pop(name).any() and not expected.pop(name).any()
    assert_equal({"h": h, "h_n": h_n, "c_n": c_n}, results, EXACT)
    assert_equal(found, expected, EXACT)


@pytest.mark.parametrize("place", range(4), ids=GATES)
def test_gates_stand_where_torch_has_them(place):
    """Only one block of torch's weight_ih is set, all biases alike: (6.51)-(6.56) by the name of the gate."""
    H, rng = 3, np.random.default_rng(place)
    W, x, c_0 = rng.normal(size=(H, 2)), rng.normal(size=2), rng.normal(size=H)
    lstm, layer = torch.nn.LSTM(2, H, dtype=torch.float64), LSTM(2, H, dtype="float64")
    for p in layer.parameters.values():
        p[...] = 0
    with torch.no_grad():
        for p in lstm.parameters():
            p.zero_()
        lstm.bias_ih_l0.fill_(0.3)
        lstm.weight_ih_l0[place * H:place * H + H] = torch.tensor(W)
    layer.parameters["b0"][...] = 0.3
    rows = layer.parameters["W0"].reshape(4, H, 2)
    rows[GATES.index(GATES[place])] = W

    z = {gate: np.full(H, 0.3) for gate in GATES}
    z[GATES[place]] = W @ x + 0.3
    i, f, o = (1 / (1 + np.exp(-z[gate])) for gate in "ifo")
    c = f * c_0 + i * np.tanh(z["g"])
    state = np.zeros((1, 1, H)), c_0.reshape(1, 1, H)
    h, (_, c_n) = lstm(torch.tensor(x.reshape(1, 1, 2)), tuple(map(torch.tensor, state)))
    found, (_, found_c) = layer.forward(x.reshape(1, 1, 2), state)
    for value, expected in ((h.detach().numpy(), o * np.tanh(c)), (c_n.detach().numpy(), c),
                            (found, o * np.tanh(c)), (found_c, c)):
        assert relative_error(value.reshape(H), expected) <= 1e-15


# The other links of the chain, over the same shapes

@backends
@given(**shapes)
@settings(max_examples=50)
def test_one_pass_is_the_sum_of_every_delta_tk(backend, **shape):
    """Sum over t of delta_{t,k} from the textbook code, against one accumulated pass."""
    case = draw(**shape)
    assert_equal(ours(*case, backend)[1], by_delta(*case), EXACT)


@backends
@given(**shapes)
@settings(max_examples=50)
def test_gradients_along_a_random_direction(backend, **shape):
    """The complex step: cheap enough for any shape."""
    arguments, upstream = draw(**shape)
    check_gradients(loss_of(upstream, backend), arguments, ours(arguments, upstream, backend)[1],
                    methods=["directional"], seed=shape["seed"]).assert_ok()


@backends
@given(**{**shapes, "T": st.integers(1, 4), "B": st.integers(1, 3), "D": st.integers(1, 3),
          "H": st.integers(1, 3), "L": st.integers(1, 2)})
@settings(max_examples=8)
def test_gradients_entry_by_entry(backend, **shape):
    """Complex step and finite differences."""
    arguments, upstream = draw(**shape)
    check_gradients(loss_of(upstream, backend), arguments,
                    ours(arguments, upstream, backend)[1]).assert_ok()


@pytest.mark.parametrize("name", ["W0", "U1", "b0", "x", "h_0", "c_0"])
def test_taylor_order(name):
    arguments, upstream = draw(2)
    gradient = ours(arguments, upstream)[1][name]

    def f(value):
        return float(loss_of(upstream)(**{**arguments, name: value}))

    assert taylor_order(f, arguments[name], gradient) >= 1.9
    assert taylor_order(f, arguments[name], 1.1 * gradient) <= 1.1


# The whole model

def model_and_tokens(seed, T, B, V, E, H, L, backend="numpy", dtype="float64"):
    """A model of moderate random weights, all biases nonzero, and a batch of T+1 words."""
    rng = np.random.default_rng(seed)
    model = PoemModel(V, E, H, L, backend=backend, dtype=dtype)
    model.flat_parameters[...] = 0.5 * rng.standard_normal(model.flat_parameters.size)
    return model, rng.integers(0, V, (T + 1, B))


def by_model(model, batch):
    """The loss and every gradient."""
    loss = model.loss(batch)
    model.zero_gradients()
    model.backward()
    return {**model.gradients, "loss": loss}


def by_net(net, batch, onednn=False):
    """The same by a PoemNet."""
    with onednn_switched(onednn):
        loss = net.loss(torch.tensor(batch.T))
        loss.backward()
    gradients = {**lstm_gradients(net.lstm), "embedding": net.embedding.weight.grad.numpy(),
                 "fc.weight": net.fc.weight.grad.numpy(), "fc.bias": net.fc.bias.grad.numpy()}
    return {**gradients, "loss": loss.detach().numpy()}


models = dict(seed=st.integers(0, 2**32 - 1), T=st.integers(2, 7), B=st.integers(1, 4), V=st.integers(3, 9),
              E=st.integers(1, 6), H=st.integers(3, 6), L=st.integers(1, 3))


@backends
@given(**models)
@settings(max_examples=50)
def test_model_is_torch_s_in_float64(backend, **sizes):
    model, batch = model_and_tokens(**sizes, backend=backend)
    assert_equal(by_model(model, batch), by_net(to_torch(model), batch), EXACT)


@pytest.mark.parametrize("onednn", [False, True], ids=["plain", "oneDNN"])
@backends
@given(**models)
@settings(max_examples=25)
def test_model_is_torch_s_in_float32(backend, onednn, **sizes):
    model, batch = model_and_tokens(**sizes, backend=backend, dtype="float32")
    expected, exact = by_net(to_torch(model), batch, onednn), by_net(to_torch(model).double(), batch)
    assume_well_conditioned([expected], [exact])
    assert_equal(by_model(model, batch), expected, SINGLE)


@backends
def test_model_of_one_step(backend):
    """T = 1 from a zero state: U is never used."""
    model, batch = model_and_tokens(3, 1, 4, 9, 2, 5, 2, backend)
    found, expected = by_model(model, batch), by_net(to_torch(model), batch)
    for name in ("U0", "U1"):
        assert not found.pop(name).any() and not expected.pop(name).any()
    assert_equal(found, expected, EXACT)


@backends
@given(**models)
@settings(max_examples=25)
def test_the_greedy_choice_is_the_same(backend, **sizes):
    """The likeliest word of every logit; then each writes on by itself, a word at a time."""
    model, batch = model_and_tokens(**sizes, backend=backend)
    net = to_torch(model)
    with torch.no_grad():
        logits, (h, c) = model.forward(batch)
        expected, state = net(torch.tensor(batch.T))
        assert_equal({"logits": logits, "h": h, "c": c}, {
            "logits": expected.transpose(0, 1).numpy(), "h": state[0].numpy(), "c": state[1].numpy()}, EXACT)
        word, state = batch[:1], None
        their_word, their_state = torch.tensor(batch[:1].T), None
        for _ in range(6):
            logits, state = model.forward(word, state)
            expected, their_state = net(their_word, their_state)
            word, their_word = logits.argmax(axis=2), expected.argmax(dim=2)
            assert np.array_equal(word, their_word.numpy().T)


@backends
def test_a_model_from_torch_is_torch_s(backend):
    """The other way round: torch's own start, with two biases."""
    torch.manual_seed(4)
    net = torch_ref.gradients.PoemNet(11, 3, 5, 2).double()
    batch = np.random.default_rng(4).integers(0, 11, (6, 3))
    model = from_torch(net, backend)
    assert relative_error(model.loss(batch), net.loss(torch.tensor(batch.T)).detach().numpy()) <= EXACT


# The table

@pytest.mark.parametrize("seed", range(3))
def test_every_cell_of_the_table_is_within_its_bound(seed):
    rows = torch_ref.gradients.table(seed)
    assert list(rows) == ["W0", "U0", "b0", "W1", "U1", "b1", "x", "h_0", "c_0", "embedding", "fc.weight",
                          "fc.bias"]
    assert set(rows["W0"]) == {"lstm.py max", *torch_ref.gradients.BOUNDS}
    everywhere = {"lstm.py max", "central diff.", "complex step", "torch float64", "float32 oneDNN",
                  "float32 plain"}
    assert all(everywhere <= set(row) for row in rows.values())
    for name, row in rows.items():
        for way, bound in torch_ref.gradients.BOUNDS.items():
            if way in row:
                assert row[way] <= bound, f"{name} by {way}: {row[way]}"
    assert torch_ref.gradients.within(rows)


def test_the_table_for_machines(capsys):
    assert torch_ref.gradients.main(["--json", "--seed", "5"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["ok"] is True and report["seed"] == 5 and len(report["rows"]) == 12
    assert report["bounds"]["torch float64"] == EXACT and report["bounds"]["float32 oneDNN"] == SINGLE
    assert report["bounds"]["central diff."] == 1e-9


def spoil_one_entry(a):
    return a + 1e-12 * np.max(np.abs(a)) * (np.arange(a.size) == 1).reshape(a.shape)


@pytest.mark.parametrize("spoil", [spoil_one_entry, np.zeros_like])
@pytest.mark.parametrize("arguments", [[], ["--json"]], ids=["text", "json"])
def test_one_spoiled_cell_makes_the_exit_status_1(monkeypatch, capsys, arguments, spoil):
    right = torch_ref.gradients.autograd
    monkeypatch.setattr(torch_ref.gradients, "oracle", lambda case, way: {})      # slow, and not the point

    def spoiled(case, dtype, onednn=False):
        gradients = right(case, dtype, onednn)
        return {**gradients, "U1": spoil(gradients["U1"])} if dtype == torch.float64 else gradients

    assert torch_ref.gradients.main(arguments) == 0
    monkeypatch.setattr(torch_ref.gradients, "autograd", spoiled)
    assert torch_ref.gradients.main(arguments) == 1
    shown = capsys.readouterr().out
    assert "BEYOND ITS BOUND" in shown or '"ok": false' in shown


def test_a_nan_in_the_table_is_not_within():
    assert torch_ref.gradients.within({"W0": {"RTRL": 1e-14}})
    assert not torch_ref.gradients.within({"W0": {"RTRL": float("nan")}})
    assert not torch_ref.gradients.within({"W0": {"RTRL": 2e-13}})


@backends
def test_forward_backward_again_with_the_same_layer(backend):
    """A second, shorter batch through the same buffers."""
    long, short = draw(6, T=6, B=4), draw(7, T=3, B=2)
    layer = layer_of(long[0], backend)
    forward_backward(layer, *long)
    layer.zero_gradients()
    for name, p in layer.parameters.items():
        p[...] = short[0][name]
    for found, expected in zip(forward_backward(layer, *short), by_torch(*short)):
        assert_equal(found, expected, EXACT)
