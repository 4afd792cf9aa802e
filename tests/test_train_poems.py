"""The command line as a person meets it: what is printed, and the exit status."""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

import train_poems

SCRIPT = str(Path(train_poems.__file__))
SMALL = ["--epochs", "2", "--batch-size", "8", "--embedding-size", "5", "--hidden-size", "6",
         "--save-every", "3", "--threads", "1", "--backend", "numpy"]


@pytest.fixture
def trained(corpus_file, tmp_path, capsys):
    assert train_poems.main([*SMALL, "--corpus", str(corpus_file), "--out", str(tmp_path / "run")]) == 0
    return tmp_path / "run"


def error_of(arguments, capsys):
    """The one line that bad input gets."""
    assert train_poems.main([str(argument) for argument in arguments]) == 2
    captured = capsys.readouterr()
    assert captured.err.startswith("error: ") and captured.err.count("\n") == 1
    return captured.err


def test_a_training_run_as_one_sees_it(trained, capsys, corpus_file):
    out = capsys.readouterr().out
    assert f"corpus {corpus_file}" in out
    assert "poems_vector (40, 26)  word_int_map 24  int_word_map 24" in out
    assert "backend numpy, float32, threads: 1;" in out and "38 poems to train on, 2 held out" in out
    assert "epoch  1  training loss" in out and "epoch  2  training loss" in out
    assert "best held-out loss" in out
    assert "poems, greedy, free: nothing enforces the form" in out and "have the form 字字字字字，" in out
    assert sorted(os.listdir(trained)) == ["best.safetensors", "config.json", "log.jsonl", "loss.png",
                                           "model.safetensors", "state.safetensors"]
    assert json.loads((trained / "config.json").read_text(encoding="utf-8"))["hidden_size"] == 6


