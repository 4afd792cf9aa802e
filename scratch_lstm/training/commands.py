"""What the command line can do: start a run, continue one, compare with another network, write poems."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from ..backend import get_backend
from ..errors import DivergedError, InputError
from ..model import PoemModel
from ..poems import tang_corpus
from ..poems.corpus import Corpus
from ..poems.generate import generate
from ..poems.vocabulary import Vocabulary, has_form
from . import checkpoint
from .learner import AnyLearner, LearnerFactories, make_learner
from .plots import draw_loss
from .progress import Progress
from .run_directory import RunDirectory
from .settings import Settings
from .signals import stop_requests
from .trainer import Trainer

LAB_PROMPTS = ("日照香炉生", "清明时节雨", "风", "花", "雪", "月", "雨", "日", "朝", "三", "九")


def start(settings: Settings, out: Path, corpus_file: Path | None, rule: dict[str, Any],
          factories: LearnerFactories, program: str) -> bool:
    """Train on corpus_file, or on the default corpus made by `rule` (see tang_corpus.build).

    True when all epochs are done, False when interrupted. Raises InputError, DivergedError.
    """
    run = RunDirectory(out, program)
    run.check_free()
    settings = resolve_backend(settings, factories)
    path = corpus_file or tang_corpus.build(**rule)
    corpus = Corpus.load(path)
    corpus.split(settings.held_out, settings.seed)    # what cannot be trained leaves no folder behind
    learner = build_learner(settings, corpus, factories)
    run.create(asdict(settings) | {"corpus": str(path.resolve()), "corpus_sha256": sha256(path),
                                   "numpy": np.__version__})
    return _train(settings, corpus, run, learner)


def resume(path: Path, factories: LearnerFactories, program: str, **changed: Any) -> bool:
    """Continue the run in that folder; `changed` settings (epochs, threads) replace its own.

    True when all epochs are done, False when interrupted again. Raises InputError, DivergedError.
    """
    run = RunDirectory(path, program)
    config = run.read_config()
    try:
        settings = replace(Settings.from_config(config), **changed)
        corpus_file, expected = Path(config["corpus"]), config["corpus_sha256"]
    except (KeyError, TypeError) as error:
        raise InputError(f"{path}: its config.json is not one of scratch-lstm ({error})") from None
    corpus = Corpus.load(corpus_file)
    if sha256(corpus_file) != expected:
        raise InputError(f"{corpus_file}: has changed since the run began; restore it, or start a new run")
    done = run.last_saved()[0].epoch
    if settings.epochs < done:
        raise InputError(f"{path}: {done} epochs are done already, more than --epochs {settings.epochs}")
    if settings.epochs == done:
        print(f"all {done} epochs are done; {run.resume_command} --epochs N continues to N")
    if changed:
        run.write_config(config | asdict(settings))
    return _train(settings, corpus, run, build_learner(settings, corpus, factories))


def compare(side_by_side: Callable[..., Any], settings: Settings, out: Path, corpus_file: Path | None,
            rule: dict[str, Any]) -> None:
    """Train here and elsewhere at the same time, by `side_by_side`(settings, corpus, out, progress)."""
    settings = resolve_backend(settings, {})
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise InputError(f"{out}: exists already; choose another --out")
    corpus = Corpus.load(corpus_file or tang_corpus.build(**rule))
    with threadpool_limits(blas_threads(settings, get_backend(settings.backend)), user_api="blas"):
        side_by_side(settings, corpus, out, Progress())


def write_poems(path: Path, prompts: list[str] | None, count: int, strict: bool, threads: int,
                **options: Any) -> None:
    """Print `count` poems for each prompt (None: the lab's) from the model in a file or a run's folder."""
    if threads < 1 or options.get("seed", 0) < 0:
        raise InputError("--threads must be at least 1, and --seed 0 or more")
    file = RunDirectory(path).model if path.is_dir() else path
    model, vocabulary = checkpoint.load(file)
    prompts = usable_prompts(vocabulary) if prompts is None else prompts
    if strict and vocabulary.form is None:
        raise InputError(f"{file}: its poems have no form in common; leave out --strict")
    if count < 1:
        raise InputError(f"--count {count}: it must be at least 1")
    if count > 1 and options.get("temperature") is None:
        raise InputError("--count: greedy poems of one prompt are all the same; give a --temperature with it")
    with threadpool_limits(threads, user_api="blas"):
        print_poems(model, vocabulary, [p for p in prompts for _ in range(count)], strict, **options)


def print_poems(model: PoemModel, vocabulary: Vocabulary, prompts: list[str], strict: bool = False,
                **options: Any) -> None:
    """Write the poems as one batch; print how they were chosen, and how many have the form of the corpus."""
    poems = generate(model, vocabulary, prompts, strict=strict, **options)
    way = "strict: only choices that keep the form" if strict else "free: nothing enforces the form"
    choice = "greedy" if options.get("temperature") is None else f"temperature {options['temperature']:g}"
    print(f"# {len(poems)} {'poem' if len(poems) == 1 else 'poems'}, {choice}, {way}")
    print("\n".join(poems))
    if vocabulary.form is not None:
        kept = sum(has_form(poem, vocabulary.form) for poem in poems)
        print(f"# {kept} of {len(poems)} have the form {vocabulary.form}")


def usable_prompts(vocabulary: Vocabulary) -> list[str]:
    """Those of the lab's prompts whose characters the vocabulary has; otherwise one empty prompt."""
    return [prompt for prompt in LAB_PROMPTS if set(prompt) <= set(vocabulary.words)] or [""]


def build_learner(settings: Settings, corpus: Corpus, factories: LearnerFactories) -> AnyLearner:
    """A new learner of the settings' backend."""
    return factories.get(settings.backend, make_learner)(settings, len(corpus.vocabulary))


def resolve_backend(settings: Settings, factories: LearnerFactories) -> Settings:
    """Replace backend 'auto' by the one that will run. Raises InputError if the backend does not work."""
    if settings.backend in factories:
        return settings
    return replace(settings, backend=get_backend(settings.backend).name)


def blas_threads(settings: Settings, backend: Any) -> int:
    """Threads for the matrix library: one where threads share a batch, otherwise all."""
    return 1 if backend.threads_share_batch else settings.threads


def _train(settings: Settings, corpus: Corpus, run: RunDirectory, learner: AnyLearner) -> bool:
    """Train from where the run is, then draw the loss and print the lab's poems."""
    progress = Progress()
    progress.say(f"corpus {corpus.path}")
    for what, times in corpus.normalised.items():
        progress.say(f"  normalised: {what}, {times} times")
    same_length = (corpus.lengths == corpus.lengths[0]).all()
    shape = (len(corpus.poems), int(corpus.lengths[0])) if same_length else (len(corpus.poems),)
    size = len(corpus.vocabulary)
    progress.say(f"poems_vector {shape}  word_int_map {size}  int_word_map {size}")
    prompts = usable_prompts(corpus.vocabulary)
    model = learner.model
    with (threadpool_limits(blas_threads(settings, model.backend), user_api="blas"), run.lock(),
          stop_requests(progress) as stop_requested):
        trainer = Trainer(settings, corpus, learner, run, progress, prompts[0], stop_requested)
        parameters = sum(p.size for p in model.parameters.values())
        progress.say(f"backend {settings.backend}, {settings.dtype}, threads: {settings.threads}; "
                     f"{parameters:,} parameters; {len(trainer.train_indices):,} poems to train on, "
                     f"{len(trainer.held_out_indices):,} held out; {run.path}")
        try:
            finished = trainer.run()
        except DivergedError as error:
            raise DivergedError(f"{error}; start a new run with a lower "
                                f"--learning-rate. {run.path} has the last good checkpoint") from None
        if not draw_loss(run.read_log(), run.plot, f"{run.path.name}: {corpus.path.name}"):
            progress.say("no loss.png: it needs matplotlib (pip install 'scratch-lstm[plots]')")
        if not finished:
            progress.say(f"stopped and saved at step {trainer.position.step}; continue with: "
                         f"{run.resume_command}")
            return False
        if trainer.position.best_loss is not None:
            progress.say(f"best held-out loss {trainer.position.best_loss:.4f} in epoch "
                         f"{trainer.position.best_epoch}: {run.best}")
        print_poems(model, corpus.vocabulary, prompts)
        return True


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
