"""The training loop: one loop for every backend.

Everything random in step n of epoch e follows from (seed, e) and (seed, n) alone, so a run that was
interrupted continues from its last saved position to exactly the same bits as one that was not.
"""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Callable
from dataclasses import asdict
from itertools import islice
from typing import Any

import numpy as np

from ..backend import Array
from ..errors import DivergedError, InputError, SharedError, one_line
from ..poems.corpus import Corpus
from ..poems.generate import generate
from .learner import AnyLearner, count_predictions, epoch_rng
from .progress import Progress
from .run_directory import RunDirectory
from .schedule import learning_rate
from .settings import Settings
from .workers import ALONE, Workers, check_same


class Trainer:
    """One run, from its position to its last epoch.

    prompt: how the poem that is written after each epoch begins.
    interrupted: called after each step; when it returns True the run saves itself and stops.
    workers: who shares the batches, each with a Trainer of its own; all but worker 0 have a ReadRun.
    """

    def __init__(self, settings: Settings, corpus: Corpus, learner: AnyLearner, run: RunDirectory,
                 progress: Progress, prompt: str = "",
                 interrupted: Callable[[], bool] = lambda: False, workers: Workers = ALONE) -> None:
        self.settings, self.corpus, self.learner, self.workers = settings, corpus, learner, workers
        self.run_directory, self.progress, self.interrupted = run, progress, interrupted
        self.prompt = prompt
        self.train_indices, self.held_out_indices = corpus.split(settings.held_out, settings.seed)
        self.position, arrays = run.last_saved()
        if arrays:
            try:
                check_vectors(arrays, settings.dtype, settings.average > 0)
                learner.restore(arrays, self.position.step)
            except (KeyError, ValueError, RuntimeError):       # RuntimeError: torch's
                raise InputError(f"{run.path}: its state does not fit its config.json") from None
        batches = corpus.count_batches(self.train_indices, settings.batch_size, settings.characters_in_batch)
        if self.position.step_in_epoch > batches:
            raise InputError(f"{run.path}: its state has {self.position.step_in_epoch} steps in an epoch, "
                             f"which has {batches}")
        run.read_log(self.position.log_bytes)              # a damaged one is said now, not after the training
        self.steps = settings.epochs * batches             # of the whole run
        self.pending: list[tuple[int, Array, Array]] = []  # predictions, loss, norm of steps not yet logged
        self.log_failed = False
        self.loss_text = ""                                # the latest loss that was read

    def run(self) -> bool:
        """Train to the last epoch, and write a poem after each.

        Returns True, or False when interrupted before. Raises DivergedError. Call it only while the run's
        folder is locked: until then nothing has been written.
        """
        check_same(self.workers, self._facts())
        self.run_directory.go_back(self.position)
        if self.position.step == 0:
            self._save()
        with np.errstate(over="ignore", invalid="ignore"):  # _flush_losses reports overflow, with the step
            while self.position.epoch < self.settings.epochs and not self.out_of_patience:
                if not self._epoch():
                    return False
        return True

    @property
    def out_of_patience(self) -> bool:
        """Whether so many epochs have brought no lower held-out loss that the run ends."""
        since_best = self.position.epoch - self.position.best_epoch
        return 0 < self.settings.patience <= since_best

    def _epoch(self) -> bool:
        """The rest of the current epoch. False when interrupted."""
        settings, position = self.settings, self.position
        epoch = position.epoch + 1
        batches = self.corpus.batches(self.train_indices, settings.batch_size, epoch_rng(settings, epoch),
                                      self.learner.model.backend.keep_corpus, settings.characters_in_batch)
        done = sum(batch.shape[1] for batch in islice(batches, position.step_in_epoch))
        self.progress.begin(epoch, settings.epochs, len(self.train_indices), done)
        try:
            for batch in batches:
                began = time.perf_counter()
                rate = learning_rate(settings, position.step, self.steps)
                loss, norm = self.learner.step(batch, position.step, rate)
                position.step += 1
                position.step_in_epoch += 1
                self.pending.append((count_predictions(batch), loss, norm))
                if len(self.pending) == settings.log_every:
                    self._flush_losses()
                position.seconds += time.perf_counter() - began
                self.progress.advance(batch.shape[1], self.loss_text)
                if self.workers.any(self.interrupted() or self.progress.reader_gone):
                    self._save()
                    return False
                if position.step % settings.save_every == 0:
                    self._save()
        finally:
            self.progress.end()
        self._end_epoch(epoch)
        return True

    def _flush_losses(self) -> None:
        """Read the losses of the last steps from the device, check them, add them up, log them."""
        position, lines = self.position, []
        first = position.step - len(self.pending) + 1
        for step, (predictions, device_loss, device_norm) in enumerate(self.pending, first):
            loss, norm = float(device_loss), float(device_norm)
            if not (math.isfinite(loss) and math.isfinite(norm)):
                raise DivergedError(f"step {step} (epoch {position.epoch + 1}): the loss is {loss}, "
                                    f"the gradient norm {norm}")
            position.loss_sum += loss * predictions
            position.predictions += predictions
            lines.append({"step": step, "epoch": position.epoch + 1, "loss": loss, "gradient_norm": norm})
            self.loss_text = f"loss {loss:.3f}"
        self.pending.clear()
        self._log(lines)

    def _log(self, lines: list[dict[str, Any]]) -> None:
        """A log that cannot be written costs no training; the lines are kept for the next try."""
        failed = self.run_directory.log(lines)
        if failed and not self.log_failed:
            self.progress.say(f"log.jsonl cannot be written ({failed}); the training goes on")
        self.log_failed = failed is not None

    def _poem(self) -> str:
        """The poem after an epoch; empty, and the reason said, if it fails: the epoch counts more."""
        try:
            return generate(self.learner.result, self.corpus.vocabulary, [self.prompt])[0]
        except Exception as error:
            self.progress.say(f"no poem after this epoch: {one_line(str(error))}")
            return ""

    def _save(self, is_best: bool = False) -> None:
        self._flush_losses()
        failed: InputError | None = None
        try:
            self.run_directory.save(self.position, self.learner.arrays(), self.learner.result,
                                    self.corpus.vocabulary, is_best)
        except InputError as error:
            failed = error
        if self.workers.any(failed is not None):        # then all stop, and the one that knows why says it
            raise failed or SharedError("another worker could not save the run")

    def _end_epoch(self, epoch: int) -> None:
        """Read the last losses, measure on the held-out poems, write one poem, report, save."""
        self._flush_losses()
        position = self.position
        training_loss = position.loss_sum / position.predictions
        held_out_loss = self.evaluate(self.held_out_indices)
        if held_out_loss is not None and not math.isfinite(held_out_loss):
            raise DivergedError(f"epoch {epoch}: the held-out loss is {held_out_loss}")
        poem = self._poem()
        line: dict[str, Any] = {
            "step": position.step, "epoch": epoch, "training_loss": training_loss,
            "held_out_loss": held_out_loss, "seconds": round(position.seconds, 3), "poem": poem}
        self._log([line])
        summary = f"epoch {epoch:2d}  training loss {training_loss:.4f}"
        if held_out_loss is not None:
            summary += f"  held-out loss {held_out_loss:.4f}  perplexity {np.exp(held_out_loss):.1f}"
        summary += f"  {position.seconds:.1f} s  {poem}"
        is_best = held_out_loss is not None and (position.best_loss is None
                                                 or held_out_loss < position.best_loss)
        if is_best:
            position.best_loss, position.best_epoch = held_out_loss, epoch
        position.epoch, position.step_in_epoch = epoch, 0
        position.loss_sum, position.predictions, position.seconds = 0.0, 0, 0.0
        self._save(is_best)
        self.progress.say(summary)

    def _facts(self) -> dict[str, Any]:
        """What all workers must have in common before they begin."""
        settings = {name: value for name, value in asdict(self.settings).items() if name != "threads"}
        parameters = self.learner.model.backend.to_host(self.learner.model.flat_parameters)
        return {"corpus": self.corpus.poems_sha256, "setting": settings, "step": self.position.step,
                "start": hashlib.sha256(parameters.tobytes()).hexdigest(),
                "version of NumPy": np.__version__}

    def evaluate(self, indices: np.ndarray) -> float | None:
        """Mean cross-entropy over all predictions in these poems, in nats; None where there are none."""
        workers, losses, predictions = self.workers, [], 0
        keep = self.learner.model.backend.keep_corpus
        batches = self.corpus.batches(indices, self.settings.poems_read_at_once, None, keep,
                                      self.settings.characters_in_batch)
        for number, batch in enumerate(batches):            # each worker measures some of them
            mine = number % workers.size == workers.rank
            losses.append(self.learner.loss(batch) * count_predictions(batch) if mine else 0.0)
            predictions += count_predictions(batch)
        losses = [sum(parts) for parts in zip(*workers.collect(losses))]
        return sum(losses) / predictions if predictions else None


def check_vectors(arrays: dict[str, np.ndarray], dtype: str, average: bool = False) -> None:
    """Raise KeyError or ValueError unless a state has its three flat vectors, of that dtype, one length; with
    averaged weights, four."""
    shape = arrays["vector"].shape
    for name in ("vector", "m", "v", "average")[:3 + average]:
        if len(shape) != 1 or arrays[name].shape != shape or arrays[name].dtype != dtype:
            raise ValueError(name)
