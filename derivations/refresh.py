"""Bring the pages' quotations of the source up to date: code blocks and line numbers.

    python derivations/refresh.py            write what has moved
    python derivations/refresh.py --check    only say what has moved; exit status 1 if anything has

Two things on a page are made from the source and never typed:

    <!-- source: scratch_lstm/lstm.py NAME -->              the code block below it is that function
                                                            without its docstring;
    <!-- source: scratch_lstm/lstm.py NAME | A | B -->      its lines from the first one with the text A
                                                            to the next one with the text B
    [lstm.py:82](../scratch_lstm/lstm.py#L82 "NAME: A")     the first line of that function with the text A;
    [lstm.py:74](../scratch_lstm/lstm.py#L74 "NAME")        the line where it begins

index.md is made whole, from equations.csv and from the places of the \\tag{6.31} on the pages. Pages in
Chinese (02_bptt.zh.md) are treated like the English ones, and index.zh.md like index.md.

A name may be a function, a class, `Class.method` or a constant. A name or a text that the source no longer
has is an error: then the page itself has to change, and no line number will mend it.
"""

from __future__ import annotations

import ast
import csv
import re
import sys
import textwrap
from functools import cache
from pathlib import Path

PAGES = Path(__file__).resolve().parent
ROOT = PAGES.parent
COMMAND = "python derivations/refresh.py"
WIDTH = 90      # what GitHub shows without scrolling

BLOCK = re.compile(r"<!-- source: (?P<path>\S+) (?P<name>[\w.]+)"
                   r"(?: \| (?P<first>.+?) \| (?P<last>.+?))? -->\n"
                   r"(?:```python\n.*?\n```\n(?:\[[^\n]*\n)?)?", re.DOTALL)
LINK = re.compile(r"\[(?P<text>[^\]\n]*)\]\(\.\./(?P<path>[\w./]+\.py)#L(?P<line>\d+)"
                  r" \"(?P<name>[\w.]+)(?:: (?P<tag>[^\"\n]+))?\"\)")


class Lost(Exception):
    """The source no longer has what a page quotes."""


@cache
def _lines(path: Path) -> tuple[str, ...]:
    return tuple(path.read_text(encoding="utf-8").splitlines())


@cache
def _spans(path: Path) -> dict[str, tuple[int, int]]:
    """name -> its first and last line, counted from 1, decorators included."""
    spans: dict[str, tuple[int, int]] = {}

    def visit(body: list[ast.stmt], prefix: str) -> None:
        for node in body:
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
                first = min([node.lineno, *(d.lineno for d in node.decorator_list)])
                spans[prefix + node.name] = first, node.end_lineno or node.lineno
                if isinstance(node, ast.ClassDef):
                    visit(node.body, prefix + node.name + ".")
            elif isinstance(node, (ast.Assign, ast.AnnAssign)):
                for target in node.targets if isinstance(node, ast.Assign) else [node.target]:
                    if isinstance(target, ast.Name):
                        spans[prefix + target.id] = node.lineno, node.end_lineno or node.lineno

    visit(ast.parse("\n".join(_lines(path))).body, "")
    return spans


def span(path: str, name: str) -> tuple[int, int]:
    """The first and last line of a name in a file of the repository. Raises Lost."""
    if not (ROOT / path).is_file():
        raise Lost(f"there is no file {path}")
    if name not in _spans(ROOT / path):
        raise Lost(f"{path} has no {name}")
    return _spans(ROOT / path)[name]


def line_with(path: str, name: str, text: str, begin: int = 0) -> int:
    """The first line of that name, from line `begin` on, that contains the text. Raises Lost."""
    first, last = span(path, name)
    for number in range(max(first, begin), last + 1):
        if text in _lines(ROOT / path)[number - 1]:
            return number
    raise Lost(f"{path}: {name} has no line with {text}")


@cache
def _docstrings(path: Path) -> frozenset[int]:
    """The numbers of all lines that belong to a docstring."""
    lines: set[int] = set()
    for node in ast.walk(ast.parse("\n".join(_lines(path)))):
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)) and ast.get_docstring(node) is not None:
            lines.update(range(node.body[0].lineno, (node.body[0].end_lineno or 0) + 1))
    return frozenset(lines)


def narrow(line: str) -> list[str]:
    """The line as it is, or, if it is wider than WIDTH, with its comment on a line of its own above it."""
    match = re.fullmatch(r"(\s*)(\S.*?)\s+(# .*)", line)
    if len(line) <= WIDTH or not match:
        return [line]
    return [match[1] + match[3], match[1] + match[2]]


