"""Run the tests against each mutant of the kernels that Numba compiles: a step of `make mutants`.

    python tests/mutate_kernels.py --jobs 2 cell ...

runs those of these files, or of all of them. mutmut leaves out functions with a decorator, and chooses a
mutant while the tests run, when compiled code cannot change any more. So mutmut only makes the mutants here.
Each gets a process and a copy of the package of its own, compiles it, and runs the tests of the kernels until
one fails. Where none does, they run once more, and then an index that is not in its array is an error. The
exit statuses go to mutants/kernels.json, for check_mutants.py.

Left out are tests that change the text of a kernel themselves: where that text has changed already they fail,
which says nothing about the mutant.
"""

import argparse
import json
import os
import re
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from difflib import ndiff
from pathlib import Path
from typing import NamedTuple

# whatever the tests need but the package: once, instead of in each copy of this process
import hypothesis.extra.numpy  # noqa: F401
import numba.core.config
import numba.core.registry  # noqa: F401
import pytest
import scipy.linalg.cython_blas  # noqa: F401
import torch  # noqa: F401
from mutmut.mutation.file_mutation import create_mutations
from run_mutants import BROKEN, CRASHES, KILLED, SURVIVED, TIMEOUT  # sets the library's threads: first

ROOT = Path(__file__).resolve().parents[1]
KERNELS = ROOT / "scratch_lstm" / "kernels" / "compiled"
FAILED = (1, 2, *(-kind for kind in CRASHES))       # pytest: a test failed, or the import; or a crash
SECONDS = 300
LEFT_OUT = ("__init__", "backend", "row_groups")         # mutmut itself takes row_groups.py
FIRST = {"fused_loss": "test_fused_loss.py", "exp": "test_fused_loss.py",
         "products": "test_numba_products.py", "jit": "test_numba_jit.py"}
TESTS = ("test_numba_kernels.py", "test_fused_loss.py", "test_numba_products.py", "test_numba_jit.py",
         "test_row_groups.py")
NO_OTHER_CHANGE = "not a_fault and not edited_kernel"


class Mutant(NamedTuple):
    file: str       # below scratch_lstm
    number: int
    before: str     # the lines that it takes out and puts in
    after: str
    text: str       # the whole file


def mutants_of(path: Path) -> list[Mutant]:
    source = path.read_text(encoding="utf-8")
    hidden = re.sub(r"^@", "#@", source, flags=re.M)        # a function with a decorator is left out
    module, changes, *_ = create_mutations(str(path), hidden)
    found = []
    for change in changes:
        if change.contained_by_top_level_function is None:
            continue
        text = module.deep_replace(change.original_node, change.mutated_node).code
        text = re.sub(r"^#@", "@", text, flags=re.M)
        lines = [line for line in ndiff(source.splitlines(), text.splitlines()) if line[0] in "-+"]
        before, after = (" ".join(line[1:].strip() for line in lines if line[0] == sign) for sign in "-+")
        found.append(Mutant(str(path.relative_to(KERNELS.parent)), len(found) + 1, before, after, text))
    return found


def run_tests(mutant: Mutant, bounds: bool, folder: str) -> int:
    """In a process of its own: pytest's exit status, with the mutant in place of the file."""
    package = Path(folder) / "scratch_lstm"
    shutil.copytree(KERNELS.parent, package, ignore=shutil.ignore_patterns("__pycache__"))
    (package / mutant.file).write_text(mutant.text, encoding="utf-8")
    os.environ |= {"PYTHONPATH": folder, "NUMBA_CACHE_DIR": f"{folder}/numba",
                   "PYTEST_DEBUG_TEMPROOT": folder, "NUMBA_BOUNDSCHECK": str(int(bounds))}
    numba.core.config.reload_config()       # otherwise it happens when the first kernel is compiled
    os.chdir(folder)
    sys.path[0] = folder
    stem = Path(mutant.file).stem
    files = sorted(TESTS, key=lambda name: name != FIRST.get(stem, TESTS[0]))
    options = ["-c", f"{ROOT}/setup.cfg", f"--rootdir={ROOT}", "-x", "-q", "--tb=line", "--assert=plain",
               "-p", "no:cacheprovider", "-p", "no:faulthandler"]
    if stem != "jit":
        options += ["-k", NO_OTHER_CHANGE]
    return int(pytest.main([*options, *(f"{ROOT}/tests/{name}" for name in files)]))


