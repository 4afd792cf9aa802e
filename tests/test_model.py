import numpy as np
import pytest

from scratch_lstm import PoemModel
from scratch_lstm.gradcheck import check_gradients

SIZES = dict(vocabulary_size=11, embedding_size=3, hidden_size=4, num_layers=2)


def random_model(dtype="float64", **options):
    model = PoemModel(**SIZES, dtype=dtype, **options)
    model.vector[...] = 0.5 * np.random.default_rng(1).normal(size=model.vector.shape)
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


def test_flat_vectors_are_what_the_layers_hold():
    model = random_model()
    assert sum(p.size for p in model.parameters.values()) == model.vector.size
    for name, p in model.parameters.items():
        assert np.shares_memory(p, model.vector) and np.shares_memory(model.gradients[name], model.gradient)
    before = float(model.loss(tokens()))
    model.vector *= 1.01
    assert float(model.loss(tokens())) != before
    for layer in (model.embedding, model.lstm, model.linear):
        assert all(model.parameters[name] is p for name, p in layer.parameters.items())


def test_backward_again_adds_the_same_again():
    model = random_model()
    model.loss(tokens())
    model.backward()
    once = model.gradient.copy()
    model.backward()
    assert np.array_equal(model.gradient, 2 * once)
    model.zero_gradients()
    assert not model.gradient.any()


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
    assert np.array_equal(single.vector, double.vector.astype("float32"))
    assert not np.array_equal(single.vector, PoemModel(**SIZES, seed=6).vector)


def test_dropout_is_off_in_evaluation():
    model, batch = random_model(dropout=0.5), tokens()
    plain = float(random_model().loss(batch))
    assert float(model.loss(batch)) != plain
    model.training = False
    assert float(model.loss(batch)) == plain


def test_it_learns_one_batch_by_heart():
    from scratch_lstm import Adam, clip_grad_norm
    model, batch = PoemModel(**SIZES, seed=1), tokens()
    optimizer = Adam(model.vector, model.gradient, 3e-2)
    first = float(model.loss(batch))
    for _ in range(150):
        model.zero_gradients()
        loss = float(model.loss(batch))
        model.backward()
        clip_grad_norm(model.gradient, 1.0)
        optimizer.step()
    assert first > 2 and loss < 0.6      # the first words cannot be told apart, the rest can


def test_backward_belongs_to_the_loss_just_before_it():
    model, batch = random_model(), tokens()
    with pytest.raises(RuntimeError, match="loss just before"):
        model.backward()
    model.loss(batch)
    model.forward(batch)
    with pytest.raises(RuntimeError, match="loss just before"):
        model.backward()
