"""The figures of --evaluate: against direct computations, of other models' files, as a person meets them."""

import hashlib
import json
import shutil

import numpy as np
import pytest
from helpers.small_run import TINY
from hypothesis import given
from hypothesis import strategies as st
from test_rhyme import TEXT

from scratch_lstm import PoemModel
from scratch_lstm.errors import InputError
from scratch_lstm.evaluation import likelihood, rhyme
from scratch_lstm.evaluation.bootstrap import interval
from scratch_lstm.evaluation.likelihood import Poems
from scratch_lstm.evaluation.other_model import as_lines, read_log_probabilities
from scratch_lstm.evaluation.samples import ROWS, Ruler, sample, shuffled
from scratch_lstm.poems.corpus import Corpus
from scratch_lstm.poems.vocabulary import Vocabulary, is_punctuation
from scratch_lstm.training import evaluate

FORM = "字字字字字，字字字字字。字字字字字，字字字字字。"


def write_corpus(path, poems=60):
    """Made-up poems of one form over the characters of four real ones."""
    rng = np.random.default_rng(1)
    path.write_text("".join("".join("".join(rng.choice(list(TEXT), 5)) + mark for mark in "，。，。") + "\n"
                            for _ in range(poems)), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A finished run, with its corpus in poems.txt beside it."""
    import train_poems
    folder = tmp_path_factory.mktemp("evaluated")
    corpus = write_corpus(folder / "poems.txt")
    flags = [*TINY, "--held-out", "0.2", "--corpus", str(corpus), "--out", str(folder / "run")]
    assert train_poems.main(flags) == 0
    return folder / "run"


@pytest.fixture
def ragged(tmp_path):
    """Poems of lengths from 1 to 40."""
    rng = np.random.default_rng(2)
    file = tmp_path / "ragged.txt"
    file.write_text("\n".join("".join(rng.choice(list("春夏秋冬风雨，。"), n)) for n in range(1, 41)), "utf-8")
    return Corpus.load(file)


# the model's probabilities

@pytest.mark.parametrize("at_a_time", [1, 100, 10**6])
def test_log_probabilities_are_those_of_each_poem_alone(ragged, at_a_time, monkeypatch):
    """Whatever the batches, and the parts of a long poem."""
    monkeypatch.setattr(likelihood, "NUMBERS_AT_A_TIME", at_a_time)
    model = PoemModel(len(ragged.vocabulary), 4, 5, 2, dropout=0.5, dtype="float64", seed=1)
    model.flat_parameters *= 5
    indices = np.array([3, 30, 7, 8, 39, 0])
    poems, done = Poems.of(ragged, indices), []
    found = poems.log_probabilities(model, done.append)
    assert model.training and sum(done) == len(indices)
    model.training = False
    expected = []
    for index in indices:
        tokens = ragged.vectors[index][:, None]
        logits = model.forward(tokens[:-1])[0][:, 0]
        p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
        expected += np.log(p[np.arange(len(p)), tokens[1:, 0]]).tolist()
    np.testing.assert_allclose(found, expected, rtol=1e-12)
    for threads in (2, 3, 99):
        assert np.array_equal(poems.log_probabilities(model, threads=threads), found)
    losses = [float(model.loss(ragged.vectors[n][:, None])) * (ragged.lengths[n] - 1) for n in indices]
    figures = poems.figures(found)
    predictions = (ragged.lengths[indices] - 1).sum()
    assert figures["nats_per_prediction"][0] == pytest.approx(sum(losses) / predictions)
    text = "".join(ragged.poems[n] + "E" for n in indices)
    proper = [-p for p, c in zip(expected, text) if c != "E" and not is_punctuation(c)]
    assert figures["nats_per_character"][0] == pytest.approx(np.mean(proper), rel=1e-12)
    assert figures["perplexity"][0] == pytest.approx(np.exp(-np.mean(expected)), rel=1e-12)


def test_totals_of_poems_give_the_same_figure_but_no_characters(ragged):
    poems = Poems.of(ragged, np.arange(40))
    log_p = -np.random.default_rng(0).random(poems.poem.size)
    whole, totals = poems.figures(log_p), poems.figures(np.bincount(poems.poem, log_p))
    assert totals["nats_per_prediction"] == pytest.approx(whole["nats_per_prediction"], rel=1e-12)
    assert totals["nats_per_character"] is None


@given(st.integers(1, 50), st.integers(0, 2**32 - 1))
def test_the_interval_has_the_value_and_is_seeded(N, seed):
    rng = np.random.default_rng(seed)
    counts = rng.integers(1, 9, N)
    sums = rng.normal(5, 1, N) * counts
    low, high = interval(sums, counts, seed)
    assert low <= high and (low, high) == interval(sums, counts, seed)
    assert (sums / counts).min() - 1e-9 <= low and high <= (sums / counts).max() + 1e-9


def test_the_interval_is_that_of_the_normal_distribution():
    sums = np.random.default_rng(0).normal(3, 2, 4000)
    low, high = interval(sums, np.ones(4000))
    half = 1.96 * sums.std() / np.sqrt(4000)
    assert abs(low - (sums.mean() - half)) <= 0.2 * half and abs(high - (sums.mean() + half)) <= 0.2 * half
    with pytest.raises(ValueError):
        interval(sums[:0], sums[:0])


# files of other models

LENGTHS = np.array([3, 1, 2])


@pytest.mark.parametrize("text, expected", [
    ("-1.5\n-2\n-0\n", [-1.5, -2, 0]), ("\ufeff-1\r\n-2\r\n-3", [-1, -2, -3]),
    ("-1\n-2\n1e-9\n\n \n", [-1, -2, 1e-9]),
    ("[-1, -2, -3]\n[-4]\n[-5, -6.5]", [-1, -2, -3, -4, -5, -6.5])])
def test_files_that_are_read(tmp_path, text, expected):
    (tmp_path / "f").write_text(text, encoding="utf-8", newline="")
    assert read_log_probabilities(tmp_path / "f", LENGTHS).tolist() == expected


@pytest.mark.parametrize("text, message", [
    ("-1\n-2", "has 2 lines; it must have one for each of the 3 held-out poems"),
    ("-1\n-2\n-3\n-4", "has 4 lines"), ("", "has 0 lines"),
    ("-1\n[-2]\n-3", "line 2: lists and single numbers are mixed"),
    ("[-1, -2]\n[-3]\n[-4, -5]", "line 1: has 2 numbers; the poem has 2 characters, so with its end 3 are"),
    ("-1\nNaN\n-3", "line 2: NaN is not a finite number"), ("-1\n-2\n-1e999", "line 3: -Infinity"),
    ("[-1, null, -3]\n[-3]\n[-4, -5]", "line 1: null is not a finite"),
    ("-1\n-2\n-Infinity", "line 3: -Infinity is not a finite"),
    ("-1\n2.5\n-3", "line 2: 2.5 is above 0"), ("[-1, true, -3]\n[-3]\n[-4, -5]", "line 1: true is not"),
    ("-1\nx\n-3", "line 2: not a number, nor a list"), ('-1\n{"a": 1}\n-3', "line 2: not a number"),
    ("-1\n\n-3", "line 2: not a number"), ("-1\n" + "[" * 10**5 + "\n-3", "line 2: not a number")])
def test_files_that_are_refused(tmp_path, text, message):
    (tmp_path / "f").write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match="^[^\n]*" + message.replace("[", r"\[")):
        read_log_probabilities(tmp_path / "f", LENGTHS)


def test_a_file_that_is_no_text(tmp_path):
    (tmp_path / "f").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="is not UTF-8"):
        read_log_probabilities(tmp_path / "f", LENGTHS)
    with pytest.raises(InputError, match="No such file"):
        read_log_probabilities(tmp_path / "g", LENGTHS)


@given(st.lists(st.one_of(st.text(), st.floats().map(str), st.integers().map(str),
                          st.lists(st.one_of(st.floats(), st.integers(-10**400, 10), st.none()))
                          .map(json.dumps)), min_size=3, max_size=3))
def test_any_lines_are_read_or_refused(tmp_path_factory, lines):
    file = tmp_path_factory.mktemp("any") / "f"
    file.write_text("\n".join(lines), encoding="utf-8", errors="replace")
    try:
        assert np.isfinite(read_log_probabilities(file, LENGTHS)).all()
    except InputError as error:
        assert str(error).startswith(str(file)) and "\n" not in str(error)


def test_what_is_written_is_read_again(tmp_path):
    values = -np.random.default_rng(0).exponential(size=6)
    (tmp_path / "f").write_text(as_lines(values, LENGTHS), encoding="utf-8")
    np.testing.assert_allclose(read_log_probabilities(tmp_path / "f", LENGTHS), values, rtol=1e-5)


# poems

def ruler(training=("白日依山尽，黄河入海流。欲穷千里目，更上一层楼。",), form=FORM):
    words = dict.fromkeys("GE，。" + TEXT + "".join(training))
    return Ruler(Vocabulary(tuple(words), form, 24), list(training))


def test_every_row_by_hand():
    poems = ["白日依山尽，黄河入海流。月明床前光，更上一层楼。",      # three lines known, 流 and 楼 rhyme, tones broken
             "白日依山尽，黄河入海流。欲穷千里目，更上一层光。",      # a run of 22; tones kept
             "春眠春眠春，啼鸟啼鸟啼。多少多少多，花落花落花。",
             "春眠春眠春"]
    found = ruler().measure(poems)
    assert list(found) == list(ROWS)
    assert found["form_kept"] == 3 / 4
    assert found["rhyme_pingshui"] == found["rhyme_modern"] == 1 / 4
    assert found["tone_pattern"] == 1 / 4
    assert found["distinct_characters"] == (20 + 20 + 8 + 2) / 4
    assert found["repeated_character"] == 2 / 4
    assert found["training_lines"] == 6 / 13 and found["poems_with_training_line"] == 2 / 4
    assert found["longest_run"] == 22 and found["longest_run_mean"] == (12 + 22 + 1 + 0) / 4     # 1: a mark
    assert found["repeated_lines"] == 6 / 13                    # 白日依山尽, 黄河入海流, 春眠春眠春 twice each
    assert ruler().measure(poems, 1)["repeated_lines"] == 0


def test_shuffled_poems_keep_characters_and_marks():
    poems = ["白日，依山。", "黄河", "", "入海流。"]
    mixed = shuffled(poems, 0)
    assert [len(poem) for poem in mixed] == [len(poem) for poem in poems] and mixed != poems
    assert sorted("".join(mixed)) == sorted("".join(poems)) and mixed[0][2] == "，" and mixed[3][3] == "。"
    assert shuffled(poems, 0) == mixed != shuffled(poems, 1)


@pytest.mark.parametrize("form, rows, reason", [
    (None, {"form_kept", "rhyme_pingshui", "rhyme_modern", "tone_pattern"}, "share no form"),
    ("字字字字字，字字字字字。", {"rhyme_pingshui", "rhyme_modern", "tone_pattern"}, "2 of the 4 lines"),
    ("字字字字，" * 4, {"tone_pattern"}, "5 or 7 characters each"),
    ("字字字字字，字字字字字字字。" * 2, {"tone_pattern"}, "5 or 7 characters each"),
    ("字字字字字字字，" * 4, set(), None), (FORM * 2, set(), None)])
def test_rows_that_make_no_sense_are_left_out(form, rows, reason):
    one = ruler(form=form)
    assert set(one.left_out) == rows and all(reason in said for said in one.left_out.values())
    measured = one.measure(["白日依山尽"])
    assert {row for row, value in measured.items() if value is None} == rows


def test_texts_without_chinese_have_no_lines():
    words = Vocabulary((*"GE abcdefgh",), None, 24)
    assert set(Ruler(words, ["abcd efgh"]).left_out) >= {"training_lines", "repeated_lines"}


def test_samples_are_seeded_and_do_not_depend_on_progress():
    words = Vocabulary(tuple("GE，。" + TEXT[:9]), None, 12)
    model, done = PoemModel(len(words), 3, 4, 1), []
    poems = sample(model, words, 1200, 5, done.append)
    assert len(poems) == sum(done) == 1200 and poems == sample(model, words, 1200, 5)
    assert poems != sample(model, words, 1200, 6)
    assert poems == sample(model, words, 1200, 5, threads=3)


# the command

def test_the_command(main, run, tmp_path):
    status, printed = main("--evaluate", run, "--count", 30, "--seed", 1, "--json", tmp_path / "f.json",
                           "--picture", tmp_path / "f.png", "--export", tmp_path / "split")
    assert status == 0
    figures = json.loads((tmp_path / "f.json").read_text(encoding="utf-8"))
    logged = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    best = min(line["held_out_loss"] for line in logged if "held_out_loss" in line)
    assert figures["models"][0]["nats_per_prediction"][0] == pytest.approx(best, rel=1e-5)
    names = [model["name"] for model in figures["models"]]
    assert names == ["this model", *evaluate.NGRAM_NAMES] and all(name in printed for name in names)
    assert all(name in printed for name in ROWS.values()) and f"{best:.3f} [" in printed
    assert (tmp_path / "f.png").read_bytes().startswith(b"\x89PNG")
    split = figures["split"]
    for file, side in (("train.txt", "training"), ("held_out.txt", "held_out")):
        data = (tmp_path / "split" / file).read_bytes()
        assert hashlib.sha256(data).hexdigest() == split[f"{side}_sha256"] in printed
        assert data.count(b"\n") == split[f"{side}_poems"]
    assert split["predictions"] == 25 * split["held_out_poems"] == 300
    assert figures["samples"]["sampled"]["poems"] == 30

    file = tmp_path / "split" / "log_probabilities.jsonl"
    status, printed = main("--evaluate", run, "--count", 5, "--log-probabilities", file, "--json", "-")
    ours, theirs = json.loads(printed)["models"][:2]
    assert theirs["name"] == "log_probabilities.jsonl"
    for what in ("nats_per_prediction", "nats_per_character"):
        assert theirs[what] == pytest.approx(ours[what], rel=1e-5)


def test_the_command_changes_nothing_in_the_run(main, run):
    before = {file.name: file.read_bytes() for file in run.iterdir()}
    assert main("--evaluate", run, "--count", 3)[0] == 0
    assert {file.name: file.read_bytes() for file in run.iterdir()} == before


def test_a_corpus_that_was_moved(main, run, tmp_path):
    shutil.copytree(run, tmp_path / "run")
    config = json.loads((tmp_path / "run" / "config.json").read_text(encoding="utf-8"))
    config["corpus"] = str(tmp_path / "gone.txt")
    (tmp_path / "run" / "config.json").write_text(json.dumps(config), encoding="utf-8")
    status, printed = main("--evaluate", tmp_path / "run")
    assert status == 2 and f"--evaluate {tmp_path / 'run'} --corpus FILE" in printed
    assert main("--evaluate", tmp_path / "run", "--corpus", run.parent / "poems.txt", "--count", 3)[0] == 0


@pytest.mark.parametrize("flags, message", [
    (["--count", 0], "--count 1 or more"), (["--seed", -1], "--seed 0 or more"),
    (["--threads", 0], "--threads must be"),
    (["--epochs", 3], "--epochs has no effect with --evaluate"), (["--strict"], "--strict has no effect"),
    (["--log-probabilities", "gone"], "gone: No such file"), (["--json", "no/a.json"], "--json no/a.json"),
    (["--picture", "x.jpg"], "ends in .png"), (["--export", "."], "--export .: exists already")])
def test_what_the_command_refuses(main, run, flags, message):
    status, printed = main("--evaluate", run, *flags)
    assert status == 2 and printed.startswith("error: ") and printed.count("\n") == 1 and message in printed


def test_flags_of_evaluation_alone(main):
    status, printed = main("--json", "f", "--out", "nowhere")
    assert status == 2 and "--json has no effect" in printed


def test_nothing_held_out(main, tmp_path):
    flags = [*TINY, "--corpus", write_corpus(tmp_path / "poems.txt"), "--out", tmp_path / "run"]
    assert main(*flags, "--held-out", 0)[0] == 0
    status, printed = main("--evaluate", tmp_path / "run")
    assert status == 2 and "no poems were held out" in printed and printed.count("\n") == 1


def test_another_model_and_no_model(main, run, finished_run, tmp_path):
    shutil.copytree(run, tmp_path / "run")
    shutil.copy(finished_run / "best.safetensors", tmp_path / "run" / "best.safetensors")
    status, printed = main("--evaluate", tmp_path / "run")
    assert status == 2 and "its vocabulary is not that of" in printed
    for name in ("best", "model"):
        (tmp_path / "run" / f"{name}.safetensors").unlink()
    assert main("--evaluate", tmp_path / "run")[0] == 2
    assert main("--evaluate", tmp_path / "gone")[0] == 2


def test_without_the_packages_the_rows_say_so(main, run, monkeypatch):
    monkeypatch.setattr(rhyme, "find_spec", lambda name: None)
    monkeypatch.setitem(__import__("sys").modules, "pypinyin", None)
    rhyme.pingshui.cache_clear()
    status, printed = main("--evaluate", run, "--count", 3)
    assert status == 0 and printed.count("this needs pip install 'scratch-lstm[rhyme]'") == 3


def test_a_picture_without_matplotlib(main, run, monkeypatch, tmp_path):
    monkeypatch.setitem(__import__("sys").modules, "matplotlib", None)
    status, printed = main("--evaluate", run, "--picture", tmp_path / "f.png")
    assert status == 2 and "pip install 'scratch-lstm[plots]'" in printed
    assert not (tmp_path / "f.png").exists()


def test_poems_of_all_lengths_and_of_one_held_out(main, tmp_path):
    poems = ["春风", "秋月山", "大江东去", "春风又绿江南岸，明月何时", "风"]
    (tmp_path / "poems.txt").write_text("\n".join(poems), encoding="utf-8")
    assert main(*TINY, "--corpus", tmp_path / "poems.txt", "--out", tmp_path / "run")[0] == 0
    status, printed = main("--evaluate", tmp_path / "run", "--count", 7, "--picture", tmp_path / "f.png")
    assert status == 0 and "1 held-out poems" in printed and "[" not in printed.split("In [ ]")[0]
    assert printed.count("the poems of the corpus share no form") == 4
