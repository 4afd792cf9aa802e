"""Where a section of derivations/ is, found by its number: the words of a heading may change."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

DERIVATIONS = Path(__file__).resolve().parents[2] / "derivations"


@cache
def page(section: str, language: str = "en") -> str:
    """"2.4" -> "derivations/02_bptt.md#24-the-gradient-of-u", the anchor as GitHub makes it; the page in the
    language where there is one. Without the pages next to the package: "derivations, section 2.4"."""
    number = int(section.split(".")[0])
    pages = sorted(DERIVATIONS.glob(f"{number:02}_*.md"),
                   key=lambda path: path.name.endswith(".zh.md") != (language == "zh"))
    for path in pages:
        for heading in re.findall(r"^## (.*)$", path.read_text(encoding="utf-8"), re.MULTILINE):
            if heading.startswith(f"{section} "):
                anchor = re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
                return f"{path.relative_to(DERIVATIONS.parent).as_posix()}#{anchor}"
    return f"derivations, section {section}"
