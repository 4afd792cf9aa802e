"""The settings of a run and their limits."""

from dataclasses import asdict

import pytest

from scratch_lstm.errors import InputError
from scratch_lstm.training.settings import LATER, RECIPES, Settings


def test_the_default_is_the_labs_recipe():
    lab = Settings()
    assert (lab.epochs, lab.batch_size, lab.learning_rate, lab.clip) == (30, 32, 3e-3, 1.0)
    assert (lab.embedding_size, lab.hidden_size, lab.num_layers, lab.dropout) == (100, 128, 2, 0.0)
    assert lab.held_out == 0.05


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_is_settings(name):
    settings = Settings(**RECIPES[name])
    assert (settings == Settings()) == (name == "course")


def test_a_config_of_before_a_setting_is_what_that_run_did():
    first = {name: value for name, value in asdict(Settings()).items() if name not in LATER}
    assert Settings.from_config(first) == Settings(batch_characters=LATER["batch_characters"])


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
    ({"embedding_dropout": 1.5}, "--embedding-dropout 1.5: it must be from 0 to below 1"),
    ({"average": 1.0}, "--average 1.0: it must be from 0 to below 1"),
    ({"weight_decay": -0.1}, "--weight-decay -0.1: it must be 0 or more"),
    ({"weight_decay": 1000.0}, "--weight-decay 1000.0: .* less than 1 / learning rate"),
    ({"schedule": "linear"}, "--schedule linear: it must be one of constant, cosine"),
    ({"warmup": -1}, "--warmup -1: it must be 0 or more"),
    ({"patience": -2}, "--patience -2: it must be 0 or more"),
    ({"patience": 3, "held_out": 0.0}, "--patience: without held-out poems"),
    ({"dtype": "float16"}, "--dtype float16: it must be float32 or float64"),
])
def test_invalid_settings_raise_input_error(setting, message):
    with pytest.raises(InputError, match=message):
        Settings(**setting)
