"""The training loop at its edges: what it says, what it counts, what it refuses, and what is best."""

import itertools
import math
from dataclasses import replace

import numpy as np
import pytest
from test_trainer import MIXED, SETTINGS, trainer

from scratch_lstm.errors import DivergedError, InputError
from scratch_lstm.poems.corpus import Corpus
from scratch_lstm.training import trainer as trainer_module
from scratch_lstm.training.learner import make_learner
from scratch_lstm.training.run_directory import RunDirectory
from scratch_lstm.training.schedule import learning_rate
from scratch_lstm.training.trainer import Trainer, check_vectors

QUIET = replace(SETTINGS, epochs=1, dropout=0.0)


class Recorder:
    """A progress that keeps what it is given."""

    reader_gone = False

    def __init__(self):
        self.calls, self.said = [], []

    def begin(self, *arguments):
        self.calls.append(("begin", *arguments))

    def advance(self, *arguments):
        self.calls.append(("advance", *arguments))

    def end(self):
        self.calls.append(("end",))

    def say(self, line):
        self.said.append(line)


@pytest.fixture
def recorded(corpus_file, tmp_path):
    """A function: settings -> a trainer with a Recorder."""
    def recorded(settings=QUIET, interrupted=lambda: False):
        run = trainer(settings, corpus_file, tmp_path / "run", interrupted)
        run.progress = Recorder()
        return run
    return recorded


def epoch_lines(run):
    return [line for line in run.run_directory.read_log() if "poem" in line]


def test_what_the_progress_is_given(recorded):
    """32 poems in 4 steps; the losses are read after each second step."""
    run = recorded(replace(QUIET, save_every=100))
    run.run()
    losses = [line["loss"] for line in run.run_directory.read_log() if "loss" in line]
    texts = ["", f"loss {losses[1]:.3f}", f"loss {losses[1]:.3f}", f"loss {losses[3]:.3f}"]
    assert run.progress.calls == [("begin", 1, 1, 32, 0), *(("advance", 8, text) for text in texts), ("end",)]


def test_a_resumed_epoch_begins_with_what_is_done(recorded):
    steps = iter(range(1, 9))
    stopped = recorded(interrupted=lambda: next(steps) == 3)
    assert stopped.run() is False and stopped.progress.calls[-1] == ("end",)
    resumed = recorded()
    assert resumed.run() is True
    assert resumed.progress.calls[0] == ("begin", 1, 1, 32, 24) and len(resumed.progress.calls) == 3


def test_a_run_stops_when_its_reader_has_gone(recorded):
    run = recorded()
    run.progress.reader_gone = True
    assert run.run() is False and run.position.step == 1
    assert RunDirectory(run.run_directory.path).last_saved()[0].step == 1


@pytest.mark.parametrize("held_out", [0.2, 0.0])
def test_the_line_and_the_log_of_an_epoch(recorded, held_out, monkeypatch):
    """A clock that goes on by 1.00015 seconds each time it is read: so long takes each step."""
    ticks = itertools.count(0, 1.00015)
    monkeypatch.setattr(trainer_module.time, "perf_counter", lambda: next(ticks))
    run = recorded(replace(QUIET, held_out=held_out, epochs=2))
    run.run()
    steps = 4 if held_out else 5
    assert len(run.progress.said) == 2
    for epoch, (said, line) in enumerate(zip(run.progress.said, epoch_lines(run)), 1):
        loss, held = line["training_loss"], line["held_out_loss"]
        middle = f"  held-out loss {held:.4f}  perplexity {math.exp(held):.1f}" if held_out else ""
        assert said == f"epoch  {epoch}  training loss {loss:.4f}{middle}  {steps}.0 s  {line['poem']}"
        assert line == {"step": steps * epoch, "epoch": epoch, "training_loss": loss, "held_out_loss": held,
                        "seconds": {4: 4.001, 5: 5.001}[steps], "poem": line["poem"]}
        assert (held is None) == (not held_out) and line["poem"].startswith("风")


def test_the_log_of_a_step(recorded):
    run = recorded()
    step, given = run.learner.step, []

    def keep(tokens, number, rate):
        loss, norm = step(tokens, number, rate)
        given.append({"step": number + 1, "epoch": 1, "loss": float(loss), "gradient_norm": float(norm)})
        return loss, norm

    run.learner.step = keep
    run.run()
    assert [line for line in run.run_directory.read_log() if "loss" in line] == given


