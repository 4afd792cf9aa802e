"""python -m scratch_lstm.check: the command line."""

from __future__ import annotations

import argparse
import json
import locale
import math
import os
import sys
from collections.abc import Callable
from importlib.util import decode_source
from pathlib import Path

from ..errors import InputError
from .apart import failed, run_apart
from .grade import as_lines, expand, grade, write_csv
from .template import TEMPLATES

EPILOG = """forms of a file, besides the template's:
  cell_forward(x, h, c, W, U, b) -> h, c, cache and cell_backward(dh, dc, cache) -> dict, one step
  delta(dh, cache) -> every delta_{t,k}, (T, T, 4H), in place of backward
  FORM = "cs231n"     lstm_forward, lstm_backward, or rnn_, of CS231n's assignment
  FORM = "coursera"   lstm_forward, lstm_backward, or rnn_, of Coursera's assignment
  FORM = "dlfs2"      the class TimeLSTM or TimeRNN of "deep learning from scratch 2"
  FORM = "torch"      MODULE = "MyLSTM": a torch.nn.Module, made as MyLSTM(D, H), called as
                      module(x, (h0, c0)), x (T, D); its parameters are W, U, b, or contain ih, hh, bias; or
                      FUNCTION = "MyLSTM": a torch.autograd.Function; or run(x, h0, c0, W, U, b) -> h
  FORM = "loss"       loss(parameters) -> loss, gradients: a number, a dict; with a dict PARAMETERS, any loss
NETWORK = "rnn" is the simple recurrent network; GATES = "ifog" another order of the rows of W, U, b.

A file is Python, and checking it means running it: check only files that you would run yourself.
Each runs in a process of its own, in an empty folder, with a time limit, with --grade also a memory limit
(for each process, where the system has one), and whatever it starts is ended with it. That protects you from
loops, crashes, exits, floods of output and leftover processes. It does not protect you from malice: the
process can read, change and delete whatever you can, use the network, and falsify its own row. For strangers'
files use a container or an account of its own.

verdicts: right (the forward pass and the gradient of every parameter were compared and agree), incomplete
(what is there is right, something is not written), wrong (the named mistakes together give the output of the
file), unknown (something is wrong, and no known mistake gives it), error (it cannot be read or run).
By design, not by mistake: START = "zero" (the first states are zero), LOSS = "last" (the loss is at the last
step); without these lines both are found and said. START = "given", LOSS = "all": then they are mistakes.

exit status: 0 right, 1 wrong or unknown (--blindness: some mistake is let through), 2 error, 3 incomplete;
with --grade 0 when the table is made, whatever is in it"""
STATUS = {"right": 0, "wrong": 1, "unknown": 1, "error": 2, "incomplete": 3}


def parser() -> argparse.ArgumentParser:
    """All options."""
    p = argparse.ArgumentParser(prog="python -m scratch_lstm.check", epilog=EPILOG,
                                formatter_class=argparse.RawDescriptionHelpFormatter,
                                description="Which mistake did I make? Checks a hand-written LSTM or RNN.")
    p.add_argument("files", nargs="*", type=Path, metavar="FILE", help="the file to check")
    p.add_argument("--template", choices=sorted(TEMPLATES), help="print a file to fill in, and stop")
    p.add_argument("--json", action="store_true", help="print one JSON object, with the whole answer")
    p.add_argument("--hint", type=int, choices=(1, 2, 3), default=2,
                   help="1: where it is; 2: also the equation and an example (default); 3: what is wrong")
    p.add_argument("--grade", action="store_true",
                   help="check many files, of a folder its *.py, and print a table")
    p.add_argument("--blindness", action="store_true",
                   help="FILE has check(forward, backward) -> bool: which mistakes does it let through?")
    p.add_argument("--csv", type=Path, metavar="FILE", help="with --grade: write the table to this file")
    p.add_argument("--jobs", type=_at_least(int, 1), default=os.cpu_count() or 1,
                   help="with --grade: files at a time")
    p.add_argument("--language", choices=("en", "zh"), default=default_language(),
                   help="default: by the locale")
    p.add_argument("--seconds", type=_at_least(float, 0.1), default=None,
                   help="time limit for a file (default 60; --grade 10)")
    p.add_argument("--memory", type=_at_least(int, 0), default=None, metavar="MB",
                   help="memory limit for a file (default: none; --grade 1024; a file with torch needs more)")
    return p


def _at_least(kind: Callable[[str], float], least: float) -> Callable[[str], float]:
    """What reads a number of an option."""
    def number(text: str) -> float:
        value = kind(text)
        if not least <= value < math.inf:
            raise argparse.ArgumentTypeError(f"{text}: it must be at least {least}")
        return value
    number.__name__ = kind.__name__                      # which argparse names where the text is no number
    return number


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
    if options.csv and not options.grade:
        p.error("--csv belongs to --grade")
    if options.grade and options.files:
        return check_many(options)
    if len(options.files) != 1:
        p.error("name the files to grade" if options.grade else "name one FILE, or use --grade")
    return check_one(options)


def check_many(options: argparse.Namespace) -> int:
    """Check many files; the exit status is 0 if the table was made."""
    paths = expand(options.files)
    if not paths:
        print(f"error: {', '.join(map(str, options.files))}: no such files", file=sys.stderr)
        return 2
    if options.csv and (options.csv.suffix == ".py" or options.csv in paths):
        print(f"error: --csv {options.csv}: that is a file to grade; name another one", file=sys.stderr)
        return 2
    rows, changed = grade(paths, options.language, options.seconds or 10,
                          1024 if options.memory is None else options.memory, options.jobs)
    print(json.dumps({"files": rows}, ensure_ascii=False) if options.json else as_lines(rows))
    for path in changed:
        print(f"{path} was changed on the disk while the files ran; its row is from before", file=sys.stderr)
    if options.csv:
        try:
            write_csv(options.csv, rows)
        except InputError as problem:
            print(f"error: {problem}", file=sys.stderr)
            return 2
    return 0


def check_one(options: argparse.Namespace) -> int:
    """Check a single file and print its verdict."""
    path = options.files[0]
    try:
        source = decode_source(path.read_bytes())
    except (OSError, UnicodeDecodeError, SyntaxError) as problem:
        answer = failed(str(path), options.language, "no file", {"message": str(problem)})
    else:
        answer = run_apart(source, path.resolve(), str(path), options.language, options.hint,
                           options.seconds or (600 if options.blindness else 60), options.memory or 0,
                           options.blindness)
    if options.json:
        print(json.dumps(answer["json"], ensure_ascii=False))
    else:
        print(answer["text"], end="")
    if options.blindness and "verdict" not in answer["json"]:
        return 0 if answer["json"]["accepts_right"] and not answer["json"]["hidden"] else 1
    return STATUS[answer["json"]["verdict"]]


if __name__ == "__main__":
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(encoding="utf-8")              # type: ignore[union-attr]
    sys.exit(main())
