"""What the command line can do: start a run, continue one, compare with another network."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from threadpoolctl import threadpool_limits

from ..backend import get_backend
from ..errors import DivergedError, InputError, OutputError, SharedError, one_line
from ..model import PoemModel
from ..poems import tang_corpus
from ..poems.corpus import Corpus
from ..poems.reader import Reading
from . import checkpoint, memory, run_config
from .learner import AnyLearner, LearnerFactories, make_learner
from .plots import draw_loss
from .progress import Progress
from .roles import for_workers, progress_of, run_of
from .run_directory import RunDirectory
from .settings import Settings
from .signals import stop_requests
from .trainer import Trainer
from .workers import ALONE, Workers
from .writing import print_poems, say_if_alike, usable_prompts

LESS_MEMORY = "give a smaller --hidden-size, --embedding-size, --num-layers or --batch-characters"


def start(settings: Settings, out: Path, corpus_file: Path | None, reading: Reading, rule: dict[str, Any],
          factories: LearnerFactories, program: str, workers: Workers = ALONE) -> bool:
    """Train on corpus_file, or on the default corpus made by `rule` (see tang_corpus.build).

    Several workers that find this very run in `out` go on with it: they were started again.
    True when all epochs are done, False when interrupted. Raises InputError, DivergedError, OutputError.
    """
    run = run_of(out, program, workers)
    settings = for_workers(resolve_backend(settings, factories), workers)
    begun = workers.size > 1 and run.has_config
    if workers.any(begun):
        known = Settings.from_config(run.read_config())
        if replace(known, threads=settings.threads) != settings:
            raise SharedError(f"{out}: already a run with other settings; choose another --out")
        return resume(out, corpus_file, factories, program, workers)
    run.check_free()
    file = corpus_file or workers.first_on_machine(lambda: tang_corpus.build(**rule))
    corpus = run_config.load_corpus(file, reading)
    corpus.split(settings.held_out, settings.seed)    # what cannot be trained leaves no folder behind
    return _train(settings, corpus, run, factories, run_config.of(settings, corpus), workers, new=True)


def resume(path: Path, corpus_file: Path | None, factories: LearnerFactories, program: str,
           workers: Workers = ALONE, **changed: Any) -> bool:
    """Continue the run in that folder; `changed` settings (epochs, threads) replace its own, and corpus_file
    the place where its corpus was.

    True when all epochs are done, False when interrupted again. Raises the same errors.
    """
    run, say = run_of(path, program, workers), progress_of(workers).say
    config = run.read_config()
    settings, corpus = run_config.read(path, config, corpus_file, run.model)
    settings = for_workers(replace(settings, **changed), workers)
    position, _ = run.last_saved()
    run.read_log(position.log_bytes)
    done = position.epoch
    if settings.epochs < done:
        raise InputError(f"{path}: {done} epochs are done already, more than --epochs {settings.epochs}")
    if settings.schedule == "cosine" and settings.epochs != config["epochs"]:
        say(f"the learning rate falls to 0 in epoch {settings.epochs} now, not in epoch "
            f"{config['epochs']}")
    if settings.epochs == done:
        say(f"all {done} epochs are done; {run.resume_command} --epochs N continues to N")
    new_config = config | asdict(settings) | ({"corpus": str(corpus.path.resolve())} if corpus_file else {})
    elsewhere = [f"{what} was {config[what]}" for what, now in run_config.machine().items()
                 if config.get(what, now) != now]
    if elsewhere:
        say(f"another machine than before ({one_line('; '.join(elsewhere))}): "
            "the last bits of the results may differ")
    config_now = new_config if changed or corpus_file else None
    return _train(settings, corpus, run, factories, config_now, workers)


def compare(side_by_side: Callable[..., Any], settings: Settings, out: Path, corpus_file: Path | None,
            reading: Reading, rule: dict[str, Any]) -> None:
    """Train here and elsewhere at the same time, by `side_by_side`(settings, corpus, out, progress)."""
    settings = resolve_backend(settings, {})
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise InputError(f"{out}: exists already; choose another --out")
    corpus = run_config.load_corpus(corpus_file or tang_corpus.build(**rule), reading)
    check_memory(settings, corpus)
    with threadpool_limits(blas_threads(settings, get_backend(settings.backend)), user_api="blas"):
        side_by_side(settings, corpus, out, Progress())


def build_learner(settings: Settings, corpus: Corpus, factories: LearnerFactories,
                  workers: Workers = ALONE) -> AnyLearner:
    """A new learner of the settings' backend."""
    if settings.backend in factories:
        return factories[settings.backend](settings, len(corpus.vocabulary))
    return make_learner(settings, len(corpus.vocabulary), workers)


def resolve_backend(settings: Settings, factories: LearnerFactories) -> Settings:
    """Replace backend 'auto' by the one that will run. Raises InputError if the backend does not work."""
    if settings.backend in factories:
        return settings
    return replace(settings, backend=get_backend(settings.backend).name)


