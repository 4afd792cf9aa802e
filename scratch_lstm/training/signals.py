"""Ctrl-C and SIGTERM ask a run to save itself and stop."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from .progress import Progress


@contextmanager
def stop_requests(progress: Progress) -> Iterator[Callable[[], bool]]:
    """Gives a function that says whether a stop was requested. A second request stops at once."""
    requested = False

    def request(number: int, frame: Any) -> None:
        nonlocal requested
        if requested:
            raise KeyboardInterrupt
        requested = True
        progress.say("stopping after this step")

    signals = [signal.SIGINT, signal.SIGTERM]
    before = [signal.signal(number, request) for number in signals]
    try:
        yield lambda: requested
    finally:
        for number, handler in zip(signals, before):
            signal.signal(number, handler)