def quoted(path: str, name: str, first_text: str | None, last_text: str | None) -> str:
    """The code block without its docstring, and under it the link to the lines it is made of."""
    first, last = span(path, name)
    if first_text and last_text:
        first = line_with(path, name, first_text)
        last = line_with(path, name, last_text, first)
    kept = [_lines(ROOT / path)[number - 1] for number in range(first, last + 1)
            if number not in _docstrings(ROOT / path)]
    code = "\n".join(short for line in textwrap.dedent("\n".join(kept)).split("\n") for short in narrow(line))
    return f"```python\n{code}\n```\n[{path}, lines {first} to {last}](../{path}#L{first}-L{last})\n"


def refreshed(text: str, where: str = "page") -> str:
    """The page with its code blocks and line numbers as the source has them now. Raises Lost."""
    def place(match: re.Match[str]) -> str:
        return f"{where}:{text.count(chr(10), 0, match.start()) + 1}"

    def block(match: re.Match[str]) -> str:
        marker = match.group().split("\n")[0]
        try:
            return marker + "\n" + quoted(*match.group("path", "name", "first", "last"))
        except Lost as lost:
            raise Lost(f"{place(match)}: {lost}") from None

    def link(match: re.Match[str]) -> str:
        path, name, tag = match.group("path", "name", "tag")
        try:
            line = line_with(path, name, tag) if tag else span(path, name)[0]
        except Lost as lost:
            raise Lost(f"{place(match)}: {lost}") from None
        label = re.sub(r":\d+$", f":{line}", match["text"])
        title = f"{name}: {tag}" if tag else name
        return f'[{label}](../{path}#L{line} "{title}")'

    return BLOCK.sub(block, LINK.sub(link, text))


# The index

INDEX_HEAD = """# Index of the equations

From a number in NNDL, chapter 6, to its derivation, its line of code and its tests. The numbers are those
of the draft of 2019-04-10. This page is made by `python derivations/refresh.py` from `equations.csv`.

| number | derived in | code | test in numbers | test in symbols | what it says | 2017-18 | printed |
|---|---|---|---|---|---|---|---|
"""
INDEX_FOOT = """
"-" in the column of symbols: (6.48) is a rule of thumb, so there is nothing to prove. Where the code column
names a test, no file of the package has a line for this equation; the test writes it out.

**Other editions.** The draft of 2019-04-04 has the same numbers. The drafts of 2018-07-20 and 2018-09-18
differ by two; in which direction is not known here, so no number is given. The column "2017-18" is for the
drafts from 2017-10-31 to 2018-04-25; they differ by about eleven, but only (6.31) is known exactly: (6.20).
Of the printed book (2020) only those three numbers are known that [lab 5](lab5.md) quotes: (6.31), without
trace and transpose, (6.40) and (6.41). "not known" means that it has not been looked up in that edition.
"""


INDEX_HEAD_ZH = """# 公式索引

从 NNDL 第 6 章的编号，找到它的推导、它的代码行和它的测试。编号取自 2019-04-10 版讲义。本页由
`python derivations/refresh.py` 根据 `equations.csv` 生成。

| 编号 | 推导 | 代码 | 数值测试 | 符号测试 | 内容 | 2017-18 | 印刷版 |
|---|---|---|---|---|---|---|---|
"""
INDEX_FOOT_ZH = """
符号测试一栏中的“-”：(6.48) 是经验估计，没有什么可以证明。代码一栏如果是测试，则软件包中没有哪一行对应这个公式，由测试写出它。

**其他版本。** 2019-04-04 版讲义的编号相同。2018-07-20 和 2018-09-18 两版的编号相差 2；朝哪个方向，这里不清楚，所以没有给出。
“2017-18”一栏是 2017-10-31 到 2018-04-25 各版；它们大约相差 11，但确切知道的只有 (6.31)，即 (6.20)。印刷版（2020）中，
只知道 [lab 5](lab5.zh.md) 引用的三个编号：没有迹和转置的 (6.31)，以及 (6.40) 和 (6.41)。“未查”表示没有在那一版中核对过。
"""
INDEXES = {"index.md": (INDEX_HEAD, INDEX_FOOT, ".md", "not known"),
           "index.zh.md": (INDEX_HEAD_ZH, INDEX_FOOT_ZH, ".zh.md", "未查")}
IN_CHINESE = {"6.31, without trace": "6.31，没有迹"}


