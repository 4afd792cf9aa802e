"""Random files, folders, flags and prompts: no traceback, no wait, no file lost or changed by a refusal.

`make fuzz` tries 1,000 of each kind (EXAMPLES=1000), the everyday suite a few. It passes if there were none.
"""

import contextlib
import hashlib
import io
import json
import os
import shutil
import signal
from pathlib import Path

import pytest
from helpers.small_run import TINY, finish_small_run
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors import safe_open
from safetensors.numpy import save

import train_poems
from scratch_lstm.training import commands

EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "12"))
LONGEST = 30      # seconds for one command; a longer one is a hang
COUNTS = {"inputs": 0, "refused": 0}

pytestmark = pytest.mark.skipif(not hasattr(signal, "SIGALRM"), reason="SIGALRM stops a command that hangs")
fuzz = settings(max_examples=EXAMPLES, suppress_health_check=list(HealthCheck))
USUAL = "山水风月，。,.: \n\r\t\u3000\u200b\ufeff\"'[]{}GE1一"
TEXTS = st.text(st.one_of(st.characters(), st.sampled_from(USUAL)))
VALUES = st.one_of(st.none(), st.booleans(), st.integers(), st.sampled_from([10**9, 10**30, -1, 0, 1]),
                   st.floats(), TEXTS, st.lists(st.integers(), max_size=3),
                   st.dictionaries(st.text(max_size=3), st.integers(), max_size=2))


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A finished run; the picture has tests of its own, here it would only take time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(commands, "draw_loss", lambda log, path, title: True)
        yield finish_small_run(tmp_path_factory.mktemp("fuzz"), "一二三四", "七八九")
    print(f"\n{COUNTS['inputs']} commands, {COUNTS['refused']} of them refused")


def contents(folder):
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in folder.rglob("*") if path.is_file()}


def run(folder, *arguments, kept=()):
    """One command, as a person gives it. Files in `kept` stay whatever happens, all do if it is refused."""
    def too_long(number, frame):
        raise TimeoutError(f"longer than {LONGEST} seconds: {arguments}")

    before, out, error = contents(folder), io.StringIO(), io.StringIO()
    previous = signal.signal(signal.SIGALRM, too_long)
    signal.alarm(LONGEST)
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(error):
            try:
                status = train_poems.main([str(argument) for argument in arguments])
            except SystemExit as end:         # argparse: a flag that it does not take
                status = None if end.code == 2 else end.code
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, previous)
    after = contents(folder)
    COUNTS["inputs"] += 1
    COUNTS["refused"] += status in (2, None)
    assert status in (0, 1, 2, None)
    assert before.keys() <= after.keys(), "a file was lost"
    if status in (2, None):
        assert after == before, "a refused command changed a file"
    if status == 2:
        assert error.getvalue().startswith("error: ") and error.getvalue().count("\n") == 1
    assert all(after[name] == before[name] for name in kept)


@fuzz
@given(data=st.one_of(st.binary(), TEXTS.map(lambda text: text.encode("utf-8", "surrogatepass")),
                      TEXTS.map(lambda text: text.encode("gb18030", "replace")),
                      st.recursive(VALUES, st.lists, max_leaves=9).map(lambda v: json.dumps(v).encode()),
                      st.lists(TEXTS, min_size=2).map(lambda rows: "\n".join(
                          "题:" + row.replace("\n", "") for row in rows).encode("utf-8", "replace"))),
       flags=st.sampled_from([[], ["--column", "content"], ["--encoding", "gb18030"],
                              ["--poems-are", "paragraphs"], ["--held-out", "0"], ["--format", "text"],
                              ["--format", "text", "--poems-are", "lines", "--held-out", "0"]]))
def test_any_bytes_as_a_corpus(finished, tmp_path_factory, data, flags):
    folder = tmp_path_factory.mktemp("corpus")
    (folder / "poems").write_bytes(data)
    run(folder, *TINY, *flags, "--corpus", folder / "poems", "--out", folder / "run", kept=["poems"])
    if (folder / "run").exists():
        run(folder, "--resume", folder / "run", kept=["poems"])
        run(folder, "--generate", folder / "run", kept=["poems"])
    shutil.rmtree(folder)


