"""The source files that the pages cite: a page each, and the few lines around a cited one."""

from __future__ import annotations

import html
import re
from functools import cache
from pathlib import Path

from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import PythonLexer

ROOT = Path(__file__).resolve().parent.parent
AROUND = 3                          # lines of the excerpt above and below the cited one
GAP = '<span class="code-gap">⋮\n</span>'
NUMBER = re.compile(r"\(6\.(\d+)\)")


@cache
def coloured(path: str) -> tuple[str, ...]:
    """The file's lines as HTML, one string a line."""
    text = (ROOT / path).read_text(encoding="utf-8")
    lexer = PythonLexer(stripnl=False, ensurenl=True)
    return tuple(highlight(text, lexer, HtmlFormatter(nowrap=True)).split("\n")[:len(text.splitlines())])


def line(path: str, number: int, names: str = "") -> str:
    """One line of code as a span that knows its file and its number."""
    return (f'<span class="code-line{names}" data-line="{path}:{number}">'
            f'{coloured(path)[number - 1] or " "}\n</span>')


def excerpt(path: str, cited: list[int], first: int, last: int, label: str) -> str:
    """The cited lines with AROUND lines on each side, within the lines first to last of their function."""
    shown = sorted({near for number in cited for near in range(number - AROUND, number + AROUND + 1)
                    if first <= near <= last})
    return listing(path, shown, set(cited), label)


def listing(path: str, shown: list[int], cited: set[int], label: str) -> str:
    """Lines of a file, less what they are all indented by; a mark where some are left out."""
    indent = min(len(text) - len(text.lstrip()) for text in plain(path, shown) if text.strip())
    rows, before = [], shown[0] - 1
    for number in shown:
        if number != before + 1:
            rows.append(GAP)
        row = line(path, number, " cited" if number in cited else "")
        rows.append(re.sub(rf"(>)((?:<span class=\"w\">)?) {{{indent}}}", r"\1\2", row, count=1))
        before = number
    return (f'<pre class="excerpt highlight" tabindex="0" aria-label="{html.escape(label)}">'
            f'<code>{"".join(rows)}</code></pre>')


def plain(path: str, numbers: list[int]) -> list[str]:
    lines = (ROOT / path).read_text(encoding="utf-8").splitlines()
    return [lines[number - 1] for number in numbers]


def whole(path: str, sections: dict[str, tuple[str, str, str]], up: str) -> str:
    """The whole file with an anchor a line; each number of an equation leads back to its derivation.

    sections: as refresh.sections() gives them. up: the way from this page to the folder of all pages.
    """
    def back(match: re.Match[str]) -> str:
        known = sections.get(f"6.{match[1]}")
        if not known:
            return match[0]
        page = known[0].replace(".md", ".html")
        return f'<a class="back" href="{up}derivations/{page}#eq-6.{match[1]}">{match[0]}</a>'

    rows = [f'<span class="code-line" id="L{number}" data-line="{path}:{number}"><a class="number" '
            f'href="#L{number}" aria-label="line {number}">{number}</a>{NUMBER.sub(back, text)}\n</span>'
            for number, text in enumerate(coloured(path), 1)]
    return f'<pre class="whole highlight"><code>{"".join(rows)}</code></pre>'
