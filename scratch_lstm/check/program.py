"""A student's file, run so that nothing it does can mislead the check.

The file is executed anew for every problem: what it keeps between two calls is gone. It gets copies of all
arrays. `NotImplementedError` means "not written yet"; any other exception is an error with a line number.
"""

from __future__ import annotations

import contextlib
import dis
import io
import linecache
import traceback
import types
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from .problem import GATES, Array


EMPTY = {"RESUME", "NOP", "LOAD_CONST", "RETURN_VALUE", "RETURN_CONST"}     # as Python calls its instructions


class StudentError(Exception):
    """The file cannot be checked. `code` names the reason, `details` fill the message in either language."""

    def __init__(self, code: str, **details: Any) -> None:
        super().__init__(code, details)
        self.code, self.details = code, details


class NotWritten(Exception):
    """A part of the file that still raises NotImplementedError, does nothing, or is not there."""


class Program:
    """The source text of a file, ready to be executed as often as needed. Raises StudentError."""

    def __init__(self, source: str, path: str) -> None:
        self.path = path
        linecache.cache[path] = (len(source), None, source.splitlines(True), path)
        try:
            self.code = compile(source, path, "exec", dont_inherit=True)
        except (SyntaxError, ValueError) as problem:
            raise StudentError("syntax", line=getattr(problem, "lineno", None),
                               message=str(problem)) from None
        self.settings = self.fresh()

    def fresh(self) -> dict[str, Any]:
        """The names of the file after running it from the top."""
        module = types.ModuleType("student")
        module.__file__ = self.path
        with guarded(self.path, "the file"):
            exec(self.code, module.__dict__)
        return module.__dict__

    def setting(self, name: str, default: Any) -> Any:
        return self.settings.get(name, default)

    @property
    def network(self) -> str:
        network = self.setting("NETWORK", "lstm")
        if network not in ("lstm", "rnn"):
            raise StudentError("network", value=network)
        return network

    @property
    def gates(self) -> str:
        gates = self.setting("GATES", GATES)
        if not isinstance(gates, str) or sorted(gates) != sorted(GATES):
            raise StudentError("gates", value=gates)
        return gates


@contextlib.contextmanager
def guarded(path: str, where: str) -> Iterator[None]:
    """Run a piece of the student's code: its output is dropped, its warnings too, its exceptions become
    StudentError or NotWritten."""
    try:
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()), \
                warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            yield
    except NotImplementedError:
        raise NotWritten(where) from None
    except (StudentError, NotWritten):
        raise
    except SystemExit as stop:
        raise StudentError("exit", where=where, status=stop.code) from None
    except MemoryError:
        raise StudentError("memory", where=where) from None
    except KeyboardInterrupt:
        raise
    except BaseException as problem:
        lines = [frame.lineno for frame in traceback.extract_tb(problem.__traceback__)
                 if frame.filename == path]
        message = f"{type(problem).__name__}: {problem}"[:300]
        if not lines:                                 # it was called wrongly, or is no function
            raise StudentError("raised outside", where=where, message=message) from None
        raise StudentError("raised", where=where, line=lines[-1], message=message) from None


def call(path: str, where: str, function: Callable[..., Any], *arguments: Any) -> Any:
    """The student's function on copies of the arrays among the arguments."""
    with guarded(path, where):
        result = function(*(array.copy() if isinstance(array, np.ndarray) else array for array in arguments))
    if result is None and is_empty(function):
        raise NotWritten(where)
    return result


def is_empty(function: Callable[..., Any]) -> bool:
    """Whether nothing is written but a docstring, `pass` or `...`."""
    try:
        return {one.opname for one in dis.get_instructions(function)} <= EMPTY
    except TypeError:                             # not written in Python
        return False


def kind_of(value: Any) -> str:
    """The type of what was returned, in a word; "None" where `return` was forgotten."""
    return "None" if value is None else type(value).__name__


def function_of(names: dict[str, Any], name: Any) -> Any:
    """What has this name in the file. Raises StudentError."""
    if not isinstance(name, str) or name not in names:
        raise StudentError("no function", name=name)
    return names[name]


def as_array(value: Any, name: str) -> Array:
    """A float64 array of what was returned; also of a torch tensor, which knows how to become one."""
    with contextlib.suppress(Exception):
        if hasattr(value, "detach"):
            value = value.detach().cpu().numpy()
    try:
        array = np.asarray(value)
        if array.dtype.kind not in "fiub":
            raise TypeError(array.dtype)
    except Exception as problem:
        raise StudentError("not an array", name=name, message=str(problem)[:200]) from None
    return array


def reordered(array: Array, given: str, wanted: str, axis: int = 0) -> Array:
    """The four blocks of an axis, given in one order of the gates, in another one."""
    blocks = np.split(array, 4, axis)
    return np.concatenate([blocks[given.index(gate)] for gate in wanted], axis)