def test_the_best_is_the_first_of_the_lowest(recorded):
    run, saved = recorded(replace(QUIET, epochs=4, save_every=100)), []
    losses = iter([2.0, 1.0, 1.0, 1.5])
    run.evaluate = lambda indices: next(losses)
    run.run_directory.save = lambda position, arrays, model, vocabulary, is_best: saved.append(is_best)
    run.run()
    assert saved == [False, True, True, False, False]
    assert (run.position.best_epoch, run.position.best_loss) == (2, 1.0)
    assert (run.position.step_in_epoch, run.position.loss_sum, run.position.predictions,
            run.position.seconds) == (0, 0.0, 0, 0.0)


def test_a_poem_that_fails_is_said_and_left_out(recorded, monkeypatch):
    def fail(*arguments, **options):
        raise MemoryError("no room\nfor a poem")

    monkeypatch.setattr(trainer_module, "generate", fail)
    run = recorded()
    assert run.run() and epoch_lines(run)[0]["poem"] == ""
    assert run.progress.said[0] == r"no poem after this epoch: no room\nfor a poem"


def test_a_log_that_fails_is_said_once_each_time(recorded):
    run = recorded(replace(QUIET, log_every=1, save_every=100))
    answers = iter(["full", "full", None, "away", "away", None, None, None])    # the first before step 1
    run.run_directory.log = lambda lines: next(answers)
    run.run()
    assert run.progress.said[:2] == [f"log.jsonl cannot be written ({why}); the training goes on"
                                     for why in ("full", "away")]
    assert len(run.progress.said) == 3


# Divergence

@pytest.mark.parametrize("loss, norm", [(math.nan, 1.0), (1.0, math.inf)])
def test_the_step_that_diverged_is_named(recorded, loss, norm):
    run, number = recorded(replace(QUIET, log_every=3)), iter(range(9))
    run.learner.step = lambda *_: (loss, norm) if next(number) == 1 else (0.5, 0.5)
    with pytest.raises(DivergedError) as error:
        run.run()
    assert str(error.value) == f"step 2 (epoch 1): the loss is {loss}, the gradient norm {norm}"


def test_a_held_out_loss_that_is_not_finite(recorded):
    run = recorded()
    run.evaluate = lambda indices: math.inf
    with pytest.raises(DivergedError, match="^epoch 1: the held-out loss is inf$"):
        run.run()


def test_huge_weights_give_no_warning(recorded):
    """Warnings are errors here. The products overflow, and infinity minus infinity is NaN."""
    run = recorded(replace(QUIET, log_every=1))
    run.learner.model.flat_parameters[...] = 1e38
    with pytest.raises(DivergedError):
        run.run()


# Where a run goes on

@pytest.mark.parametrize("done, batch_size, refused", [(3, 16, "3 steps in an epoch, which has 2"),
                                                       (2, 16, None), (4, 9, None),
                                                       (4, 11, "4 steps in an epoch, which has 3")])
def test_more_steps_than_the_epoch_has(recorded, done, batch_size, refused):
    """Only the poems that are trained on make batches: 32 of 40."""
    steps = iter(range(1, 99))
    recorded(replace(QUIET, save_every=100, batch_size=4), interrupted=lambda: next(steps) == done).run()
    changed = replace(QUIET, batch_size=batch_size)
    if refused is None:
        assert recorded(changed).run()
        return
    with pytest.raises(InputError) as error:
        recorded(changed)
    assert str(error.value).endswith(f"run: its state has {refused}")


def test_an_epoch_of_small_batches_goes_on(recorded):
    """A batch has 52 characters at most, so two poems: 16 steps."""
    settings, steps = replace(QUIET, batch_characters=52), iter(range(1, 99))
    recorded(settings, interrupted=lambda: next(steps) == 10).run()
    run = recorded(settings)
    assert run.run() and run.position.step == 16


def test_the_held_out_poems_come_in_small_batches_too(recorded):
    run, shapes = recorded(replace(QUIET, batch_characters=52)), []
    run.learner.loss = lambda tokens: shapes.append(tokens.shape) or 1.0
    assert run.evaluate(run.held_out_indices) == 1.0 and shapes == [(26, 2)] * 4


