"""One step of training: what it gives to the clipping and to Adam."""

import numpy as np
import pytest

from scratch_lstm import PoemModel, optim
from scratch_lstm.training.learner import make_learner
from scratch_lstm.training.settings import Settings

pytestmark = pytest.mark.quick


@pytest.mark.parametrize("backend", ["numpy", "numba"], ids=["plain", "compiled"])
def test_clipping_and_adam_compute_where_the_model_does(backend, monkeypatch):
    seen, clip = [], optim.clip_grad_norm
    monkeypatch.setattr(optim, "clip_grad_norm",
                        lambda *arguments: seen.append(arguments) or clip(*arguments))
    one = make_learner(Settings(backend=backend, hidden_size=2, clip=0.25), 5)
    one.step(np.zeros((3, 2), int), 0)
    (gradient, largest, where), = seen
    assert np.shares_memory(gradient, one.model.flat_gradients) and largest == 0.25
    assert gradient.size == one.model.flat_gradients.size
    assert where is one.model.backend is one.optimizer.backend


def test_a_learner_is_the_model_of_its_settings():
    settings = Settings(backend="numpy", dtype="float64", embedding_size=2, hidden_size=3, num_layers=1,
                        dropout=0.25, learning_rate=0.5, seed=7)
    one, model = make_learner(settings, 5), PoemModel(5, 2, 3, 1, 0.25, "numpy", "float64", 7)
    assert one.model.sizes == model.sizes and one.model.dropout == 0.25
    assert np.array_equal(one.model.flat_parameters, model.flat_parameters)
    assert one.model.flat_parameters.dtype == "float64" and one.optimizer.learning_rate == 0.5
    assert not np.array_equal(PoemModel(5, 2, 3, 1, seed=0).flat_parameters, model.flat_parameters)
