"""Model files: what is saved is what is loaded, and nothing else is."""

import errno
import json
import os
import pickle

import numpy as np
import pytest
from safetensors.numpy import save_file
from safetensors.torch import load_file

from scratch_lstm import PoemModel
from scratch_lstm.errors import InputError
from scratch_lstm.poems.vocabulary import Vocabulary
from scratch_lstm.training import checkpoint

WORDS = {"G": 0, "E": 1, "，": 2, "山": 3, "水": 4}


def small_model(**options):
    model = PoemModel(len(WORDS), 3, 4, 2, seed=8, **options)
    model.parameters["fc.bias"][...] = np.arange(5)
    return model


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_what_is_loaded_is_what_was_saved(tmp_path, dtype):
    model = small_model(dtype=dtype, dropout=0.25)
    vocabulary = Vocabulary(tuple(WORDS), "字，", 7)
    checkpoint.save(tmp_path / "m.safetensors", model, vocabulary)
    loaded, again = checkpoint.load(tmp_path / "m.safetensors")
    assert np.array_equal(loaded.flat_parameters, model.flat_parameters)
    assert loaded.flat_parameters.dtype == dtype
    assert (again, again.word_int_map, loaded.dropout) == (vocabulary, WORDS, 0.25)
    tokens = np.array([[0, 0], [3, 4]])
    model.training = loaded.training = False
    assert np.array_equal(loaded.forward(tokens)[0], model.forward(tokens)[0])
    assert os.listdir(tmp_path) == ["m.safetensors"]


def test_equal_models_make_equal_files(tmp_path):
    for name in "ab":
        checkpoint.save(tmp_path / name, small_model(), WORDS)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_torch_users_can_open_it(tmp_path):
    model = small_model()
    checkpoint.save(tmp_path / "m.safetensors", model, WORDS)
    tensors = load_file(tmp_path / "m.safetensors")
    assert {name: tuple(t.shape) for name, t in tensors.items()} == PoemModel.shapes(**model.sizes)
    assert np.array_equal(tensors["U1"].numpy(), model.parameters["U1"])


def test_a_file_that_is_not_a_whole_model_is_refused(tmp_path):
    good = tmp_path / "good"
    checkpoint.save(good, small_model(), WORDS)
    whole, bad = good.read_bytes(), tmp_path / "bad"
    for length in (0, 1, 8, 100, len(whole) // 2, len(whole) - 1):
        bad.write_bytes(whole[:length])
        with pytest.raises(InputError, match="bad: not a scratch-lstm checkpoint, or a damaged one"):
            checkpoint.load(bad)
    for data in (b"no model", pickle.dumps({"embedding": 1}), whole + b"more"):
        bad.write_bytes(data)
        with pytest.raises(InputError, match="not a scratch-lstm checkpoint"):
            checkpoint.load(bad)
    for path in (tmp_path / "missing", tmp_path):
        with pytest.raises(InputError):
            checkpoint.load(path)


def test_a_model_of_another_shape_is_refused(tmp_path):
    path, model = tmp_path / "m", small_model()
    arrays = dict(model.parameters)
    about = {"vocabulary": list(WORDS), "form": None, "longest": 5, "dropout": 0}

    def write(arrays, **changed):
        save_file(arrays, path, {checkpoint.KEY: json.dumps(about | changed)})

    write(arrays)
    checkpoint.load(path)
    write(arrays | {"W1": np.zeros((16, 5), "float32")})
    with pytest.raises(InputError, match=r"'W1' has shape \(16, 5\), it must be \(16, 4\)"):
        checkpoint.load(path)
    write({name: a for name, a in arrays.items() if name != "b0"})
    with pytest.raises(InputError, match="'b0' has shape None"):
        checkpoint.load(path)
    write(arrays | {"extra": np.zeros(1)})
    with pytest.raises(InputError, match="'extra'"):
        checkpoint.load(path)
    write(arrays, vocabulary=["G", "E"])
    with pytest.raises(InputError, match="must be"):
        checkpoint.load(path)
    for wrong in ({"vocabulary": 5}, {"longest": "long"}, {"dropout": None}, {"vocabulary": list("GE，山山")},
                  {"vocabulary": list("GE，山") + [""]}, {"vocabulary": list("GF，山水")}, {"form": 5},
                  {"form": "字！"}, {"longest": -1}, {"longest": 1.5}):
        write(arrays, **wrong)
        with pytest.raises(InputError, match="not a model of scratch-lstm"):
            checkpoint.load(path)
    save_file(arrays, path)
    with pytest.raises(InputError, match="not a scratch-lstm checkpoint"):
        checkpoint.load(path)


def test_a_full_disk_leaves_the_old_file_whole(tmp_path, monkeypatch):
    path = tmp_path / "m"
    checkpoint.save(path, small_model(), WORDS)
    before = path.read_bytes()

    def full(descriptor):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(InputError, match="cannot be written .No space left on device"):
        checkpoint.save(path, small_model(dropout=0.5), WORDS)
    assert path.read_bytes() == before and os.listdir(tmp_path) == ["m"]


@pytest.mark.parametrize("words, message", [
    ({"G": 0, "E": 1, "山": 2}, "not saved; the vocabulary has 3 words, the model 5"),
    ({word: n for n, word in enumerate("春夏秋冬月")}, "must have the marks of start and end; 'G' is missing"),
    (dict(enumerate("GE，山水")), "must map its words to 0, 1, 2, "),
    ({"G": 0, "E": 1, "，": 2, "山": 3, "水": 3}, "must map its words to 0, 1, 2, "),
    ({"G": 0, "E": 1, "，": 2, "山": 3, "山水": 4}, "is made of single characters"),
])
def test_a_vocabulary_that_does_not_fit_is_refused_when_saving(tmp_path, words, message):
    with pytest.raises(InputError, match=message):
        checkpoint.save(tmp_path / "m", small_model(), words)
    assert not list(tmp_path.iterdir())
