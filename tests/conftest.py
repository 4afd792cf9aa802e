"""What several test files share: one hypothesis profile, a small made-up corpus, and a finished run."""

import importlib
import os
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from helpers import fake_cupy
from helpers.small_run import finish_small_run
from hypothesis import Phase, settings

import train_poems

os.environ["LANGUAGE"] = "en"       # whatever the locale: the tests read the messages in English

# no deadlines (timings are no test's business), and nothing stored
settings.register_profile("project", deadline=None, database=None, print_blob=True)
# for `make mutants`: the same examples each time, and a failure is a failure, however large
settings.register_profile("mutants", settings.get_profile("project"), derandomize=True, max_examples=30,
                          phases=[Phase.explicit, Phase.generate])
settings.load_profile("project")

# What the package had when its size was last written down: files, lines. The suite prints both sizes.
LAST = (140, 12_963)
CHARACTERS = "一二三四五六七八九十百千山水风月花雨雪日"


@pytest.fixture(scope="session")
def torch():
    """torch, imported by the tests that compare with it alone: they get the marker `torch`."""
    import torch
    return torch


def pytest_collection_modifyitems(items):
    for item in items:
        if "torch" in getattr(item, "fixturenames", ()):
            item.add_marker("torch")


def pytest_terminal_summary(terminalreporter):
    package = Path(train_poems.__file__).parent / "scratch_lstm"
    files = [path.read_text(encoding="utf-8") for path in package.rglob("*.py")]
    lines = sum(text.count("\n") for text in files)
    size = f"scratch_lstm/: {len(files)} files, {lines} lines (before: {LAST[0]}, {LAST[1]})"
    terminalreporter.write_line(size)


@pytest.fixture
def corpus_file(tmp_path):
    """40 made-up poems of one form over 20 characters."""
    rng = np.random.default_rng(0)
    file = tmp_path / "poems.txt"
    lines = ("".join(rng.choice(list(CHARACTERS), 5)) for _ in iter(int, 1))
    poems = [f"{next(lines)}，{next(lines)}。{next(lines)}，{next(lines)}。" for _ in range(40)]
    file.write_text("\n".join(poems) + "\n", encoding="utf-8")
    return file


@pytest.fixture
def main(capsys):
    """The command line in this process: arguments -> (exit status, all that was printed)."""
    def main(*arguments):
        status = train_poems.main([str(argument) for argument in arguments])
        printed = capsys.readouterr()
        return status, printed.out + printed.err
    return main


@pytest.fixture(scope="session")
def finished_run(tmp_path_factory):
    """The folder of a finished run of one epoch; a test that changes it takes a copy."""
    return finish_small_run(tmp_path_factory.mktemp("finished"))


@pytest.fixture
def standin(monkeypatch):
    """`import cupy` gives the stand-in, and the kernels are made again with it."""
    module = fake_cupy.make_module()
    monkeypatch.setitem(sys.modules, "cupy", module)
    fake_cupy.forget_the_kernels()
    yield module
    fake_cupy.forget_the_kernels()


@pytest.fixture(scope="module")
def kernels():
    """kernels/gpu/ on the stand-in, compiled once for all tests of a file."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "cupy", fake_cupy.make_module())
        fake_cupy.forget_the_kernels()
        modules = {name: importlib.import_module(f"scratch_lstm.kernels.gpu.{name}")
                   for name in fake_cupy.KERNEL_FILES}
    fake_cupy.forget_the_kernels()
    return SimpleNamespace(**modules)
