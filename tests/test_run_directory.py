"""The folder of a run: what a refused command leaves alone, and what cannot cost a training."""

import errno
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from helpers.small_run import TINY
from safetensors import safe_open
from safetensors.numpy import save_file

import train_poems
from scratch_lstm.errors import InputError
from scratch_lstm.files import atomic_write
from scratch_lstm.training import commands, run_log
from scratch_lstm.training.run_directory import RunDirectory

SCRIPT = str(Path(train_poems.__file__))
posix = pytest.mark.skipif(os.name != "posix", reason="links, pipes and locks of POSIX")


@pytest.fixture
def main(capsys):
    """Run the command line: its status, what it printed on stdout and on stderr."""
    def main(*arguments):
        status = train_poems.main([str(argument) for argument in arguments])
        printed = capsys.readouterr()
        if status == 2:
            assert printed.err.startswith("error: ") and printed.err.count("\n") == 1
        return status, printed.out, printed.err
    return main


@pytest.fixture
def run(finished_run, tmp_path):
    return shutil.copytree(finished_run, tmp_path / "run")


def contents(folder):
    return {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in folder.iterdir()
            if path.is_file() and not path.is_symlink()}


def change_header(path, **changes):
    """Other values in the JSON of a safetensors file's header."""
    with safe_open(path, framework="numpy") as file:
        about = json.loads(file.metadata()["scratch_lstm"]) | changes
        arrays = {name: file.get_tensor(name) for name in file.keys()}
    save_file(arrays, path, {"scratch_lstm": json.dumps(about)})


# poems shorter than the lab's prompts

def test_poems_that_are_shorter_than_the_labs_prompts(tmp_path, main):
    """日照香炉生 has the vocabulary's characters, and is longer than any poem."""
    file, out = tmp_path / "short.txt", tmp_path / "run"
    file.write_text("日照\n香炉\n生天\n", encoding="utf-8")
    status, printed, _ = main(*TINY, "--corpus", file, "--out", out)
    assert status == 0 and "epoch  1  training loss" in printed
    assert main("--resume", out, "--epochs", "2")[0] == 0
    assert main("--generate", out)[0] == 0


# what follows an epoch's training

def test_a_poem_that_fails_costs_no_epoch(corpus_file, tmp_path, main, monkeypatch):
    from scratch_lstm.training import trainer

    def fail(*arguments, **options):
        raise MemoryError("no room\nfor a poem")

    monkeypatch.setattr(trainer, "generate", fail)
    monkeypatch.setattr(commands, "print_poems", fail)
    status, printed, _ = main(*TINY, "--corpus", corpus_file, "--out", tmp_path / "run")
    assert status == 0 and r"no poem after this epoch: no room\nfor a poem" in printed
    assert "epoch  1  training loss" in printed and r"no poems: no room\nfor a poem" in printed
    assert RunDirectory(tmp_path / "run").last_saved()[0].epoch == 1


def test_a_picture_that_fails_costs_no_run(corpus_file, tmp_path, main, monkeypatch):
    def full(path, data, advice=""):
        raise InputError(f"{path}: cannot be written (No space left on device)")

    monkeypatch.setattr("scratch_lstm.training.plots.atomic_write", full)
    status, printed, error = main(*TINY, "--corpus", corpus_file, "--out", tmp_path / "run")
    assert status == 0 and not error
    assert "no loss.png: " in printed and "No space left on device" in printed and "# 8 poems" in printed


def test_a_log_that_cannot_be_written_costs_no_training(corpus_file, tmp_path, main, monkeypatch):
    """The lines are kept, and written once there is room; half a line is never left."""
    write, tries = os.write, iter(range(100))

    def full_at_first(descriptor, data):
        if next(tries) < 2:
            write(descriptor, data[:5])
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(descriptor, data)

    monkeypatch.setattr(run_log.os, "write", full_at_first)
    status, printed, _ = main(*TINY, "--log-every", "1", "--corpus", corpus_file, "--out", tmp_path / "run")
    assert status == 0 and printed.count("log.jsonl cannot be written (No space left on device)") == 1
    log = RunDirectory(tmp_path / "run").read_log()
    assert [line["step"] for line in log if "loss" in line] == [1, 2, 3, 4, 5] and "poem" in log[-1]


def test_a_full_disk_says_how_to_go_on(corpus_file, tmp_path, main, monkeypatch):
    """The second save fails; what the first one saved is whole."""
    out, writes = tmp_path / "run", iter(range(100))

    def full_later(path, data):
        if next(writes) > 2:
            raise InputError(f"{path}: cannot be written (No space left on device)")
        atomic_write(path, data)

    with monkeypatch.context() as patch:
        patch.setattr("scratch_lstm.training.checkpoint.atomic_write", full_later)
        status, _, error = main(*TINY, "--corpus", corpus_file, "--out", out)
    assert status == 2 and "No space left on device" in error
    assert "correct that, then: " in error and f" --resume {out}" in error
    assert main("--resume", out)[0] == 0


def test_a_best_model_that_was_deleted_is_not_named(run, main):
    (run / "best.safetensors").unlink()
    status, printed, _ = main("--resume", run)
    assert status == 0 and "that model is no longer in the folder" in printed


