"""Train a hand-written LSTM on Chinese poems, and write some: the command line."""

from __future__ import annotations

import argparse
import importlib
import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import fields
from datetime import datetime
from pathlib import Path
from typing import Any

from scratch_lstm.errors import DivergedError, InputError, OutputError, SharedError, WorkerLost, one_line
from scratch_lstm.files import reason
from scratch_lstm.poems.reader import Reading
from scratch_lstm.training import commands, writing
from scratch_lstm.training.workers import ALONE, Workers
from scratch_lstm.training.settings import RECIPES, SCHEDULES, Settings, as_flags, flag

CHOICES = {"backend": ("auto", "numpy", "numba", "cupy", "torch"), "dtype": ("float32", "float64"),
           "schedule": SCHEDULES}
SETTINGS = {field.name for field in fields(Settings)}
TRAINING = SETTINGS | {"out", "recipe"}
READING = {field.name for field in fields(Reading)}
CORPUS = {"corpus", "dynasty", "line_length", "vocabulary"} | READING
WRITING = {"prompt", "acrostic", "temperature", "top_k", "count", "strict"}


def make_parser(program: str) -> argparse.ArgumentParser:
    """program: the command as the user typed it, for the help text."""
    parser = argparse.ArgumentParser(
        prog=program, description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="examples:\n"
               f"  {program} --epochs 5\n"
               f"  {program} --resume runs/NAME\n"
               f"  {program} --generate runs/NAME --prompt 风 --temperature 0.8 --count 3\n"
               f"  {program} --generate runs/NAME --acrostic 春夏秋冬 --strict")
    what = parser.add_argument_group("what to do (to train is the default)").add_mutually_exclusive_group()
    what.add_argument("--resume", type=Path, metavar="RUN", help="continue an interrupted run")
    what.add_argument("--compare", choices=("torch",),
                      help="train this network and torch's side by side, from one start on the same batches")
    what.add_argument("--generate", type=Path, metavar="RUN",
                      help="write poems with the model of a run (a folder, or one model file in it)")

    data = parser.add_argument_group("corpus")
    data.add_argument("--corpus", type=Path, metavar="FILE",
                      help="a UTF-8 text, one poem a line; or chinese-poetry's JSON, a table, title:poem")
    data.add_argument("--encoding", metavar="NAME", help="of FILE, e.g. gb18030 or big5 [utf-8]")
    data.add_argument("--column", metavar="NAME", help="of a table, or entry of a JSON, that has the poems")
    data.add_argument("--format", choices=("auto", "text"),
                      help="text: FILE is a plain text, whatever it looks like; no line is left out [auto]")
    data.add_argument("--poems-are", choices=("auto", "lines", "paragraphs"),
                      help="whether a line or what is between two empty lines is a poem [auto]")
    data.add_argument("--dynasty", choices=("tang", "song", "all"), help="of the default corpus [tang]")
    data.add_argument("--line-length", type=int, choices=(5, 7),
                      help="characters in a line of the default corpus [5]")
    data.add_argument("--vocabulary", type=int, metavar="N", help="words in the default corpus [2001]")

    train = parser.add_argument_group("training")
    train.add_argument("--recipe", choices=RECIPES, help="settings under one name: course, the lab's, or "
                                                         f"best, {as_flags(RECIPES['best'])} [course]")
    for field in fields(Settings):
        if field.type == "bool":
            train.add_argument(flag(field.name), action=argparse.BooleanOptionalAction, default=None,
                               help=field.metadata["help"])
            continue
        kind = {"int": int, "float": float, "str": str}[str(field.type)]
        choices = CHOICES.get(field.name)
        train.add_argument(flag(field.name), type=kind, choices=choices,
                           metavar=None if choices else kind.__name__.upper(),
                           help=f"{field.metadata['help']} [{field.default}]")
    train.add_argument("--out", type=Path, metavar="RUN", help="folder of the run [runs/date-time]")

    poems = parser.add_argument_group("writing, with --generate")
    poems.add_argument("--prompt", action="append", metavar="TEXT", help="how a poem begins; may be repeated")
    poems.add_argument("--acrostic", action="append", metavar="TEXT", help="how its lines begin")
    poems.add_argument("--temperature", type=float, help="draw characters, instead of taking the likeliest")
    poems.add_argument("--top-k", type=int, metavar="K", help="draw from the K likeliest only")
    poems.add_argument("--count", type=int, metavar="N",
                       help="poems a prompt [1]; greedy ones go on with each of the N likeliest characters")
    poems.add_argument("--strict", action="store_true", default=None,
                       help="allow only choices that keep the form")
    return parser


def explicit_flags(args: argparse.Namespace, names: set[str]) -> dict[str, Any]:
    """The flags among `names` that are on the command line, with their values."""
    return {name: value for name, value in vars(args).items()
            if name in names and value is not None}


