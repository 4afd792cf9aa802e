"""The whole model: every gradient, the flat vectors, the loss, misuse."""

import re

import numpy as np
import pytest
import torch

from scratch_lstm import PoemModel, get_backend
from scratch_lstm.gradcheck import check_gradients

SIZES = dict(vocabulary_size=11, embedding_size=3, hidden_size=4, num_layers=2)


def random_model(dtype="float64", **options):
    model = PoemModel(**SIZES, dtype=dtype, **options)
    model.flat_parameters[...] = 0.5 * np.random.default_rng(1).normal(size=model.flat_parameters.shape)
    return model


def tokens(T=5, B=3, seed=2):
    return np.random.default_rng(seed).integers(0, SIZES["vocabulary_size"], (T + 1, B))


@pytest.mark.parametrize("backend", ["numpy", "numba"])
@pytest.mark.parametrize("dropout", [0.0, 0.4])
def test_gradient_of_every_parameter_of_the_whole_model(dropout, backend):
    batch, model = tokens(), random_model(dropout=dropout, backend=backend)

    def loss(**parameters):
        model = random_model(np.result_type(*parameters.values()), dropout=dropout)
        model.seed_dropout(7)
        for name, p in parameters.items():
            model.parameters[name][...] = p
        return model.loss(batch)

    model.seed_dropout(7)
    model.loss(batch)
    model.backward()
    assert list(model.gradients) == ["embedding", "W0", "U0", "b0", "W1", "U1", "b1", "fc.weight", "fc.bias"]
    check_gradients(loss, model.parameters, model.gradients).assert_ok()


def test_the_layers_have_views_of_the_flat_vectors():
    model = random_model()
    assert sum(p.size for p in model.parameters.values()) == model.flat_parameters.size
    for name, p in model.parameters.items():
        assert np.shares_memory(p, model.flat_parameters)
        assert np.shares_memory(model.gradients[name], model.flat_gradients)
    before = float(model.loss(tokens()))
    model.flat_parameters *= 1.01
    assert float(model.loss(tokens())) != before
    inside = [p for layer in (model.embedding, model.lstm, model.linear) for p in layer.parameters.values()]
    assert all(p is q for p, q in zip(model.parameters.values(), inside, strict=True))


def test_backward_again_adds_the_same_again():
    model = random_model()
    model.loss(tokens())
    model.backward()
    once = model.flat_gradients.copy()
    model.backward()
    assert np.array_equal(model.flat_gradients, 2 * once)
    model.zero_gradients()
    assert not model.flat_gradients.any()


def test_loss_is_the_mean_over_time_and_batch():
    model, batch = random_model(), tokens()
    logits, _ = model.forward(batch[:-1])
    p = np.exp(logits) / np.exp(logits).sum(axis=2, keepdims=True)
    at_target = np.take_along_axis(p, batch[1:, :, None], axis=2)
    assert abs(model.loss(batch) + np.log(at_target).mean()) <= 1e-14


def test_a_character_at_a_time_is_the_whole_prefix():
    model, batch = random_model(), tokens()
    whole = model.forward(batch)[0].copy()
    state = None
    for t in range(len(batch)):
        logits, state = model.forward(batch[t:t + 1], state)
        np.testing.assert_allclose(logits[0], whole[t], rtol=1e-12, atol=1e-14)


def test_the_start_does_not_depend_on_dtype_and_does_depend_on_the_seed():
    double, single = PoemModel(**SIZES, dtype="float64", seed=5), PoemModel(**SIZES, seed=5)
    assert np.array_equal(single.flat_parameters, double.flat_parameters.astype("float32"))
    assert not np.array_equal(single.flat_parameters, PoemModel(**SIZES, seed=6).flat_parameters)


def test_dropout_is_off_in_evaluation():
    model, batch = random_model(dropout=0.5), tokens()
    plain = float(random_model().loss(batch))
    assert float(model.loss(batch)) != plain
    model.training = False
    assert float(model.loss(batch)) == plain


def test_it_learns_one_batch_by_heart():
    from scratch_lstm import Adam, clip_grad_norm
    model, batch = PoemModel(**SIZES, seed=1), tokens()
    optimizer = Adam(model.flat_parameters, model.flat_gradients, 3e-2)
    first = float(model.loss(batch))
    for _ in range(150):
        model.zero_gradients()
        loss = float(model.loss(batch))
        model.backward()
        clip_grad_norm(model.flat_gradients, 1.0)
        optimizer.step()
    assert first > 2 and loss < 0.6      # the first words cannot be predicted, the rest can


def test_backward_belongs_to_the_loss_just_before_it():
    model, batch = random_model(), tokens()
    with pytest.raises(RuntimeError, match="^backward needs a loss just before it$"):
        model.backward()
    model.loss(batch)
    model.forward(batch)
    with pytest.raises(RuntimeError, match="^backward needs a loss just before it$"):
        model.backward()


@pytest.mark.parametrize("backend", ["numpy", "numba"])
@pytest.mark.parametrize("tokens, message", [
    (np.array([[0, 1], [2, 11]]), "token 11 is not in [0, 11)"),
    (np.array([[0, 1], [2, -1]]), "token -1 is not in [0, 11)"),
    (np.array([[-100, 1], [2, 3]]), "token -100 is not in [0, 11)"),
    (np.array([[0], [300_000_000]]), "token 300000000 is not in [0, 11)"),
    (np.zeros((3, 2)), "tokens have dtype float64; they must be integers"),
    (np.zeros((3, 2), bool), "tokens have dtype bool; they must be integers"),
    (np.array([1, 2, 3]), "tokens have shape (3,); it must be (T+1, B): time first, at least 2 of it"),
    (np.array([[1, 2, 3]]), "tokens have shape (1, 3); it must be (T+1, B)"),
    (np.zeros((3, 0), int), "tokens have shape (3, 0); it must be (T+1, B)"),
])
def test_tokens_that_cannot_be_used(backend, tokens, message):
    model = random_model(backend=backend)
    with pytest.raises(ValueError, match=f"^{re.escape(message)}"):
        model.loss(tokens)
    if len(tokens) > 1 and tokens.ndim == 2:
        with pytest.raises(ValueError, match=f"^{re.escape(message[:18])}"):
            model.forward(tokens)


