"""Log-probabilities in a file: how a model of any other program takes part.

A line for each held-out poem, in the order of held_out.txt, in JSON; natural logarithms. Either the whole
poem's, a number, or a list with one number for each character, its marks included, and one for the end:

    -102.71                            or            [-5.31, -4.4, -6.02, ..., -0.001]
"""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np

from ..errors import InputError
from ..files import read_file

ROUNDING = 1e-6     # a probability of 1, as another program may have rounded it


def read_log_probabilities(path: Path, lengths: np.ndarray) -> np.ndarray:
    """One number for each poem (N,), or for each prediction, one poem after another (total,).

    lengths: (N,) predictions of each poem: its characters and the end. Raises InputError with the line.
    """
    try:
        lines = read_file(path).decode("utf-8-sig").splitlines()
    except UnicodeDecodeError:
        raise InputError(f"{path}: is not UTF-8; give one line for each held-out poem, in JSON") from None
    while lines and not lines[-1].strip():
        lines.pop()
    if len(lines) != len(lengths):
        raise InputError(f"{path}: has {len(lines):,} lines; it must have one for each of the "
                         f"{len(lengths):,} held-out poems (--export writes them)")
    poems = [parse(line, f"{path}, line {number}") for number, line in enumerate(lines, 1)]
    lists = [isinstance(poem, list) for poem in poems]
    if len(set(lists)) > 1:
        raise InputError(f"{path}, line {lists.index(not lists[0]) + 1}: lists and single numbers are mixed; "
                         "give a list for each poem, or a number for each")
    for number, (poem, length) in enumerate(zip(poems, lengths.tolist()), 1):
        values = poem if isinstance(poem, list) else [poem]
        if isinstance(poem, list) and len(poem) != length:
            raise InputError(f"{path}, line {number}: has {len(poem):,} numbers; the poem has {length - 1:,} "
                             f"characters, so with its end {length:,} are needed")
        for value in values:
            log_p = as_number(value)
            if log_p is None:
                raise InputError(f"{path}, line {number}: {json.dumps(value)[:20]} is not a finite number; "
                                 "every character needs a probability above 0")
            if log_p > ROUNDING:
                raise InputError(f"{path}, line {number}: {log_p:g} is above 0, and no logarithm of a "
                                 "probability; give ln p, not -ln p")
    return np.concatenate([np.atleast_1d(np.array(poem, float)) for poem in poems])


def as_number(value: object) -> float | None:
    """A finite float; None for everything else."""
    try:
        if isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value):
            return float(value)
    except OverflowError:
        pass
    return None


def parse(line: str, where: str) -> object:
    """A number or a list. Raises InputError."""
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, (int, float, list)):
        raise InputError(f"{where}: not a number, nor a list of numbers in JSON: {line[:40]!r}")
    return value


def as_lines(log_p: np.ndarray, lengths: np.ndarray) -> str:
    """Log-probabilities of each prediction (total,) as such a file; lengths (N,) as above."""
    poems = np.split(log_p, np.cumsum(lengths)[:-1])
    return "".join(json.dumps([float(f"{value:.6g}") for value in poem]) + "\n" for poem in poems)
