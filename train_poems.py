"""Train a hand-written LSTM on Chinese poems, and write some: the command line."""

from __future__ import annotations

import argparse
import importlib
import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import Any

from scratch_lstm import language
from scratch_lstm.errors import DivergedError, InputError, OutputError, SharedError, WorkerLost, one_line
from scratch_lstm.files import reason, stdout_works
from scratch_lstm.poems.reader import Reading
from scratch_lstm.training import commands, evaluate, explain, writing
from scratch_lstm.training.command_line import (
    CORPUS,
    EVALUATION,
    EXPLANATION,
    READING,
    SETTINGS,
    TRAINING,
    WRITING,
    explicit_flags,
    make_parser,
    reject_other_flags,
)
from scratch_lstm.training.settings import RECIPES, Settings, as_flags
from scratch_lstm.training.workers import ALONE, Workers


def import_torch_ref(name: str) -> Any:
    """A module of torch_ref: scratch_lstm itself never imports torch. InputError without torch."""
    try:
        return importlib.import_module(f"torch_ref.{name}")
    except ImportError:
        raise InputError("torch is not installed: pip install 'scratch-lstm[torch]'") from None


FACTORIES = {"torch": lambda settings, size: import_torch_ref("learner").make_learner(settings, size)}


def run(args: argparse.Namespace, program: str, workers: Workers) -> bool:
    """Do what the flags say. False when a training run was interrupted."""
    if workers.size > 1 and (args.generate or args.evaluate or args.compare or args.explain):
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
    if args.evaluate:
        names = EVALUATION | {"corpus", "count", "seed", "threads"}
        reject_other_flags(args, names, "with --evaluate")
        options = explicit_flags(args, names)
        evaluate.evaluate(args.evaluate, json_file=options.pop("json", None), **options)
        return True
    if args.explain:
        reject_other_flags(args, EXPLANATION, "with --explain")
        if not (args.line and args.out):
            raise InputError("--explain needs --line TEXT and --out NAME.svg or NAME.png")
        explain.explain(args.explain, args.line, args.out)
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
    with language.speaking(sys.argv[1:] if arguments is None else arguments):
        return obey(arguments, program_name())


def obey(arguments: list[str] | None, program: str) -> int:
    """main, in the language that is spoken."""
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


if __name__ == "__main__":
    sys.exit(main())
