"""Train a hand-written LSTM on Chinese poems, and write some: the command line."""

from __future__ import annotations

import argparse
import importlib
import io
import os
import sys
from dataclasses import fields
from datetime import datetime
from pathlib import Path
from typing import Any

from scratch_lstm.training import commands
from scratch_lstm.errors import InputError
from scratch_lstm.training.settings import Settings, flag
from scratch_lstm.training.trainer import Diverged

HELP = {
    "backend": "what computes (auto takes the fastest that answers, and says which)",
    "dtype": "float32 or float64",
    "epochs": "passes over the corpus",
    "batch_size": "poems a step",
    "embedding_size": "length of a word vector",
    "hidden_size": "length of h and of c",
    "num_layers": "LSTM layers",
    "dropout": "between layers and before the linear layer",
    "learning_rate": "of Adam",
    "clip": "largest norm of the gradient",
    "held_out": "fraction of the poems to measure on, not to train on",
    "seed": "of everything random",
    "threads": "of the matrix library (numpy), or parts of each batch (numba)",
    "log_every": "steps between two readings of the loss",
    "save_every": "steps between two checkpoints",
}


CHOICES = {"backend": ("auto", "numpy", "numba", "cupy", "torch"), "dtype": ("float32", "float64")}


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="examples:\n"
               "  python train_poems.py --epochs 5\n"
               "  python train_poems.py --resume runs/NAME\n"
               "  python train_poems.py --generate runs/NAME --prompt 风 --temperature 0.8 --count 3\n"
               "  python train_poems.py --generate runs/NAME --acrostic 春夏秋冬 --strict")
    what = parser.add_argument_group("what to do (to train is the default)").add_mutually_exclusive_group()
    what.add_argument("--resume", type=Path, metavar="RUN", help="go on with an interrupted run")
    what.add_argument("--compare", choices=("torch",),
                      help="train this network and torch's side by side, from one start on the same batches")
    what.add_argument("--generate", type=Path, metavar="RUN",
                      help="write poems with the model of a run (a folder, or one model file in it)")

    data = parser.add_argument_group("corpus")
    data.add_argument("--corpus", type=Path, metavar="FILE", help="a UTF-8 text, one poem a line")
    data.add_argument("--dynasty", choices=("tang", "song", "all"), help="of the default corpus [tang]")
    data.add_argument("--characters", type=int, choices=(5, 7), help="a line, in the default corpus [5]")
    data.add_argument("--vocabulary", type=int, metavar="N", help="words in the default corpus [2001]")

    train = parser.add_argument_group("training")
    for field in fields(Settings):
        kind = {"int": int, "float": float, "str": str}[str(field.type)]
        choices = CHOICES.get(field.name)
        train.add_argument(flag(field.name), type=kind, choices=choices,
                           metavar=None if choices else kind.__name__.upper(),
                           help=f"{HELP[field.name]} [{field.default}]")
    train.add_argument("--out", type=Path, metavar="RUN", help="folder of the run [runs/date-time]")

    poems = parser.add_argument_group("writing, with --generate")
    poems.add_argument("--prompt", action="append", metavar="TEXT", help="how a poem begins; may be repeated")
    poems.add_argument("--acrostic", action="append", metavar="TEXT", help="how its lines begin")
    poems.add_argument("--temperature", type=float, help="draw characters, instead of taking the likeliest")
    poems.add_argument("--top-k", type=int, metavar="K", help="draw from the K likeliest only")
    poems.add_argument("--count", type=int, metavar="N", help="poems a prompt [1]")
    poems.add_argument("--strict", action="store_true", help="allow only choices that keep the form")
    return parser


TRAINING = {field.name for field in fields(Settings)} | {"out"}
CORPUS = {"corpus", "dynasty", "characters", "vocabulary"}
WRITING = {"prompt", "acrostic", "temperature", "top_k", "count", "strict"}


def given(args: argparse.Namespace, names: set[str]) -> dict:
    """The flags among `names` that stand on the command line."""
    return {name: value for name, value in vars(args).items()
            if name in names and value is not None and value is not False}


def allow(args: argparse.Namespace, names: set[str], mode: str) -> None:
    """Raise InputError for a flag that would have no effect."""
    for name in sorted(given(args, (TRAINING | CORPUS | WRITING) - names)):
        raise InputError(f"{flag(name)} has no effect {mode}; leave it out")


def torch_learner(settings: Settings, vocabulary_size: int) -> Any:
    """torch is known here and in torch_ref, and not in scratch_lstm."""
    return torch_part("learner").make_learner(settings, vocabulary_size)


def torch_part(name: str) -> Any:
    try:
        return importlib.import_module(f"torch_ref.{name}")
    except ImportError:
        raise InputError("torch is not installed: pip install 'scratch-lstm[torch]'") from None


LEARNERS = {"torch": torch_learner}


def run(args: argparse.Namespace) -> bool:
    """Do what the flags say. False when a training run was interrupted."""
    if args.generate:
        allow(args, WRITING | {"seed", "threads"}, "with --generate")
        options = {"threads": 1, "count": 1, "strict": False,
                   **given(args, WRITING | {"seed", "threads"})}
        if args.prompt and args.acrostic:
            raise InputError("--prompt and --acrostic exclude each other")
        acrostic = options.pop("acrostic", None)
        prompts = acrostic or options.pop("prompt", None)
        commands.write(args.generate, prompts, acrostic=bool(acrostic), **options)
        return True
    if args.resume:
        allow(args, {"epochs", "threads"}, "with --resume, which goes on with the settings of the run")
        return commands.resume(args.resume, LEARNERS, **given(args, {"epochs", "threads"}))
    allow(args, TRAINING | CORPUS, "without --generate")
    if args.corpus:
        allow(args, TRAINING | {"corpus"}, "with --corpus")
    out = args.out or Path("runs") / datetime.now().strftime("%Y%m%d-%H%M%S-%f")[:-3]
    settings, rule = Settings(**given(args, TRAINING - {"out"})), given(args, CORPUS - {"corpus"})
    if args.compare:
        commands.compare(torch_part("compare").compare, settings, out, args.corpus, rule)
        return True
    return commands.start(settings, out, args.corpus, rule, LEARNERS)


def main(arguments: list[str] | None = None) -> int:
    """Exit status: 0 done, 1 the training diverged, 2 bad input, 130 interrupted."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")   # for a terminal without Chinese
    args = parser().parse_args(arguments)
    try:
        return 0 if run(args) else 130
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except Diverged as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except BrokenPipeError:    # nobody reads on
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