def test_a_damaged_line_after_the_saved_ones_is_cut_off(recorded):
    steps = iter(range(1, 9))
    run = recorded(interrupted=lambda: next(steps) == 2)
    run.run()
    with open(run.run_directory.path / "log.jsonl", "ab") as file:
        file.write(b'{"step": 3, "lo\n')
    run = recorded()
    assert run.run() and [line["step"] for line in run.run_directory.read_log()] == [1, 2, 3, 4, 4]


def test_a_state_of_other_settings_is_refused(recorded):
    steps = iter(range(1, 9))
    recorded(interrupted=lambda: next(steps) == 2).run()
    for changes in ({"hidden_size": 7}, {"dtype": "float64"}):
        with pytest.raises(InputError, match="run: its state does not fit its config.json$"):
            recorded(replace(QUIET, **changes))


def test_check_vectors():
    right = {name: np.zeros(3, "float32") for name in ("vector", "m", "v")}
    check_vectors(right, "float32")
    for name in right:
        for wrong in (np.zeros(4, "float32"), np.zeros(3), np.zeros((3, 1), "float32")):
            with pytest.raises(ValueError) as error:
                check_vectors(right | {name: wrong}, "float32")
            assert str(error.value) in (name, "m" if name == "vector" else name)
        with pytest.raises(KeyError):
            check_vectors({key: a for key, a in right.items() if key != name}, "float32")
    with pytest.raises(ValueError):
        check_vectors({name: np.zeros((3, 1), "float32") for name in right}, "float32")
    with pytest.raises(KeyError):
        check_vectors(right, "float32", True)
    with pytest.raises(ValueError, match="^average$"):
        check_vectors(right | {"average": np.zeros(3)}, "float32", True)
    check_vectors(right | {"average": np.zeros(3, "float32")}, "float32", True)
    check_vectors(right | {"average": np.zeros(3)}, "float32")          # not looked at


def test_without_a_prompt_and_without_an_interruption(corpus_file, tmp_path):
    corpus, run = Corpus.load(corpus_file), RunDirectory(tmp_path / "run")
    run.create({})
    one = Trainer(MIXED, corpus, make_learner(MIXED, len(corpus.vocabulary)), run, Recorder())
    assert one.prompt == "" and one.interrupted() is False
    assert one.run()


def test_a_log_that_cannot_be_written_is_said_once_for_each_time(recorded):
    run, said = recorded(), []
    results = iter(["disk full", "disk full", None, "disk full"])
    run.run_directory.log = lambda lines: next(results)
    run.progress.say = said.append
    for _ in range(4):
        run._log([])
    assert said == ["log.jsonl cannot be written (disk full); the training goes on"] * 2


def test_each_step_has_the_rate_of_the_schedule(recorded):
    """12 steps in 3 epochs, the first ones with a warm-up."""
    settings = replace(QUIET, epochs=3, schedule="cosine", warmup=4)
    run, given = recorded(settings), []
    step = run.learner.step

    def watched(batch, number, rate):
        given.append((number, rate))
        return step(batch, number, rate)

    run.learner.step = watched
    assert run.run() and run.steps == 12
    assert given == [(n, learning_rate(settings, n, 12)) for n in range(12)]
    assert len({rate for _, rate in given}) > 9


def test_what_workers_must_have_in_common(recorded):
    facts = recorded()._facts()
    assert set(facts) == {"corpus", "setting", "step", "start", "version of NumPy"}
    assert facts["step"] == 0 and facts["version of NumPy"] == np.__version__
    assert "threads" not in facts["setting"] and facts["setting"]["clip"] == QUIET.clip
    assert recorded(replace(QUIET, threads=3))._facts() == facts
    assert recorded(replace(QUIET, seed=5))._facts()["start"] != facts["start"]


def test_a_state_with_averages_needs_them(recorded, monkeypatch):
    steps = iter(range(1, 9))
    recorded(interrupted=lambda: next(steps) == 2).run()
    with pytest.raises(InputError, match="run: its state does not fit its config.json$"):
        recorded(replace(QUIET, average=0.9))
    saved = RunDirectory.last_saved

    def with_average(run):
        position, arrays = saved(run)
        return position, arrays | {"average": arrays["vector"].astype(dtype)}

    monkeypatch.setattr(RunDirectory, "last_saved", with_average)
    dtype = "float32"
    recorded(replace(QUIET, average=0.9))
    dtype = "float64"
    with pytest.raises(InputError, match="run: its state does not fit its config.json$"):
        recorded(replace(QUIET, average=0.9))
