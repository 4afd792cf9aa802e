"""What the command line can be asked for: start a run, go on with one, write poems."""

from __future__ import annotations

import hashlib
import signal
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from . import checkpoint
from ..poems import tang_corpus
from ..backend import get_backend
from ..poems.corpus import Corpus
from ..errors import InputError
from ..poems.generate import generate, has_form
from ..model import PoemModel
from .plots import draw_loss
from .progress import Progress
from .run_directory import RunDirectory
from .settings import Settings
from .trainer import Diverged, Learner, Training, make_learner

LAB_PROMPTS = ("日照香炉生", "清明时节雨", "风", "花", "雪", "月", "雨", "日", "朝", "三", "九")


# how to make the learner of a backend that scratch_lstm does not know: (settings, vocabulary size) -> learner
Learners = Mapping[str, Callable[[Settings, int], Any]]


def start(settings: Settings, out: Path, corpus_file: Path | None, rule: dict[str, Any],
          learners: Learners) -> bool:
    """Train on corpus_file, or on the default corpus made by `rule` (see tang_corpus.build).

    True when all epochs are done, False when interrupted. Raises InputError, Diverged.
    """
    run = RunDirectory(out)
    run.check_free()
    settings = chosen(settings, learners)
    path = corpus_file or tang_corpus.build(**rule)
    corpus = Corpus.load(path)
    corpus.split(settings.held_out, settings.seed)    # what cannot be trained leaves no folder behind
    learner = learner_of(settings, corpus, learners)
    run.create(asdict(settings) | {"corpus": str(path.resolve()), "corpus_sha256": sha256(path),
                                   "numpy": np.__version__})
    return _train(settings, corpus, run, learner)


def learner_of(settings: Settings, corpus: Corpus, learners: Learners) -> Learner:
    """A new learner of that backend."""
    return learners.get(settings.backend, make_learner)(settings, len(corpus.word_int_map))


def chosen(settings: Settings, learners: Learners) -> Settings:
    """With the backend that `auto` stands for. Raises InputError if the backend is not to be had."""
    if settings.backend in learners:
        return settings
    return replace(settings, backend=get_backend(settings.backend).name)


def resume(path: Path, learners: Learners, **changed: Any) -> bool:
    """Go on with the run in that folder; `changed` settings (epochs, threads) replace its own.

    True when all epochs are done, False when interrupted again. Raises InputError, Diverged.
    """
    run = RunDirectory(path)
    config = run.read_config()
    try:
        settings = replace(Settings.from_config(config), **changed)
        corpus_file, expected = Path(config["corpus"]), config["corpus_sha256"]
    except (KeyError, TypeError) as error:
        raise InputError(f"{path}: its config.json is not one of scratch-lstm ({error})") from None
    corpus = Corpus.load(corpus_file)
    if sha256(corpus_file) != expected:
        raise InputError(f"{corpus_file}: has changed since the run began; put it back, or start a new run")
    done = run.last_saved()[0].epoch
    if settings.epochs < done:
        raise InputError(f"{path}: {done} epochs are done already, more than --epochs {settings.epochs}")
    if settings.epochs == done:
        print(f"all {done} epochs are done; --resume {path} --epochs N goes on to N")
    if changed:
        run.write_config(config | asdict(settings))
    return _train(settings, corpus, run, learner_of(settings, corpus, learners))


def compare(side_by_side: Callable[..., Any], settings: Settings, out: Path, corpus_file: Path | None,
            rule: dict[str, Any]) -> None:
    """Train here and elsewhere at once, by `side_by_side`(settings, corpus, out, progress)."""
    settings = chosen(settings, {})
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise InputError(f"{out}: is there already; choose another --out")
    corpus = Corpus.load(corpus_file or tang_corpus.build(**rule))
    blas_threads = 1 if get_backend(settings.backend).shards else settings.threads
    with threadpool_limits(blas_threads, user_api="blas"):
        side_by_side(settings, corpus, out, Progress())


