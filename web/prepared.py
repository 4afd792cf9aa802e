"""A page of derivations/ as the site's generator reads it: formulas, code and links in the site's form.

A formula stays TeX until finish.py replaces it, so that Markdown leaves it alone and the search finds its
letters. A displayed formula whose next paragraph names a line of code becomes a pair: the formula, and next
to it the lines around the cited one, taken from the source.
"""

from __future__ import annotations

import posixpath
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "derivations"))

import refresh  # noqa: E402

FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
LINK = re.compile(r"(\]\()([^)\s]+)((?: \"[^\"]*\")?\))")
CODE = re.compile(r"\]\(\.\./([\w/.]+\.py)#L(\d+) \"([\w.]+)(?:: [^\"]+)?\"\)")
TAG = re.compile(r"\\tag\{(6\.\d+)\}")
QUOTED = re.compile(r"<!-- source: (?P<path>\S+) .*? -->\n```python\n.*?\n```\n"
                    r"\[[^\n]*\]\([^\n]*#L(?P<first>\d+)-L(?P<last>\d+)\)\n", re.DOTALL)
# pages of derivations/ whose name on the site is another one
RENAMED = {"README.html": "../index.html", "index.html": "equations.html"}


def moved(target: str, language: str, folder: str) -> str:
    """A link of a page in derivations/ as the link of the same page on the site, which is in `folder`."""
    path, _, fragment = target.partition("#")
    if path.startswith("http"):
        return target
    suffix = f"#{fragment.split('-L')[0] if re.match(r'L[0-9]', fragment) else fragment}" if fragment else ""
    if not path:
        return suffix
    where = posixpath.normpath(posixpath.join("derivations", path))
    if where.endswith(".py"):
        page = f"source/{where}.html"
    elif where.startswith("derivations/") and where.endswith(".md"):
        other = "zh" if where.endswith(".zh.md") else "en"
        name = posixpath.basename(where).replace(".zh.md", ".md").replace(".md", ".html")
        page = posixpath.normpath(f"derivations/{RENAMED.get(name, name)}")
        if other != language:
            page = f"../{other}/{page}"
    else:
        page = where
    return posixpath.relpath(page, folder) + suffix


def relinked(text: str, language: str, folder: str) -> str:
    return LINK.sub(lambda match: match[1] + moved(match[2], language, folder) + match[3], text)


def span(path: str, name: str, line: int) -> tuple[int, int]:
    """The first and last line of what is cited; of a whole function, its first lines."""
    first, last = refresh.span(path, name)
    return first, max(last, line)


def pair(formula: str, paragraph: str, label: str) -> str:
    """A displayed formula, the code that computes it, and the paragraph that names that code."""
    cited: dict[str, list[tuple[str, int]]] = {}
    for path, line, name in CODE.findall(paragraph):
        cited.setdefault(path, []).append((name, int(line)))
    lines = " ".join(f"{path}:{line}" for path, places in cited.items() for _, line in places)
    tag = TAG.search(formula)
    anchor = f' id="eq-{tag[1]}"' if tag else ""
    codes = []
    for path, places in cited.items():
        spans = [span(path, name, line) for name, line in places]
        codes.append(f"<!--excerpt {path} {','.join(str(line) for _, line in places)} "
                     f"{min(a for a, _ in spans)} {max(b for _, b in spans)}-->")
    return (f'<div class="pair"{anchor} markdown="1">\n'
            f'<div class="pair-equation" data-lines="{lines}" tabindex="0" role="group" '
            f'aria-label="{label.format(tag[1] if tag else "")}" markdown="1">\n\n'
            f'\\[\n{formula}\\]\n\n</div>\n<div class="pair-code">{"".join(codes)}</div>\n'
            f'<div class="pair-text" markdown="1">\n\n{paragraph}\n\n</div>\n</div>\n')


def site_markdown(text: str, language: str, folder: str = "derivations", label: str = "equation {}") -> str:
    """The page for the site's folder of that language."""
    text = QUOTED.sub(lambda block: f'<div class="quoted"><!--quoted {block["path"]} {block["first"]} '
                                    f'{block["last"]}--></div>\n', text)
    text = text.replace("<details>", '<details markdown="1">')
    kept: list[str] = []

    def keep(html: str) -> str:
        kept.append(html)
        return f"\x00{len(kept) - 1}\x00"

    def block(match: re.Match[str]) -> str:
        if match[1] != "math":
            return keep(match[0])
        return f"\x01{keep(match[2])}\x01"

    text = FENCE.sub(block, text)
    text = re.sub(r"\$`([^`]*)`\$", lambda match: keep(rf"\({match[1]}\)"), text)

    def displayed(match: re.Match[str]) -> str:
        formula = kept[int(match[1])]
        following = match[2] or ""
        if CODE.search(following):
            return pair(formula, following, label) + "\n"
        anchor = TAG.search(formula)
        opened = f'<span id="eq-{anchor[1]}"></span>\n\n' if anchor else ""
        return f"{opened}\\[\n{formula}\\]\n\n{following}"

    text = re.sub("\x01\x00(\\d+)\x00\x01(?:\n\n([^\n\x01<#|][^\x01]*?(?=\n\n|\n?\\Z)))?", displayed, text)
    text = relinked(text, language, folder)
    return re.sub("\x00(\\d+)\x00", lambda match: kept[int(match[1])], text)
