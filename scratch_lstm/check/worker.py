"""The process that runs one student's file: reads a request, answers with one JSON object, and ends at once.

Whatever the file prints, at any time, goes nowhere: the answer is a file of its own. The process ends
with os._exit, so that nothing that the file left behind, threads or exit handlers, runs afterwards.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any


def limit(megabytes: int, seconds: int) -> None:
    """Limits of this process where the system has them: memory, processor time, size of a written file."""
    try:
        import resource
    except ImportError:                       # Windows
        return
    kind = resource.RLIMIT_DATA if sys.platform == "linux" else resource.RLIMIT_AS
    wanted = [(resource.RLIMIT_CORE, 0)]
    if megabytes:
        wanted += [(kind, megabytes * 2 ** 20), (resource.RLIMIT_FSIZE, 64 * 2 ** 20)]
    if seconds:
        wanted.append((resource.RLIMIT_CPU, seconds + 1))
    for which, value in wanted:
        hard = resource.getrlimit(which)[1]
        soft = value if hard == resource.RLIM_INFINITY else min(value, hard)
        try:
            resource.setrlimit(which, (soft, hard))
        except (ValueError, OSError):         # a system that does not know this limit
            pass


def run(request: dict[str, Any]) -> dict[str, Any]:
    """Check the source of the request; the answer as JSON can carry it."""
    from . import blindness_report
    from .blindness import Blindness
    from .checking import check_source, look_at_check
    from .problem import GATES
    from .report import as_json, as_text

    sys.path.insert(0, os.path.dirname(os.path.abspath(request["path"])))
    limit(request.get("memory", 0), request.get("seconds", 0))
    language = request["language"]
    if request["blindness"]:
        found = look_at_check(request["source"], request["path"])
        if isinstance(found, Blindness):
            return {"json": blindness_report.as_json(found, language),
                    "text": blindness_report.as_text(found, request["name"], language, request["hint"])}
        verdict, gates = found, GATES
    else:
        verdict, gates = check_source(request["source"], request["path"])
    return {"json": as_json(verdict, language, gates),
            "text": as_text(verdict, request["name"], language, request["hint"], gates)}


def answer_to(request: dict[str, Any]) -> dict[str, Any]:
    """As `run`; a mistake of this program itself is no mistake of the student's, and says so."""
    try:
        return run(request)
    except Exception as problem:
        import traceback

        from .apart import failed

        place = traceback.extract_tb(problem.__traceback__)[-1]
        message = f"{type(problem).__name__}: {problem} ({os.path.basename(place.filename)}:{place.lineno})"
        return failed(request["name"], request["language"], "internal", {"message": message})


def main() -> None:
    """Standard input is the request; the answer goes to the file that the request names."""
    request = json.loads(sys.stdin.buffer.read())
    answer = os.open(request["answer"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    nowhere = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(nowhere, descriptor)
    itself = os.getpid()
    data = json.dumps(answer_to(request)).encode()
    while data and os.getpid() == itself:         # a file that forks comes here twice
        data = data[os.write(answer, data):]
    os._exit(0)


if __name__ == "__main__":
    main()
