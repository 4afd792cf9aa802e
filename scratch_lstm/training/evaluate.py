"""Measure a run: its held-out poems beside n-grams and other models, and its own poems beside real ones."""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from ..errors import InputError, one_line
from ..evaluation.likelihood import Poems
from ..evaluation.ngrams import NGrams
from ..evaluation.other_model import as_lines, read_log_probabilities
from ..evaluation.samples import Ruler, sample, shuffled
from ..files import atomic_write, reason
from ..kernels.one_blas_thread import one_blas_thread
from ..model import PoemModel
from ..poems.corpus import Corpus
from ..poems.vocabulary import is_punctuation
from . import checkpoint, memory, run_config
from .evaluation_plot import check_matplotlib, draw_evaluation
from .evaluation_table import as_table
from .run_directory import RunDirectory
from .settings import MOST_THREADS

NGRAM_NAMES = ("unigram", "bigram", "trigram", "Kneser-Ney 4-gram", "Kneser-Ney 5-gram")
FILES = ("train.txt", "held_out.txt", "log_probabilities.jsonl")
BYTES = 1000     # of memory for a word of the corpus: the n-grams and the longest runs


def evaluate(path: Path, corpus: Path | None = None, *, count: int = 1000, seed: int = 0, threads: int = 1,
             log_probabilities: Sequence[Path] = (), json_file: Path | None = None,
             picture: Path | None = None, export: Path | None = None) -> None:
    """Print the tables for the run in `path`, or with json_file '-' the figures alone.

    corpus: where its corpus is now; count, seed: of the sampled poems; log_probabilities: files of other
    models; json_file, picture: where the figures are written; export: a new folder for the poems of the split
    and the model's log-probabilities. Raises InputError before anything is written.
    """
    if not 1 <= threads <= MOST_THREADS or seed < 0 or count < 1:
        raise InputError(f"--threads must be from 1 to {MOST_THREADS}, --seed 0 or more, --count 1 or more")
    check_outputs(json_file, picture, export)
    run = RunDirectory(path)
    settings, poems = run_config.read(path, run.read_config(), corpus, run.model, "--evaluate")
    model, vocabulary = checkpoint.load(run.best_or_last)
    if vocabulary.words != poems.vocabulary.words:
        raise InputError(f"{run.best_or_last}: its vocabulary is not that of {poems.path}")
    train, held_out = poems.split(settings.held_out, settings.seed)
    if not len(held_out):
        raise InputError(f"{path}: no poems were held out (--held-out 0), so there is nothing to measure on")
    memory.check(memory.BASE + BYTES * len(poems.tokens), "the evaluation", "give a smaller corpus")
    with one_blas_thread:
        report, log_p = measure(model, poems, train, held_out, count, seed, log_probabilities, threads)
    report = {"run": str(path), "model": str(run.best_or_last), **report}
    if export is not None:
        write_export(export, poems, train, held_out, log_p)
    data = json.dumps(report, ensure_ascii=False, indent=1) + "\n"
    if json_file is not None and str(json_file) != "-":
        atomic_write(json_file, data.encode("utf-8", "backslashreplace"))
    if picture is not None:
        draw_evaluation(report, picture, f"{path.name}: {poems.path.name}")
    if str(json_file) == "-":
        print(data, end="")
        return
    for line in as_table(report):
        print(line)
    for name in FILES if export else ():
        print(one_line(f"{export}/{name}"))


