"""Which module may import which: read from the source, so that it is true of code that no test runs."""

import ast
from pathlib import Path

import pytest

import scratch_lstm

PACKAGE = Path(scratch_lstm.__file__).parent
SOURCES = sorted(PACKAGE.rglob("*.py"))
FOLDERS = ("check", "evaluation", "kernels", "kernels.compiled", "kernels.gpu", "poems", "training")
PACKAGES = ["scratch_lstm"] + [f"scratch_lstm.{name}" for name in FOLDERS]

# Packages: imports go from right to left. Inside the mathematics the modules have an order too.
PACKAGE_ORDER = ["mathematics", "check", "poems", "evaluation", "training"]
MATHEMATICS = ["errors", "files", "functional", "kernels", "backend", "rnn_textbook", "lstm_textbook",
               "lstm_layer", "lstm", "layers", "model", "reading", "optim", "gradcheck"]
# Inside the other packages: no cycles.


def name_of(path):
    """functional, kernels.numpy_cell, ...; a package is its __init__."""
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
            yield from (f"{module}.{alias.name}" if module in PACKAGES else module for alias in node.names)


def package_of(name):
    """The entry of PACKAGE_ORDER that a module belongs to."""
    return name.split(".")[0] if name.split(".")[0] in PACKAGE_ORDER else "mathematics"


def inside(path):
    """The modules of the package that a file imports, without the leading scratch_lstm."""
    return [module.removeprefix("scratch_lstm.") for module in imports(path)
            if module.startswith("scratch_lstm.") and module.removeprefix("scratch_lstm.")[0].islower()]


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_only_backend_and_the_cupy_kernels_import_cupy_and_nothing_imports_torch(path):
    roots = {module.split(".")[0] for module in imports(path)}
    assert not roots & {"torch", "torch_ref", "train_poems", "tests"}
    assert "cupy" not in roots or name_of(path).startswith("kernels.gpu.")
    assert "pickle" not in roots
    assert "argparse" not in roots or name_of(path) in ("check.__main__", "training.command_line")


def test_a_verdict_depends_on_work_and_not_on_a_clock():
    """Only what runs files for a teacher measures seconds: the same file has the same verdict everywhere."""
    clocks = {name_of(path) for path in SOURCES if name_of(path).startswith("check.") and
              {"time", "timeit", "datetime", "signal"} & {module.split(".")[0] for module in imports(path)}}
    assert clocks == {"check.apart", "check.grade"}


def test_the_map_for_contributors_is_true():
    text = (PACKAGE.parent / "CONTRIBUTING.md").read_text(encoding="utf-8")
    order = " < ".join(["mathematics (scratch_lstm/*.py, kernels/)", *(f"{n}/" for n in PACKAGE_ORDER[1:])])
    assert f"`{order}`" in text
    folders = {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    assert all(f"`scratch_lstm/{name}/`" in text for name in folders)


def test_gradcheck_knows_no_model():
    assert not inside(PACKAGE / "gradcheck.py")


@pytest.mark.parametrize("name", ["trainer", "learner", "data_parallel"])
def test_training_knows_no_backend_by_name(name):
    source = (PACKAGE / "training" / f"{name}.py").read_text(encoding="utf-8")
    strings = {node.value for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Constant)}
    assert not strings & {"numpy", "numba", "cupy", "torch"}


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_imports_go_one_way(path):
    name = name_of(path)
    if name == "__init__":
        return                                            # the front door of the whole package
    own = PACKAGE_ORDER.index(package_of(name))
    for module in inside(path):
        theirs = PACKAGE_ORDER.index(package_of(module))
        assert theirs <= own, f"{name} imports {module}"
        above, here = module.split(".")[0], name.split(".")[0]
        if own == theirs == 0 and above != here:
            assert MATHEMATICS.index(above) < MATHEMATICS.index(here), f"{name} imports {module}"


def test_no_cycles():
    graph = {name_of(path): inside(path) for path in SOURCES if path.stem != "__init__"}
    done, active = set(), []

    def visit(name):
        assert name not in active, f"a cycle: {' -> '.join(active + [name])}"
        if name in graph and name not in done:
            active.append(name)
            for module in graph[name]:
                visit(module)
            active.pop()
            done.add(name)

    for name in graph:
        visit(name)


@pytest.mark.parametrize("path", SOURCES + [PACKAGE.parent / "train_poems.py"], ids=str)
def test_a_long_function_says_why_it_is_long(path):
    """In its docstring, after the word "Long:"."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef) and (node.end_lineno or 0) - node.lineno >= 60:
            assert "Long: " in (ast.get_docstring(node) or ""), node.name


def test_no_line_is_longer_than_110_characters():
    root = PACKAGE.parent
    made = {".venv", "mutants", "build", "runs", "site"}
    files = [path for path in root.rglob("*.py") if not made & set(path.relative_to(root).parts)]
    long = [f"{path.relative_to(root)}:{n}" for path in files
            for n, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1) if len(line) > 110]
    assert files and not long


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_every_attribute_exists_after_init(path):
    """A method other than __init__, and what __init__ itself calls, makes no new attribute."""
    def assigned(function):
        targets = [target for node in ast.walk(function) if isinstance(node, (ast.Assign, ast.AnnAssign))
                   for target in (node.targets if isinstance(node, ast.Assign) else [node.target])]
        names = [leaf for target in targets
                 for leaf in (target.elts if isinstance(target, ast.Tuple) else [target])]
        return {leaf.attr for leaf in names if isinstance(leaf, ast.Attribute)
                and isinstance(leaf.value, ast.Name) and leaf.value.id == "self"}

    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ClassDef):
            methods = {item.name: item for item in node.body if isinstance(item, ast.FunctionDef)}
            if "__init__" in methods:
                calls = [call.func for call in ast.walk(methods["__init__"]) if isinstance(call, ast.Call)]
                called = {call.attr for call in calls if isinstance(call, ast.Attribute)} | {"__init__"}
                made = set().union(*(assigned(methods[name]) for name in called & methods.keys()))
                made |= {item.target.id for item in node.body if isinstance(item, ast.AnnAssign)
                         and isinstance(item.target, ast.Name)}
                later = set().union(*(assigned(method) for method in methods.values()))
                assert later <= made, f"{node.name}: {later - made}"


def maxima_that_are_bounded(tree):
    """Lines of an assert with max(iterable) <= bound: Python's max() keeps a NaN only if it comes first."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Compare) and isinstance(node.ops[-1], ast.LtE) and any(
                isinstance(side, ast.Call) and isinstance(side.func, ast.Name) and side.func.id == "max"
                and len(side.args) == 1 for side in (node.left, *node.comparators)):
            bound = node.comparators[-1]
            if not (isinstance(bound, ast.Constant) and isinstance(bound.value, int)):
                yield node.lineno


@pytest.mark.parametrize("path", sorted(Path(__file__).parent.rglob("*.py")), ids=lambda path: path.name)
def test_no_bound_is_on_a_maximum_that_loses_nan(path):
    assert list(maxima_that_are_bounded(ast.parse(path.read_text(encoding="utf-8")))) == []


def test_such_a_maximum_is_found():
    text = "assert max(errors) <= 1e-9\nassert 0 <= max(a for a in b) <= BOUND\nassert max(counts) <= 3\n"
    assert list(maxima_that_are_bounded(ast.parse(text))) == [1, 2]
