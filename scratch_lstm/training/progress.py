"""What a person sees while a model trains: a bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from typing import TextIO

from tqdm import tqdm

LINE_EVERY = 10.0  # seconds between two plain lines


class Progress:
    """One epoch after another: `begin`, `advance` for each batch, `end`. Lines go out by `say`."""

    def __init__(self, out: TextIO | None = None, bar_on: TextIO | None = None) -> None:
        self.out, self.bar_on = out or sys.stdout, bar_on or sys.stderr
        self.bar: tqdm | None = None

    def say(self, line: str = "") -> None:
        """A line that stays."""
        tqdm.write(line, file=self.out)
        self.out.flush()

    def begin(self, epoch: int, epochs: int, poems: int, done: int) -> None:
        """An epoch of so many poems, of which some may be done already."""
        self.title, self.poems, self.done = f"epoch {epoch}/{epochs}", poems, done
        self.begun_at, self.begun_with = time.monotonic(), done
        self.last_line = self.begun_at
        if self.bar_on.isatty():
            self.bar = tqdm(total=poems, initial=done, desc=self.title, unit=" poems", leave=False,
                            file=self.bar_on, dynamic_ncols=True)

    def advance(self, poems: int, shown: str) -> None:
        """So many more poems; `shown` is what there is to say of them, the latest loss."""
        self.done += poems
        if self.bar is not None:
            self.bar.set_postfix_str(shown, refresh=False)
            self.bar.update(poems)
        elif time.monotonic() - self.last_line >= LINE_EVERY:
            self.last_line = time.monotonic()
            rate = (self.done - self.begun_with) / (self.last_line - self.begun_at)
            self.say(f"{self.title}  {self.done}/{self.poems} poems  {shown}  {rate:.0f} poems/s")

    def end(self) -> None:
        """The epoch is over, or given up."""
        if self.bar is not None:
            self.bar.close()
            self.bar = None
