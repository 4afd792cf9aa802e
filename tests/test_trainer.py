"""The training loop: resuming to the bit, the log, the held-out loss, divergence."""

import io
import json
import math
from dataclasses import asdict, replace

import numpy as np
import pytest

from scratch_lstm.errors import DivergedError
from scratch_lstm.poems.corpus import Corpus
from scratch_lstm.training import checkpoint, run_directory
from scratch_lstm.training.learner import count_predictions, epoch_rng, make_learner
from scratch_lstm.training.plots import draw_loss
from scratch_lstm.training.progress import Progress
from scratch_lstm.training.run_directory import RunDirectory
from scratch_lstm.training.settings import Settings
from scratch_lstm.training.trainer import Trainer

SETTINGS = Settings(backend="numpy", epochs=2, batch_size=8, embedding_size=5, hidden_size=6, dropout=0.3,
                    learning_rate=1e-2, held_out=0.2, save_every=3, log_every=2)   # 4 steps an epoch


def trainer(settings, corpus_file, folder, interrupted=lambda: False, out=None):
    corpus, run = Corpus.load(corpus_file), RunDirectory(folder)
    if not folder.exists():
        run.create(asdict(settings))
    silent = io.StringIO()
    return Trainer(settings, corpus, make_learner(settings, len(corpus.vocabulary)), run,
                   Progress(out or silent, silent), "风", interrupted)


def results(folder):
    """What must come out the same, bit for bit: both models, the state, the log without its timings."""
    files = {name: (folder / name).read_bytes() for name in ("model.safetensors", "best.safetensors")}
    arrays, position = checkpoint.read_arrays(folder / "state.safetensors")
    log = RunDirectory(folder).read_log()
    for line in log + [position]:
        line.pop("seconds", None)
        line.pop("log_bytes", None)
    return files, {name: a.tobytes() for name, a in arrays.items()}, position, log


@pytest.fixture
def uninterrupted(corpus_file, tmp_path):
    assert trainer(SETTINGS, corpus_file, tmp_path / "whole").run()
    return results(tmp_path / "whole")


def test_same_seed_same_bits_another_seed_others(uninterrupted, corpus_file, tmp_path):
    trainer(SETTINGS, corpus_file, tmp_path / "again").run()
    assert results(tmp_path / "again") == uninterrupted
    trainer(replace(SETTINGS, seed=1), corpus_file, tmp_path / "other").run()
    assert results(tmp_path / "other")[0] != uninterrupted[0]


@pytest.mark.parametrize("stop_at", range(1, 9))
def test_interrupted_at_any_step_and_resumed_is_uninterrupted(uninterrupted, corpus_file, tmp_path, stop_at):
    steps = iter(range(1, 100))
    folder = tmp_path / "run"
    assert not trainer(SETTINGS, corpus_file, folder, lambda: next(steps) == stop_at).run()
    assert checkpoint.read_arrays(folder / "state.safetensors")[1]["step"] == stop_at
    assert trainer(SETTINGS, corpus_file, folder).run()
    assert results(folder) == uninterrupted


class Killed(BaseException):
    """What no handler in the program expects."""


def test_killed_before_any_write_and_resumed_is_uninterrupted(uninterrupted, corpus_file, tmp_path,
                                                              monkeypatch):
    atomic_write, log = checkpoint.atomic_write, RunDirectory.log

    def run_until_write(folder, fatal):
        count = iter(range(1000))

        def write_or_die(path, data):
            if next(count) == fatal:
                path.with_name(path.name + ".0123abcd.partial").write_bytes(data[:100])
                raise Killed
            atomic_write(path, data)

        def log_or_die(self, lines):
            if next(count) == fatal:
                log(self, lines)
                with open(self.path / "log.jsonl", "ab") as file:
                    file.write(b'{"step": 3, "lo')        # half a line
                raise Killed
            log(self, lines)

        with monkeypatch.context() as patch:
            for module in (checkpoint, run_directory):
                patch.setattr(module, "atomic_write", write_or_die)
            patch.setattr(RunDirectory, "log", log_or_die)
            try:
                return trainer(SETTINGS, corpus_file, folder).run()
            except Killed:
                return False

    fatal = 1                                              # write 0 is the configuration
    while not run_until_write(tmp_path / f"run{fatal}", fatal):
        folder = tmp_path / f"run{fatal}"
        assert trainer(SETTINGS, corpus_file, folder).run()
        assert results(folder) == uninterrupted, f"killed at write {fatal}"
        checkpoint.load(folder / "model.safetensors")
        fatal += 1
    assert fatal > 15


