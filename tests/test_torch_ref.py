"""Weights between this project and torch: both ways, one bias or two, through a file, bit for bit."""

import numpy as np
import pytest
import torch
from helpers.lstm_oracles import BACKENDS

from scratch_lstm import LSTM, Adam, PoemModel, clip_grad_norm
from scratch_lstm.errors import InputError
from scratch_lstm.poems.vocabulary import Vocabulary
from scratch_lstm.training import checkpoint
from torch_ref import convert
from torch_ref.model import PoemNet, keep_one_bias

SIZES = dict(vocabulary_size=11, embedding_size=3, hidden_size=4, num_layers=2)
WORDS = {word: n for n, word in enumerate("GE，。山水风月花雨日")}
DTYPES = {"float32": torch.float32, "float64": torch.float64}


def random_model(dtype="float64", **options):
    model = PoemModel(**SIZES, dtype=dtype, **options)
    model.flat_parameters[...] = 0.5 * np.random.default_rng(1).normal(size=model.flat_parameters.shape)
    return model


def random_net(dtype=torch.float64, **options):
    torch.manual_seed(2)
    return PoemNet(**SIZES, **options).to(dtype)


def batch(T=5, B=3, seed=3):
    return np.random.default_rng(seed).integers(0, SIZES["vocabulary_size"], (T + 1, B))


def bits(model):
    return {name: p.tobytes() for name, p in model.parameters.items()}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("backend", BACKENDS)
def test_to_torch_and_back_bit_for_bit(backend, dtype):
    model = random_model(dtype, dropout=0.25)
    net = convert.to_torch(model)
    assert {p.dtype for p in net.parameters()} == {DTYPES[dtype]}
    again = convert.from_torch(net, backend)
    assert bits(again) == bits(model) and again.sizes == model.sizes
    assert again.dropout == net.dropout.p == net.lstm.dropout == 0.25
    assert again.backend.name == backend and again.flat_parameters.dtype == np.dtype(dtype)


def test_every_weight_is_in_its_own_place():
    model = random_model()
    state = convert.to_torch(model).state_dict()
    places = {"embedding": "embedding.weight", "W0": "lstm.weight_ih_l0", "U0": "lstm.weight_hh_l0",
              "b0": "lstm.bias_ih_l0", "W1": "lstm.weight_ih_l1", "U1": "lstm.weight_hh_l1",
              "b1": "lstm.bias_ih_l1", "fc.weight": "fc.weight", "fc.bias": "fc.bias"}
    assert places.keys() == model.parameters.keys()
    for name, place in places.items():
        assert np.array_equal(state.pop(place).numpy(), model.parameters[name]), name
    assert sorted(state) == ["lstm.bias_hh_l0", "lstm.bias_hh_l1"]
    assert not any(tensor.any() for tensor in state.values())


@pytest.mark.parametrize("dtype", DTYPES)
def test_two_biases_become_their_sum(dtype):
    net = random_net(DTYPES[dtype])
    parameters = convert.lstm_parameters(net.lstm)
    for l in range(2):
        pair = [getattr(net.lstm, f"bias_{which}_l{l}") for which in ("ih", "hh")]
        assert all(bias.any() for bias in pair)
        assert np.array_equal(parameters[f"b{l}"], (pair[0] + pair[1]).detach().numpy())
    model, once = convert.from_torch(net), random_net(DTYPES[dtype])
    convert.set_lstm(once.lstm, parameters)             # overwrites both biases
    for name, array in convert.lstm_parameters(once.lstm).items():
        assert array.dtype == dtype and np.array_equal(array, parameters[name])
        assert np.array_equal(array, model.parameters[name])


def test_what_is_converted_shares_no_memory():
    model, net = random_model(), random_net()
    before, state = bits(model), {name: t.clone() for name, t in net.state_dict().items()}
    to, back = convert.to_torch(model), convert.from_torch(net)
    with torch.no_grad():
        for p in to.parameters():
            p.fill_(7)
    back.flat_parameters[...] = 7
    for array in convert.lstm_parameters(net.lstm).values():
        array[...] = 7
    assert bits(model) == before
    assert all(torch.equal(tensor, state[name]) for name, tensor in net.state_dict().items())


