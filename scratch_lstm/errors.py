"""What a person at the command line can put right."""


class InputError(ValueError):
    """Bad input. The message is one line: what is wrong, where (file, line), and what to do."""
