"""Models on disk: safetensors, so never pickle, and always whole files.

A model file has the parameters by name and, in its header, all that is needed to write poems with it:
sizes, dtype, vocabulary, form. `safetensors.torch.load_file` opens it too.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save as to_bytes

from ..backend import Backend
from ..errors import InputError
from ..files import atomic_write, check_regular
from ..model import PoemModel
from ..poems.vocabulary import Vocabulary
from . import memory
from .schema import checked, parse

OPTIONS = {"dropout": "float", "embedding_dropout": "float", "shared_masks": "bool"}
KEY = "scratch_lstm"  # the one entry of the header's metadata; its value is JSON


def write_arrays(path: Path, arrays: dict[str, np.ndarray], about: dict[str, Any]) -> None:
    """Arrays by name, and `about`, anything that JSON can express, in the header."""
    atomic_write(path, to_bytes(arrays, {KEY: json.dumps(about, ensure_ascii=False)}))


def read_arrays(path: Path) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """What write_arrays wrote. Raises InputError for a file that is missing, truncated or not such a file."""
    size = check_regular(path, "give a model or a run of scratch-lstm")
    memory.check(size, f"{path}", "it is no model of this machine's")
    try:
        with safe_open(path, framework="numpy") as file:
            about = parse((file.metadata() or {})[KEY])
            return {name: file.get_tensor(name) for name in file.keys()}, about
    except (SafetensorError, KeyError, ValueError, TypeError, AttributeError):
        raise InputError(f"{path}: not a scratch-lstm checkpoint, or a damaged one") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or error})") from None


def save(path: str | Path, model: PoemModel, vocabulary: Vocabulary | Mapping[str, int]) -> None:
    """Write a model and its vocabulary (or word_int_map). Raises InputError if they do not fit."""
    vocabulary = Vocabulary.of(vocabulary)
    size = model.sizes["vocabulary_size"]
    if len(vocabulary) != size:
        raise InputError(f"{path}: not saved; the vocabulary has {len(vocabulary)} words, the model {size}")
    arrays = {name: model.backend.to_host(p) for name, p in model.parameters.items()}
    about = {"sizes": model.sizes, **model.options, "vocabulary": list(vocabulary.words),
             "form": vocabulary.form, "longest": vocabulary.longest}
    write_arrays(Path(path), arrays, about)


def load(path: str | Path, backend: str | Backend = "numpy") -> tuple[PoemModel, Vocabulary]:
    """The model and its vocabulary. Raises InputError for anything but a whole model file.

    The sizes are taken from the arrays that are in the file, so a false header costs no memory.
    """
    path = Path(path)
    arrays, about = read_arrays(path)
    try:
        vocabulary = Vocabulary(tuple(about["vocabulary"]), checked("form", about["form"], "str | None"),
                                checked("longest", about["longest"], "int"))
        about = {"embedding_dropout": 0.0, "shared_masks": False} | about       # first models: without these
        options = {name: checked(name, about[name], kind) for name, kind in OPTIONS.items()}
        tied = "fc.weight" not in arrays
        sizes = {"vocabulary_size": len(vocabulary), "embedding_size": arrays["embedding"].shape[1],
                 "hidden_size": arrays["U0"].shape[1],
                 "num_layers": sum(name.startswith("U") for name in arrays)}
        dtype = arrays["embedding"].dtype
        shapes = PoemModel.shapes(**sizes, tie_embedding=tied)
    except (KeyError, IndexError, TypeError, ValueError):
        raise InputError(f"{path}: a safetensors file, but not a model of scratch-lstm") from None
    found = {name: a.shape for name, a in arrays.items()}
    for name in shapes.keys() | found.keys():
        if shapes.get(name) != found.get(name):
            raise InputError(f"{path}: '{name}' has shape {found.get(name)}, it must be {shapes.get(name)}")
    for name, a in arrays.items():
        if a.dtype != dtype or dtype.name not in ("float32", "float64") or not np.isfinite(a).all():
            raise InputError(f"{path}: '{name}' is not of finite numbers of one type, float32 or float64")
    try:
        model = PoemModel(**sizes, **options, tie_embedding=tied, backend=backend, dtype=dtype)
    except InputError:
        raise
    except ValueError as error:
        raise InputError(f"{path}: {error}") from None
    for name, p in model.parameters.items():
        p[...] = model.backend.to_device(arrays[name])
    return model, vocabulary
