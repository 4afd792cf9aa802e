"""What --recipe best is made of, all at once: equal to torch, resumed to the same bits, kept in files."""

import io
import json
from dataclasses import asdict, replace

import numpy as np
import pytest
from test_trainer import SETTINGS, Progress, Trainer, results, trainer

from scratch_lstm import PoemModel
from scratch_lstm.errors import InputError
from scratch_lstm.poems.corpus import Corpus
from scratch_lstm.training import checkpoint
from scratch_lstm.training.learner import average_decay, make_learner
from scratch_lstm.training.run_directory import RunDirectory
from scratch_lstm.training.schedule import learning_rate
from scratch_lstm.training.settings import Settings
from torch_ref import convert
from torch_ref.compare import Pair
from torch_ref.learner import make_learner as torch_learner

OPTIONS = dict(tie_embedding=True, embedding_dropout=0.2, dropout=0.3, shared_masks=True, weight_decay=0.5,
               schedule="cosine", warmup=3, average=0.9)
EVERYTHING = replace(SETTINGS, **OPTIONS)


@pytest.fixture
def corpus(corpus_file):
    return Corpus.load(corpus_file)


# torch

@pytest.mark.parametrize("changed", [
    {}, {"backend": "numba"}, {"backend": "numba", "threads": 3}, {"num_layers": 1}, {"num_layers": 3},
    {"tie_embedding": False}, {"shared_masks": False}, {"dropout": 0.0}, {"embedding_dropout": 0.0},
    {"schedule": "constant"}], ids=str)
def test_fifty_steps_are_torchs_to_rounding(corpus, changed):
    settings = replace(EVERYTHING, dtype="float64", epochs=13, **changed)
    pair = Pair(settings, len(corpus.vocabulary))
    steps = list(pair.steps(settings, corpus))
    assert len(steps) == 52
    assert all(abs(ours - theirs) <= 1e-9 * theirs for _, ours, theirs, _ in steps)
    assert pair.weights_apart() <= 1e-8
    averages = [one.result.parameters for one in (pair.ours, pair.theirs)]
    for name, theirs in averages[1].items():
        assert np.max(np.abs(averages[0][name] - theirs)) <= 1e-8 * np.max(np.abs(theirs)), name


@pytest.mark.parametrize("num_layers", [1, 2, 3])
@pytest.mark.parametrize("tied", [False, True])
def test_to_torch_and_back_bit_for_bit(tied, num_layers):
    model = PoemModel(11, 3, 4, num_layers, 0.1, tie_embedding=tied, embedding_dropout=0.2, shared_masks=True)
    again = convert.from_torch(convert.to_torch(model))
    assert again.flat_parameters.tobytes() == model.flat_parameters.tobytes()
    assert (again.sizes, again.options) == (model.sizes, model.options)


def test_torchs_learner_goes_on_to_the_same_bits(corpus):
    tokens = np.stack([poem[:6] for poem in corpus.vectors[:4]], axis=1)
    whole, half, rest = (torch_learner(EVERYTHING, len(corpus.vocabulary)) for _ in range(3))
    for number in range(6):
        whole.step(tokens, number)
        if number < 3:
            half.step(tokens, number)
    rest.restore(half.arrays(), 3)
    for number in range(3, 6):
        rest.step(tokens, number)
    expected = whole.arrays()
    assert expected.keys() == {"vector", "m", "v", "average"}
    assert all(np.array_equal(array, rest.arrays()[name]) for name, array in expected.items())


# One matrix in two places

@pytest.mark.parametrize("backend", ["numpy", "numba"])
def test_a_tied_model_has_one_matrix_and_one_gradient(backend):
    model = PoemModel(7, 3, 5, 2, backend=backend, tie_embedding=True)
    assert "fc.weight" not in model.parameters and model.parameters["W1"].shape == (12, 5)
    for kind in ("parameters", "gradients"):
        one, other = (getattr(layer, kind)["weight"] for layer in (model.embedding, model.linear))
        assert one is other and np.shares_memory(one, getattr(model, "flat_" + kind))
    shapes = PoemModel.shapes(**model.sizes, tie_embedding=True)
    assert shapes == {name: p.shape for name, p in model.parameters.items()}


