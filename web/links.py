"""Every link of the site: the file that it names is there, and has the place that it names."""

from __future__ import annotations

from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit


class Found(HTMLParser):
    """The targets that a page names, and the places that it has."""

    def __init__(self) -> None:
        super().__init__()
        self.targets: list[str] = []
        self.places: set[str] = {"", "__top"}

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        for name, value in attributes:
            if value and name in ("href", "src"):
                self.targets.append(value)
            elif value and name in ("id", "name"):
                self.places.add(value)


@cache
def read(page: Path) -> Found:
    found = Found()
    found.feed(page.read_text(encoding="utf-8"))
    return found


def broken(site: Path) -> list[str]:
    """One line for each link that leads nowhere, or out of the site."""
    read.cache_clear()
    lines = []
    for page in sorted(site.rglob("*.html")):
        for target in read(page).targets:
            parts = urlsplit(target)
            if parts.scheme in ("data", "javascript"):
                continue
            where = f"{page.relative_to(site)}: {target}"
            if parts.scheme or parts.netloc or target.startswith("/"):
                lines.append(f"{where} leads out of the site")
                continue
            file = (page.parent / unquote(parts.path)).resolve() if parts.path else page
            if file.is_dir():
                file = file / "index.html"
            if not file.is_file():
                lines.append(f"{where}: there is no such file")
            elif file.suffix == ".html" and unquote(parts.fragment) not in read(file).places:
                lines.append(f"{where}: the page has no such place")
    return lines
