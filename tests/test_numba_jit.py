"""How Numba compiles, and where compiled code is kept."""

import errno
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import scratch_lstm

pytest.importorskip("numba")
from numba.core.caching import IndexDataCacheFile  # noqa: E402

from scratch_lstm.kernels.compiled import jit as numba_jit  # noqa: E402

ROOT = Path(scratch_lstm.__file__).parents[1]
posix = pytest.mark.skipif(os.name != "posix", reason="needs POSIX")


def add_one(x):
    return x + 1


def divide(x, y):
    return x / y


def test_how_it_compiles(monkeypatch, tmp_path):
    monkeypatch.setattr(numba_jit, "FOLDER", tmp_path)
    monkeypatch.setattr(numba_jit.config, "CACHE_DIR", "the user's")
    compiled = numba_jit.jit(fastmath={"contract"})(divide)
    assert numba_jit.config.CACHE_DIR == "the user's"
    assert compiled.targetoptions["nogil"] is True and compiled.targetoptions["fastmath"] == {"contract"}
    assert compiled(1.0, 0.0) == float("inf")             # as IEEE has it; Python raises
    assert tmp_path in Path(compiled.stats.cache_path).parents
    again = numba_jit.jit(fastmath={"contract"})(divide)
    assert again(1.0, 0.5) == 2 and sum(again.stats.cache_hits.values()) == 1       # not compiled again


def test_without_a_folder_nothing_is_kept(monkeypatch):
    monkeypatch.setattr(numba_jit, "FOLDER", None)
    monkeypatch.setattr(IndexDataCacheFile, "save", lambda *given: pytest.fail("it is kept"))
    assert numba_jit.jit()(add_one)(1) == 2


def test_a_setting_of_numba_that_turns_it_off(monkeypatch):
    monkeypatch.setattr(numba_jit.config, "DISABLE_JIT", 1)
    assert numba_jit.jit()(add_one) is add_one


def test_the_hash_is_that_of_all_kernels_and_of_numbas_version(monkeypatch, tmp_path):
    monkeypatch.setattr(numba_jit, "HERE", tmp_path)
    hashes = [numba_jit.source_hash()]
    for name, text in (("a.py", "1"), ("b.py", ""), ("b.py", "2"), ("a.py", "3")):
        (tmp_path / name).write_text(text)
        hashes.append(numba_jit.source_hash())
    (tmp_path / "a.cu").write_text("1")
    assert numba_jit.source_hash() == hashes[-1] and len(hashes[-1]) == 16
    monkeypatch.setattr(numba_jit.numba, "__version__", "0.1")
    hashes.append(numba_jit.source_hash())
    assert len(set(hashes)) == 6


@posix
def test_compiled_code_that_cannot_be_kept(monkeypatch, tmp_path):
    """A disk that is full, or a quota: found out only when the first kernel has been compiled."""
    def full(self, key, data):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(IndexDataCacheFile, "save", full)
    monkeypatch.setattr(numba_jit, "FOLDER", tmp_path)
    assert numba_jit.jit()(add_one)(1) == 2 and not list(tmp_path.rglob("*.nb?"))
    monkeypatch.undo()
    monkeypatch.setattr(numba_jit, "FOLDER", tmp_path)
    assert numba_jit.jit()(add_one)(1) == 2 and list(tmp_path.rglob("*.nb?"))


@posix
def test_where_compiled_code_is_kept(monkeypatch, tmp_path):
    (tmp_path / "file").touch()
    nowhere, name = tmp_path / "file" / "nope", f"numba-{numba_jit.source_hash()}"
    monkeypatch.setattr(numba_jit.config, "CACHE_DIR", str(tmp_path / "named" / "below"))
    for _ in range(2):                                                         # made, and found
        assert numba_jit.cache_folder() == tmp_path / "named" / "below" / name
    monkeypatch.setattr(numba_jit.config, "CACHE_DIR", "")
    assert numba_jit.cache_folder() == numba_jit.HERE / "__pycache__" / name
    monkeypatch.setattr(numba_jit.config, "CACHE_DIR", str(nowhere))
    monkeypatch.setattr(numba_jit, "HERE", nowhere)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "user"))
    name = f"numba-{numba_jit.source_hash()}"
    assert numba_jit.cache_folder() == tmp_path / "user" / "scratch-lstm" / name
    monkeypatch.setenv("XDG_CACHE_HOME", str(nowhere))
    assert numba_jit.cache_folder() is None
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert numba_jit.cache_folder() == tmp_path / "home" / ".cache" / "scratch-lstm" / name


def test_a_folder_that_cannot_be_written_is_not_used(monkeypatch, tmp_path):
    monkeypatch.setattr(numba_jit.config, "CACHE_DIR", str(tmp_path))
    asked = []
    monkeypatch.setattr(os, "access", lambda *given: asked.append(given))
    assert numba_jit.cache_folder() is None
    assert asked[0] == (tmp_path / f"numba-{numba_jit.source_hash()}", os.W_OK) and len(asked) == 3


def test_an_edited_kernel_is_compiled_again(tmp_path):
    """The time loop's compiled code must not outlive a change in the cell that it calls."""
    shutil.copytree(Path(scratch_lstm.__file__).parent, tmp_path / "scratch_lstm",
                    ignore=shutil.ignore_patterns("__pycache__"))
    program = "from scratch_lstm import LSTM; import numpy as np; "\
              "print(LSTM(2, 3, backend='numba').forward(np.ones((4, 1, 2)))[0].sum())"

    def run():
        return float(subprocess.run([sys.executable, "-c", program], cwd=tmp_path, check=True, text=True,
                                    capture_output=True).stdout)

    right, cell = run(), tmp_path / "scratch_lstm" / "kernels" / "compiled" / "cell.py"
    assert run() == right
    text = cell.read_text()
    assert "f * c_prev[k] + i * g" in text
    cell.write_text(text.replace("f * c_prev[k] + i * g", "f * c_prev[k] - i * g"))
    assert abs(run() - right) > 0.1


def test_no_kernel_reads_or_writes_beyond_an_array(tmp_path):
    """Compiled code does not look whether an index is in its array; here it does."""
    program = """if True:
        import numpy as np
        from scratch_lstm import LSTM
        from scratch_lstm.kernels.compiled import loss as numba_loss
        from scratch_lstm.training.learner import make_learner
        from scratch_lstm.training.settings import Settings
        rng = np.random.default_rng(0)
        for T, B, H in ((1, 1, 1), (3, 2, 5), (2, 300, 33)):
            layer = LSTM(H, H, 2, backend="numba")
            h, state = layer.forward(rng.normal(size=(T, B, H)).astype("float32"))
            layer.backward(h, state)
            settings = Settings(backend="numba", embedding_size=H, hidden_size=H, dropout=0.5)
            make_learner(settings, 7).step(rng.integers(0, 7, (T + 1, B)), 0)
            numba_loss.softmax_cross_entropy(rng.normal(size=(T * B, H)), rng.integers(0, H, T * B))
    """
    done = subprocess.run([sys.executable, "-c", program], text=True, capture_output=True, cwd=ROOT,
                          env={**os.environ, "NUMBA_BOUNDSCHECK": "1", "NUMBA_CACHE_DIR": str(tmp_path)})
    assert done.returncode == 0, done.stderr
