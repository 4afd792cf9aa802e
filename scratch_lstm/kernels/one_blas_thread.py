"""The matrix library held to one thread, while this project's own threads work.

A library of n threads lets each of ours start n more: they spin while they wait, and everything slows down
once another program needs a core. The number is one of the whole process, so it is counted how many threads
are inside: the first sets it to one, the last restores what it was. These may be two threads; threadpoolctl
from 3.8 on obeys the thread alone that set a number last, until it hears that this one is done.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from threading import Lock
from typing import Any, TypeVar

from threadpoolctl import OpenBLASController, ThreadpoolController

Class = TypeVar("Class", bound=type)


class OneBlasThread:
    """A context; any number of threads may be inside at the same time."""

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
                let_this_thread_decide()
                self.limits = self.libraries.limit(limits=1, user_api="blas")
            self.inside += 1

    def __exit__(self, *error: object) -> None:
        with self.lock:
            self.inside -= 1
            if self.inside == 0:
                let_this_thread_decide()
                self.limits.restore_original_limits()
                let_this_thread_decide()        # and the next one that wants to


def let_this_thread_decide() -> None:
    if hasattr(OpenBLASController, "clear_controlling_thread"):
        OpenBLASController.clear_controlling_thread(force=True)


one_blas_thread = OneBlasThread()


def one_blas_thread_in(*methods: str) -> Callable[[Class], Class]:
    """A decorator of a class that has a `backend`: while one of these methods runs, the matrix library has
    one thread, if the backend's own threads share a batch. It costs about 10 microseconds a call."""
    def decorate(cls: Class) -> Class:
        for name in methods:
            setattr(cls, name, _inside(getattr(cls, name)))
        return cls
    return decorate


def _inside(method: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(method)
    def inside(self: Any, *arguments: Any, **options: Any) -> Any:
        if not self.backend.threads_share_batch:
            return method(self, *arguments, **options)
        with one_blas_thread:
            return method(self, *arguments, **options)
    return inside
