"""The settings of a run and their limits."""

from dataclasses import asdict

import pytest

from scratch_lstm.errors import InputError
from scratch_lstm.training.settings import Settings


def test_the_default_is_the_labs_recipe():
    lab = Settings()
    assert (lab.epochs, lab.batch_size, lab.learning_rate, lab.clip) == (30, 32, 3e-3, 1.0)
    assert (lab.embedding_size, lab.hidden_size, lab.num_layers, lab.dropout) == (100, 128, 2, 0.0)
    assert lab.held_out == 0.05


def test_a_config_gives_the_settings_back():
    settings = Settings(epochs=3, learning_rate=0.1)
    assert Settings.from_config(asdict(settings) | {"corpus": "else"}) == settings


@pytest.mark.parametrize("setting, message", [
    ({"epochs": 0}, "--epochs 0: it must be at least 1"),
    ({"batch_size": -1}, "--batch-size -1: it must be at least 1"),
    ({"learning_rate": -0.1}, "--learning-rate -0.1: it must be a positive number"),
    ({"learning_rate": float("nan")}, "--learning-rate nan: it must be a positive number"),
    ({"clip": 0.0}, "--clip 0.0: it must be a positive number"),
    ({"dropout": 1.0}, "--dropout 1.0: it must be from 0 to below 1"),
    ({"held_out": -0.1}, "--held-out -0.1: it must be from 0 to below 1"),
    ({"seed": -1}, "--seed -1: it must be 0 or more"),
    ({"dtype": "float16"}, "--dtype float16: it must be float32 or float64"),
])
def test_invalid_settings_raise_input_error(setting, message):
    with pytest.raises(InputError, match=message):
        Settings(**setting)