def linked(place: str, shown: str | None = None) -> str:
    """"path name: tag" or "path name" of equations.csv as a link to the line. Raises Lost."""
    path, _, rest = place.partition(" ")
    name, _, tag = rest.partition(": ")
    line = line_with(path, name, tag) if tag else span(path, name)[0]
    title = f"{name}: {tag}" if tag else name
    return f'[{shown or f"{Path(path).name}:{line}"}](../{path}#L{line} "{title}")'


def numbered(suffix: str = ".md") -> list[Path]:
    """The numbered pages in reading order, in English or, for ".zh.md", in Chinese."""
    return [page for page in sorted(PAGES.glob(f"[0-9]*{suffix}"))
            if suffix != ".md" or not page.name.endswith(".zh.md")]


def sections(suffix: str = ".md") -> dict[str, tuple[str, str, str]]:
    """number -> page, section number, anchor, from the tags of the formulas."""
    found: dict[str, tuple[str, str, str]] = {}
    for page in numbered(suffix):
        heading = ""
        for line in page.read_text(encoding="utf-8").splitlines():
            if line.startswith("## "):
                heading = line[3:]
            for number in re.findall(r"\\tag\{(6\.\d+)\}", line):
                anchor = re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
                found[number] = page.name, heading.split()[0], anchor
    return found


def index_page(name: str = "index.md") -> str:
    """index.md or index.zh.md, from equations.csv, the pages and the source. Raises Lost."""
    head, foot, suffix, unknown = INDEXES[name]
    rows, where = [], sections(suffix)
    with open(PAGES / "equations.csv", encoding="utf-8", newline="") as file:
        table = [*csv.reader(file, delimiter="|")][1:]
        for number, statement, code, numeric, symbolic, old, printed in table:
            if number not in where:
                raise Lost(f"equations.csv: no page has a formula with the tag {number}")
            page, section, anchor = where[number]
            tests = [linked(test, test.split()[1][5:].replace("_", " ")) if test else "-"
                     for test in (numeric, symbolic)]       # spaces, so that a phone can break the name
            cells = [f"({number})", f"[{section}]({page}#{anchor})", linked(code), *tests, f"$`{statement}`$",
                     old or unknown, (printed or unknown) if name == "index.md" else
                     IN_CHINESE.get(printed, printed or unknown)]
            rows.append(f"| {' | '.join(cells)} |\n")
    return head + "".join(rows) + foot


def stale(page: Path) -> list[str]:
    """One line for each quotation on the page that the source has left behind."""
    if page.name in INDEXES:
        try:
            same = page.is_file() and page.read_text(encoding="utf-8") == index_page(page.name)
        except Lost as lost:
            return [str(lost)]
        return [] if same else [f"{page.relative_to(ROOT).as_posix()}: is not what {COMMAND} makes"]
    where, text = page.relative_to(ROOT).as_posix(), page.read_text(encoding="utf-8")
    try:
        new = refreshed(text, where)
    except Lost as lost:
        return [str(lost)]
    if new == text:
        return []
    found = []
    for pattern in (LINK, BLOCK):
        for old, now in zip(pattern.finditer(text), pattern.finditer(new)):
            if old.group() != now.group():
                place = f"{where}:{text.count(chr(10), 0, old.start()) + 1}"
                if pattern is BLOCK:
                    moved = old.group().split("```")[:-1] == now.group().split("```")[:-1]
                    found.append(f"{place}: the code block of {old['path']} {old['name']} "
                                 + ("stands on other lines now" if moved else "is not the source's"))
                else:
                    found.append(f"{place}: {old['path']} {old['name']} {old['tag'] or 'begins'}: "
                                 f"line {old['line']} is now {now['line']}")
    return found or [f"{where}: a quotation is not in the form that {COMMAND} writes"]


def pages() -> list[Path]:
    """In both languages: the table of contents, the numbered pages in reading order, the lab's answers, the
    glossary, the index."""
    index = [PAGES / name for name in INDEXES] if (PAGES / "equations.csv").is_file() else []
    others = [page for name in ("README", "lab5", "glossary") for page in sorted(PAGES.glob(f"{name}*.md"))]
    return [*others, *sorted(PAGES.glob("[0-9]*.md")), *index]


def main(arguments: list[str]) -> int:
    if arguments not in ([], ["--check"]):
        print(__doc__)
        return 2
    status = 0
    for page in pages():
        for line in stale(page):
            print(line)
            status = 1
        if not arguments:
            try:
                text = page.read_text(encoding="utf-8") if page.is_file() else ""
                new = (index_page(page.name) if page.name in INDEXES
                       else refreshed(text, page.relative_to(ROOT).as_posix()))
            except Lost:
                status = 2
            else:
                if new != text:
                    page.write_text(new, encoding="utf-8")
    return status if arguments or status == 2 else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
