"""A folder of files, each in a process of its own, as one table: for teachers.

All files are read before the first one runs, so that a file that writes into its neighbour changes nobody's
row but, on the disk, its neighbour: that is said at the end. The table is written in one piece when all are
done. """

from __future__ import annotations

import csv
import glob
import io
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib.util import decode_source
from pathlib import Path
from typing import Any

from tqdm import tqdm

from ..files import atomic_write
from .apart import failed, run_apart

COLUMNS = ("file", "verdict", "stage", "mistakes", "sites", "pages", "missing", "remarks", "residual",
           "seconds")


def expand(patterns: list[Path]) -> list[Path]:
    """The files that the patterns name, each once, of a folder its *.py; a shell that leaves * to us is
    served too."""
    found: dict[Path, None] = {}
    for pattern in patterns:
        if pattern.is_dir():
            pattern = Path(glob.escape(str(pattern))) / "*.py"
        matches = sorted(glob.glob(str(pattern))) if glob.has_magic(str(pattern)) else [str(pattern)]
        found.update(dict.fromkeys(map(Path, matches)))
    return list(found)


def grade(paths: list[Path], language: str, seconds: float, megabytes: int, jobs: int,
          progress: bool = True) -> tuple[list[dict[str, Any]], list[Path]]:
    """A row for each file, in their order, and the files that were changed on the disk in the meantime."""
    sources = {path: _read(path) for path in paths}

    def one(path: Path) -> dict[str, Any]:
        started = time.monotonic()
        source = sources[path]
        if isinstance(source, bytes):
            try:
                text = decode_source(source)
                answer = run_apart(text, path.resolve(), path.name, language, 2, seconds, megabytes)
            except (UnicodeDecodeError, SyntaxError) as problem:
                answer = failed(path.name, language, "no file", {"message": str(problem)})
        else:
            answer = failed(path.name, language, "no file", {"message": source})
        return row(path, answer["json"], time.monotonic() - started)

    with ThreadPoolExecutor(jobs) as pool:
        results: Iterator[dict[str, Any]] = pool.map(one, paths)
        rows = list(tqdm(results, total=len(paths), unit="file", file=sys.stderr, disable=not progress))
    return rows, [path for path in paths if _read(path) != sources[path]]


def _read(path: Path) -> bytes | str:
    """The bytes of a file, or why there are none."""
    try:
        return path.read_bytes()
    except OSError as problem:
        return str(problem)


def row(path: Path, answer: dict[str, Any], seconds: float) -> dict[str, Any]:
    """One line of the table."""
    stages = answer["stages"]
    not_right = [stage for stage, state in stages.items() if state != "right"]
    wrong = [stage for stage in not_right if stages[stage] == "wrong"]
    reached = "all" if answer["verdict"] == "right" else next(iter(wrong or not_right), "all")
    if set(stages.values()) == {"not looked at"}:
        reached = ""
    mistakes = answer["mistakes"]
    return {
        "file": str(path), "verdict": answer["verdict"], "seconds": f"{seconds:.2f}",
        "stage": reached if stages else "",
        "mistakes": " | ".join(one["how"] for one in mistakes),
        "sites": " ".join(one["site"] + (f":{one['gate']}" if one["gate"] else "") for one in mistakes),
        "pages": " ".join(one["page"] for one in mistakes),
        "missing": " ".join(answer["missing"]), "remarks": " | ".join(answer["remarks"]),
        "residual": "" if answer["residual"] is None else f"{answer['residual']:.1e}",
    }


def write_csv(path: Path, rows: list[dict[str, Any]]) -> None:
    """The table as CSV, UTF-8 with a mark at the beginning, so that spreadsheets show Chinese. Raises
    InputError."""
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, COLUMNS)
    writer.writeheader()
    writer.writerows([{name: _harmless(value) for name, value in one.items()} for one in rows])
    atomic_write(path, text.getvalue().encode("utf-8-sig"))


def _harmless(value: Any) -> Any:
    """A spreadsheet runs a cell that begins with =, +, - or @; a student chooses what is in some of these."""
    return "'" + value if isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t", "\r") else value


def as_lines(rows: list[dict[str, Any]]) -> str:
    """The table for the screen."""
    width = max([len(one["file"]) for one in rows], default=0)
    return "\n".join(f"{one['file']:<{width}}  {one['verdict']:<10} {one['stage'] or '-':<13} "
                     f"{one['seconds']:>6} s  {remark(one)}".rstrip() for one in rows)


def remark(one: dict[str, Any]) -> str:
    """What the table says behind the seconds: what is wrong, and what is missing."""
    missing = f"not written: {one['missing']}" if one["missing"] else ""
    return "; ".join(part for part in (one["sites"] or one["remarks"], missing) if part)
