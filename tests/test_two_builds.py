"""Two processes make the default corpus in one cache at once: each gets it, and it is whole."""

import base64
import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest
from helpers.tang_package import QUATRAIN, TANG, A, B, C, D, write_tarball

import scratch_lstm
from scratch_lstm.poems import tang_corpus
from scratch_lstm.poems.corpus import Corpus
from scratch_lstm.poems.download import TARBALL

pytestmark = pytest.mark.skipif(os.name == "nt", reason="the script that plays npm is a POSIX executable")

# each step begins in both processes before it ends in one of them
MEET = """
import os, sys, time
from pathlib import Path

def meet(step):
    folder, deadline = Path(os.environ["MEET"]), time.monotonic() + 60
    (folder / f"{step}-{os.getpid()}").touch()
    while len(list(folder.glob(f"{step}-*"))) < 2:
        if time.monotonic() > deadline:
            sys.exit(f"the other process did not come to: {step}")
        time.sleep(0.001)
"""
NPM = MEET + f"""
import shutil
meet("npm")
shutil.copy(os.environ["RELEASE"], "{TARBALL}")
meet("npm is done")
"""
BUILD = MEET + """
from scratch_lstm.poems import download, tang_corpus

download.INTEGRITY, replace = os.environ["INTEGRITY"], os.replace

def replace_together(partial, path):
    meet(Path(path).name)
    replace(partial, path)

os.replace = replace_together
print(tang_corpus.build(cache=sys.argv[1], quiet=True))
"""


def test_two_builds_at_once(tmp_path, monkeypatch):
    """Both fetch, and each of the three files is renamed into its place by both at the same moment."""
    cache, release, npm = tmp_path / "cache", tmp_path / "release.tgz", tmp_path / "bin" / "npm"
    write_tarball(release, {TANG.format(0): [QUATRAIN, f"{D}，{C}。{B}，{A}。"] * 50})
    integrity = "sha512-" + base64.b64encode(hashlib.sha512(release.read_bytes()).digest()).decode()
    npm.parent.mkdir()
    npm.write_text(f"#!{sys.executable}\n{NPM}", encoding="utf-8")
    npm.chmod(0o755)
    (tmp_path / "meet").mkdir()
    environment = {**os.environ, "PATH": str(npm.parent), "RELEASE": str(release), "INTEGRITY": integrity,
                   "MEET": str(tmp_path / "meet"), "PYTHONPATH": str(Path(scratch_lstm.__file__).parents[1])}
    both = [subprocess.Popen([sys.executable, "-c", BUILD, str(cache)], env=environment, text=True,
                             stdout=subprocess.PIPE, stderr=subprocess.PIPE) for _ in range(2)]
    ends = [process.communicate(timeout=120) for process in both]
    text = cache / "tang-5-2001.txt"
    assert [process.returncode for process in both] == [0, 0], ends
    assert ends == [(f"{text}\n", "")] * 2
    assert sorted(os.listdir(cache)) == [TARBALL, text.name, f"{text.name}.manifest.json"]
    assert Corpus.load(text).poems == [QUATRAIN, f"{D}，{C}。{B}，{A}。"]
    assert (cache / TARBALL).read_bytes() == release.read_bytes()
    monkeypatch.setattr(tang_corpus.download, "INTEGRITY", integrity)
    monkeypatch.setattr(tang_corpus.download, "fetch", None)
    assert tang_corpus.build(cache=cache) == text, "it is not built again"
