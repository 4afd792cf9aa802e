"""Errors that a person at the command line can correct."""


class InputError(ValueError):
    """Bad input. The message is one line: what is wrong, where (file, line), and what to do."""


class DivergedError(ArithmeticError):
    """A loss or a gradient norm that is not finite; the message names the step."""
