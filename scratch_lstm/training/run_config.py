"""What config.json of a run records: the settings, which corpus it was and how it was read, the machine.

A run goes on with the poems that it learnt. They are recognised by their own hash, not by the file's bytes,
so the file may be moved, or have other line ends.
"""

from __future__ import annotations

import platform
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import InputError
from ..files import check_regular
from ..poems.corpus import Corpus
from ..poems.reader import FIRST_RULES, Reading
from . import checkpoint, memory
from .schema import from_json
from .settings import Settings

READ = 20   # bytes of memory for a byte of a corpus while it is read
KINDS = {"backend": ("numpy", "numba", "cupy", "torch"), "poems_are": ("lines", "paragraphs"),
         "format": ("auto", "text")}


@dataclass
class CorpusEntries:
    """The entries of config.json about the corpus; those of before version 0.2 have two of them."""

    corpus: str
    corpus_sha256: str
    poems_sha256: str | None = None
    encoding: str | None = None
    column: str | None = None
    format: str | None = None
    poems_are: str | None = None


def of(settings: Settings, corpus: Corpus) -> dict[str, Any]:
    """A new run's config.json."""
    return (asdict(settings)
            | {"corpus": str(corpus.path.resolve()), "corpus_sha256": corpus.file_sha256,
               "poems_sha256": corpus.poems_sha256} | asdict(corpus.reading) | machine())


def machine() -> dict[str, str]:
    """What the last bits of a result may depend on, besides the settings."""
    return {"numpy": np.__version__, "processor": processor()}


def processor() -> str:
    """The processor's name, as far as the system says."""
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def load_corpus(path: Path, reading: Reading) -> Corpus:
    """The corpus in that file, if this machine has the memory to read it. Raises InputError."""
    size = check_regular(path, "give a UTF-8 text file, one poem a line")
    memory.check(READ * size, f"to read {path}", "give a part of it")
    return Corpus.load(path, reading)


def read(path: Path, config: dict[str, Any], corpus_file: Path | None,
         model: Path, mode: str = "--resume") -> tuple[Settings, Corpus]:
    """The settings and the corpus of the run in `path`, whose poems must be those that it learnt.

    corpus_file: where the corpus is now; mode: the flag that a message names. Raises InputError.
    """
    try:
        settings, entries = Settings.from_config(config), from_json(CorpusEntries, config)
        for name, value in (("backend", settings.backend), ("poems_are", entries.poems_are),
                            ("format", entries.format)):
            if value is not None and value not in KINDS[name]:
                raise ValueError(f"'{name}' is {value!r}; it must be one of {', '.join(KINDS[name])}")
        of_then = "text" if entries.poems_sha256 is None else "auto"     # version 0.1 read plain texts only
        reading = Reading(entries.encoding, entries.column, entries.format or of_then,
                          entries.poems_are or "lines")
    except ValueError as error:
        raise InputError(f"{path}: its config.json is not one of scratch-lstm ({error})") from None
    file = corpus_file or Path(entries.corpus)
    if corpus_file is None:
        check_regular(file, f"it was the run's corpus; if it is elsewhere now: {mode} {path} --corpus FILE")
    corpus = load_corpus(file, reading)
    changed = InputError(f"{file}: has changed since the run began; restore it, or start a new run")
    if entries.poems_sha256 is not None:
        if corpus.poems_sha256 != entries.poems_sha256:
            raise changed
        return settings, corpus
    # a run of an earlier version: the file's own bytes count, and each line was a group of its own
    if corpus.file_sha256 != entries.corpus_sha256:
        raise changed
    if not corpus.has_manifest:
        corpus.groups = np.arange(len(corpus.poems))
    if not set(corpus.normalised) <= FIRST_RULES or (
            model.exists() and checkpoint.load(model)[1].words != corpus.vocabulary.words):
        raise InputError(f"{file}: an earlier version of scratch-lstm read this file in another way; "
                         "start a new run")
    return settings, corpus