class Runs:
    """Several at a time, each a copy of this process (fork)."""

    def __init__(self, jobs: int) -> None:
        self.jobs = jobs
        self.running: dict[int, tuple[Mutant, bool, tempfile.TemporaryDirectory[str]]] = {}
        self.statuses: list[tuple[Mutant, int]] = []

    def start(self, mutant: Mutant, bounds: bool = False) -> None:
        """bounds: whether an index that is not in its array is an error."""
        while len(self.running) >= self.jobs:
            self.wait()
        folder = tempfile.TemporaryDirectory()
        pid = os.fork()
        if pid:
            self.running[pid] = mutant, bounds, folder
            return
        try:
            log = os.open(f"{folder.name}/log", os.O_RDWR | os.O_CREAT)
            os.dup2(log, 1), os.dup2(log, 2)
            signal.alarm(SECONDS)
            status = run_tests(mutant, bounds, folder.name)
        except BaseException:
            traceback.print_exc()
            status = BROKEN
        sys.stdout.flush(), sys.stderr.flush()
        os._exit(status)

    def wait(self) -> None:
        pid, status = os.wait()
        mutant, bounds, folder = self.running.pop(pid)
        code = os.waitstatus_to_exitcode(status)
        code = TIMEOUT if code == -signal.SIGALRM else KILLED if code in FAILED else code
        if code == SURVIVED and not bounds:
            folder.cleanup()
            self.start(mutant, bounds=True)
            return
        if code != (KILLED if mutant.number else SURVIVED):
            print(f"{mutant.file} {mutant.number}, status {code}", f"    - {mutant.before}",
                  f"    + {mutant.after}", sep="\n", flush=True)
            if code not in (SURVIVED, TIMEOUT):
                print(Path(f"{folder.name}/log").read_text("utf-8")[-2000:], flush=True)
        self.statuses.append((mutant, code))
        folder.cleanup()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("names", nargs="*", metavar="NAME", help="cell, for example; without, all")
    arguments = parser.parse_args()
    paths = [KERNELS / f"{name}.py" for name in arguments.names] or [
        path for path in sorted(KERNELS.glob("*.py")) if path.stem not in LEFT_OUT]
    results = Path("mutants/kernels.json")
    results.parent.mkdir(exist_ok=True)
    written = json.loads(results.read_text("utf-8")) if results.exists() else {}
    for path in paths:
        began, runs, mutants = time.monotonic(), Runs(arguments.jobs), mutants_of(path)
        runs.start(Mutant(f"kernels/{path.name}", 0, "", "", path.read_text("utf-8")))
        while runs.running:
            runs.wait()
        if runs.statuses.pop()[1] != SURVIVED:
            print("a test fails without any change")
            return 1
        for mutant in mutants:
            runs.start(mutant)
        while runs.running:
            runs.wait()
        written[f"kernels/{path.name}"] = [(mutant.before, mutant.after, status)
                                           for mutant, status in sorted(runs.statuses)]
        results.write_text(json.dumps(written, indent=1, ensure_ascii=False), "utf-8")
        count = Counter(status for _, status in runs.statuses)
        print(f"{path.name}: {len(mutants)} mutants, {count[KILLED]} killed, {count[TIMEOUT]} by a timeout, "
              f"{count[SURVIVED]} survived; {(time.monotonic() - began) / len(mutants):.1f} s each",
              flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