def spoil(path, data):
    """Change a file of a run: some bytes, some JSON entries, its end, all of it."""
    whole = path.read_bytes()
    kind = data.draw(st.sampled_from(["bytes", "cut", "other", "gone", "entry", "entry", "entry"]))
    if kind == "gone":
        path.unlink()
    elif kind == "other":
        path.write_bytes(data.draw(st.binary(max_size=200)))
    elif kind == "cut":
        path.write_bytes(whole[:data.draw(st.integers(0, len(whole)))])
    elif kind == "bytes" or path.suffix not in (".json", ".safetensors"):
        spoilt = bytearray(whole)
        for _ in range(data.draw(st.integers(1, 4))):
            spoilt[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
        path.write_bytes(spoilt)
    elif path.suffix == ".json":
        path.write_text(json.dumps(change(json.loads(whole), data)))
    else:
        with safe_open(path, framework="numpy") as file:
            about = json.loads(file.metadata()["scratch_lstm"])
            arrays = {name: file.get_tensor(name) for name in file.keys()}
        name = data.draw(st.sampled_from(sorted(arrays)))
        if data.draw(st.booleans()):
            dtype = data.draw(st.sampled_from(["float16", "float64", "int32", "bool", "uint8"]))
            arrays[name] = data.draw(st.sampled_from([arrays[name].astype(dtype), arrays[name][:1] * 1e30,
                                                      arrays[name].ravel()[:0], arrays[name].T.copy()]))
        path.write_bytes(save(arrays, {"scratch_lstm": json.dumps(change(about, data))}))


def change(entries, data):
    name = data.draw(st.sampled_from([*sorted(entries), "another"]))
    value = data.draw(VALUES)
    if isinstance(entries.get(name), list) and data.draw(st.booleans()):
        value = [*entries[name][:-1], value]
    return entries | {name: value}


@fuzz
@given(data=st.data())
def test_any_damage_to_a_run_folder(finished, tmp_path_factory, data):
    folder = tmp_path_factory.mktemp("damage")
    path = shutil.copytree(finished, folder / "run")
    (path / "mine.txt").write_text("my own notes")
    names = sorted(file.name for file in path.iterdir() if file.name != "mine.txt")
    for name in data.draw(st.sets(st.sampled_from(names), min_size=1, max_size=2)):
        spoil(path / name, data)
    flags = data.draw(st.sampled_from([["--epochs", "2"], [], ["--epochs", "2", "--threads", "1"]]))
    with contextlib.suppress(OSError, ValueError, TypeError, AttributeError):
        if json.loads((path / "config.json").read_bytes()).get("epochs", 0) > 5:
            flags = ["--epochs", "2"]        # many epochs are no hang
    run(folder, "--resume", path, *flags, kept=["run/mine.txt"])
    run(folder, "--generate", path, kept=["run/mine.txt"])
    run(folder, "--evaluate", path, "--count", "2", kept=contents(folder))
    shutil.rmtree(folder)


NUMBERS = st.one_of(st.integers(), st.floats(), st.sampled_from([10**9, 10**32, -1, 0])).map(str)
WORDS = TEXTS.filter(lambda text: "\0" not in text)


@fuzz
@given(data=st.data())
def test_any_flags_and_prompts(finished, data):
    folder = finished.parent
    switches = ["strict", "rhyme", "tones"]
    names = ["temperature", "top-k", "seed", "threads", "prompt", "acrostic", *switches]
    flags = []
    for name in data.draw(st.sets(st.sampled_from(names), max_size=4)):
        value = data.draw(WORDS if name in ("prompt", "acrostic") else NUMBERS)
        flags.append(f"--{name}" if name in switches else f"--{name}={value}")
    if data.draw(st.booleans()):       # a million drawn poems take their time, and are no hang
        flags.append(f"--count={data.draw(st.integers(-2, 40))}")
    run(folder, "--generate", finished, *flags, kept=contents(folder))
    training = ["hidden-size", "embedding-size", "num-layers", "batch-size", "learning-rate", "clip",
                "dropout", "held-out", "seed", "threads", "log-every", "save-every", "batch-characters",
                "dtype", "backend"]
    name, value = data.draw(st.sampled_from(training)), data.draw(st.one_of(NUMBERS, WORDS))
    new = Path(f"{folder}-new")
    where = ["--corpus", folder / "poems.txt", "--out", new]
    run(folder, *TINY, *where, f"--{name}={value}", kept=contents(folder))
    shutil.rmtree(new, ignore_errors=True)
