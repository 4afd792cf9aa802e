"""The training loop: one loop for every backend.

Everything random in step n of epoch e follows from (seed, e) and (seed, n) alone, so a run that was
interrupted goes on, from its last saved position, to the very bits of one that was not.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from itertools import islice
from typing import Any

import numpy as np

from ..backend import Array
from ..poems.corpus import Corpus
from ..errors import InputError
from ..poems.generate import generate
from ..model import PoemModel
from ..optim import Adam, clip_grad_norm
from .progress import Progress
from .run_directory import RunDirectory
from .settings import Settings
from .data_parallel import Shards

DROPOUT, SHUFFLE = 0, 1  # two streams of random numbers from one seed


def epoch_rng(settings: Settings, epoch: int) -> np.random.Generator:
    """What shuffles the poems of that epoch."""
    return np.random.default_rng((settings.seed, SHUFFLE, epoch))


class Diverged(ArithmeticError):
    """A loss or a gradient norm that is not finite."""


class Learner:
    """A model with its optimiser: the step that the loop repeats."""

    def __init__(self, model: PoemModel, settings: Settings) -> None:
        self.model, self.settings = model, settings
        self.shards = Shards(model, settings.threads if model.backend.shards else 1)
        self.optimizer = Adam(model.vector, model.gradient, settings.learning_rate, backend=model.backend)

    def step(self, tokens: Array, number: int) -> tuple[Array, Array]:
        """One update from tokens (T+1, B) on the device. Returns loss and gradient norm, still there."""
        seed = (self.settings.seed, DROPOUT, number) if self.model.dropout else None
        loss = self.shards.loss_and_gradient(tokens, seed)
        norm = clip_grad_norm(self.model.gradient, self.settings.clip, self.model.backend)
        self.optimizer.step()
        return loss, norm

    def loss(self, tokens: Array) -> float:
        """The loss on tokens (T+1, B), without dropout and without learning."""
        self.model.training = False
        return float(self.model.loss(tokens))

    def arrays(self) -> dict[str, np.ndarray]:
        """All that a later step depends on, besides the position."""
        vectors = {"vector": self.model.vector, "m": self.optimizer.m, "v": self.optimizer.v}
        return {name: self.model.backend.to_host(vector) for name, vector in vectors.items()}

    def restore(self, arrays: dict[str, np.ndarray], step: int) -> None:
        """Go back to what `arrays` returned after that step."""
        for name, vector in (("vector", self.model.vector), ("m", self.optimizer.m), ("v", self.optimizer.v)):
            vector[...] = self.model.backend.to_device(arrays[name])
        self.optimizer.t = step


def predictions_in(tokens: Array) -> int:
    """Of a batch (T+1, B): T * B."""
    return (tokens.shape[0] - 1) * tokens.shape[1]


def make_learner(settings: Settings, vocabulary_size: int) -> Learner:
    """A new model of these settings, and its optimiser."""
    model = PoemModel(vocabulary_size, settings.embedding_size, settings.hidden_size, settings.num_layers,
                      settings.dropout, settings.backend, settings.dtype, settings.seed)
    return Learner(model, settings)


class Training:
    """One run, from its position to its last epoch.

    interrupted: asked after each step; once it says yes the run saves itself and stops.
    """

    def __init__(self, settings: Settings, corpus: Corpus, learner: Learner, run: RunDirectory,
                 progress: Progress, interrupted: Callable[[], bool] = lambda: False) -> None:
        self.settings, self.corpus, self.learner = settings, corpus, learner
        self.run_directory, self.progress, self.interrupted = run, progress, interrupted
        self.training, self.held_out = corpus.split(settings.held_out, settings.seed)
        self.position, arrays = run.restore()
        if arrays:
            try:
                learner.restore(arrays, self.position.step)
            except (KeyError, ValueError):
                raise InputError(f"{run.path}: its state does not fit its config.json") from None
        self.unread: list[tuple[int, Array, Array]] = []   # predictions, loss, norm of steps not yet logged
        self.shown = ""                                    # of the loss, as it was last read

    def run(self, prompt: str = "") -> bool:
        """Train to the last epoch, and write a poem from `prompt` after each: one watches it learn.

        True, or False when interrupted before. Raises Diverged.
        """
        self.prompt = prompt
        if self.position.step == 0:
            self._save()
        with np.errstate(over="ignore", invalid="ignore"):  # _read tells it better
            while self.position.epoch < self.settings.epochs:
                if not self._epoch():
                    return False
        return True

    def _epoch(self) -> bool:
        """The rest of the epoch under way. False when interrupted."""
        settings, position = self.settings, self.position
        epoch = position.epoch + 1
        batches = self.corpus.batches(self.training, settings.batch_size, epoch_rng(settings, epoch),
                                      self.learner.model.backend.to_device)
        done = sum(batch.shape[1] for batch in islice(batches, position.step_in_epoch))
        self.progress.begin(epoch, settings.epochs, len(self.training), done)
        try:
            for batch in batches:
                began = time.perf_counter()
                loss, norm = self.learner.step(batch, position.step)
                position.step += 1
                position.step_in_epoch += 1
                self.unread.append((predictions_in(batch), loss, norm))
                if len(self.unread) == settings.log_every:
                    self._read()
                position.seconds += time.perf_counter() - began
                self.progress.advance(batch.shape[1], self.shown)
                if self.interrupted():
                    self._save()
                    return False
                if position.step % settings.save_every == 0:
                    self._save()
        finally:
            self.progress.end()
        self._end_epoch(epoch)
        return True

    def _read(self) -> None:
        """Bring the losses of the last steps from the device, check them, add them up, log them."""
        position, lines = self.position, []
        first = position.step - len(self.unread) + 1
        for step, (predictions, device_loss, device_norm) in enumerate(self.unread, first):
            loss, norm = float(device_loss), float(device_norm)
            if not (math.isfinite(loss) and math.isfinite(norm)):
                raise Diverged(f"step {step} (epoch {position.epoch + 1}): the loss is {loss}, "
                               f"the gradient norm {norm}")
            position.loss_sum += loss * predictions
            position.predictions += predictions
            lines.append({"step": step, "epoch": position.epoch + 1, "loss": loss, "gradient_norm": norm})
            self.shown = f"loss {loss:.3f}"
        self.unread.clear()
        self.run_directory.log(lines)

    def _save(self, is_best: bool = False) -> None:
        self._read()
        self.run_directory.save(self.position, self.learner.arrays(), self.learner.model, self.corpus,
                                is_best)

    def _end_epoch(self, epoch: int) -> None:
        """Read the last losses, measure on the held-out poems, write one poem, tell it, save."""
        self._read()
        position = self.position
        training_loss = position.loss_sum / position.predictions
        held_out_loss = self.evaluate(self.held_out)
        if held_out_loss is not None and not math.isfinite(held_out_loss):
            raise Diverged(f"epoch {epoch}: the held-out loss is {held_out_loss}")
        poem, = generate(self.learner.model, self.corpus.word_int_map, [self.prompt],
                         limit=self.corpus.longest)
        line: dict[str, Any] = {
            "step": position.step, "epoch": epoch, "training_loss": training_loss,
            "held_out_loss": held_out_loss, "seconds": round(position.seconds, 3), "poem": poem}
        self.run_directory.log([line])
        told = f"epoch {epoch:2d}  training loss {training_loss:.4f}"
        if held_out_loss is not None:
            told += f"  held-out loss {held_out_loss:.4f}  perplexity {np.exp(held_out_loss):.1f}"
        told += f"  {position.seconds:.1f} s  {poem}"
        is_best = held_out_loss is not None and (position.best_loss is None
                                                 or held_out_loss < position.best_loss)
        if is_best:
            position.best_loss, position.best_epoch = held_out_loss, epoch
        position.epoch, position.step_in_epoch = epoch, 0
        position.loss_sum, position.predictions, position.seconds = 0.0, 0, 0.0
        self._save(is_best)
        self.progress.say(told)

    def evaluate(self, indices: np.ndarray) -> float | None:
        """Mean cross-entropy over all predictions in these poems, in nats; None where there are none."""
        total, predictions = 0.0, 0
        to_device = self.learner.model.backend.to_device
        for batch in self.corpus.batches(indices, self.settings.batch_size, None, to_device):
            total += self.learner.loss(batch) * predictions_in(batch)
            predictions += predictions_in(batch)
        return total / predictions if predictions else None
