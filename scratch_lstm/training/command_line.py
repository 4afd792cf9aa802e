"""The flags of the command line: train_poems.py does what they say."""

from __future__ import annotations

import argparse
from dataclasses import fields
from pathlib import Path
from typing import Any

from .. import language
from ..errors import InputError
from ..poems.reader import Reading
from .settings import RECIPES, SCHEDULES, Settings, as_flags, flag

CHOICES = {"backend": ("auto", "numpy", "numba", "cupy", "torch"), "dtype": ("float32", "float64"),
           "schedule": SCHEDULES}
SETTINGS = {field.name for field in fields(Settings)}
TRAINING = SETTINGS | {"out", "recipe"}
READING = {field.name for field in fields(Reading)}
CORPUS = {"corpus", "dynasty", "line_length", "vocabulary"} | READING
WRITING = {"prompt", "acrostic", "temperature", "top_k", "count", "strict", "rhyme", "tones"}
EVALUATION = {"log_probabilities", "json", "picture", "export"}
EXPLANATION = {"line", "out"}


class Help(argparse.RawDescriptionHelpFormatter):
    """Lines by columns, of which a Chinese character has two."""

    def _split_lines(self, text: str, width: int) -> list[str]:
        return language.wrapped(text, width)


def make_parser(program: str) -> argparse.ArgumentParser:
    """program: the command as the user typed it, for the help text. Long: one line a flag."""
    parser = argparse.ArgumentParser(
        prog=program, description="Train a hand-written LSTM on Chinese poems, and write some.",
        formatter_class=Help,
        epilog="examples:\n"
               f"  {program} --epochs 5\n"
               f"  {program} --resume runs/NAME\n"
               f"  {program} --generate runs/NAME --prompt 风 --temperature 0.8 --count 3\n"
               f"  {program} --generate runs/NAME --acrostic 春夏秋冬 --strict")
    parser.add_argument("--language", choices=language.LANGUAGES,
                        help="of help, progress and errors [the locale's]")
    what = parser.add_argument_group("what to do (to train is the default)").add_mutually_exclusive_group()
    what.add_argument("--resume", type=Path, metavar="RUN", help="continue an interrupted run")
    what.add_argument("--compare", choices=("torch",),
                      help="train this network and torch's side by side, from one start on the same batches")
    what.add_argument("--generate", type=Path, metavar="RUN",
                      help="write poems with the model of a run (a folder, or one model file in it)")

    what.add_argument("--evaluate", type=Path, metavar="RUN",
                      help="measure a run: held-out poems beside n-grams, its own poems beside real ones")
    what.add_argument("--explain", type=Path, metavar="RUN",
                      help="draw how a run reads --line: gates, next characters, how far each loss reaches")

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
    train.add_argument("--line", metavar="TEXT", help="with --explain, whose picture is --out: what to read")

    poems = parser.add_argument_group("writing, with --generate")
    poems.add_argument("--prompt", action="append", metavar="TEXT", help="how a poem begins; may be repeated")
    poems.add_argument("--acrostic", action="append", metavar="TEXT", help="how its lines begin")
    poems.add_argument("--temperature", type=float, help="draw characters, instead of taking the likeliest")
    poems.add_argument("--top-k", type=int, metavar="K", help="draw from the K likeliest only")
    poems.add_argument("--count", type=int, metavar="N",
                       help="poems a prompt [1]; greedy ones go on with each of the N likeliest characters; "
                            "with --evaluate: poems to sample [1000]")
    poems.add_argument("--strict", action="store_true", default=None,
                       help="allow only choices that keep the form")
    poems.add_argument("--rhyme", action="store_true", default=None,
                       help="with --strict: the even lines rhyme (Pingshui, level tone)")
    poems.add_argument("--tones", action="store_true", default=None,
                       help="with --strict: keep the tone pattern of regulated verse")

    figures = parser.add_argument_group("figures, with --evaluate")
    figures.add_argument("--log-probabilities", type=Path, action="append", metavar="FILE",
                         help="of another model, see docs/benchmark.md; may be repeated")
    figures.add_argument("--json", type=Path, metavar="FILE", help="write the figures there; - prints them")
    figures.add_argument("--picture", type=Path, metavar="FILE", help="draw them there, as PNG")
    figures.add_argument("--export", type=Path, metavar="FOLDER",
                         help="write the poems of both sides of the split, and the model's log-probabilities")
    translated: argparse.ArgumentParser = language.translated(parser)
    return translated


def explicit_flags(args: argparse.Namespace, names: set[str]) -> dict[str, Any]:
    """The flags among `names` that are on the command line, with their values."""
    return {name: value for name, value in vars(args).items()
            if name in names and value is not None}


def reject_other_flags(args: argparse.Namespace, names: set[str], mode: str) -> None:
    """Raise InputError for a flag that would have no effect."""
    known = TRAINING | CORPUS | WRITING | EVALUATION | EXPLANATION
    for name in sorted(explicit_flags(args, known - names)):
        raise InputError(f"{flag(name)} has no effect {mode}; leave it out")
