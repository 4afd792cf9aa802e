"""A run goes on elsewhere: with the poems that it learnt, wherever their file is."""

import json
import shutil
from pathlib import Path

import pytest
from helpers.small_run import TINY

from scratch_lstm.training import commands, memory, run_config
from scratch_lstm.training.settings import LARGEST, Settings

OLD_RUN = Path(__file__).parent / "data" / "old_run"


def config_of(run):
    return json.loads((run / "config.json").read_text(encoding="utf-8"))


def test_a_corpus_that_was_moved(corpus_file, tmp_path, main):
    run, moved = tmp_path / "run", tmp_path / "elsewhere.txt"
    assert main(*TINY, "--corpus", corpus_file, "--out", run)[0] == 0
    moved.write_bytes(corpus_file.read_bytes().replace(b"\n", b"\r\n"))       # the same poems
    corpus_file.unlink()
    status, printed = main("--resume", run, "--epochs", "2")
    assert status == 2 and f"--resume {run} --corpus FILE" in printed
    assert main("--resume", run, "--epochs", "2", "--corpus", moved)[0] == 0
    assert config_of(run)["corpus"] == str(moved)
    assert main("--resume", run, "--epochs", "3")[0] == 0


def test_a_run_folder_that_was_copied_goes_on_as_at_its_old_place(corpus_file, tmp_path, main):
    """Folder and corpus are elsewhere, the old ones are gone: the same bits as where nothing moved."""
    home, away = tmp_path / "home", tmp_path / "another machine"
    home.mkdir()
    away.mkdir()
    corpus_file = corpus_file.rename(home / "poems.txt")
    assert main(*TINY, "--corpus", corpus_file, "--out", home / "run")[0] == 0
    shutil.copytree(home / "run", away / "copy")
    shutil.copy(corpus_file, away / "moved.txt")
    assert main("--resume", home / "run", "--epochs", "3")[0] == 0
    stayed = {name: (home / "run" / name).read_bytes() for name in (
        "model.safetensors", "best.safetensors")}
    shutil.rmtree(home)
    before = {file.name: file.read_bytes() for file in (away / "copy").iterdir()}
    status, printed = main("--resume", away / "copy", "--epochs", "3")
    assert status == 2 and "--corpus FILE" in printed
    assert {file.name: file.read_bytes() for file in (away / "copy").iterdir()} == before
    status, printed = main("--resume", away / "copy", "--corpus", away / "moved.txt", "--epochs", "2")
    assert status == 0 and "another machine" not in printed.replace(str(away), "")
    assert main("--resume", away / "copy", "--epochs", "3")[0] == 0, "the new place is remembered"
    assert {name: (away / "copy" / name).read_bytes() for name in stayed} == stayed
    assert main("--generate", away / "copy", "--prompt", "山")[0] == 0 and not home.exists()


@pytest.mark.parametrize("change", [lambda text: text.replace("一", "二", 1), lambda text: text[26:],
                                    lambda text: text + text[:26]])
def test_other_poems_are_refused(change, corpus_file, tmp_path, main):
    run, other = tmp_path / "run", tmp_path / "other.txt"
    assert main(*TINY, "--corpus", corpus_file, "--out", run)[0] == 0
    other.write_text(change(corpus_file.read_text(encoding="utf-8")), encoding="utf-8")
    before = config_of(run)
    status, printed = main("--resume", run, "--epochs", "2", "--corpus", other)
    assert status == 2 and "has changed since the run began" in printed and config_of(run) == before


def test_how_a_file_was_read_is_kept(tmp_path, main):
    poems = ["".join(chr(0x4e00 + n * 7 + k) for k in range(6)) for n in range(12)]
    file, run = tmp_path / "poems.csv", tmp_path / "run"
    file.write_text("name,verse\n" + "".join(f"x,{poem}\n" for poem in poems), encoding="gb18030")
    flags = ["--encoding", "gb18030", "--column", "verse"]
    status, printed = main(*TINY, "--corpus", file, "--out", run, *flags)
    assert status == 0 and f"poem 1: {poems[0]}" in printed and "the column 'verse'" in printed
    assert main("--resume", run, "--epochs", "2")[0] == 0
    assert main("--resume", run, "--encoding", "big5")[0] == 2
    status, printed = main(*TINY, "--column", "verse", "--out", tmp_path / "other")
    assert status == 2 and "--column has no effect without --corpus" in printed


def test_a_plain_text_stays_plain(tmp_path, main):
    """Lines that look like title:content, and are poems as they are."""
    file, run = tmp_path / "poems.txt", tmp_path / "run"
    lines = [f"{a}月{b}：山水{b[0]}" for a in "春夏秋冬" for b in ("夜", "夕日", "朝")]
    file.write_text("\n".join(lines), encoding="utf-8")
    status, printed = main(*TINY, "--corpus", file, "--out", tmp_path / "other")
    assert status == 0 and "poem 1: 山水夜\n" in printed and "--format text" in printed
    status, printed = main(*TINY, "--corpus", file, "--out", run, "--format", "text")
    assert status == 0 and "poem 1: 春月夜：山水夜\n" in printed and "--format text" not in printed
    assert config_of(run)["format"] == "text"
    status, printed = main("--resume", run, "--epochs", "2")
    assert status == 0 and "poem 1: 春月夜：山水夜\n" in printed
    assert main("--resume", run, "--format", "auto")[0] == 2
    for wrong in ({"format": "json"}, {"column": "content"}):
        (run / "config.json").write_text(json.dumps(config_of(run) | wrong), encoding="utf-8")
        status, printed = main("--resume", run)
        assert status == 2 and "its config.json is not one of scratch-lstm" in printed


