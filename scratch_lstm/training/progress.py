"""What is printed while a model trains: a bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import errno
import sys
import time
from typing import TextIO

from tqdm import tqdm

from ..files import reason

LINE_EVERY = 10.0  # seconds between two plain lines


class Progress:
    """One epoch after another: `begin`, `advance` for each batch, `end`. `say` prints a line.

    What cannot be printed costs no training: closed from the start, nothing is printed; full, that is said
    once on stderr; when the reader of a pipe has gone, `reader_gone` becomes true.
    """

    def __init__(self, out: TextIO | None = None, bar_on: TextIO | None = None) -> None:
        self.out, self.bar_on = out or sys.stdout, bar_on or sys.stderr    # None where they are closed
        self.bar: tqdm | None = None
        self.title, self.poems, self.done = "", 0, 0
        self.begun_at = self.last_line = 0.0    # seconds
        self.begun_with = 0                     # poems done at that time
        self.reader_gone = False

    @classmethod
    def silent(cls) -> Progress:
        """One that prints nothing."""
        progress = cls()
        progress.out = progress.bar_on = None
        return progress

    def say(self, line: str = "") -> None:
        """Print a line above the bar."""
        if self.out is None:
            return
        try:
            tqdm.write(line, file=self.out)
            self.out.flush()
        except (OSError, ValueError) as error:    # ValueError: closed since
            self.reader_gone = getattr(error, "errno", None) == errno.EPIPE
            self.out = None
            if not self.reader_gone:
                self.warn(f"the output cannot be written ({reason(error)}); the training goes on without it")

    def warn(self, line: str) -> None:
        """Print a line on stderr, if there is one."""
        try:
            print(line, file=self.bar_on)
        except (OSError, ValueError):
            pass

    def begin(self, epoch: int, epochs: int, poems: int, done: int) -> None:
        """An epoch of so many poems, of which some may be done already."""
        self.title, self.poems, self.done = f"epoch {epoch}/{epochs}", poems, done
        self.begun_at, self.begun_with = time.monotonic(), done
        self.last_line = self.begun_at
        if self.bar_on is not None and self.bar_on.isatty():
            self.bar = tqdm(total=poems, initial=done, desc=self.title, unit=" poems", leave=False,
                            file=self.bar_on, dynamic_ncols=True)

    def advance(self, poems: int, loss_text: str) -> None:
        """So many more poems; loss_text is the latest loss."""
        self.done += poems
        if self.bar is not None:
            self.bar.set_postfix_str(loss_text, refresh=False)
            self.bar.update(poems)
        elif time.monotonic() - self.last_line >= LINE_EVERY:
            self.last_line = time.monotonic()
            rate = (self.done - self.begun_with) / (self.last_line - self.begun_at)
            self.say(f"{self.title}  {self.done}/{self.poems} poems  {loss_text}  {rate:.0f} poems/s")

    def end(self) -> None:
        """The epoch has ended or was interrupted."""
        if self.bar is not None:
            self.bar.close()
            self.bar = None