def write(path: Path, prompts: list[str] | None, count: int, strict: bool, threads: int,
          **options: Any) -> None:
    """Print `count` poems for each prompt (None: the lab's) from the model in a file or a run's folder."""
    if threads < 1 or options.get("seed", 0) < 0:
        raise InputError("--threads must be at least 1, and --seed 0 or more")
    file = RunDirectory(path).model if path.is_dir() else path
    model, word_int_map, poems = checkpoint.load(file)
    prompts = usable_prompts(word_int_map) if prompts is None else prompts
    if strict and poems["form"] is None:
        raise InputError(f"{file}: its poems have no form in common; leave out --strict")
    if count < 1:
        raise InputError(f"--count {count}: it must be at least 1")
    if count > 1 and options.get("temperature") is None:
        raise InputError("--count: greedy poems of one prompt are all the same; give a --temperature with it")
    with threadpool_limits(threads, user_api="blas"):
        print_poems(model, word_int_map, poems, [p for p in prompts for _ in range(count)], strict, **options)


def usable_prompts(word_int_map: dict[str, int]) -> list[str]:
    """The lab's prompts, as far as the vocabulary has their characters; else a poem from nothing."""
    return [prompt for prompt in LAB_PROMPTS if set(prompt) <= set(word_int_map)] or [""]


def print_poems(model: PoemModel, word_int_map: dict[str, int], poems: dict[str, Any], prompts: list[str],
                strict: bool = False, **options: Any) -> None:
    """Write the poems as one batch; tell in what way, and how many have the form of the corpus."""
    form = poems["form"]
    written = generate(model, word_int_map, prompts, form=form if strict else None, limit=poems["longest"],
                       **options)
    way = "strict: only choices that keep the form" if strict else "free: nothing enforces the form"
    choice = "greedy" if options.get("temperature") is None else f"temperature {options['temperature']:g}"
    print(f"# {len(written)} {'poem' if len(written) == 1 else 'poems'}, {choice}, {way}")
    print("\n".join(written))
    if form is not None:
        kept = sum(has_form(poem, form) for poem in written)
        print(f"# {kept} of {len(written)} have the form {form}")


def _train(settings: Settings, corpus: Corpus, run: RunDirectory, learner: Learner) -> bool:
    """Train from wherever the run stands, then draw the loss and print the lab's poems."""
    progress = Progress()
    progress.say(f"corpus {corpus.path}")
    for what, times in corpus.mended.items():
        progress.say(f"  mended: {what}, {times} times")
    same_length = (corpus.lengths == corpus.lengths[0]).all()
    shape = (len(corpus.poems), int(corpus.lengths[0])) if same_length else (len(corpus.poems),)
    progress.say(f"poems_vector {shape}  word_int_map {len(corpus.word_int_map)}"
                 f"  int_word_map {len(corpus.int_word_map)}")
    prompts = usable_prompts(corpus.word_int_map)
    model = learner.model
    blas_threads = 1 if model.backend.shards else settings.threads
    with threadpool_limits(blas_threads, user_api="blas"), run.lock(), _interrupt(progress) as interrupted:
        training = Training(settings, corpus, learner, run, progress, interrupted)
        parameters = sum(p.size for p in model.parameters.values())
        progress.say(f"backend {settings.backend}, {settings.dtype}, threads: {settings.threads}; "
                     f"{parameters:,} parameters; {len(training.training):,} poems to train on, "
                     f"{len(training.held_out):,} held out; {run.path}")
        try:
            finished = training.run(prompts[0])
        except Diverged as error:
            raise Diverged(f"{error}; start a new run with a lower "
                           f"--learning-rate. {run.path} holds the last good checkpoint") from None
        if not draw_loss(run.read_log(), run.plot, f"{run.path.name}: {corpus.path.name}"):
            progress.say("no loss.png: it needs matplotlib (pip install 'scratch-lstm[plots]')")
        if not finished:
            progress.say(f"stopped and saved at step {training.position.step}; go on with: "
                         f"{run.resume_command}")
            return False
        if training.position.best_loss is not None:
            progress.say(f"best held-out loss {training.position.best_loss:.4f} in epoch "
                         f"{training.position.best_epoch}: {run.best}")
        print_poems(model, corpus.word_int_map, {"form": corpus.form, "longest": corpus.longest}, prompts)
        return True


@contextmanager
def _interrupt(progress: Progress) -> Iterator[Any]:
    """Within it, Ctrl-C or SIGTERM asks for a stop after the step under way; a second one stops at once."""
    asked = False

    def ask(number: int, frame: Any) -> None:
        nonlocal asked
        if asked:
            raise KeyboardInterrupt
        asked = True
        progress.say("stopping after this step")

    signals = [signal.SIGINT, signal.SIGTERM]
    before = [signal.signal(number, ask) for number in signals]
    try:
        yield lambda: asked
    finally:
        for number, handler in zip(signals, before):
            signal.signal(number, handler)


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