# a refused command changes no file

@pytest.mark.parametrize("name, data, message", [
    ("config.json", b"{", "not a scratch-lstm configuration"),
    ("config.json", b"[" * 100_000, "not a scratch-lstm configuration"),
    ("config.json", b"[]", "not a scratch-lstm configuration"),
    ("state.safetensors", b"", "not a scratch-lstm checkpoint"),
    ("log.jsonl", b'{"step": 1, "lo\n', "log.jsonl, line 1: damaged"),
    ("log.jsonl", b'{"loss": 1}\n', "log.jsonl, line 1: damaged ('step' is missing)"),
    ("log.jsonl", b'{"step": 1, "epoch": 1, "loss": NaN, "gradient_norm": 1}\n', "NaN is not a number"),
    ("log.jsonl", b"5\n", "line 1: damaged (not a JSON object)"),
])
def test_a_damaged_file_is_said_before_the_training(name, data, message, run, main):
    (run / name).write_bytes(data)
    before = contents(run)
    status, _, error = main("--resume", run, "--epochs", "3")
    assert status == 2 and message in error
    assert contents(run) == before


WRONG = [None, True, -1, 1.5, "x", [], {}, 10**30, float("nan"), float("inf")]


@pytest.mark.parametrize("entry", ["epochs", "hidden_size", "seed", "threads", "learning_rate", "backend",
                                   "dtype", "corpus", "poems_sha256", "poems_are", "encoding"])
def test_every_entry_of_the_configuration_is_checked(entry, run, main):
    whole = json.loads((run / "config.json").read_text(encoding="utf-8"))
    for value in WRONG:
        if (value is None and entry in ("poems_are", "encoding", "poems_sha256")
                or isinstance(value, float) and value == 1.5 and entry == "learning_rate"):
            continue
        (run / "config.json").write_text(json.dumps(whole | {entry: value}), encoding="utf-8")
        before = contents(run)
        assert main("--resume", run)[0] == 2, value
        assert contents(run) == before


@pytest.mark.parametrize("entry", ["step", "epoch", "step_in_epoch", "loss_sum", "predictions", "seconds",
                                   "best_loss", "best_epoch", "log_bytes"])
def test_every_entry_of_the_position_is_checked(entry, run, main):
    state = (run / "state.safetensors").read_bytes()
    for value in WRONG:
        (run / "state.safetensors").write_bytes(state)
        if (value is None and entry == "best_loss" or isinstance(value, (int, float)) and not value != value
                and value is not True and abs(value) < 2 and entry in ("loss_sum", "seconds", "best_loss")):
            continue
        change_header(run / "state.safetensors", **{entry: value})
        before = contents(run)
        status, _, error = main("--resume", run, "--epochs", "3")
        assert status == 2 and "state.safetensors: not " in error, value
        assert contents(run) == before


def test_a_state_of_another_network_is_refused(run, main):
    for vectors in ({"vector": np.zeros(7, "float32")}, {name: np.zeros((2, 2), "float32") for name in (
            "vector", "m", "v")}, {name: np.zeros(9, "float64") for name in ("vector", "m", "v")}):
        with safe_open(run / "state.safetensors", framework="numpy") as file:
            about = file.metadata()
        save_file(vectors, run / "state.safetensors", about)
        before = contents(run)
        status, _, error = main("--resume", run, "--epochs", "3")
        assert status == 2 and "its state does not fit its config.json" in error
        assert contents(run) == before


@pytest.mark.parametrize("changes, message", [
    ({"hidden_size": 10**9}, "of memory, this machine has"),
    ({"num_layers": 10**9}, "of memory, this machine has"),
    ({"embedding_size": 10**12}, "of memory, this machine has"),
])
def test_sizes_are_compared_with_the_memory_first(changes, message, run, main):
    config = json.loads((run / "config.json").read_text(encoding="utf-8"))
    (run / "config.json").write_text(json.dumps(config | changes), encoding="utf-8")
    began = time.monotonic()
    assert message in main("--resume", run)[2]
    assert time.monotonic() - began < 5


def test_resume_with_more_epochs_is_refused_while_another_trains(run, main):
    with RunDirectory(run).lock():
        before = contents(run)
        status, _, error = main("--resume", run, "--epochs", "7777777")
    assert status == 2 and "another process is training" in error and contents(run) == before


def test_a_lost_log_does_not_stop_a_run(run, main):
    (run / "log.jsonl").unlink()
    assert main("--resume", run, "--epochs", "2")[0] == 0
    assert {line["epoch"] for line in RunDirectory(run).read_log()} == {2}


# a new run

@pytest.mark.parametrize("name", ["log.jsonl", "loss.png", "drawing.png", "state.safetensors", "x.partial"])
def test_a_folder_with_other_files_is_not_used(name, corpus_file, tmp_path, main):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / name).write_text("my work")
    before = contents(tmp_path / "mine")
    status, _, error = main(*TINY, "--corpus", corpus_file, "--out", tmp_path / "mine")
    assert status == 2 and f"not empty ({name}), and not a run" in error
    assert contents(tmp_path / "mine") == before


