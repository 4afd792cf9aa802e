"""Several workers are one: the same bits for any number of them, and one clear end when something goes wrong.

Most tests here run the workers as threads; test_distributed.py runs them as processes of torchrun.
"""

import io
from dataclasses import asdict, replace

import numpy as np
import pytest
from helpers.together import run_together
from hypothesis import given
from hypothesis import strategies as st
from test_trainer import SETTINGS, results

from scratch_lstm import PoemModel
from scratch_lstm.errors import DivergedError, InputError, SharedError, WorkerLost
from scratch_lstm.poems.corpus import Corpus
from scratch_lstm.training import run_directory
from scratch_lstm.training.data_parallel import DataParallel
from scratch_lstm.training.learner import make_learner
from scratch_lstm.training.ordered_sum import add_up, middle, nodes_within, share
from scratch_lstm.training.progress import Progress
from scratch_lstm.training.roles import for_workers, run_of
from scratch_lstm.training.run_directory import RunDirectory
from scratch_lstm.training.settings import Settings
from scratch_lstm.training.trainer import Trainer
from scratch_lstm.training.workers import ALONE, check_same

RECIPE = replace(SETTINGS, shards=4, tie_embedding=True, embedding_dropout=0.2, shared_masks=True,
                 average=0.9, schedule="cosine", weight_decay=0.1)


# The order of the sum

@given(count=st.integers(1, 40), workers=st.integers(1, 45), seed=st.integers(0, 99))
def test_the_sum_has_the_same_bits_for_any_number_of_workers(count, workers, seed):
    rng = np.random.default_rng(seed)
    vectors = rng.normal(size=(count, 5)).astype("float32") * 10.0 ** rng.integers(-4, 4, (count, 1))
    vectors = vectors.astype("float32")

    def leaves(begin, end):
        return {(n, n + 1): vectors[n].copy() for n in range(begin, end)}

    alone, finished = add_up((0, count), leaves(0, count)), {}
    shares = [share(count, worker, workers) for worker in range(workers)]
    assert shares[0][0] == 0 and shares[-1][1] == count
    assert all(a[1] == b[0] for a, b in zip(shares, shares[1:]))
    sizes = [end - begin for begin, end in shares]
    assert max(sizes) - min(sizes) <= 1
    for part in shares:
        nodes = list(nodes_within((0, count), part))
        assert [n for begin, end in nodes for n in range(begin, end)] == list(range(*part))
        finished |= {node: add_up(node, leaves(*node)) for node in nodes}
    assert add_up((0, count), finished).tobytes() == alone.tobytes()


def test_the_tree_of_six():
    assert [middle((0, 6)), middle((0, 4)), middle((4, 6)), middle((0, 5)), middle((0, 2))] == [4, 2, 5, 4, 1]
    assert list(nodes_within((0, 6), (0, 3))) == [(0, 2), (2, 3)]
    assert list(nodes_within((0, 6), (3, 6))) == [(3, 4), (4, 6)]


# One batch

def gradient(workers, shards, tokens, threads=1, **options):
    """The bits of the gradient and of the loss."""
    model = PoemModel(11, 5, 6, 2, dropout=0.5, dtype="float64", seed=2)
    loss = DataParallel(model, threads, shards, workers, **options).loss_and_gradient(tokens, (4, 7))
    return model.flat_gradients.tobytes(), loss.tobytes()


@pytest.mark.parametrize("shards", [1, 2, 3, 6])
@pytest.mark.parametrize("threads", [1, 3])
def test_one_batch_has_the_same_bits_for_any_number_of_workers(shards, threads):
    """And they do share it: each sends what it has."""
    tokens = np.random.default_rng(0).integers(0, 11, (6, 13))
    expected = gradient(ALONE, shards, tokens)
    for size in (2, 3, 7):
        found = run_together(size, lambda w: (*gradient(w, shards, tokens, threads), w.sent > 0))
        assert found == [(*expected, True)] * size


@pytest.mark.parametrize("shards, size", [(6, 2), (5, 3), (2, 3)])
def test_the_fast_sum_of_one_batch(shards, size):
    """Equal to rounding, and one vector is exchanged, whatever the shards."""
    tokens = np.random.default_rng(0).integers(0, 11, (6, 13))
    expected = [np.frombuffer(bits) for bits in gradient(ALONE, shards, tokens)]
    for found in run_together(size, lambda w: (*gradient(w, shards, tokens, in_order=False), w.sent)):
        for a, b in zip(map(np.frombuffer, found[:2]), expected):
            assert np.max(np.abs(a - b)) <= 1e-14 * np.max(np.abs(b))
        assert found[2] == 0                                # nothing is gathered