def test_writing_poems(trained, capsys):
    capsys.readouterr()
    options = ["--generate", str(trained), "--temperature", "1.5", "--seed", "3"]
    assert train_poems.main([*options, "--prompt", "风", "--prompt", "山水", "--count", "2", "--strict"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "# 4 poems, temperature 1.5, strict: only choices that keep the form"
    assert [line[0] for line in lines[1:5]] == ["风", "风", "山", "山"] and len(set(lines[1:5])) == 4
    assert lines[5].startswith("# 4 of 4 have the form")
    assert train_poems.main(["--generate", str(trained / "best.safetensors"), "--acrostic", "风花雪月",
                             "--strict"]) == 0
    assert capsys.readouterr().out.splitlines()[1][::6] == "风花雪月"


def test_writing_several_greedy_poems(trained, capsys, monkeypatch):
    """Each differs; the first of each prompt is the greedy poem; parts of a batch change nothing."""
    def write(*flags):
        capsys.readouterr()
        assert train_poems.main(["--generate", str(trained), "--prompt", "风", "--prompt", "山水", *flags]) == 0
        return capsys.readouterr().out.splitlines()

    alone, lines = write("--strict"), write("--strict", "--count", "3")
    assert lines[0].startswith("# 6 poems, greedy after each of the 3 likeliest first characters, strict: ")
    assert len(set(lines[1:7])) == 6 and [lines[1], lines[4]] == alone[1:3]
    assert lines[7].startswith("# 6 of 6 have the form")
    monkeypatch.setattr(train_poems.writing, "AT_A_TIME", 4)
    assert write("--strict", "--count", "3") == lines


def test_resume_after_more_epochs_were_wanted(trained, capsys):
    assert train_poems.main(["--resume", str(trained), "--epochs", "3"]) == 0
    out = capsys.readouterr().out
    assert "epoch  3  training loss" in out
    assert json.loads((trained / "config.json").read_text(encoding="utf-8"))["epochs"] == 3


def test_a_run_is_not_written_over(trained, corpus_file, capsys):
    before = (trained / "model.safetensors").read_bytes()
    printed = error_of([*SMALL, "--corpus", corpus_file, "--out", trained], capsys)
    assert "already a run" in printed and "--resume" in printed
    assert (trained / "model.safetensors").read_bytes() == before


@pytest.mark.parametrize("content, message", [
    (None, "No such file"),
    (b"", "the file is empty"),
    ("风\n\n花\n".encode(), "line 2: an empty line"),
    ("风\n".encode() + b"\xff\xfe\n", "line 2: byte 4 of the file is not UTF-8"),
    ("风\n花\n1\x00\n".encode(), "line 3: has the invisible character U+0000 at position 2"),
])
def test_a_bad_corpus(content, message, tmp_path, capsys):
    file, out = tmp_path / "poems.txt", tmp_path / "run"
    if content is not None:
        file.write_bytes(content)
    printed = error_of([*SMALL, "--corpus", file, "--out", out], capsys)
    assert str(file) in printed and message in printed and not out.exists()


@pytest.mark.parametrize("flags, message", [
    (["--epochs", "0"], "--epochs 0: it must be at least 1"),
    (["--learning-rate", "-1"], "--learning-rate -1.0: it must be a positive number"),
    (["--held-out", "1"], "--held-out 1.0: it must be from 0 to below 1"),
    (["--compare", "torch", "--backend", "torch"], "backend 'torch' is not one of auto, numpy, numba, cupy"),
    (["--prompt", "风"], "--prompt has no effect without --generate"),
    (["--dynasty", "song"], "--dynasty has no effect with --corpus"),
])
def test_bad_flags(flags, message, corpus_file, tmp_path, capsys):
    out = tmp_path / "run"
    assert message in error_of(["--corpus", corpus_file, "--out", out, *flags], capsys)
    assert not out.exists()


def test_bad_requests_for_poems(trained, tmp_path, capsys):
    def printed(*flags):
        return error_of(["--generate", trained, *flags], capsys)

    capsys.readouterr()
    assert "'龙' is not in the model's vocabulary" in printed("--prompt", "风龙")
    assert "'风' has 22 of them; give a smaller --count" in printed("--prompt", "风", "--count", "23")
    assert "--count 0: it must be at least 1" in printed("--prompt", "风", "--count", "0")
    assert "temperature -1.0: it must be positive" in printed("--prompt", "风", "--temperature", "-1")
    assert "--prompt and --acrostic exclude each other" in printed("--prompt", "风", "--acrostic", "风")
    assert "--epochs has no effect with --generate" in printed("--epochs", "3")
    (tmp_path / "no_model").write_bytes(b"x" * 100)
    for path, message in (("no_model", "not a scratch-lstm checkpoint"), ("missing", "No such file")):
        assert message in error_of(["--generate", tmp_path / path, "--prompt", "风"], capsys)


def test_a_run_that_cannot_go_on(trained, corpus_file, tmp_path, capsys):
    capsys.readouterr()
    assert "--hidden-size has no effect with --resume" in error_of(
        ["--resume", trained, "--hidden-size", "9"], capsys)
    for flag in ("--resume", "--evaluate"):
        assert "name a folder that a training run" in error_of([flag, tmp_path / "missing"], capsys)
    state = trained / "state.safetensors"
    whole = state.read_bytes()
    state.write_bytes(whole[:-9])
    assert "state.safetensors: not a scratch-lstm checkpoint" in error_of(["--resume", trained], capsys)
    state.write_bytes((trained / "model.safetensors").read_bytes())
    assert "not the state of a training run" in error_of(["--resume", trained], capsys)
    state.write_bytes(whole)
    corpus_file.write_text(corpus_file.read_text(encoding="utf-8")[26:], encoding="utf-8")
    assert "has changed since the run began" in error_of(["--resume", trained], capsys)
    (trained / "config.json").write_text("{}", encoding="utf-8")
    assert "config.json is not one of scratch-lstm" in error_of(["--resume", trained], capsys)


def test_a_diverging_run_stops(corpus_file, tmp_path, capsys):
    out = tmp_path / "run"
    assert train_poems.main([*SMALL, "--corpus", str(corpus_file), "--out", str(out),
                             "--learning-rate", "1e38"]) == 1
    printed = capsys.readouterr().err
    assert all(part in printed for part in ("the loss is nan", "the gradient norm", "lower --learning-rate"))
    assert np.isfinite(load_file(out / "state.safetensors")["vector"]).all()


def test_a_refused_run_leaves_no_folder(tmp_path, capsys):
    file, out = tmp_path / "one.txt", tmp_path / "run"
    file.write_text("风花雪月\n", encoding="utf-8")
    assert "--held-out 0" in error_of([*SMALL, "--corpus", file, "--out", out], capsys)
    assert not out.exists()
    assert train_poems.main([*SMALL, "--corpus", str(file), "--out", str(out), "--held-out", "0"]) == 0
    capsys.readouterr()
    assert train_poems.main(["--generate", str(out)]) == 0  # without the lab's prompts
    assert len(capsys.readouterr().out.splitlines()) >= 2


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such lock")
def test_two_processes_do_not_train_one_run(trained, capsys):
    from scratch_lstm.training.run_directory import RunDirectory
    with RunDirectory(trained).lock():
        capsys.readouterr()
        printed = error_of(["--resume", trained, "--epochs", "3"], capsys)
        assert "another process is training this run" in printed
    assert "epochs are done already" in error_of(["--resume", trained, "--epochs", "1"], capsys)


def begin(corpus_file, out, *flags):
    """A long run in a process of its own."""
    command = [sys.executable, SCRIPT, *SMALL, "--epochs", "150", "--corpus", str(corpus_file),
               "--out", str(out), *flags]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def wait_for(condition, process):
    while not condition():
        assert process.poll() is None, process.stdout.read()
        time.sleep(0.01)


def test_ctrl_c_saves_and_says_how_to_go_on(corpus_file, tmp_path):
    out = tmp_path / "run"
    process = begin(corpus_file, out, "--epochs", "100000")
    wait_for(lambda: (out / "best.safetensors").exists(), process)
    process.send_signal(signal.SIGINT)
    printed, _ = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "stopping after this step" in printed
    assert f"continue with: python train_poems.py --resume {out}" in printed
    assert "Traceback" not in printed
    assert (out / "loss.png").exists()


def test_killed_at_random_moments_and_resumed_ends_with_the_same_weights(corpus_file, tmp_path):
    whole, _ = (process := begin(corpus_file, tmp_path / "whole")).communicate(timeout=120)
    assert process.returncode == 0, whole
    moments, kills = random.Random(5), 0
    out = tmp_path / "run"
    process = begin(corpus_file, out)
    for _ in range(4):
        wait_for(lambda: (out / "config.json").exists(), process)
        time.sleep(moments.uniform(0.0, 0.8))
        process.kill()
        process.wait()
        kills += process.returncode == -signal.SIGKILL
        process.stdout.close()
        process = subprocess.Popen([sys.executable, SCRIPT, "--resume", str(out)], stdout=subprocess.PIPE,
                                   stderr=subprocess.STDOUT, text=True)
    printed, _ = process.communicate(timeout=120)
    assert process.returncode == 0, printed
    assert kills >= 2
    for file in ("model.safetensors", "best.safetensors"):
        assert (out / file).read_bytes() == (tmp_path / "whole" / file).read_bytes()


@pytest.mark.slow
def test_killed_at_twenty_random_moments_and_resumed(corpus_file, tmp_path):
    began = time.monotonic()
    process = begin(corpus_file, tmp_path / "whole")
    printed, _ = process.communicate(timeout=120)
    assert process.returncode == 0, printed
    whole_time, moments, killed = time.monotonic() - began, random.Random(6), 0
    for number in range(20):
        out = tmp_path / f"run{number}"
        process = begin(corpus_file, out)
        wait_for(lambda: (out / "config.json").exists(), process)
        time.sleep(moments.uniform(0, 0.8 * whole_time))
        process.kill()
        process.communicate()
        killed += process.returncode == -signal.SIGKILL
        subprocess.run([sys.executable, SCRIPT, "--resume", str(out)], check=True, capture_output=True)
        for file in ("model.safetensors", "best.safetensors"):
            assert (out / file).read_bytes() == (tmp_path / "whole" / file).read_bytes(), (number, file)
    print(f"{killed} of 20 were killed before their end; 20 of 20 ended with the same weights")
    assert killed >= 10


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGTERM to catch")
def test_sigterm_saves_too(corpus_file, tmp_path):
    out = tmp_path / "a run"                                   # a space: the command must quote it
    process = begin(corpus_file, out, "--epochs", "100000")
    wait_for(lambda: (out / "best.safetensors").exists(), process)
    process.terminate()
    printed, _ = process.communicate(timeout=60)
    assert process.returncode == 130 and "stopping after this step" in printed
    assert f"continue with: python train_poems.py --resume '{out}'" in printed


@pytest.mark.parametrize("backend, threads, limit", [("numpy", "2", 2), ("numpy", "1", 1), ("numba", "2", 1)])
def test_threads_of_the_matrix_library(backend, threads, limit, corpus_file, tmp_path, monkeypatch):
    """--threads limits them; where threads share a batch each has one."""
    seen = []
    real = train_poems.commands.threadpool_limits
    monkeypatch.setattr(train_poems.commands, "threadpool_limits",
                        lambda number, user_api: (seen.append((number, user_api)), real(number, user_api))[1])
    flags = ["--epochs", "1", "--threads", threads, "--backend", backend]
    where = ["--corpus", str(corpus_file), "--out", str(tmp_path / "run")]
    assert train_poems.main([*SMALL, *where, *flags]) == 0
    assert seen == [(limit, "blas")]


def test_a_run_folder_of_the_first_version_goes_on(tmp_path, capsys):
    """data/old_run was made by version 0.1.0, before the files moved: it resumes, and writes poems."""
    run = tmp_path / "run"
    shutil.copytree(Path(__file__).parent / "data" / "old_run", run)
    config = json.loads((run / "config.json").read_text(encoding="utf-8"))
    config["corpus"] = str(run / "poems.txt")
    (run / "config.json").write_text(json.dumps(config), encoding="utf-8")
    assert train_poems.main(["--generate", str(run), "--prompt", "风"]) == 0
    assert train_poems.main(["--resume", str(run), "--epochs", "2"]) == 0
    assert "epoch  2  training loss" in capsys.readouterr().out
