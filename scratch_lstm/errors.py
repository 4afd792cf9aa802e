"""Errors that a person at the command line can correct."""

import unicodedata

UNSEEN = {"Cc", "Cf", "Cs", "Cn", "Zl", "Zp"}   # categories of what no terminal shows, or obeys


class InputError(ValueError):
    """Bad input. The message is one line: what is wrong, where (file, line), and what to do."""


class SharedError(InputError):
    """Bad input that all workers of a distributed run find at the same place: one of them prints it."""


class DivergedError(ArithmeticError):
    """A loss or a gradient norm that is not finite; the message names the step."""


def one_line(text: str) -> str:
    """The text with every line break, control and invisible character written out (\\n, \\u200b): a file name
    or a prompt may hold any of them, and a message is one line."""
    return "".join(character if unicodedata.category(character) not in UNSEEN
                   else character.encode("unicode_escape").decode() for character in text)


class WorkerLost(OSError):
    """Another worker of a distributed run has ended, or does not answer any more."""


class OutputError(OSError):
    """Nobody reads what is printed any more; the work is saved. The message says how to go on."""