def test_the_setting_decides_the_order():
    for reduce in ("ordered", "fast"):
        learner = make_learner(replace(SETTINGS, reduce=reduce, shards=2), 11)
        assert learner.data_parallel.in_order is (reduce == "ordered")


def test_what_differs_is_named():
    class Both:
        def collect(self, value):
            return [value, {**value, "step": 3}, {**value, "step": 4, "corpus": "b"}]

    with pytest.raises(SharedError) as error:
        check_same(Both(), {"corpus": "a", "step": 2})
    assert str(error.value) == ("worker 1 has another step than worker 0: 3, not 2; all workers need the "
                                "same")


# Training

def train(workers, settings, corpus_file, folder, change=lambda trainer: None, interrupted=lambda: False):
    """One worker's part of a run; what `change` does to its Trainer comes first."""
    corpus, run = Corpus.load(corpus_file), run_of(folder, "x", workers)
    if workers.rank == 0 and not run.has_config:
        run.create(asdict(settings))
    workers.any(False)
    silent = io.StringIO()
    learner = make_learner(settings, len(corpus.vocabulary), workers)
    job = Trainer(settings, corpus, learner, run, Progress(silent, silent), "风", interrupted, workers)
    change(job)
    return job.run()


def alone(settings, corpus_file, folder):
    assert train(ALONE, settings, corpus_file, folder)
    return results(folder)


@pytest.mark.parametrize("backend, threads", [("numpy", 1), ("numba", 1), ("numba", 3)])
@pytest.mark.parametrize("size", [1, 2, 3, 4])
def test_any_number_of_workers_gives_the_same_bits(corpus_file, tmp_path, backend, threads, size):
    """Batches of 8 in 4 shards; the parameters, the averages, the losses, the log: all of it."""
    settings = replace(RECIPE, backend=backend, threads=threads)
    expected = alone(replace(settings, threads=1), corpus_file, tmp_path / "alone")
    done = run_together(size, lambda workers: train(workers, settings, corpus_file, tmp_path / "run"))
    assert done == [True] * size
    assert results(tmp_path / "run") == expected


def test_batches_smaller_than_the_shards(corpus_file, tmp_path):
    """7 shards, batches of 5 and a last one of 2: some workers have nothing to do."""
    settings = replace(RECIPE, batch_size=5, shards=7)
    expected = alone(settings, corpus_file, tmp_path / "alone")
    assert run_together(6, lambda w: train(w, settings, corpus_file, tmp_path / "run")) == [True] * 6
    assert results(tmp_path / "run") == expected


def test_another_number_of_shards_is_another_rounding(corpus_file, tmp_path):
    four, five = (alone(replace(RECIPE, dropout=0.0, embedding_dropout=0.0, shards=n), corpus_file,
                        tmp_path / str(n)) for n in (4, 5))
    one, other = (np.frombuffer(run[1]["vector"], "float32") for run in (four, five))
    assert not np.array_equal(one, other)
    assert np.max(np.abs(one - other)) <= 1e-4 * np.max(np.abs(one))


def test_the_fast_sum_is_the_same_to_rounding(corpus_file, tmp_path):
    settings = replace(RECIPE, dtype="float64", reduce="fast")
    expected = alone(settings, corpus_file, tmp_path / "alone")
    assert run_together(3, lambda w: train(w, settings, corpus_file, tmp_path / "run")) == [True] * 3
    one, other = (np.frombuffer(run[1]["vector"]) for run in (results(tmp_path / "run"), expected))
    assert np.max(np.abs(one - other)) <= 1e-9 * np.max(np.abs(other))


def test_what_is_sent_does_not_grow_with_the_shards(corpus_file, tmp_path):
    """Two workers, 8 shards: each sends one vector, the sum of its four."""
    settings = replace(RECIPE, shards=8, epochs=1)
    sent = run_together(2, lambda w: (train(w, settings, corpus_file, tmp_path / "run"), w.sent)[1])
    corpus = Corpus.load(corpus_file)
    parameters = make_learner(settings, len(corpus.vocabulary)).model.flat_parameters.size
    assert sent == [4 * 4 * (parameters + 1)] * 2                # 4 steps, 4 bytes a number


