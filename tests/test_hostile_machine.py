"""Machines and prompts as they are: no cache, no output, other locales, odd names."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from helpers.small_run import TINY

import scratch_lstm
import train_poems
from scratch_lstm.errors import one_line
from scratch_lstm.training.run_directory import RunDirectory

ROOT = Path(train_poems.__file__).parent
SCRIPT = str(ROOT / "train_poems.py")
posix = pytest.mark.skipif(os.name != "posix", reason="needs POSIX")


def start(*arguments, **options):
    return subprocess.run([sys.executable, SCRIPT, *map(str, arguments)], text=True, timeout=120,
                          **{"capture_output": True} | options)


# output that nobody reads

@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
def test_a_full_output_costs_no_training(corpus_file, tmp_path):
    with open("/dev/full", "w") as full:
        done = start(*TINY, "--corpus", corpus_file, "--out", tmp_path / "run", stdout=full,
                     stderr=subprocess.PIPE, capture_output=False)
    assert done.returncode == 0 and (tmp_path / "run" / "best.safetensors").exists()
    assert done.stderr == ("the output cannot be written (No space left on device); "
                           "the training goes on without it\n")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
def test_poems_on_a_full_output(finished_run):
    with open("/dev/full", "w") as full:
        done = start("--generate", finished_run, stdout=full, stderr=subprocess.PIPE, capture_output=False)
    assert done.returncode == 1
    assert done.stderr == "error: the output: cannot be written (No space left on device)\n"


@posix
def test_a_closed_output(corpus_file, tmp_path):
    command = 'exec "$0" "$@" >&-'
    done = subprocess.run(["sh", "-c", command, sys.executable, SCRIPT, *TINY, "--corpus", str(corpus_file),
                           "--out", str(tmp_path / "run")], capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stderr) == (0, "")
    done = subprocess.run(["sh", "-c", command + " 2>&-", sys.executable, SCRIPT, "--resume",
                           str(tmp_path / "run"), "--epochs", "3"], timeout=120)
    assert done.returncode == 0


@posix
def test_a_pipe_whose_reader_ends_saves_the_run(corpus_file, tmp_path):
    command = [sys.executable, SCRIPT, *TINY, "--epochs", "100000", "--corpus", str(corpus_file),
               "--out", str(tmp_path / "run")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        while not process.stdout.readline().startswith("epoch"):
            assert process.poll() is None
        process.stdout.close()
        error = process.stderr.read()
        assert process.wait(timeout=60) == 1 and error.count("\n") == 1
    assert error.startswith("error: the reader of the output has gone; stopped and saved at step ")
    assert f"continue with: python train_poems.py --resume {tmp_path / 'run'}" in error
    saved = RunDirectory(tmp_path / "run").last_saved()[0]
    assert f"at step {saved.step};" in error


# no place for caches

@posix
@pytest.mark.parametrize("backend", ["auto", "numba"])
def test_no_cache_can_be_written(backend, corpus_file, tmp_path):
    """The source's __pycache__ is not a folder, and there is no home: each process compiles for itself.

    Permissions would not do: root may write everywhere. Below a file nobody can.
    """
    pytest.importorskip("numba")
    shutil.copytree(Path(scratch_lstm.__file__).parent, tmp_path / "src" / "scratch_lstm",
                    ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(SCRIPT, tmp_path / "src")
    (tmp_path / "src" / "scratch_lstm" / "kernels" / "compiled" / "__pycache__").write_text("not a folder")
    (tmp_path / "file").touch()
    nowhere = dict.fromkeys(("HOME", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "CUPY_CACHE_DIR", "NUMBA_CACHE_DIR",
                             "MPLCONFIGDIR"), str(tmp_path / "file" / "nope"))
    nowhere["TMPDIR"] = str(tmp_path)            # what matplotlib takes instead
    done = subprocess.run([sys.executable, tmp_path / "src" / "train_poems.py", *TINY, "--epochs", "1",
                           "--backend", backend, "--corpus", corpus_file, "--out", tmp_path / "run"],
                          capture_output=True, text=True, timeout=300,
                          env={**os.environ, **nowhere, "PYTHONDONTWRITEBYTECODE": "1"})
    assert done.returncode == 0, done.stderr
    assert "epoch  1  training loss" in done.stdout and done.stderr == ""
    assert "backend numba" in done.stdout or "backend cupy" in done.stdout


# locales, names

@posix
def test_chinese_prompts_in_a_c_locale(finished_run):
    locale = {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0", "PATH": os.environ["PATH"]}
    done = start("--generate", finished_run, "--prompt", "山", env=locale)
    assert done.returncode == 0 and r"\u5c71" in done.stdout


@pytest.mark.parametrize("name", ["唐诗三百首", "a $x_1$ b", "line\nbreak", "诗🙂"])
def test_any_file_name_without_a_warning(name, corpus_file, tmp_path, capsys):
    """Here a warning, from matplotlib too, is an error."""
    file, out = tmp_path / f"{name}.txt", tmp_path / name
    corpus_file.rename(file)
    start_it = [*TINY, "--corpus", str(file), "--out", str(out)]
    assert train_poems.main(start_it) == 0 and (out / "loss.png").exists()
    assert "no loss.png" not in capsys.readouterr().out
    assert train_poems.main(start_it) == 2 and capsys.readouterr().err.count("\n") == 1
    assert train_poems.main(["--resume", str(out)]) == 0


@posix
def test_a_name_whose_bytes_are_no_text(corpus_file, tmp_path):
    out = os.fsencode(tmp_path) + b"/\xff\xfe"
    done = subprocess.run([sys.executable, SCRIPT, *TINY, "--corpus", corpus_file, "--out", out],
                          capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert subprocess.run([sys.executable, SCRIPT, "--resume", out], capture_output=True).returncode == 0


def test_messages_are_one_line(finished_run, capsys):
    for prompt in ("山\n水", "\x1b[31m", "山\u2028", "龙\r"):
        assert train_poems.main(["--generate", str(finished_run), "--prompt", prompt]) == 2
        error = capsys.readouterr().err
        assert error.count("\n") == 1 and error.endswith("\n") and one_line(error[:-1]) == error[:-1]


def test_one_line():
    assert one_line("山\n\x1b\u200b\udcff\u2028 水") == r"山\n\x1b\u200b\udcff\u2028 水"


@pytest.mark.parametrize("flags", [
    ["--hidden-size", "1000000000"], ["--embedding-size", "1000000000000"], ["--threads", "1" + "0" * 32],
    ["--seed", "1" + "0" * 23], ["--epochs", "1" + "0" * 40], ["--batch-characters", "-1"],
    ["--batch-size", "1" + "0" * 30]])
def test_numbers_that_no_machine_has(flags, corpus_file, tmp_path, capsys):
    where = ["--corpus", str(corpus_file), "--out", str(tmp_path / "run")]
    assert train_poems.main([*TINY, *where, *flags]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ") and error.count("\n") == 1 and not (tmp_path / "run").exists()


def test_many_poems_come_in_parts_and_are_the_same(finished_run, capsys, monkeypatch):
    flags = ["--generate", str(finished_run), "--prompt", "山", "--temperature", "1", "--count", "7"]
    assert train_poems.main(flags) == 0
    at_once = capsys.readouterr().out
    monkeypatch.setattr(train_poems.writing, "AT_A_TIME", 2)
    assert train_poems.main(flags) == 0
    assert capsys.readouterr().out == at_once
    monkeypatch.setattr(train_poems.writing.memory, "machine", lambda: 10**8)
    assert train_poems.main([*flags, "--count", "1000000"]) == 2
    assert "to write these poems needs" in capsys.readouterr().err


def test_free_acrostics_say_how_many_have_all_their_characters(finished_run, capsys):
    assert train_poems.main(["--generate", str(finished_run), "--acrostic", "山风", "--strict"]) == 0
    assert "# 1 of 1 have all the characters of their acrostic" in capsys.readouterr().out
    drawn = ["--acrostic", "山风花雪月", "--temperature", "1"]
    assert train_poems.main(["--generate", str(finished_run), *drawn]) == 0
    assert "# 0 of 1 have all the characters of their acrostic" in capsys.readouterr().out


def test_a_model_that_has_just_begun_is_told_from_one_that_is_stuck():
    poems, prompts, lines = ["风一一一", "花一一一", "雪一一一"], ["风", "花", "雪"], []
    for losses in ([3.0], [3.0, 2.5, 2.2], [3.0, 2.9, 2.9, 2.9]):
        train_poems.writing.say_if_alike(poems, prompts, losses, lines.append)
    assert ["has only begun" in line for line in lines] == [True, True, False]
    assert "the training is stuck" in lines[2]
    train_poems.writing.say_if_alike(["风一", "花二", "雪一"], prompts, [3.0], lines.append)
    assert len(lines) == 3