def test_its_gradient_is_the_sum_of_two():
    """Of an untied model with the same numbers."""
    tied = PoemModel(7, 3, 3, 2, dtype="float64", tie_embedding=True)
    apart = PoemModel(7, 3, 3, 2, dtype="float64")
    rng = np.random.default_rng(0)
    for name, p in tied.parameters.items():
        p[...] = apart.parameters[name][...] = rng.normal(size=p.shape)
    apart.parameters["fc.weight"][...] = tied.parameters["embedding"]
    tokens = rng.integers(0, 6, (5, 2))                         # word 6 is never read, but predicted with
    for model in (tied, apart):
        model.loss(tokens)
        model.backward()
    both = apart.gradients["embedding"] + apart.gradients["fc.weight"]
    assert np.max(np.abs(tied.gradients["embedding"] - both)) <= 1e-14 * np.max(np.abs(both))
    assert not apart.gradients["embedding"][6].any() and tied.gradients["embedding"][6].all()


# The schedule and the average

def test_the_learning_rate_of_every_step():
    settings = Settings(learning_rate=0.8, schedule="cosine", warmup=4)
    rates = [learning_rate(settings, step, 12) for step in range(12)]
    assert rates[:5] == [0.2, 0.4, pytest.approx(0.6), 0.8, 0.8]
    assert rates[8] == pytest.approx(0.4)                        # half way down
    assert all(a > b for a, b in zip(rates[4:], rates[5:])) and 0 < rates[-1] < 0.05
    constant = Settings(learning_rate=0.8)
    assert {learning_rate(constant, step, 12) for step in range(12)} == {0.8}
    assert learning_rate(replace(settings, warmup=20), 11, 12) == pytest.approx(0.8 * 12 / 20)
    for_batch = replace(constant, batch_size=128, rate_for_batch=32)   # four times the batch: twice the rate
    assert learning_rate(for_batch, 11, 12) == pytest.approx(1.6)


def test_the_average_is_the_mean_of_the_weights_with_its_decay(corpus):
    one = make_learner(replace(EVERYTHING, dtype="float64"), len(corpus.vocabulary))
    tokens = np.stack([poem[:6] for poem in corpus.vectors[:4]], axis=1)
    vectors, decays = [one.model.flat_parameters.copy()], [0.0]
    for number in range(12):
        one.step(tokens, number)
        vectors.append(one.model.flat_parameters.copy())
        decays.append(min(0.9, (1 + number) / (10 + number)))
    weights = [(1 - decay) * np.prod(decays[n + 1:]) for n, decay in enumerate(decays)]
    assert sum(weights) == pytest.approx(1)
    expected = sum(weight * vector for weight, vector in zip(weights, vectors))
    found = one.result.flat_parameters
    assert np.max(np.abs(found - expected)) <= 1e-14 and average_decay(0.9, 10**6) == 0.9
    before = one.loss(tokens)
    one.model.flat_parameters[...] = 0
    assert one.loss(tokens) == before                            # the averaged weights are measured


# A run

@pytest.mark.parametrize("backend", ["numpy", "numba"])
@pytest.mark.parametrize("stop_at", [1, 3, 4, 6])
def test_interrupted_and_resumed_is_uninterrupted(corpus_file, tmp_path, backend, stop_at):
    settings = replace(EVERYTHING, backend=backend)
    assert trainer(settings, corpus_file, tmp_path / "whole").run()
    steps, folder = iter(range(1, 100)), tmp_path / "run"
    assert not trainer(settings, corpus_file, folder, lambda: next(steps) == stop_at).run()
    assert trainer(settings, corpus_file, folder).run()
    assert results(folder) == results(tmp_path / "whole")


def test_what_is_saved_is_the_average(corpus_file, tmp_path):
    run = trainer(EVERYTHING, corpus_file, tmp_path / "run")
    run.run()
    model, _ = checkpoint.load(tmp_path / "run" / "model.safetensors")
    assert np.array_equal(model.flat_parameters, run.learner.result.flat_parameters)
    assert not np.array_equal(model.flat_parameters, run.learner.model.flat_parameters)
    assert model.options == {name: OPTIONS[name] for name in
                             ("dropout", "tie_embedding", "embedding_dropout", "shared_masks")}