def test_a_run_of_before_the_flag_goes_on(tmp_path, main):
    file, run = tmp_path / "poems.csv", tmp_path / "run"
    file.write_text("title,content\n" + "".join(f"题,{a}山水{a}\n" for a in "一二三四五六"), encoding="utf-8")
    assert main(*TINY, "--corpus", file, "--out", run)[0] == 0
    config = config_of(run)
    assert config.pop("format") == "auto"
    (run / "config.json").write_text(json.dumps(config), encoding="utf-8")
    status, printed = main("--resume", run, "--epochs", "2")
    assert status == 0 and "poem 1: 一山水一\n" in printed


def test_a_run_of_the_first_version_knew_no_formats(tmp_path, main):
    """It learnt the titles too, and goes on with them."""
    file, run = tmp_path / "poems.txt", tmp_path / "run"
    file.write_text("\n".join(f"题{'目' * n}：{a}山水{a}" for n, a in enumerate("一二三四五六")), encoding="utf-8")
    assert main(*TINY, "--corpus", file, "--out", run, "--format", "text")[0] == 0
    config = {name: value for name, value in config_of(run).items()
              if name not in ("format", "poems_are", "poems_sha256", "column", "encoding")}
    (run / "config.json").write_text(json.dumps(config), encoding="utf-8")
    status, printed = main("--resume", run, "--epochs", "2")
    assert status == 0 and "poem 1: 题：一山水一\n" in printed


def test_paragraphs_stay_paragraphs(tmp_path, main):
    file, run = tmp_path / "poems.txt", tmp_path / "run"
    file.write_text("\n\n".join(f"{a}山，\n{a}水。" for a in "一二三四五六七八"), encoding="utf-8")
    assert "poems are paragraphs, 8 of them" in main(*TINY, "--corpus", file, "--out", run)[1]
    assert config_of(run)["poems_are"] == "paragraphs"
    assert main("--resume", run, "--epochs", "2")[0] == 0


def test_another_machine_is_said(corpus_file, tmp_path, main):
    run = tmp_path / "run"
    assert main(*TINY, "--corpus", corpus_file, "--out", run)[0] == 0
    assert "another machine" not in main("--resume", run)[1]
    config = config_of(run) | {"numpy": "1.0", "processor": "abacus"}
    (run / "config.json").write_text(json.dumps(config), encoding="utf-8")
    printed = main("--resume", run)[1]
    assert "another machine than before (numpy was 1.0; processor was abacus)" in printed
    assert "may differ" in printed


def test_a_run_of_the_first_version_is_read_as_then(tmp_path):
    """Each line its own group, no limit on a batch, and the bytes of the file count."""
    run = shutil.copytree(OLD_RUN, tmp_path / "run")
    config = config_of(run) | {"corpus": str(run / "poems.txt")}
    settings, corpus = run_config.read(run, config, None, run / "model.safetensors")
    assert settings.characters_in_batch == LARGEST
    assert corpus.groups.tolist() == list(range(len(corpus.poems)))
    text = (run / "poems.txt").read_text(encoding="utf-8")
    (run / "poems.txt").write_text(text + "\n", encoding="utf-8")
    with pytest.raises(ValueError, match="has changed since the run began"):
        run_config.read(run, config, None, run / "model.safetensors")


def test_a_long_poem_trains_with_few_in_a_batch(tmp_path, main):
    file = tmp_path / "poems.txt"
    file.write_text("\n".join(["一山水", "二风月", "三花雪"] * 6 + ["四" * 1584, "五" * 1584, "六" * 1584]),
                    encoding="utf-8")
    status, printed = main(*TINY, "--corpus", file, "--out", tmp_path / "run", "--batch-characters", "2000")
    assert status == 0 and "about 1" in printed and "MB of memory" in printed


def test_the_parameters_are_counted_without_making_them():
    for settings in (Settings(backend="numpy"), Settings(backend="numpy", num_layers=1, hidden_size=5),
                     Settings(backend="numpy", num_layers=3, embedding_size=7),
                     Settings(backend="numpy", tie_embedding=True, num_layers=1),
                     Settings(backend="numpy", tie_embedding=True, num_layers=3)):
        learner = commands.make_learner(settings, 50)
        assert memory.count_parameters(50, settings) == learner.model.flat_parameters.size


def test_memory_grows_as_predicted_with_what_is_asked_for():
    small = memory.predict(2001, Settings(), 8192)
    assert memory.predict(2001, Settings(dtype="float64"), 8192) - memory.BASE == 2 * (small - memory.BASE)
    assert memory.predict(8000, Settings(), 8192) > memory.predict(2001, Settings(), 16384) > small


def test_the_least_limit_of_a_machine_counts(monkeypatch, tmp_path):
    whole = memory.machine()
    (tmp_path / "max").write_text("123456789\n")
    monkeypatch.setattr(memory, "GROUP_LIMITS", (str(tmp_path / "max"), str(tmp_path / "none")))
    assert memory.machine() == min(whole, 123456789)
    (tmp_path / "max").write_text("max\n")
    assert memory.machine() == whole


def test_a_corpus_larger_than_the_memory_is_not_read(tmp_path, main):
    with open(tmp_path / "large.txt", "wb") as file:
        file.truncate(10**12)                               # takes no room on the disk
    status, printed = main(*TINY, "--corpus", tmp_path / "large.txt", "--out", tmp_path / "run")
    assert status == 2 and "large.txt needs 20,000.0 GB of memory" in printed
