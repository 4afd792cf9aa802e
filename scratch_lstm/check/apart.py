"""Run one file in a process of its own, with a time limit, and bring back its answer whatever happens.

The process leads a group of its own; when it has ended or its time is over, the whole group is ended, and on
Linux also what has left the group: it carries a mark in its environment.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from .evidence import Where
from .report import VERSION
from .sentences import WORDS

MARK = "SCRATCH_LSTM_CHECK"


def run_apart(source: str, path: Path, name: str, language: str, hint: int, seconds: float,
              megabytes: int = 0, blindness: bool = False) -> dict[str, Any]:
    """{"json": ..., "text": ...} as the worker gives it; an error of the same form where it gives nothing."""
    with tempfile.TemporaryDirectory() as folder:
        answer = Path(folder) / "answer.json"
        mark = os.path.basename(folder)
        request = {"source": source, "path": str(path), "name": name, "language": language, "hint": hint,
                   "blindness": blindness, "answer": str(answer), "memory": megabytes,
                   "seconds": int(seconds) + 1}
        environment = {**os.environ, MARK: mark, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1",
                       "PYTHONPATH": _search_path(), "PYTHONDONTWRITEBYTECODE": "1"}
        work = Path(folder) / "work"
        work.mkdir()
        process = subprocess.Popen([sys.executable, "-m", "scratch_lstm.check.worker"], env=environment,
                                   cwd=work,
                                   stdin=subprocess.PIPE, stdout=subprocess.DEVNULL,
                                   stderr=subprocess.DEVNULL,
                                   start_new_session=True)
        reason: tuple[str, dict[str, Any]]
        try:
            assert process.stdin is not None
            with contextlib.suppress(BrokenPipeError):
                process.stdin.write(json.dumps(request).encode())
                process.stdin.close()
            status = process.wait(seconds)
            reason = ("ended", {"status": status})
            if status == -getattr(signal, "SIGXCPU", 0):
                reason = ("time", {"seconds": f"{seconds:g}"})
        except subprocess.TimeoutExpired:
            reason = ("time", {"seconds": f"{seconds:g}"})
        finally:
            end_all(process, mark)
        try:
            return json.loads(answer.read_bytes())
        except (OSError, ValueError):
            return failed(name, language, *reason)


def failed(name: str, language: str, code: str, details: dict[str, Any]) -> dict[str, Any]:
    """The answer for a file that gave none."""
    words = WORDS[language]
    note = words.REMARKS[code].format(**details)
    verdict = words.LINES["verdict"].format(file=name, verdict=words.VERDICTS["error"])
    answer = {"version": VERSION, "verdict": "error", "network": None, "remarks": [note], "mistakes": [],
              "stages": {}, "where": Where().as_dict(), "residual": None, "missing": []}
    return {"json": answer, "text": f"{verdict}\n\n{note}\n"}


def _search_path() -> str:
    package = str(Path(__file__).resolve().parents[2])
    return os.pathsep.join([package, *filter(None, [os.environ.get("PYTHONPATH")])])


def end_all(process: subprocess.Popen[bytes], mark: str) -> None:
    """End the process, its group, and on Linux every process with its mark."""
    if os.name == "posix":
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
    process.kill()
    process.wait()
    if sys.platform == "linux":
        wanted = f"{MARK}={mark}".encode()
        for _ in range(20):                               # a process may start another one while we look
            if not any([_end(int(entry.name), wanted) for entry in Path("/proc").iterdir()
                        if entry.name.isdigit() and int(entry.name) != os.getpid()]):
                return


def _end(pid: int, wanted: bytes) -> bool:
    with contextlib.suppress(OSError):
        if wanted in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0"):
            os.kill(pid, signal.SIGKILL)
            return True
    return False