def measure(model: PoemModel, corpus: Corpus, train: np.ndarray, held_out: np.ndarray, count: int, seed: int,
            others: Sequence[Path] = (), threads: int = 1) -> tuple[dict[str, Any], np.ndarray]:
    """All figures (see evaluation_table.as_table), and the model's log-probabilities on the held-out poems.

    train, held_out: the two sides of the split, indices of the corpus's poems. Raises InputError.
    """
    poems, training = Poems.of(corpus, held_out), Poems.of(corpus, train)
    theirs = [(file, read_log_probabilities(file, poems.lengths - 1)) for file in others]
    texts = [corpus.poems[n] for n in held_out]
    with bar(len(held_out), "held-out poems") as progress:
        log_p = poems.log_probabilities(model, progress.update, threads)
    models: list[dict[str, Any]] = [{"name": "this model", "kind": "run", **poems.figures(log_p)}]
    models += [{"name": one_line(file.name), "kind": "file", **poems.figures(values)}
               for file, values in theirs]
    with bar(len(NGRAM_NAMES), "n-grams") as progress:
        for n, name in enumerate(NGRAM_NAMES, 1):
            ngrams = NGrams(training.words, training.lengths, n, poems.V)
            values = ngrams.log_probabilities(poems.words, poems.lengths)
            models.append({"name": name, "kind": "n-gram", **poems.figures(values)})
            progress.update()
    with bar(count, "sampled poems") as progress:
        sampled = sample(model, corpus.vocabulary, count, seed, progress.update, threads)
    rng = np.random.default_rng(seed)
    real = [texts[n] for n in rng.permutation(len(texts))[:count]]
    ruler = Ruler(corpus.vocabulary, [corpus.poems[n] for n in train])
    lists = {"sampled": sampled, "held_out": real, "shuffled": shuffled(real, seed)}
    compared = min(map(len, lists.values()))
    samples: dict[str, Any] = {"temperature": 1.0, "seed": seed, "form": corpus.vocabulary.form,
                               "compared": compared, "left_out": ruler.left_out}
    with bar(len(lists), "lists of poems") as progress:
        for name, some in lists.items():
            samples[name] = {"poems": len(some), **ruler.measure(some, compared)}
            progress.update()
    characters = [c for text in texts for c in text if not is_punctuation(c)]
    samples["known_to_pingshui"] = sum(c in ruler.pingshui for c in characters) / max(1, len(characters))
    split = {"held_out_poems": len(held_out), "training_poems": len(train), "predictions": len(log_p),
             "characters": int(poems.is_character.sum()),
             "held_out_sha256": sha256(as_text(corpus, held_out)),
             "training_sha256": sha256(as_text(corpus, train))}
    return {"corpus": str(corpus.path), "parameters": int(model.flat_parameters.size), "split": split,
            "models": models, "samples": samples}, log_p


def as_text(corpus: Corpus, indices: np.ndarray) -> bytes:
    """These poems, one a line, as --export writes them."""
    return "".join(corpus.poems[n] + "\n" for n in indices).encode()


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def write_export(folder: Path, corpus: Corpus, train: np.ndarray, held_out: np.ndarray,
                 log_p: np.ndarray) -> None:
    """FILES in a new folder: what another model needs to be compared."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{folder}: cannot be made ({reason(error)}); give another --export") from None
    log_probabilities = as_lines(log_p, corpus.lengths[held_out] - 1).encode()
    for name, data in zip(FILES, (as_text(corpus, train), as_text(corpus, held_out), log_probabilities)):
        atomic_write(folder / name, data)


def check_outputs(json_file: Path | None, picture: Path | None, export: Path | None) -> None:
    """Raise InputError for what cannot be written, before the work begins."""
    for what, file in (("--json", json_file), ("--picture", picture)):
        if file is not None and str(file) != "-" and (file.is_dir() or not file.parent.is_dir()):
            raise InputError(f"{what} {file}: not a file in a folder that is there")
    if picture is not None:
        if picture.suffix.lower() != ".png":
            raise InputError(f"--picture {picture}: a picture is a PNG; give a name that ends in .png")
        check_matplotlib()
    if export is not None and os.path.lexists(export) and (not export.is_dir() or any(export.iterdir())):
        raise InputError(f"--export {export}: exists already; give a new folder")


def bar(total: int, what: str) -> tqdm[Any]:
    """Progress on stderr, of what takes more than a few seconds."""
    return tqdm(total=total, desc=what, leave=False, delay=3, disable=sys.stderr is None,
                mininterval=0.5 if sys.stderr is not None and sys.stderr.isatty() else 10)
