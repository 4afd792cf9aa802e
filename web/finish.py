"""After the generator: formulas become HTML, code is put in, and each page knows its other language."""

from __future__ import annotations

import html
import json
import posixpath
import re
import subprocess
import sys
from pathlib import Path

import packages
import sources
from prepared import refresh

FORMULA = re.compile(r'<(span|div) class="arithmatex">\\([(\[])(.*?)\\[)\]]</\1>', re.DOTALL)
EXCERPT = re.compile(r"<!--excerpt (\S+) ([\d,]+) (\d+) (\d+)-->")
QUOTED = re.compile(r"<!--quoted (\S+) (\d+) (\d+)-->")
WHOLE = re.compile(r"<!--whole (\S+)-->")
LABEL = {"en": "{}: the lines that compute it", "zh": "{}：计算它的几行代码"}


def rendered(formulas: list[tuple[str, bool]]) -> dict[tuple[str, bool], str]:
    """Each (formula, displayed) as HTML, by KaTeX, in one run of node."""
    katex = packages.unpacked("katex") / "dist" / "katex.mjs"
    command = [packages.node_command(), str(Path(__file__).with_name("formulas.mjs")), str(katex)]
    result = subprocess.run(command, input=json.dumps(formulas), capture_output=True, text=True,
                            encoding="utf-8")
    if result.returncode:
        sys.exit(f"KaTeX: {result.stderr}")
    return dict(zip(formulas, json.loads(result.stdout)))


def key(match: re.Match[str]) -> tuple[str, bool]:
    return html.unescape(match[3]).strip(), match[2] == "["


def finish(site: Path) -> int:
    """Finish all pages under `site`; the number of formulas."""
    pages = {path: path.read_text(encoding="utf-8") for path in sorted(site.rglob("*.html"))}
    done = rendered(sorted({key(match) for text in pages.values() for match in FORMULA.finditer(text)}))
    sections = refresh.sections()
    count = 0
    for path, text in pages.items():
        language, _, inside = path.relative_to(site).as_posix().partition("/")
        up = "../" * inside.count("/")

        def excerpt(match: re.Match[str]) -> str:
            numbers = [int(number) for number in match[2].split(",")]
            return sources.excerpt(match[1], numbers, int(match[3]), int(match[4]),
                                   LABEL[language].format(match[1]))

        def quoted(match: re.Match[str]) -> str:
            hidden = refresh._docstrings(refresh.ROOT / match[1])
            rows = [number for number in range(int(match[2]), int(match[3]) + 1) if number not in hidden]
            name = f'{match[1]}, {match[2]}-{match[3]}'
            return (sources.listing(match[1], rows, set(), name).replace(sources.GAP, "")
                    + f'<a class="from" href="{up}source/{match[1]}.html#L{match[2]}">{name}</a>')

        count += len(FORMULA.findall(text))
        new = FORMULA.sub(lambda match: f'<{match[1]} class="formula">{done[key(match)]}</{match[1]}>', text)
        # into the last box of the formula, so that no line begins with the punctuation after it
        new = re.sub(r"(</span></span></span></span>)([，。；：、）”])", r'<span class="after">\2</span>\1', new)
        new = QUOTED.sub(quoted, EXCERPT.sub(excerpt, new))
        new = WHOLE.sub(lambda match: sources.whole(match[1], sections, up), new)
        for other in ("en", "zh"):
            new = new.replace(f'href="/LANGUAGE/{other}/"',
                              f'href="{posixpath.join("../" + up, other, inside)}"')
        # the generator's script would look for a sitemap behind these, which from file:// is an error
        new = re.sub(r'<link rel="alternate"[^>]*>', "", new)
        new = re.sub(r'__md_scope=new URL\("[^"]*"', f'__md_scope=new URL("../{up}"', new)
        if new != text:
            path.write_text(new, encoding="utf-8")
    for path in [*site.rglob("*.map"), *site.rglob("sitemap.xml*"), *site.rglob("404.html")]:
        path.unlink()
    return count
