"""The model that the explorer reads with: of a run, or a small one trained here once and kept in build/.

    LSTM    one layer, H = 64, eight epochs on the default corpus: about a minute
    beside  a simple network of the same sizes, three epochs: about a minute
"""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import numpy as np
from simple_rnn import SimpleModel
from threadpoolctl import threadpool_limits

import train_poems
from scratch_lstm.model import PoemModel
from scratch_lstm.training import checkpoint, run_config
from scratch_lstm.training.run_directory import RunDirectory

ROOT = Path(__file__).resolve().parent.parent
RUN = ROOT / "build" / "site-run"
TRAINING = ["--hidden-size", "64", "--embedding-size", "32", "--num-layers", "1", "--epochs", "8",
            "--backend", "auto", "--out", str(RUN)]
EPOCHS = 3          # of the simple network
BATCH = 64


def packed(array: np.ndarray) -> dict[str, str]:
    """An array as explorer.js takes it: its bytes in base64, float32 or float64 as it is."""
    kind = "f8" if array.dtype == np.float64 else "f4"
    return {kind: base64.b64encode(np.ascontiguousarray(array, f"<{kind}").tobytes()).decode()}


def network(embedding: np.ndarray, layers: list[tuple[np.ndarray, np.ndarray, np.ndarray]],
            weight: np.ndarray, bias: np.ndarray) -> dict[str, Any]:
    """What prepared() of explorer.js takes."""
    return {"V": len(embedding), "embedding": packed(embedding), "weight": packed(weight),
            "bias": packed(bias),
            "layers": [{"D": W.shape[1], "H": U.shape[1], "W": packed(W), "U": packed(U), "b": packed(b)}
                       for W, U, b in layers]}


def of_lstm(model: PoemModel) -> dict[str, Any]:
    p = {name: model.backend.to_host(array) for name, array in model.parameters.items()}
    layers = [(p[f"W{n}"], p[f"U{n}"], p[f"b{n}"]) for n in range(model.sizes["num_layers"])]
    return network(p["embedding"], layers, p.get("fc.weight", p["embedding"]), p["fc.bias"])


def of_simple(model: SimpleModel) -> dict[str, Any]:
    p = model.parameters
    return network(p["embedding"], [(p["W"], p["U"], p["b"])], p["weight"], p["bias"])


def simple_for(run: Path, model: PoemModel) -> SimpleModel:
    """A simple network of the sizes of the run's last layer, trained on the run's own poems."""
    directory = RunDirectory(run)
    settings, corpus = run_config.read(run, directory.read_config(), None, directory.model)
    H = model.parameters[f"U{model.sizes['num_layers'] - 1}"].shape[1]
    simple = SimpleModel(len(corpus.vocabulary), model.sizes["embedding_size"], H)
    indices, _ = corpus.split(settings.held_out, settings.seed)
    rng = np.random.default_rng(0)
    with threadpool_limits(1, user_api="blas"):
        losses = simple.train(batch for _ in range(EPOCHS) for batch in corpus.batches(indices, BATCH, rng))
    print(f"the simple network: loss {np.mean(losses[-200:]):.3f} after {EPOCHS} epochs", flush=True)
    return simple


def script(run: Path) -> str:
    """The text of explorer_model.js. Raises InputError for anything but a run whose corpus is there."""
    model, vocabulary = checkpoint.load(RunDirectory(run).best_or_last)
    data = {"words": list(vocabulary.words), "start": vocabulary.word_int_map[vocabulary.start],
            "end": vocabulary.word_int_map[vocabulary.end], "name": run.name,
            "lstm": of_lstm(model), "simple": of_simple(simple_for(run, model))}
    return f"globalThis.EXPLORER_MODEL = {json.dumps(data, ensure_ascii=False)};\n"


def write(run: str | None, target: Path) -> None:
    """Write explorer_model.js to `target`; the small model of the site is trained only once."""
    if run:
        target.write_text(script(Path(run)), encoding="utf-8")
        return
    kept = ROOT / "build" / "explorer_model.js"
    if not kept.is_file():
        if not RUN.is_dir() and train_poems.main(TRAINING) != 0:
            raise SystemExit("the small model of the explorer could not be trained")
        kept.write_text(script(RUN), encoding="utf-8")
    target.write_text(kept.read_text(encoding="utf-8"), encoding="utf-8")