def test_a_state_without_its_average_is_refused(corpus_file, tmp_path):
    trainer(replace(EVERYTHING, average=0.0, epochs=1), corpus_file, tmp_path / "run").run()
    with pytest.raises(InputError, match="its state does not fit its config.json"):
        trainer(EVERYTHING, corpus_file, tmp_path / "run")


def test_patience(corpus_file, tmp_path):
    """Learnt by heart: the held-out loss rises soon."""
    settings = replace(SETTINGS, epochs=40, hidden_size=24, learning_rate=0.05, dropout=0.0, patience=3)
    run = trainer(settings, corpus_file, tmp_path / "run")
    assert run.run() and run.out_of_patience
    held_out = [line["held_out_loss"] for line in run.run_directory.read_log() if "poem" in line]
    assert len(held_out) == run.position.best_epoch + 3 < 40
    assert min(held_out) == held_out[run.position.best_epoch - 1]
    again = trainer(settings, corpus_file, tmp_path / "run")
    assert again.run() and again.position.epoch == run.position.epoch      # nothing is learnt anew


# The command line

TINY = ("--backend", "numpy", "--epochs", "2", "--batch-size", "8", "--embedding-size", "5",
        "--hidden-size", "6", "--held-out", "0.2")


def test_a_recipe_is_shown_and_each_flag_can_be_changed(main, corpus_file, tmp_path):
    status, printed = main(*TINY, "--recipe", "best", "--no-shared-masks", "--corpus", corpus_file, "--out",
                           tmp_path / "run")
    assert status == 0 and "recipe best: --tie-embedding" in printed and "--shared-masks" in printed
    config = json.loads((tmp_path / "run" / "config.json").read_text(encoding="utf-8"))
    assert config["tie_embedding"] is True and config["shared_masks"] is False and config["hidden_size"] == 6
    assert config["schedule"] == "cosine" and config["weight_decay"] > 0


def test_the_course_is_the_default_recipe(main, corpus_file, tmp_path):
    for out, flags in (("plain", ()), ("course", ("--recipe", "course"))):
        assert main(*TINY, *flags, "--corpus", corpus_file, "--out", tmp_path / out)[0] == 0
    assert results(tmp_path / "plain") == results(tmp_path / "course")


def test_the_poems_at_the_end_are_of_the_best_model(main, corpus_file, tmp_path):
    by_heart = ("--backend", "numpy", "--epochs", "12", "--batch-size", "8", "--embedding-size", "5",
                "--hidden-size", "24", "--learning-rate", "0.05", "--held-out", "0.2")
    status, printed = main(*by_heart, "--corpus", corpus_file, "--out", tmp_path / "run")
    best = RunDirectory(tmp_path / "run").last_saved()[0].best_epoch
    assert status == 0 and best < 12
    assert f"poems of the model of epoch {best}, which has the lowest held-out loss:" in printed
    after = printed[printed.index("poems of the model"):].splitlines()
    poems = [line for line in after if line[0] not in "#p"]
    lines = {}
    for file in ("", "best.safetensors", "model.safetensors"):
        _, said = main("--generate", tmp_path / "run" / file)
        lines[file] = [line for line in said.splitlines() if not line.startswith("#")]
    assert lines[""] == lines["best.safetensors"] == poems != lines["model.safetensors"]


def test_a_cosine_that_is_made_longer_is_said(main, corpus_file, tmp_path):
    flags = (*TINY, "--schedule", "cosine", "--corpus", corpus_file, "--out", tmp_path / "run")
    assert main(*flags)[0] == 0
    status, printed = main("--resume", tmp_path / "run", "--epochs", "3")
    assert status == 0 and "the learning rate falls to 0 in epoch 3 now, not in epoch 2" in printed


def test_torch_trains_the_recipe(corpus_file, tmp_path):
    settings = replace(EVERYTHING, backend="torch")
    corpus, run, silent = Corpus.load(corpus_file), RunDirectory(tmp_path / "run"), io.StringIO()
    run.create(asdict(settings))
    job = Trainer(settings, corpus, torch_learner(settings, len(corpus.vocabulary)), run,
                  Progress(silent, silent), "风")
    assert job.run()
    loaded, _ = checkpoint.load(tmp_path / "run" / "model.safetensors")
    for name, p in job.learner.result.parameters.items():
        assert np.array_equal(loaded.parameters[name], p), name
