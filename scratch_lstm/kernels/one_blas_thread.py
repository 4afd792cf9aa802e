"""The matrix library held to one thread, while this project's own threads work.

A library of n threads lets each of ours start n more: they spin while they wait, and everything slows down
once another program needs a core. The number is one of the whole process, so it is counted how many threads
are inside: the first sets it to one, the last restores what it was.
"""

from __future__ import annotations

from contextlib import ContextDecorator
from threading import Lock
from typing import Any

from threadpoolctl import ThreadpoolController


class OneBlasThread(ContextDecorator):
    """A context, or a decorator of functions; any number of threads may be inside at the same time."""

    def __init__(self) -> None:
        self.lock, self.inside = Lock(), 0
        self.libraries: ThreadpoolController | None = None
        self.limits: Any = None

    def find_libraries(self) -> None:
        """Look again which matrix libraries are loaded; those that are loaded later are not held."""
        with self.lock:
            self.libraries = ThreadpoolController()

    def __enter__(self) -> None:
        with self.lock:
            if self.inside == 0:
                self.libraries = self.libraries or ThreadpoolController()
                self.limits = self.libraries.limit(limits=1, user_api="blas")
            self.inside += 1

    def __exit__(self, *error: object) -> None:
        with self.lock:
            self.inside -= 1
            if self.inside == 0:
                self.limits.restore_original_limits()


one_blas_thread = OneBlasThread()
