"""Both sides trained from the same start on the same batches: two losses at every step, and a picture."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from scratch_lstm.files import atomic_write
from scratch_lstm.poems.corpus import Corpus
from scratch_lstm.training.learner import Learner, epoch_rng, make_learner
from scratch_lstm.training.plots import save_png
from scratch_lstm.training.progress import Progress
from scratch_lstm.training.schedule import learning_rate
from scratch_lstm.training.settings import Settings

from . import learner


class Pair:
    """This project's learner and torch's, from one start."""

    def __init__(self, settings: Settings, vocabulary_size: int) -> None:
        self.ours = make_learner(settings, vocabulary_size)
        self.theirs = learner.make_learner(settings, vocabulary_size)

    def steps(self, settings: Settings, corpus: Corpus) -> Iterator[tuple[int, float, float, int]]:
        """(epoch, our loss, torch's loss, poems) for every step of all epochs, on the same batches."""
        poems, _ = corpus.split(settings.held_out, settings.seed)
        steps, step = settings.epochs * corpus.count_batches(poems, settings.batch_size), 0
        for epoch in range(1, settings.epochs + 1):
            rng = epoch_rng(settings, epoch)
            for batch in corpus.batches(poems, settings.batch_size, rng):
                rate = learning_rate(settings, step, steps)
                ours = float(self.ours.step(self.ours.model.backend.keep_corpus(batch), step, rate)[0])
                masks = latest_masks(self.ours)
                theirs = float(self.theirs.step(batch, step, rate, masks)[0])
                step += 1
                yield epoch, ours, theirs, batch.shape[1]

    def weights_apart(self) -> float:
        """The largest relative difference of a tensor of weights: max over names of max|a-b| / max|b|."""
        theirs = self.theirs.model.parameters
        ours = {name: self.ours.model.backend.to_host(p) for name, p in self.ours.model.parameters.items()}
        return float(np.max([np.max(np.abs(ours[name] - b)) / np.max(np.abs(b))
                             for name, b in theirs.items()]))


def latest_masks(one: Learner) -> list[np.ndarray | None] | None:
    """The dropout masks of the learner's latest step, of the embedding (T or 1, B, E) and of the output of
    each layer (T or 1, B, H); of a batch in shards, the shards' masks side by side. None without dropout."""
    shards = [masks for _, masks in sorted(one.data_parallel.masks.items())]
    masks = [None if layer[0] is None else
             np.concatenate([one.model.backend.to_host(mask) for mask in layer], axis=1)
             for layer in zip(*shards)]
    return masks if any(mask is not None for mask in masks) else None


def compare(settings: Settings, corpus: Corpus, out: Path, progress: Progress) -> float:
    """Train both; print both losses after each epoch; write compare.jsonl and compare.png in `out`.

    With dropout torch gets the masks that are drawn here. Returns the largest relative difference between
    the two losses of a step.
    """
    pair = Pair(settings, len(corpus.vocabulary))
    poems = len(corpus.split(settings.held_out, settings.seed)[0])
    losses: list[tuple[int, float, float, int]] = []
    for epoch, ours, theirs, count in pair.steps(settings, corpus):
        if not losses or losses[-1][0] != epoch:
            if losses:
                _report(losses, progress)
            progress.begin(epoch, settings.epochs, poems, 0)
        losses.append((epoch, ours, theirs, count))
        progress.advance(count, f"{settings.backend} {ours:.4f}  torch {theirs:.4f}")
    _report(losses, progress)
    apart = furthest_apart(losses)
    progress.say(f"losses of {len(losses)} steps within {apart:.1e}, relative; "
                 f"weights within {pair.weights_apart():.1e}")
    out.mkdir(parents=True, exist_ok=True)
    lines = ({"step": step, "epoch": epoch, settings.backend: ours, "torch": theirs}
             for step, (epoch, ours, theirs, _) in enumerate(losses, 1))
    atomic_write(out / "compare.jsonl", "".join(json.dumps(line) + "\n" for line in lines).encode())
    draw(losses, settings, out / "compare.png")
    progress.say(f"{out / 'compare.jsonl'}, {out / 'compare.png'}")
    return apart


def _report(losses: list[tuple[int, float, float, int]], progress: Progress) -> None:
    progress.end()
    epoch = losses[-1][0]
    part = [line for line in losses if line[0] == epoch]
    poems = sum(line[3] for line in part)
    ours, theirs = (sum(line[side] * line[3] for line in part) / poems for side in (1, 2))
    progress.say(f"epoch {epoch:2d}  here {ours:.6f}  torch {theirs:.6f}  "
                 f"furthest apart in a step {furthest_apart(part):.1e}")


def furthest_apart(losses: list[tuple[int, float, float, int]]) -> float:
    """The largest relative difference between the two losses of a step; NaN if a loss is."""
    return float(np.max([abs(ours - theirs) / theirs for _, ours, theirs, _ in losses]))


def draw(losses: list[tuple[int, float, float, int]], settings: Settings, path: Path) -> None:
    """The two curves above, their relative difference on a logarithmic scale below."""
    from matplotlib.figure import Figure
    figure = Figure(figsize=(8, 6), layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(3, 2))
    steps = np.arange(1, len(losses) + 1)
    _, ours, theirs, _ = map(np.array, zip(*losses))
    above.plot(steps, theirs, color="C1", linewidth=2.5, alpha=0.6, label="torch.nn.LSTM")
    above.plot(steps, ours, color="C0", linewidth=0.8, label=f"scratch-lstm, {settings.backend}")
    above.set_ylabel("cross-entropy\n(nats per character)")
    above.legend()
    above.set_title(f"the same start, the same batches, {settings.dtype}")
    floor = np.finfo(settings.dtype).eps
    apart = np.maximum(np.abs(ours - theirs) / theirs, floor / 10)
    below.semilogy(steps, apart, ".", markersize=2, color="C2")
    below.axhline(floor, color="0.6", linewidth=0.8)
    below.text(steps[-1], floor, f" rounding of {settings.dtype}", ha="right", va="bottom", fontsize=8,
               color="0.4")
    below.set_xlabel("step")
    below.set_ylabel("relative difference")
    for axes in (above, below):
        axes.grid(alpha=0.3)
    save_png(figure, path)