def test_more_epochs_later_are_the_same_as_at_once(uninterrupted, corpus_file, tmp_path):
    folder = tmp_path / "run"
    trainer(replace(SETTINGS, epochs=1), corpus_file, folder).run()
    trainer(SETTINGS, corpus_file, folder).run()
    assert results(folder) == uninterrupted


def test_the_log_and_what_is_printed(uninterrupted, corpus_file, tmp_path):
    out, folder = io.StringIO(), tmp_path / "run"
    run = trainer(SETTINGS, corpus_file, folder, out=out)
    run.run()
    log = [json.loads(line) for line in (folder / "log.jsonl").read_text(encoding="utf-8").splitlines()]
    steps, epochs = [line for line in log if "loss" in line], [line for line in log if "poem" in line]
    assert [line["step"] for line in steps] == list(range(1, 9))
    assert [(line["epoch"], line["step"]) for line in epochs] == [(1, 4), (2, 8)]
    for epoch in epochs:
        mean = np.mean([line["loss"] for line in steps if line["epoch"] == epoch["epoch"]])
        assert abs(epoch["training_loss"] - mean) <= 1e-6 * mean
        assert epoch["poem"].startswith("风")
    assert epochs[1]["training_loss"] < epochs[0]["training_loss"] < math.log(24) + 0.5
    lines = out.getvalue().splitlines()
    assert len(lines) == 2 and f"held-out loss {epochs[1]['held_out_loss']:.4f}" in lines[1]
    assert f"perplexity {math.exp(epochs[1]['held_out_loss']):.1f}" in lines[1]


def test_held_out_loss_is_the_mean_over_what_was_held_out(corpus_file, tmp_path):
    run = trainer(SETTINGS, corpus_file, tmp_path / "run")
    assert len(run.train_indices) == 32 and len(run.held_out_indices) == 8
    assert not set(run.train_indices) & set(run.held_out_indices)
    run.learner.model.training = False
    losses = [float(run.learner.model.loss(run.corpus.vectors[n][:, None])) for n in run.held_out_indices]
    assert abs(run.evaluate(run.held_out_indices) - np.mean(losses)) <= 1e-6
    assert run.evaluate(run.held_out_indices[:0]) is None


def test_nothing_held_out(corpus_file, tmp_path):
    run = trainer(replace(SETTINGS, held_out=0.0), corpus_file, tmp_path / "run")
    assert run.run() and len(run.train_indices) == 40
    assert not (tmp_path / "run" / "best.safetensors").exists()
    assert draw_loss(run.run_directory.read_log(), tmp_path / "loss.png", "made up")


def test_the_best_model_is_kept_apart_from_the_last(corpus_file, tmp_path):
    settings = replace(SETTINGS, epochs=12, hidden_size=24, learning_rate=0.05, dropout=0.0)  # by heart
    run = trainer(settings, corpus_file, tmp_path / "run")
    run.run()
    held_out = {line["epoch"]: line["held_out_loss"] for line in run.run_directory.read_log()
                if "poem" in line}
    best_epoch = min(held_out, key=held_out.__getitem__)
    assert best_epoch < 12
    assert (run.position.best_epoch, run.position.best_loss) == (best_epoch, held_out[best_epoch])
    for file, loss in (("best", held_out[best_epoch]), ("model", held_out[12])):
        run.learner.result = checkpoint.load(tmp_path / "run" / f"{file}.safetensors")[0]
        assert run.evaluate(run.held_out_indices) == loss


