"""Models on disk: safetensors, so never pickle, and written beside and renamed, so never half a file.

A model file holds the parameters by name and, in its header, all that is needed to write poems with it:
sizes, dtype, vocabulary, form. `safetensors.torch.load_file` opens it as it is.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save as to_bytes

from ..backend import Backend
from ..errors import InputError
from ..model import PoemModel
from ..files import write_whole

KEY = "scratch_lstm"  # the one entry of the header's metadata; its value is JSON


def write_file(path: Path, data: bytes) -> None:
    """A whole file or none. Raises InputError when the disk is full or the folder not writable."""
    try:
        write_whole(path, data)
    except OSError as error:
        raise InputError(f"{path}: cannot be written ({error.strerror}); "
                         "what was there before still is") from None


def write_arrays(path: Path, arrays: dict[str, np.ndarray], about: dict[str, Any]) -> None:
    """Arrays by name, and `about`, anything JSON holds, in the header."""
    write_file(path, to_bytes(arrays, {KEY: json.dumps(about, ensure_ascii=False)}))


def read_arrays(path: Path) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """What write_arrays wrote. Raises InputError for a file that is missing, truncated or another's."""
    try:
        with safe_open(path, framework="numpy") as file:
            about = json.loads((file.metadata() or {})[KEY])
            return {name: file.get_tensor(name) for name in file.keys()}, about
    except (SafetensorError, KeyError, ValueError):
        raise InputError(f"{path}: not a scratch-lstm checkpoint, or a damaged one") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or error})") from None


def save(path: str | Path, model: PoemModel, word_int_map: dict[str, int], form: str | None = None,
         longest: int = 100) -> None:
    """Write a model and its vocabulary. `form` is the one that all its poems share, if they do; `longest` the
    number of characters in the longest of them."""
    arrays = {name: model.backend.to_host(p) for name, p in model.parameters.items()}
    words = sorted(word_int_map, key=word_int_map.__getitem__)
    about = {"sizes": model.sizes, "dropout": model.dropout, "vocabulary": words, "form": form,
             "longest": longest}
    write_arrays(Path(path), arrays, about)


def load(path: str | Path,
         backend: str | Backend = "numpy") -> tuple[PoemModel, dict[str, int], dict[str, Any]]:
    """The model, its word_int_map, and `form` and `longest` as they were saved.

    Raises InputError for anything but a whole model file.

    The sizes are taken from the arrays that are really there, so a header that lies costs no memory.
    """
    path = Path(path)
    arrays, about = read_arrays(path)
    try:
        words, dropout = about["vocabulary"], float(about["dropout"])
        poems = {"form": about["form"], "longest": int(about["longest"])}
        sizes = {"vocabulary_size": len(words), "embedding_size": arrays["embedding"].shape[1],
                 "hidden_size": arrays["U0"].shape[1],
                 "num_layers": sum(name.startswith("U") for name in arrays)}
        dtype = arrays["embedding"].dtype
        shapes = PoemModel.shapes(**sizes)
    except (KeyError, IndexError, TypeError, ValueError):
        raise InputError(f"{path}: a safetensors file, but not a model of scratch-lstm") from None
    found = {name: a.shape for name, a in arrays.items()}
    for name in shapes.keys() | found.keys():
        if shapes.get(name) != found.get(name):
            raise InputError(f"{path}: '{name}' has shape {found.get(name)}, it must be {shapes.get(name)}")
    model = PoemModel(**sizes, dropout=dropout, backend=backend, dtype=dtype)
    for name, p in model.parameters.items():
        p[...] = model.backend.to_device(arrays[name])
    return model, {word: n for n, word in enumerate(words)}, poems