def test_weights_of_other_sizes_are_refused():
    parameters = random_model().parameters
    for lstm, message in (
            (torch.nn.LSTM(3, 5, 2), r"W0 has shape \(16, 3\), torch's weight_ih_l0 \(20, 3\)"),
            (torch.nn.LSTM(1, 4, 2), r"W0 has shape \(16, 3\), torch's weight_ih_l0 \(16, 1\)"),
            (torch.nn.LSTM(3, 4, 3), "parameters of 2 layers do not fit an LSTM of 3"),
            (torch.nn.LSTM(3, 4, 1), "parameters of 2 layers do not fit an LSTM of 1"),
            (torch.nn.LSTM(3, 4, 2, bias=False), "b0 is not zero, but the torch LSTM has bias=False"),
            (torch.nn.LSTM(3, 4, 2, bidirectional=True), "a bidirectional LSTM is not supported")):
        before = [p.clone() for p in lstm.parameters()]
        with pytest.raises(ValueError, match=message):
            convert.set_lstm(lstm, {**parameters, "b0": np.ones(16)})
        assert all(map(torch.equal, before, lstm.parameters()))             # nothing was written


@pytest.mark.parametrize("module, message", [
    (torch.nn.LSTM(2, 5, bidirectional=True), "a bidirectional LSTM is not supported"),
    (torch.nn.LSTM(2, 5, proj_size=3), "proj_size is not supported"),
    (torch.nn.LSTM(2, 5).half(), "torch.float16 is not supported"),
    (torch.nn.LSTM(2, 5).bfloat16(), "torch.bfloat16 is not supported"),
    (torch.nn.LSTMCell(2, 5), "need a torch.nn.LSTM, not LSTMCell"),
    (torch.nn.LSTM(2, 5).state_dict(), "need a torch.nn.LSTM, not OrderedDict"),
])
def test_an_lstm_that_is_not_supported_is_named(module, message):
    for convert_it in (convert.lstm_parameters, convert.lstm_gradients):
        with pytest.raises(ValueError, match=message):
            convert_it(module)


def test_no_bias_is_a_bias_of_zero():
    lstm = torch.nn.LSTM(3, 4, 2, bias=False, dtype=torch.float64)
    parameters = convert.lstm_parameters(lstm)
    assert not any(parameters[f"b{l}"].any() for l in range(2))
    layer = LSTM(3, 4, 2, dtype="float64")
    for name, p in layer.parameters.items():
        p[...] = parameters[name]
    x, dh = np.random.default_rng(5).normal(size=(2, 5, 3, 4))
    expected, _ = lstm(torch.tensor(x[:, :, :3]))
    assert abs(layer.forward(x[:, :, :3])[0] - expected.detach().numpy()).max() <= 1e-14
    expected.backward(torch.tensor(dh))
    layer.backward(dh)
    for name, gradient in convert.lstm_gradients(lstm).items():
        assert abs(gradient - layer.gradients[name]).max() <= 1e-13, name
    convert.set_lstm(lstm, parameters)                                      # b is zero, so it fits


def test_gradients_before_backward():
    with pytest.raises(ValueError, match="weight_ih_l0 has no gradient; call backward"):
        convert.lstm_gradients(torch.nn.LSTM(2, 5))


def trained(dtype):
    model = random_model(dtype)
    optimizer = Adam(model.flat_parameters, model.flat_gradients, 1e-2)
    for step in range(4):
        model.zero_gradients()
        model.loss(batch(seed=step))
        model.backward()
        clip_grad_norm(model.flat_gradients, 1.0)
        optimizer.step()
    return model


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_trained_model_goes_through_a_file_into_torch_and_back(tmp_path, dtype):
    """Bit for bit: the file that torch's module writes has the bytes of the file it was read from."""
    model = trained(dtype)
    vocabulary = Vocabulary(tuple(WORDS), "字，字。", 4)
    checkpoint.save(tmp_path / "ours", model, vocabulary)
    net, words = convert.load(tmp_path / "ours")
    assert words == vocabulary and net.fc.weight.dtype == DTYPES[dtype]
    convert.save(tmp_path / "theirs", net, words)
    assert (tmp_path / "theirs").read_bytes() == (tmp_path / "ours").read_bytes()
    again, words = checkpoint.load(tmp_path / "theirs")
    assert bits(again) == bits(model) and words == vocabulary
    with torch.no_grad():
        expected = net.loss(torch.tensor(batch().T)).item()
    assert abs(model.loss(batch()) - expected) <= (1e-13 if dtype == "float64" else 1e-6) * expected