def test_the_current_folder_is_not_used_by_mistake(corpus_file, tmp_path, main, monkeypatch):
    monkeypatch.chdir(tmp_path)
    status, _, error = main(*TINY, "--corpus", corpus_file, "--out", "")
    assert status == 2 and "not empty (poems.txt)" in error and os.listdir(tmp_path) == ["poems.txt"]


def test_an_empty_folder_can_be_used_and_a_failed_start_leaves_none(corpus_file, tmp_path, main, monkeypatch):
    (tmp_path / "empty").mkdir()
    assert main(*TINY, "--corpus", corpus_file, "--out", tmp_path / "empty")[0] == 0

    def full(path, data):
        raise InputError(f"{path}: cannot be written (No space left on device)")

    monkeypatch.setattr("scratch_lstm.training.run_directory.atomic_write", full)
    assert main(*TINY, "--corpus", corpus_file, "--out", tmp_path / "new")[0] == 2
    assert not (tmp_path / "new").exists()


@posix
def test_two_starts_in_one_folder_at_once(corpus_file, tmp_path):
    """One trains, and the configuration is its own; the other gets an error."""
    out = tmp_path / "run"
    both = [subprocess.Popen([sys.executable, SCRIPT, *TINY, "--corpus", str(corpus_file), "--out", str(out),
                              "--hidden-size", size, "--epochs", "3"], stdout=subprocess.PIPE,
                             stderr=subprocess.PIPE, text=True) for size in ("5", "6")]
    errors = [process.communicate(timeout=60)[1] for process in both]
    assert sorted(process.returncode for process in both) == [0, 2], errors
    winner = [process.returncode for process in both].index(0)
    assert "already a run" in errors[1 - winner] or "another process" in errors[1 - winner]
    assert json.loads((out / "config.json").read_text(encoding="utf-8"))["hidden_size"] == 5 + winner
    assert subprocess.run([sys.executable, SCRIPT, "--resume", str(out)], capture_output=True).returncode == 0


# links, pipes

@posix
@pytest.mark.parametrize("name", ["log.jsonl", "config.json", "model.safetensors", "state.safetensors",
                                  "best.safetensors", "loss.png"])
def test_nothing_is_written_through_a_link(name, run, tmp_path, main):
    victim = tmp_path / "victim"
    victim.write_bytes((run / name).read_bytes())
    (run / name).unlink()
    (run / name).symlink_to(victim)
    before = victim.read_bytes()
    status, _, error = main("--resume", run, "--epochs", "2")
    assert victim.read_bytes() == before
    if name == "log.jsonl":
        assert status == 2 and "not a link" in error
    else:
        assert status == 0 and not (run / name).is_symlink()


@posix
def test_a_link_at_a_temporary_name_is_not_followed(tmp_path, monkeypatch):
    monkeypatch.setattr("scratch_lstm.files.secrets.token_hex", lambda size: "01234567")
    victim = tmp_path / "victim"
    victim.write_text("mine")
    (tmp_path / "f.01234567.partial").symlink_to(victim)
    with pytest.raises(InputError, match="cannot be written"):
        atomic_write(tmp_path / "f", b"x")
    assert victim.read_text() == "mine"


@posix
@pytest.mark.parametrize("name", ["config.json", "state.safetensors", "best.safetensors", "log.jsonl"])
def test_a_pipe_in_a_run_folder_does_not_wait(name, run, main):
    (run / name).unlink()
    os.mkfifo(run / name)
    arguments = ["--generate", run] if name == "best.safetensors" else ["--resume", run, "--epochs", "2"]
    status, _, error = main(*arguments)
    assert status == 2 and "a pipe or a device, not a file" in error


@posix
def test_a_corpus_that_is_a_pipe_or_a_device_is_refused(tmp_path, main):
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", "/dev/zero"):
        status, _, error = main(*TINY, "--corpus", path, "--out", tmp_path / "run")
        assert status == 2 and "save what it gives in a file first" in error
    piped = subprocess.run([sys.executable, SCRIPT, *TINY, "--corpus", "/dev/stdin", "--out",
                            str(tmp_path / "run")], input="风\n", capture_output=True, text=True)
    assert piped.returncode == 2 and "save what it gives in a file first" in piped.stderr
    assert piped.stderr.count("\n") == 1 and not (tmp_path / "run").exists()


def test_two_writers_of_one_file(tmp_path):
    """Each has its own temporary name: no error, and the file is one of the two."""
    code = ("import sys; from pathlib import Path; from scratch_lstm.files import atomic_write\n"
            "for _ in range(100): atomic_write(Path(sys.argv[1]), sys.argv[2].encode() * 10_000)")
    both = [subprocess.Popen([sys.executable, "-c", code, str(tmp_path / "f"), letter]) for letter in "ab"]
    assert [process.wait(timeout=60) for process in both] == [0, 0]
    assert (tmp_path / "f").read_bytes() in (b"a" * 10_000, b"b" * 10_000) and os.listdir(tmp_path) == ["f"]