def reject_other_flags(args: argparse.Namespace, names: set[str], mode: str) -> None:
    """Raise InputError for a flag that would have no effect."""
    for name in sorted(explicit_flags(args, (TRAINING | CORPUS | WRITING) - names)):
        raise InputError(f"{flag(name)} has no effect {mode}; leave it out")


def import_torch_ref(name: str) -> Any:
    """A module of torch_ref: scratch_lstm itself never imports torch. InputError without torch."""
    try:
        return importlib.import_module(f"torch_ref.{name}")
    except ImportError:
        raise InputError("torch is not installed: pip install 'scratch-lstm[torch]'") from None


FACTORIES = {"torch": lambda settings, size: import_torch_ref("learner").make_learner(settings, size)}


def run(args: argparse.Namespace, program: str, workers: Workers) -> bool:
    """Do what the flags say. False when a training run was interrupted."""
    if workers.size > 1 and (args.generate or args.compare):
        raise SharedError("torchrun is for training: run this command without it")
    if args.generate:
        reject_other_flags(args, WRITING | {"seed", "threads"}, "with --generate")
        options = {"threads": 1, "count": 1, "strict": False,
                   **explicit_flags(args, WRITING | {"seed", "threads"})}
        if args.prompt and args.acrostic:
            raise InputError("--prompt and --acrostic exclude each other")
        acrostic = options.pop("acrostic", None)
        prompts = acrostic or options.pop("prompt", None)
        writing.write_poems(args.generate, prompts, acrostic=bool(acrostic), **options)
        return True
    if args.resume:
        changeable = {"epochs", "threads", "patience"}
        reject_other_flags(args, changeable | {"corpus"},
                           "with --resume, which keeps the settings of the run")
        return commands.resume(args.resume, args.corpus, FACTORIES, program, workers,
                               **explicit_flags(args, changeable))
    reject_other_flags(args, TRAINING | CORPUS, "without --generate")
    if args.corpus:
        reject_other_flags(args, TRAINING | {"corpus"} | READING, "with --corpus")
    else:
        reject_other_flags(args, (TRAINING | CORPUS) - READING, "without --corpus")
    if workers.size > 1 and not args.out:
        raise SharedError("give --out RUN: all workers need the same folder")
    out = args.out or Path("runs") / datetime.now().strftime("%Y%m%d-%H%M%S-%f")[:-3]
    recipe = RECIPES[args.recipe or "course"]
    settings = Settings(**{**recipe, **explicit_flags(args, SETTINGS)})
    if recipe and workers.rank == 0:
        print(f"recipe {args.recipe}: {as_flags(recipe)}")
    reading = Reading(**explicit_flags(args, READING))
    rule = explicit_flags(args, CORPUS - {"corpus"} - READING)
    if args.compare:
        commands.compare(import_torch_ref("compare").compare, settings, out, args.corpus, reading, rule)
        return True
    return commands.start(settings, out, args.corpus, reading, rule, FACTORIES, program, workers)


@contextmanager
def all_workers(args: argparse.Namespace) -> Iterator[Workers]:
    """Those that torchrun has started, or this process alone."""
    if "TORCHELASTIC_RUN_ID" not in os.environ:
        yield ALONE
        return
    with import_torch_ref("distributed").join(args.backend) as workers:
        yield workers


def program_name() -> str:
    """The command that the user typed: messages name it, so that it can be typed again."""
    started = Path(sys.argv[0]).name
    if started == "__main__.py" or started == "train_poems.py":
        return "python train_poems.py"
    return started.removesuffix(".exe") or "scratch-lstm"


def main(arguments: list[str] | None = None) -> int:
    """Exit status: 0 done, 1 the training diverged, 2 bad input, 130 interrupted."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")   # for a terminal without Chinese
    program = program_name()
    args = make_parser(program).parse_args(arguments)
    status, message, rank = 0, "", 0
    try:
        with all_workers(args) as workers:
            rank = workers.rank
            status = 0 if run(args, program, workers) else 130
        if sys.stdout is not None:
            sys.stdout.flush()
    except InputError as error:
        by = f" (worker {rank})" if rank else ""
        status, message = 2, f"error{by}: {error}"
        if rank and isinstance(error, SharedError):
            message = ""                # worker 0 has the same, and prints it
    except (DivergedError, WorkerLost) as error:
        status, message = 1, "" if rank else f"error: {error}"
    except OutputError as error:
        status, message = 1, f"error: {error}"
    except OSError as error:       # of printing: every other one is an InputError by now
        status, message = 1, f"error: {error.filename or 'the output'}: cannot be written ({reason(error)})"
    except KeyboardInterrupt:
        status, message = 130, "interrupted"
    if status == 1 and not stdout_works():
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)    # what Python has not written yet is dropped
    if message:
        with suppress(OSError, ValueError):
            print(one_line(message), file=sys.stderr)
    return status


def stdout_works() -> bool:
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
        return True
    except (OSError, ValueError):
        return False


if __name__ == "__main__":
    sys.exit(main())
