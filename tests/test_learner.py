"""Training here and training in torch: the same start, batches and masks give the same losses."""

import io
from dataclasses import asdict, replace

import numpy as np
import pytest
import torch

from scratch_lstm import get_backend
from scratch_lstm.poems.corpus import Corpus
from scratch_lstm.poems.generate import generate
from scratch_lstm.training import checkpoint, trainer
from scratch_lstm.training.learner import make_learner
from scratch_lstm.training.progress import Progress
from scratch_lstm.training.run_directory import RunDirectory
from scratch_lstm.training.settings import Settings
from torch_ref import convert, learner
from torch_ref.compare import Pair, compare

SETTINGS = Settings(backend="numpy", dtype="float64", epochs=10, batch_size=8, embedding_size=10,
                    hidden_size=12, held_out=0.0, learning_rate=1e-2)    # 5 steps an epoch
PROMPTS = ["风", "花雪", "山"]


@pytest.fixture
def corpus(corpus_file):
    return Corpus.load(corpus_file)


@pytest.mark.parametrize("backend, threads", [("numpy", 1), ("numba", 1), ("numba", 2)])
def test_fifty_steps_are_the_same_to_rounding(corpus, backend, threads):
    settings = replace(SETTINGS, backend=backend, threads=threads)
    pair = Pair(settings, len(corpus.vocabulary))
    torch.set_num_threads(1)    # two would spin in each other's way, and give the same sums anyway
    steps = list(pair.steps(settings, corpus))
    assert len(steps) == 50 and steps[-1][1] < steps[0][1] - 0.3         # it did learn
    assert all(abs(ours - theirs) <= 1e-9 * theirs for _, ours, theirs, _ in steps)
    assert pair.weights_apart() <= 1e-8


@pytest.mark.parametrize("backend, threads", [("numpy", 1), ("numba", 1), ("numba", 2), ("numba", 3)])
@pytest.mark.parametrize("num_layers", [1, 3])
def test_fifty_steps_with_dropout_are_the_same_to_rounding(corpus, backend, threads, num_layers):
    """torch gets the masks that are drawn here; batches of 7, so that shards and the last batch differ."""
    settings = replace(SETTINGS, backend=backend, threads=threads, dropout=0.4, num_layers=num_layers,
                       batch_size=7, epochs=9)
    pair = Pair(settings, len(corpus.vocabulary))
    steps = list(pair.steps(settings, corpus))
    assert len(steps) == 54 and {poems for *_, poems in steps} == {7, 5}
    assert all(abs(ours - theirs) <= 1e-9 * theirs for _, ours, theirs, _ in steps)
    assert pair.weights_apart() <= 1e-8
    plain = list(Pair(replace(settings, dropout=0.0), len(corpus.vocabulary)).steps(
        replace(settings, dropout=0.0), corpus))
    assert abs(steps[-1][1] - plain[-1][1]) > 1e-3             # dropout was at work


def test_what_a_learner_returns_is_a_copy(corpus):
    one = make_learner(SETTINGS, len(corpus.vocabulary))
    for array in one.arrays().values():
        array[...] = np.nan
    assert all(np.isfinite(array).all() for array in one.arrays().values())


def test_fifty_steps_with_clipping_at_work(corpus):
    settings = replace(SETTINGS, clip=0.01)
    pair = Pair(settings, len(corpus.vocabulary))
    assert all(abs(a - b) <= 1e-9 * b for _, a, b, _ in pair.steps(settings, corpus))
    assert pair.weights_apart() <= 1e-8


def test_the_picture_and_the_figures_of_the_comparison(corpus, tmp_path):
    out = io.StringIO()
    apart = compare(replace(SETTINGS, epochs=2, dropout=0.5), corpus, tmp_path / "run", Progress(out, out))
    assert apart <= 1e-9
    printed = out.getvalue()
    assert "epoch  1  here" in printed and "losses of 10 steps within" in printed
    assert (tmp_path / "run" / "compare.png").read_bytes().startswith(b"\x89PNG")
    assert len((tmp_path / "run" / "compare.jsonl").read_text().splitlines()) == 10


def trained(settings, corpus, make_learner, steps=20):
    one = make_learner(settings, len(corpus.vocabulary))
    rng = np.random.default_rng(0)
    batches = [batch for _ in range(4) for batch in corpus.batches(np.arange(40), 8, rng)]
    for number in range(steps):
        one.step(batches[number], number)
    return one


def test_a_model_trained_here_writes_the_same_poems_in_torch(corpus, tmp_path):
    ours = trained(SETTINGS, corpus, make_learner).model
    checkpoint.save(tmp_path / "m.safetensors", ours, corpus.vocabulary)
    theirs = learner.TorchModel(convert.from_torch(convert.load(tmp_path / "m.safetensors")[0]))
    poems = generate(ours, corpus.vocabulary, PROMPTS, limit=24)
    assert generate(theirs, corpus.vocabulary, PROMPTS, limit=24) == poems and len(set(poems)) == 3


def test_a_model_trained_in_torch_writes_the_same_poems_here(corpus, tmp_path):
    theirs = trained(SETTINGS, corpus, learner.make_learner).model
    checkpoint.save(tmp_path / "m.safetensors", theirs, corpus.vocabulary)
    ours, words = checkpoint.load(tmp_path / "m.safetensors")
    assert generate(ours, words, PROMPTS, limit=24) == generate(theirs, words, PROMPTS, limit=24)


def test_torch_learner_goes_on_to_the_same_bits(corpus):
    settings = replace(SETTINGS, dropout=0.3, dtype="float32")
    whole = trained(settings, corpus, learner.make_learner)
    half = trained(settings, corpus, learner.make_learner, steps=10)
    other = learner.make_learner(settings, len(corpus.vocabulary))
    other.restore(half.arrays(), 10)
    rng = np.random.default_rng(0)
    batches = [batch for _ in range(4) for batch in corpus.batches(np.arange(40), 8, rng)]
    for number in range(10, 20):
        other.step(batches[number], number)
    for name, array in whole.arrays().items():
        assert np.array_equal(array, other.arrays()[name]), name


def test_torchs_second_bias_stays_zero(corpus):
    net = trained(SETTINGS, corpus, learner.make_learner).model.net
    assert not any(p.any() for name, p in net.lstm.named_parameters() if name.startswith("bias_hh"))


def test_a_whole_run_with_torch(corpus, corpus_file, tmp_path):
    settings = replace(SETTINGS, epochs=2, held_out=0.2, backend="torch")
    run = RunDirectory(tmp_path / "run")
    run.create(asdict(settings))
    silent = io.StringIO()
    one = learner.make_learner(settings, len(corpus.vocabulary))
    job = trainer.Trainer(settings, corpus, one, run, Progress(silent, silent), "风")
    assert job.run() and job.position.best_loss is not None
    same = learner.make_learner(settings, len(corpus.vocabulary))
    again = trainer.Trainer(settings, corpus, same, run, Progress(silent, silent), "风")
    assert torch.equal(same.model.flat_parameters, one.model.flat_parameters)
    assert again.position == job.position
    assert get_backend("numpy").to_host(same.model.parameters["b1"]).dtype == np.float64