@pytest.mark.parametrize("backend", ["numpy", "numba"])
def test_a_target_out_of_range_reads_no_foreign_memory(backend):
    for target in (-1, 7, 100_000, 300_000_000):
        with pytest.raises(ValueError, match=rf"target {target} is not in \[0, 7\)"):
            get_backend(backend).loss.softmax_cross_entropy(np.zeros((1, 7)), np.array([target]))


@pytest.mark.parametrize("convert", [np.ndarray.tolist, torch.from_numpy, lambda a: a.astype(np.uint8),
                                     lambda a: a.astype(np.int32)], ids=["list", "tensor", "uint8", "int32"])
def test_tokens_that_numpy_can_read(convert):
    batch = tokens()
    assert random_model().loss(convert(batch)) == random_model().loss(batch)


def test_tokens_may_be_reused_before_backward():
    model, other, batch = random_model(), random_model(), tokens()
    kept = batch.copy()
    for one, given in ((model, batch), (other, kept)):
        one.loss(given)
        batch[...] = 0                                          # of the first; the second has its own
        one.backward()
    assert np.array_equal(model.flat_gradients, other.flat_gradients)


def test_another_d_loss_is_refused():
    model = random_model()
    model.loss(tokens())
    model.backward(0.5)
    half = model.flat_gradients.copy()
    with pytest.raises(ValueError, match="called with d_loss 0.5 and now with 2.0; compute the loss again"):
        model.backward(2.0)
    assert np.array_equal(model.flat_gradients, half)
    model.loss(tokens())
    model.backward(2.0)
    assert abs(model.flat_gradients - 5 * half).max() <= 1e-14 * abs(half).max()


@pytest.mark.parametrize("options, message", [
    (dict(vocabulary_size=0), "vocabulary_size is 0"), (dict(embedding_size=0), "embedding_size is 0"),
    (dict(dropout=1.0), "dropout is 1.0"), (dict(dtype=int), "dtype is int64"),
    (dict(num_layers=0), "num_layers is 0"),
])
def test_a_model_that_cannot_be(options, message):
    with pytest.raises(ValueError, match=f"^{message}; it must be"):
        PoemModel(**{**SIZES, **options})


@pytest.mark.parametrize("backend", ["numpy", "numba"])
@pytest.mark.parametrize("T, B", [(1, 1), (1, 3), (5, 1), (5, 3)])
def test_what_forward_returns_is_the_caller_s_own(backend, T, B):
    model = random_model(backend=backend)
    logits, state = model.forward(tokens(T - 1, B))
    returned = [logits, *state]
    kept = [a.copy() for a in returned]
    inside = [model.flat_parameters, model.flat_gradients, *model.workspace.flat.values()]
    for workspace in (model.lstm.scratch, *model.lstm.own):
        inside += workspace.flat.values()
    assert not any(np.shares_memory(a, b) for a in returned for b in inside)
    model.forward(tokens(T - 1, B, seed=3), state)
    model.loss(tokens(T, B, seed=4))
    model.backward()
    assert all(np.array_equal(a, b) for a, b in zip(kept, returned))


def test_the_default_sizes_are_those_of_a_run():
    from scratch_lstm.training.settings import Settings
    run = Settings()
    assert PoemModel(5).sizes == {"vocabulary_size": 5, "embedding_size": run.embedding_size,
                                  "hidden_size": run.hidden_size, "num_layers": run.num_layers}


def test_every_parameter_starts_from_the_seed():
    default, zero, one = PoemModel(**SIZES), PoemModel(**SIZES, seed=0), PoemModel(**SIZES, seed=1)
    for name, p in zero.parameters.items():
        assert np.array_equal(p, default.parameters[name])
        assert np.array_equal(p, one.parameters[name]) == (name == "fc.bias"), name


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_replica_computes_as_its_model(dtype):
    model = random_model(dtype, backend=get_backend("numba"))
    replica, batch = model.replica(), tokens()
    loss = replica.loss(batch)
    assert replica.backend is model.backend and loss == model.loss(batch) and loss.dtype == dtype
    assert replica.lstm.dtype == dtype


def test_the_loss_is_computed_where_the_logits_are():
    """No second array of the vocabulary's size."""
    model = random_model()
    model.loss(tokens())
    assert np.shares_memory(model.saved[0], model.logits)


@pytest.mark.parametrize("token", [-1, 11])
def test_a_token_without_a_row(token):
    with pytest.raises(ValueError, match=rf"^token {token} is not in \[0, 11\)$"):
        random_model().embedding.forward(np.array([[0, token]]))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_mask_has_the_dtype_of_the_model(dtype):
    model = random_model(dtype, dropout=0.5)
    model.loss(tokens())
    assert model.mask.dtype == dtype


def test_a_matrix_of_two_layers_starts_as_small_as_the_linear_layer_needs():
    """Uniform in (-0.1, 0.1): with the embedding's own (-1, 1) the first logits would be far too large."""
    for tied, bound in ((True, 0.1), (False, 1.0)):
        start = PoemModel(50, 20, 6, 2, tie_embedding=tied).parameters["embedding"]
        assert 0.98 * bound < abs(start).max() <= bound
