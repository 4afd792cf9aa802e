"""python -m scratch_lstm.check: the command line."""

from __future__ import annotations

import argparse
import json
import locale
import os
import sys
from pathlib import Path

from .apart import failed, run_apart
from .template import TEMPLATES

EPILOG = """A file is Python and is run: check only files that you would run yourself. It runs in a process of its
own with a time limit. That protects against loops, crashes and forgotten prints, not against malice:
the process may read and write whatever you may, and it can falsify its own row.

exit status: 0 right, 1 wrong or unknown, 2 error"""
STATUS = {"right": 0, "wrong": 1, "unknown": 1, "error": 2}


def parser() -> argparse.ArgumentParser:
    """All options."""
    p = argparse.ArgumentParser(prog="python -m scratch_lstm.check", epilog=EPILOG,
                                formatter_class=argparse.RawDescriptionHelpFormatter,
                                description="Which mistake did I make? Checks a hand-written LSTM or RNN.")
    p.add_argument("files", nargs="*", type=Path, metavar="FILE", help="the file to check")
    p.add_argument("--template", choices=sorted(TEMPLATES), help="print a file to fill in, and stop")
    p.add_argument("--json", action="store_true", help="print one JSON object, with the whole answer")
    p.add_argument("--hint", type=int, choices=(1, 2, 3), default=2,
                   help="1: where the mistake is; 2: also the equation and an example (default); 3: what is wrong")
    p.add_argument("--language", choices=("en", "zh"), default=default_language(), help="default: by the locale")
    p.add_argument("--seconds", type=float, default=None, help="time limit for a file (default 60; --grade 10)")
    p.add_argument("--memory", type=int, default=None, metavar="MB",
                   help="memory limit for a file (default: none; --grade 1024; a file with torch needs more)")
    return p


def default_language() -> str:
    """"zh" where the locale is Chinese."""
    names = [os.environ.get(name, "") for name in ("LC_ALL", "LC_MESSAGES", "LANG")]
    chosen = next((name for name in names if name), "") or locale.getlocale()[0] or ""
    return "zh" if chosen.lower().startswith(("zh", "chinese")) else "en"


def main(arguments: list[str] | None = None) -> int:
    """The exit status."""
    p = parser()
    options = p.parse_args(arguments)
    if options.template:
        print(TEMPLATES[options.template], end="")
        return 0
    if len(options.files) != 1:
        p.error("name one FILE")
    return check_one(options)


def check_one(options: argparse.Namespace) -> int:
    """Check a single file and print its verdict."""
    path = options.files[0]
    try:
        source = path.read_bytes().decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as problem:
        answer = failed(str(path), options.language, "no file", {"message": str(problem)})
    else:
        answer = run_apart(source, path.resolve(), str(path), options.language, options.hint,
                           options.seconds or 60, options.memory or 0)
    if options.json:
        print(json.dumps(answer["json"], ensure_ascii=False))
    else:
        print(answer["text"], end="")
    return STATUS[answer["json"]["verdict"]]


if __name__ == "__main__":
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(encoding="utf-8")              # type: ignore[union-attr]
    sys.exit(main())
