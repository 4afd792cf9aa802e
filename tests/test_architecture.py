"""Who must not know whom: read from the source, so that it holds for code that no test runs."""

import ast
from pathlib import Path

import pytest

import scratch_lstm

PACKAGE = Path(scratch_lstm.__file__).parent
SOURCES = sorted(PACKAGE.rglob("*.py"))
HOUSE = ["errors", "files", "functional", "kernels.numpy_cell", "kernels.numpy_adam",
         "kernels.numba_cell", "kernels.numba_loop", "kernels.numba_adam", "kernels.numba_loss",
         "kernels.cupy_cell", "backend", "rnn_textbook", "lstm_textbook", "lstm", "layers", "model", "optim",
         "gradcheck", "check.problem", "check.forward", "check.slopes", "check.backward", "check.tensors",
         "check.dictionary", "check.observation", "check.search_local", "check.search_deltas",
         "check.search_tensors", "check.search",
         "check.naming", "check.program", "check.contract", "check.look", "check.precision", "check.clip",
         "check.judge", "check.words_en", "check.words_zh", "check.formulas", "check.sentences",
         "check.pages",
         "check.example", "check.report", "check.forms_batch", "check.forms_torch", "check.forms_loss",
         "check.networks", "check.blindness", "check.blindness_report", "check.checking", "check.notebook",
         "check.apart", "check.worker", "check.grade", "check.template", "check.__main__", "poems.reader",
         "poems.corpus", "poems.download", "poems.near_duplicates",
         "poems.tang_corpus", "poems.generate", "training.checkpoint", "training.settings",
         "training.progress", "training.run_directory", "training.plots", "training.data_parallel",
         "training.trainer", "training.commands"]  # imports point to the left
PACKAGES = ["scratch_lstm"] + [f"scratch_lstm.{name}" for name in ("check", "kernels", "poems", "training")]


def name_of(path):
    return ".".join(path.relative_to(PACKAGE).with_suffix("").parts)


def imports(path):
    """Every module that a file imports, those of the package as scratch_lstm.x."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            package = ["scratch_lstm", *name_of(path).split(".")[:-1]]
            base = package[:len(package) - node.level + 1] if node.level else []
            module = ".".join(base + (node.module.split(".") if node.module else []))
            yield from (f"{module}.{alias.name}" if module in PACKAGES
                        else module for alias in node.names)


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_torch_is_a_stranger_and_cupy_known_in_two_places(path):
    roots = {module.split(".")[0] for module in imports(path)}
    assert not roots & {"torch", "torch_ref", "train_poems", "tests"}
    assert "cupy" not in roots or name_of(path) in ("backend", "kernels.cupy_cell")
    assert "argparse" not in roots or name_of(path) == "check.__main__"
    assert "pickle" not in roots


def test_gradcheck_knows_no_model():
    assert not [module for module in imports(PACKAGE / "gradcheck.py") if module.startswith("scratch_lstm")]


def test_training_knows_no_backend_by_name():
    source = (PACKAGE / "training" / "trainer.py").read_text(encoding="utf-8")
    strings = {node.value for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Constant)}
    assert not strings & {"numpy", "numba", "cupy", "torch"}


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_imports_point_one_way(path):
    name = name_of(path)
    if name not in HOUSE:
        assert name.endswith("__init__"), f"{name} has no place in the house"
        return
    for module in imports(path):
        inside = module.removeprefix("scratch_lstm.")
        if inside in HOUSE:
            assert HOUSE.index(inside) < HOUSE.index(name), f"{name} imports {inside}"


@pytest.mark.parametrize("path", SOURCES + [PACKAGE.parent / "train_poems.py"], ids=str)
def test_a_file_can_be_read_in_one_sitting(path):
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 260
