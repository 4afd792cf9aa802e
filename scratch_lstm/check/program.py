"""A student's file, run so that nothing it does can mislead the check.

The file is executed anew for every problem: what it keeps between two calls is gone. It gets copies of all
arrays, and what it writes into them is noticed. `NotImplementedError` means "not written yet"; any other
exception is an error with a line number.
"""

from __future__ import annotations

import ast
import contextlib
import inspect
import io
import linecache
import os
import textwrap
import traceback
import types
import warnings
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import numpy as np

from .problem import GATES, Array


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
        self.given: list[tuple[str, Array, Array]] = []
        self.process = os.getpid()
        self._kept: dict[str, Any] | None = None
        linecache.cache[path] = (len(source), None, source.splitlines(True), path)
        try:
            self.code = compile(source, path, "exec", dont_inherit=True)
        except (SyntaxError, ValueError) as problem:
            raise StudentError("syntax", line=getattr(problem, "lineno", None),
                               message=str(problem)) from None
        self.settings = self.fresh()

    @contextlib.contextmanager
    def kept(self) -> Iterator[None]:
        """Run the file once for all that is called in here."""
        self._kept = self.fresh()
        try:
            yield
        finally:
            self._kept = None

    def fresh(self) -> dict[str, Any]:
        """The names of the file after running it from the top."""
        if self._kept is not None:
            return self._kept
        module = types.ModuleType("student")
        module.__file__ = self.path
        with guarded(self.path, "the file"):
            exec(self.code, module.__dict__)
        if os.getpid() != self.process:               # a file that forks comes here twice
            os._exit(0)
        return module.__dict__

    def give(self, name: str, array: Array) -> Array:
        """A copy of the array for the file, under the name that a remark gives it."""
        copy = array.copy()
        self.watch(name, copy, array)
        return copy

    def watch(self, name: str, given: Array, as_it_was: Array) -> None:
        """Remember what was given, to see afterwards whether the file has written into it."""
        self.given.append((name, given, as_it_was.copy()))

    def written(self) -> set[str]:
        """The names of the arrays that the file has changed since this was last asked."""
        given, self.given = self.given, []
        return {name for name, array, before in given if not np.array_equal(array, before, equal_nan=True)}

    def setting(self, name: str, default: Any) -> Any:
        return self.settings.get(name, default)

    def choice(self, name: str, values: tuple[str, ...]) -> str | None:
        """A setting that has one of these values; None where the file does not have it."""
        value = self.setting(name, None)
        if value is not None and value not in values:
            raise StudentError("choice", name=name, value=value, known=" or ".join(f'"{v}"' for v in values))
        return value

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


class Kept:
    """A program whose functions cannot be made anew for each problem, as those of a notebook."""


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
    """The student's function. NotWritten where nothing is there but a docstring, `pass`, `...` or a raise."""
    if is_empty(function):
        raise NotWritten(where)
    with guarded(path, where):
        return function(*arguments)


def is_empty(function: Callable[..., Any]) -> bool:
    """Whether the source of a function does nothing: it is a skeleton."""
    code = getattr(function, "__code__", None)
    return isinstance(code, types.CodeType) and _does_nothing(code)


@cache
def _does_nothing(code: types.CodeType) -> bool:
    try:
        (function,) = ast.parse(textwrap.dedent(inspect.getsource(code))).body
    except (OSError, TypeError, SyntaxError, ValueError):             # there is no source to read
        return False
    return isinstance(function, (ast.FunctionDef, ast.AsyncFunctionDef)) and all(
        isinstance(line, (ast.Pass, ast.Raise)) or isinstance(line, (ast.Expr, ast.Return))
        and (line.value is None or isinstance(line.value, ast.Constant) and
             (isinstance(line, ast.Expr) or line.value.value is None)) for line in function.body)


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
