"""What a docstring names is there: a file, and what is said to be in it."""

import ast
import re
from pathlib import Path

import pytest

import scratch_lstm

ROOT = Path(scratch_lstm.__file__).parent.parent
SOURCES = [*sorted((ROOT / "scratch_lstm").rglob("*.py")), *sorted((ROOT / "torch_ref").glob("*.py")),
           ROOT / "train_poems.py", ROOT / "one_file.py"]
FILES = {path.name for folder in ("scratch_lstm", "torch_ref", "tests", "derivations", "web", "benchmarks")
         for path in (ROOT / folder).rglob("*") if path.suffix in (".py", ".cu", ".cuh", ".md")}
OF_A_USER = re.compile(r"my_\w+\.py|poems\.txt")           # what a reader's own file is called in an example


def defined(path):
    """The names at the top of a file, and Class.name."""
    found = set()
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            found.add(node.name)
            found |= {part.name for part in getattr(node, "body", []) if isinstance(part, ast.FunctionDef)}
        elif isinstance(node, (ast.Assign, ast.AnnAssign)):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            leaves = [leaf for target in targets for leaf in ast.walk(target)]
            found |= {leaf.id for leaf in leaves if isinstance(leaf, ast.Name)}
    return found


NAMES = {}
for source in SOURCES:
    NAMES.setdefault(source.stem, set()).update(defined(source))


def docstrings(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, (ast.Module, ast.FunctionDef, ast.ClassDef)):
            yield ast.get_docstring(node) or ""


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_what_a_docstring_names_is_there(path):
    for text in docstrings(path):
        for name in re.findall(r"\b[a-z_0-9]+\.(?:py|cuh?)\b", text):
            assert name in FILES or (ROOT / name).is_file() or OF_A_USER.fullmatch(name), name
        for stem, name in re.findall(r"\b([a-z_]+)\.py's ([A-Za-z_]+)", text) + \
                re.findall(r"\b(numpy_[a-z]+|[a-z]+_textbook|lstm_layer)\.([a-z_]+)\b(?!\.)", text):
            assert name in {"py", "s", "own"} | NAMES[stem], f"{stem}.{name}"