def test_a_loss_that_is_not_finite_stops_and_keeps_the_last_good_checkpoint(corpus_file, tmp_path):
    folder = tmp_path / "run"
    run = trainer(SETTINGS, corpus_file, folder)
    step = run.learner.step

    def spoil(tokens, number, rate):
        if number == 4:
            run.learner.model.flat_parameters[7] = np.nan
        return step(tokens, number, rate)

    run.learner.step = spoil
    with pytest.raises(DivergedError, match=r"step 5 \(epoch 2\): the loss is nan, the gradient norm nan"):
        run.run()
    arrays, position = checkpoint.read_arrays(folder / "state.safetensors")
    assert position["step"] == 4 and all(np.isfinite(a).all() for a in arrays.values())


def test_the_picture_of_the_loss(uninterrupted, tmp_path):
    log = RunDirectory(tmp_path / "whole").read_log()
    assert draw_loss(log, tmp_path / "loss.png", "made up")
    assert (tmp_path / "loss.png").read_bytes().startswith(b"\x89PNG")
    assert draw_loss([line for line in log if "loss" in line][:1], tmp_path / "early.png", "made up")


MIXED = replace(SETTINGS, dropout=0.0, batch_size=3, held_out=0.3, epochs=1, log_every=1)


def mixed_corpus(tmp_path):
    """Poems of three lengths; with batches of 3 the last batch of a length is smaller."""
    rng, file = np.random.default_rng(1), tmp_path / "mixed.txt"
    poems = ["".join(rng.choice(list("风花雪月山水"), n)) for n in [2] * 8 + [5] * 10 + [9] * 7]
    file.write_text("\n".join(poems), encoding="utf-8")
    return file


def test_reported_losses_are_means_over_predictions(tmp_path):
    """Lengths and batch sizes differ, so the mean of the batches' means is another number."""
    file = mixed_corpus(tmp_path)
    run = trainer(MIXED, file, tmp_path / "run")
    sizes = [count_predictions(batch) for batch in run.corpus.batches(
        run.train_indices, MIXED.batch_size, epoch_rng(MIXED, 1))]
    assert len(set(sizes)) > 3
    run.run()
    log = run.run_directory.read_log()
    losses = [line["loss"] for line in log if "loss" in line]
    epoch = next(line for line in log if "poem" in line)
    assert abs(epoch["training_loss"] - np.average(losses, weights=sizes)) <= 1e-6
    assert abs(epoch["training_loss"] - np.mean(losses)) > 1e-4
    total = predictions = 0
    for n in run.held_out_indices:
        poem = run.corpus.vectors[n][:, None]
        total += run.learner.loss(poem) * (len(poem) - 1)
        predictions += len(poem) - 1
    assert abs(epoch["held_out_loss"] - total / predictions) <= 1e-6


def test_an_infinite_norm_stops_the_training(tmp_path):
    run = trainer(MIXED, mixed_corpus(tmp_path), tmp_path / "run")
    step = run.learner.step
    run.learner.step = lambda *arguments: (step(*arguments)[0], np.float32(np.inf))
    with pytest.raises(DivergedError, match=r"step 1 \(epoch 1\): the loss is .*, the gradient norm inf"):
        run.run()


def test_epochs_differ_in_order(tmp_path):
    corpus = Corpus.load(mixed_corpus(tmp_path))

    def order(epoch):
        return [batch.tobytes() for batch in corpus.batches(np.arange(25), 3, epoch_rng(SETTINGS, epoch))]

    assert order(1) == order(1)
    assert order(1) != order(2) != order(3)


def test_a_checkpoint_within_the_epoch(corpus_file, tmp_path):
    """save_every=3: after step 3 the state of step 3 is on the disk, before the epoch ends."""
    run, seen = trainer(SETTINGS, corpus_file, tmp_path / "run"), []
    step = run.learner.step

    def look(*arguments):
        seen.append(checkpoint.read_arrays(tmp_path / "run" / "state.safetensors")[1]["step"])
        return step(*arguments)

    run.learner.step = look
    run.run()
    assert seen == [0, 0, 0, 3, 4, 4, 6, 6]            # the epochs end with step 4 and step 8