def test_resumed_by_another_number_of_workers(corpus_file, tmp_path):
    """A worker is killed at step 5; two of three go on from the last checkpoint."""
    expected = alone(RECIPE, corpus_file, tmp_path / "alone")

    def kill(job):
        step = job.learner.step

        def die(tokens, number, rate):
            if number == 5 and job.workers.rank == 1:
                raise KeyboardInterrupt
            return step(tokens, number, rate)

        job.learner.step = die

    ends = run_together(3, lambda w: train(w, RECIPE, corpus_file, tmp_path / "run", kill))
    assert [type(end) for end in ends] == [WorkerLost, KeyboardInterrupt, WorkerLost]
    assert RunDirectory(tmp_path / "run").last_saved()[0].step == 4
    assert run_together(2, lambda w: train(w, RECIPE, corpus_file, tmp_path / "run")) == [True] * 2
    assert results(tmp_path / "run") == expected


# When something goes wrong

def test_one_worker_is_asked_to_stop_and_all_stop(corpus_file, tmp_path):
    def work(workers):
        steps = iter(range(1, 100))
        return train(workers, RECIPE, corpus_file, tmp_path / "run",
                     interrupted=lambda: workers.rank == 1 and next(steps) == 3)

    assert run_together(3, work) == [False] * 3
    assert RunDirectory(tmp_path / "run").last_saved()[0].step == 3
    assert run_together(2, lambda w: train(w, RECIPE, corpus_file, tmp_path / "run")) == [True] * 2
    assert results(tmp_path / "run") == alone(RECIPE, corpus_file, tmp_path / "alone")


def test_a_worker_with_another_corpus(corpus_file, tmp_path):
    other = tmp_path / "other.txt"
    other.write_text(corpus_file.read_text(encoding="utf-8").replace("山", "水"), encoding="utf-8")
    ends = run_together(2, lambda w: train(w, RECIPE, [corpus_file, other][w.rank], tmp_path / "run"))
    for end in ends:
        assert isinstance(end, SharedError)
        assert str(end).startswith("worker 1 has another corpus than worker 0")
    assert not (tmp_path / "run" / "state.safetensors").exists()


def test_a_worker_with_another_setting(corpus_file, tmp_path):
    ends = run_together(2, lambda w: train(w, replace(RECIPE, clip=1.0 + w.rank), corpus_file,
                                           tmp_path / "run"))
    assert all("worker 1 has another setting than worker 0" in str(end) for end in ends)


def test_a_nan_of_one_worker_is_seen_by_all(corpus_file, tmp_path):
    def spoil(job):
        if job.workers.rank == 1:
            job.learner.model.flat_parameters[3] = np.nan

    def late(job):                       # after the check that all begin alike
        step = job.learner.step

        def spoiled(*arguments):
            spoil(job)
            return step(*arguments)

        job.learner.step = spoiled

    ends = run_together(2, lambda w: train(w, RECIPE, corpus_file, tmp_path / "run", late))
    assert [type(end) for end in ends] == [DivergedError] * 2 and str(ends[0]) == str(ends[1])
    ends = run_together(2, lambda w: train(w, RECIPE, corpus_file, tmp_path / "run2", spoil))
    assert all("another start than worker 0" in str(end) for end in ends)


def test_worker_0_cannot_save(corpus_file, tmp_path, monkeypatch):
    def full(*arguments, **options):
        raise InputError("the disk is full")

    monkeypatch.setattr(run_directory.checkpoint, "write_arrays", full)
    ends = run_together(3, lambda w: train(w, RECIPE, corpus_file, tmp_path / "run"))
    assert str(ends[0]) == "the disk is full" and not isinstance(ends[0], SharedError)
    for end in ends[1:]:                                                  # worker 0 alone prints its reason
        assert isinstance(end, SharedError) and str(end) == "another worker could not save the run"


def test_what_several_workers_cannot_do():
    def settings_of(**options):
        return lambda workers: for_workers(Settings(**options), workers)

    assert [s.shards for s in run_together(2, settings_of(backend="numpy"))] == [8, 8]
    assert for_workers(Settings(), ALONE).shards == 0
    for options, message in ((dict(backend="torch"), "--backend torch is for one process"),
                             (dict(shards=2), "--shards 2: fewer than the 3 workers")):
        assert all(message in str(end) for end in run_together(3, settings_of(**options)))