def test_torch_reads_the_file_without_this_project(tmp_path):
    from safetensors.torch import load_file
    model = trained("float32")
    checkpoint.save(tmp_path / "model", model, WORDS)
    tensors, net = load_file(tmp_path / "model"), random_net(torch.float32)
    theirs = {"embedding": "embedding.weight", "fc.weight": "fc.weight", "fc.bias": "fc.bias",
              **{f"{ours}{l}": f"lstm.{name}_l{l}" for l in range(2)
                 for ours, name in (("W", "weight_ih"), ("U", "weight_hh"), ("b", "bias_ih"))}}
    state = {name: torch.zeros_like(tensor) for name, tensor in net.state_dict().items()}
    net.load_state_dict({**state, **{theirs[name]: tensor for name, tensor in tensors.items()}})
    converted = convert.to_torch(model).state_dict()
    assert all(torch.equal(tensor, converted[name]) for name, tensor in net.state_dict().items())


def test_a_file_that_is_not_a_model_is_refused(tmp_path):
    (tmp_path / "bad").write_bytes(b"no model")
    with pytest.raises(InputError, match="bad: not a scratch-lstm checkpoint"):
        convert.load(tmp_path / "bad")


def train_both(net, steps=10):
    """Largest difference of the weights after some steps of Adam, here and in torch, from the same start."""
    model = convert.from_torch(net)
    ours = Adam(model.flat_parameters, model.flat_gradients, 1e-2)
    theirs = torch.optim.Adam([p for p in net.parameters() if p.requires_grad], lr=1e-2)
    for step in range(steps):
        model.zero_gradients()
        loss = model.loss(batch(seed=step))
        model.backward()
        ours.step()
        theirs.zero_grad()
        expected = net.loss(torch.tensor(batch(seed=step).T))
        expected.backward()
        theirs.step()
    assert np.isfinite(loss) and torch.isfinite(expected)
    after = convert.from_torch(net)
    return np.max([np.max(np.abs(p - after.parameters[name])) for name, p in model.parameters.items()])


def test_keep_one_bias_makes_torch_train_what_is_trained_here():
    """With both biases trained Adam moves their sum twice as far: 10 steps of 0.01 show it."""
    one, two = random_net(), random_net()
    keep_one_bias(one.lstm)
    for l in range(2):
        for name, trained_at_all in (("bias_hh", False), ("bias_ih", True), ("weight_hh", True)):
            p = getattr(one.lstm, f"{name}_l{l}")
            assert p.requires_grad is trained_at_all and bool(p.any()) is trained_at_all
    assert train_both(one) <= 1e-10
    assert train_both(two) > 0.01
    assert not any(getattr(one.lstm, f"bias_hh_l{l}").any() for l in range(2))


def test_dropout_of_the_net():
    """Between the layers and before the linear layer, as here; torch has none between where there is one."""
    assert random_net(dropout=0.5).lstm.dropout == 0.5
    assert PoemNet(5, num_layers=1, dropout=0.5).lstm.dropout == 0.0        # torch would warn
    net, tokens = random_net(dropout=0.5), torch.tensor(batch().T)
    assert not torch.equal(net(tokens)[0], net(tokens)[0])
    net.eval()
    assert torch.equal(net(tokens)[0], net(tokens)[0])
    single = convert.from_torch(PoemNet(11, 3, 4, 1, dropout=0.5))
    assert single.dropout == 0.5