def blas_threads(settings: Settings, backend: Any) -> int:
    """Threads for the matrix library: one where threads share a batch, otherwise all."""
    return 1 if backend.threads_share_batch else settings.threads


def check_memory(settings: Settings, corpus: Corpus) -> int:
    """Bytes that the run will need. Raises InputError if the machine does not have them."""
    words = corpus.words_in_batch(settings.poems_read_at_once, settings.characters_in_batch)
    needed = memory.predict(len(corpus.vocabulary), settings, words, len(corpus.tokens))
    memory.check(needed, "the run", LESS_MEMORY)
    return needed


def _train(settings: Settings, corpus: Corpus, run: RunDirectory, factories: LearnerFactories,
           config: dict[str, Any] | None, workers: Workers, new: bool = False) -> bool:
    """Train from where the run is, then draw the loss and print the lab's poems.

    config: the new config.json; it is written only after everything that was there has been read.
    """
    progress = progress_of(workers)
    needed = check_memory(settings, corpus)
    for line in corpus.description():
        progress.say(line)
    learner = build_learner(settings, corpus, factories, workers)
    prompts = usable_prompts(corpus.vocabulary)
    model = learner.model
    workers.any(False)          # nothing is written before all have read
    with (threadpool_limits(blas_threads(settings, model.backend), user_api="blas"), run.lock(new),
          stop_requests(progress) as stop_requested):
        trainer = Trainer(settings, corpus, learner, run, progress, prompts[0], stop_requested, workers)
        if config is not None:
            run.write_config(config)
        parameters = sum(p.size for p in model.parameters.values())
        shared = f", workers: {workers.size}, shards: {settings.shards}" if workers.size > 1 else ""
        progress.say(f"backend {settings.backend}, {settings.dtype}, threads: {settings.threads}{shared}; "
                     f"{parameters:,} parameters; {len(trainer.train_indices):,} poems to train on, "
                     f"{len(trainer.held_out_indices):,} held out; about {memory.human(needed)} of memory; "
                     f"{one_line(str(run.path))}")
        try:
            finished = trainer.run()
        except DivergedError as error:
            raise DivergedError(f"{error}; start a new run with a lower "
                                f"--learning-rate. {run.path} has the last good checkpoint") from None
        except InputError as error:     # a full disk, mostly: what was saved before is whole
            raise type(error)(f"{error}; correct that, then: {run.resume_command}") from None
        if workers.rank == 0:
            _draw(run, corpus, progress)
        if not finished:
            stopped = (f"stopped and saved at step {trainer.position.step}; continue with: "
                       f"{run.resume_command}")
            if progress.reader_gone:
                raise OutputError(f"the reader of the output has gone; {stopped}")
            progress.say(stopped)
            return False
        if trainer.out_of_patience:
            progress.say(f"ended after epoch {trainer.position.epoch}: no lower held-out loss for "
                         f"{trainer.position.epoch - trainer.position.best_epoch} epochs")
        best = learner.result
        if trainer.position.best_loss is not None:
            where = run.best if run.best.is_file() else "that model is no longer in the folder"
            progress.say(f"best held-out loss {trainer.position.best_loss:.4f} in epoch "
                         f"{trainer.position.best_epoch}: {where}")
            best = _best(learner.result, trainer.position.best_epoch, run, progress)
        _write(best, corpus, prompts, run, progress, workers)
        return True


def _best(last: Any, epoch: int, run: RunDirectory, progress: Progress) -> Any:
    """The model with the lowest held-out loss, from its file; if that cannot be read, the last one."""
    try:
        model, _ = checkpoint.load(run.best, last.backend if isinstance(last, PoemModel) else "numpy")
    except InputError:
        progress.say("poems of the last epoch's model:")
        return last
    progress.say(f"poems of the model of epoch {epoch}, which has the lowest held-out loss:")
    return model


def _draw(run: RunDirectory, corpus: Corpus, progress: Progress) -> None:
    """loss.png; what goes wrong with it is said, and costs nothing else."""
    try:
        if not draw_loss(run.read_log(), run.plot, f"{run.path.name}: {corpus.path.name}"):
            progress.say("no loss.png: it needs matplotlib (pip install 'scratch-lstm[plots]')")
    except Exception as error:    # whatever matplotlib, a font or the disk brings
        progress.say(f"no loss.png: {one_line(str(error) or type(error).__name__)}")


def _write(model: Any, corpus: Corpus, prompts: list[str], run: RunDirectory,
           progress: Progress, workers: Workers) -> None:
    """The lab's poems; the run is saved already, so nothing here can cost it."""
    try:
        poems = print_poems(model, corpus.vocabulary, prompts, say=progress.say, workers=workers)
        losses: list[float] = []
        with suppress(InputError):
            losses = [line["training_loss"] for line in run.read_log() if "training_loss" in line]
        say_if_alike(poems, prompts, losses, progress.say)
    except Exception as error:
        progress.say(f"no poems: {one_line(str(error) or type(error).__name__)}")
