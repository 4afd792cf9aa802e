"""Run the tests against each mutant: the long step of `make mutants`.

    python tests/run_mutants.py --jobs 2 'scratch_lstm.model.*' ...

runs those that have not run yet, of these files or of all; one whose name is given in full runs again.

`mutmut run` of one mutant has made them all before, and has measured which tests call which function. mutmut
itself would start pytest anew for each mutant, and run the tests in any order. Here pytest collects once, and
each mutant gets a copy of that process (fork), which runs the tests that call the changed function until one
fails: first those that have killed other mutants in little time, then the quick ones. A test that takes much
longer than it should is ended, and counts as a timeout.

The exit statuses are written where mutmut keeps them (*.meta), so check_mutants.py and `mutmut show` go on
from there.
"""

import argparse
import gc
import json
import os
import signal
import sys
import tempfile
import time
from collections import Counter
from configparser import ConfigParser
from fnmatch import fnmatch
from pathlib import Path

for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"):
    os.environ[name] = "1"      # the arrays are small; and a fork has no other threads

import numpy as np  # noqa: E402
import pytest  # noqa: E402

SURVIVED, KILLED, NO_TESTS, BROKEN, TIMEOUT = 0, 1, 33, 35, 36      # as in mutmut
CRASHES = (signal.SIGSEGV, signal.SIGBUS, signal.SIGABRT, signal.SIGFPE)     # compiled code on wrong arrays
OVERHEAD = 0.003        # seconds that pytest needs for a test that does nothing


class Mutants:
    """A pytest plugin that runs mutants where pytest would run tests."""

    def __init__(self, patterns: list[str], jobs: int) -> None:
        self.patterns, self.jobs = patterns, jobs
        stats = json.loads(Path("mutmut-stats.json").read_text(encoding="utf-8"))
        self.seconds: dict[str, float] = stats["duration_by_test"]
        self.tests_of: dict[str, list[str]] = stats["tests_by_mangled_function_name"]
        self.kills: Counter[tuple[str, str]] = Counter()        # (function or module, test)
        self.running: dict[int, tuple[str, list[str], int, tempfile.TemporaryDirectory[str]]] = {}

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        self.items = {item.nodeid: item for item in session.items}
        load_compiled_kernels()
        gc.collect()
        gc.freeze()             # nothing to look through in each copy
        self.start("", sorted(self.items))
        if self.wait() != ("", SURVIVED):
            pytest.exit("a test fails without any change", 1)
        for path in sorted(Path("scratch_lstm").rglob("*.py.meta")):
            self.run_file(path)
        return True

    def run_file(self, path: Path) -> None:
        """Each mutant of one source file; prints the survivors as they come."""
        meta, began = json.loads(path.read_text(encoding="utf-8")), time.monotonic()
        statuses = meta["exit_code_by_key"]
        wanted = [mutant for mutant, status in statuses.items() if mutant in self.patterns or (
            status is None and any(fnmatch(mutant, pattern) for pattern in self.patterns or "*"))]
        if not wanted:
            return
        left, written = iter(wanted), began
        while True:
            while len(self.running) < self.jobs and (mutant := next(left, None)):
                tests = self.in_order(mutant)
                if tests:
                    self.start(mutant, tests)
                else:
                    statuses[mutant] = NO_TESTS
                    print(f"no tests: {mutant}", flush=True)
            if not self.running:
                break
            mutant, status = self.wait()
            statuses[mutant] = status
            if status != KILLED:
                print(f"{'survived' if status == SURVIVED else f'status {status}'}: {mutant}", flush=True)
            if time.monotonic() > written + 10:
                path.write_text(json.dumps(meta, indent=4), encoding="utf-8")
                written = time.monotonic()
        path.write_text(json.dumps(meta, indent=4), encoding="utf-8")
        count = Counter(statuses[mutant] for mutant in wanted)
        print(f"{path.with_suffix('')}: {len(wanted)} mutants, {count[KILLED]} killed, {count[TIMEOUT]} by a "
              f"timeout, {count[SURVIVED]} survived; {(time.monotonic() - began) / len(wanted):.2f} s each",
              flush=True)

    def in_order(self, mutant: str) -> list[str]:
        """The tests that call the changed function, the most promising first."""
        function, module = scopes(mutant)

        def kills_a_second(test: str) -> float:
            kills = self.kills[function, test] + 0.3 * self.kills[module, test]
            return (kills + 0.1) / (self.seconds[test] + OVERHEAD)

        tests = [test for test in self.tests_of.get(function, []) if test in self.items]
        return sorted(tests, key=lambda test: (-kills_a_second(test), test))

    def start(self, mutant: str, tests: list[str]) -> None:
        """A copy of this process that runs the tests and ends at the first that fails."""
        folder = tempfile.TemporaryDirectory()
        read, write = os.pipe()
        pid = os.fork()
        if pid:
            os.close(write)
            self.running[pid] = mutant, tests, read, folder
            return
        try:
            null = os.open(os.devnull, os.O_RDWR)
            os.dup2(null, 1), os.dup2(null, 2)
            os.environ |= {"MUTANT_UNDER_TEST": mutant, "PYTEST_DEBUG_TEMPROOT": folder.name}
            signal.signal(signal.SIGALRM, signal.SIG_DFL)
            items = [self.items[test] for test in tests]
            for number, (item, following) in enumerate(zip(items, [*items[1:], None])):
                signal.setitimer(signal.ITIMER_REAL, 10 + 20 * self.seconds[tests[number]])
                item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
                if item.session.testsfailed:
                    os.write(write, str(number).encode())
                    os._exit(KILLED)
            os._exit(SURVIVED)
        except BaseException:
            os._exit(BROKEN)

    def wait(self) -> tuple[str, int]:
        """The next mutant that ends, and its status."""
        pid, status = os.wait()
        mutant, tests, read, folder = self.running.pop(pid)
        number = os.read(read, 20)
        os.close(read)
        folder.cleanup()
        if number:
            self.kills.update((scope, tests[int(number)]) for scope in scopes(mutant))
        code = os.waitstatus_to_exitcode(status)
        return mutant, TIMEOUT if code == -signal.SIGALRM else KILLED if -code in CRASHES else code


def load_compiled_kernels() -> None:
    """Once, instead of in each copy: the first call of each takes a second."""
    from scratch_lstm.training.learner import make_learner
    from scratch_lstm.training.settings import Settings
    make_learner(Settings(backend="numba", dropout=0.5), 3).step(np.zeros((2, 2), int), 0)


def scopes(mutant: str) -> tuple[str, str]:
    """The function and the module of a mutant."""
    function = mutant.partition("__mutmut_")[0]
    return function, function.rpartition(".")[0]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("patterns", nargs="*", metavar="PATTERN")
    arguments = parser.parse_args()
    settings = ConfigParser()
    settings.read("setup.cfg", encoding="utf-8")
    lines = [settings["mutmut"][key].strip().splitlines()
             for key in ("pytest_add_cli_args", "pytest_add_cli_args_test_selection")]
    os.chdir("mutants")
    sys.path[0] = os.getcwd()
    os.environ["MUTANT_UNDER_TEST"] = ""
    options = ["--rootdir=.", "-q", "-s", "--tb=no", "--assert=plain", "-p", "no:faulthandler"]
    return int(pytest.main([*options, *lines[0], *lines[1]], [Mutants(arguments.patterns, arguments.jobs)]))


if __name__ == "__main__":
    sys.exit(main())
