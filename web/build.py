"""make site: both editions in site/, complete in themselves.

    python web/build.py                 build site/
    python web/build.py runs/NAME       the explorer shows the model of that run

The generator is mkdocs-material, once an edition, so that each has its own search index in its own language.
What the generator cannot do is done before it (prepared.py: formulas, pairs, links) and after it (finish.py:
KaTeX, code).
"""

from __future__ import annotations

import logging
import os
import shutil
import sys
import time
from pathlib import Path
from typing import Any

import explorer_page
import jieba
import links
import packages
import site_model
from finish import finish
from mkdocs.commands.build import build as make
from mkdocs.config import load_config
from prepared import ROOT, refresh, site_markdown

WEB, PAGES, SITE, WORK = ROOT / "web", ROOT / "derivations", ROOT / "site", ROOT / "build" / "site"
NAMES = {
    "en": {"home": "Contents", "pages": "Derivations", "explorer": "The delta explorer", "lab5": "Lab 5",
           "equations": "Index of the equations", "glossary": "Glossary", "api": "API reference",
           "site": "The LSTM, derived by hand", "equation": "equation {}, and its code",
           "api_note": "From the docstrings of the source."},
    "zh": {"home": "目录", "pages": "推导", "explorer": "误差项浏览器", "lab5": "实验五", "equations": "公式索引",
           "glossary": "术语表", "api": "API 参考", "site": "亲手推导的 LSTM", "equation": "公式 {} 及其代码",
           "api_note": "取自源代码的文档字符串（英文）。"},
}
SEARCH = {"en": ["en"], "zh": ["zh", "en"]}
# the modules of the reference, in the order of reading
MODULES = ["rnn_textbook", "lstm_textbook", "lstm", "lstm_layer", "kernels.numpy_cell", "layers", "model",
           "optim", "functional", "gradcheck", "backend", "poems.generate", "poems.corpus",
           "poems.vocabulary"]


def page_of(name: str, language: str) -> Path:
    """The page in that language, or in English where it is not yet written."""
    chinese = PAGES / f"{name}.zh.md"
    return chinese if language == "zh" and chinese.is_file() else PAGES / f"{name}.md"


def cited_files() -> list[str]:
    """Every Python file that a page links to."""
    found = set()
    for page in [*PAGES.glob("*.md")]:
        text = page.read_text(encoding="utf-8")
        found |= {match["path"] for match in refresh.LINK.finditer(text)}
        found |= {match["path"] for match in refresh.BLOCK.finditer(text)}
    return sorted(found | {"derivations/figures.py"})


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def prepare(language: str, docs: Path) -> list[Any]:
    """Write the Markdown of one edition into docs; its navigation."""
    names = NAMES[language]
    text = page_of("README", language).read_text(encoding="utf-8")
    write(docs / "index.md", site_markdown(text, language, folder="."))
    derived = []
    for page in sorted(PAGES.glob("[0-9][0-9]_*.md")):
        if not page.name.endswith(".zh.md"):
            text = page_of(page.stem, language).read_text(encoding="utf-8")
            write(docs / "derivations" / page.name, site_markdown(text, language, label=names["equation"]))
            derived.append(f"derivations/{page.name}")
    others = []
    for name, target in (("lab5", "lab5"), ("index", "equations"), ("glossary", "glossary")):
        if (PAGES / f"{name}.md").is_file():
            text = page_of(name, language).read_text(encoding="utf-8")
            write(docs / "derivations" / f"{target}.md",
                  site_markdown(text, language, label=names["equation"]))
            others.append({names[target]: f"derivations/{target}.md"})
    shutil.copytree(PAGES / "figures", docs / "derivations" / "figures")
    for path in cited_files():
        write(docs / "source" / f"{path}.md", "---\nsearch:\n  exclude: true\nhide: [navigation]\n---\n"
                                              f"# {path}\n\n<!--whole {path}-->\n")
    api = []
    for module in MODULES:
        write(docs / "api" / f"{module}.md", f"# scratch_lstm.{module}\n\n{names['api_note']}\n\n"
                                             f"::: scratch_lstm.{module}\n")
        api.append({module: f"api/{module}.md"})
    return [{names["home"]: "index.md"}, {names["pages"]: derived}, *others, {names["api"]: api}]


def assets(docs: Path, model: Path) -> None:
    """Everything that the pages load."""
    shutil.copytree(WEB / "assets", docs / "assets")
    katex = packages.unpacked("katex") / "dist"
    (docs / "assets" / "katex" / "fonts").mkdir(parents=True)
    shutil.copy(katex / "katex.min.css", docs / "assets" / "katex")
    for font in (katex / "fonts").glob("*.woff2"):
        shutil.copy(font, docs / "assets" / "katex" / "fonts")
    shim = packages.unpacked("iframe-worker") / "shim" / "index.js"
    shutil.copy(shim, docs / "assets" / "iframe-worker.js")
    shutil.copy(model, docs / "assets" / "explorer_model.js")


def edition(language: str, model: Path) -> None:
    """Build site/LANGUAGE."""
    docs = WORK / language
    navigation = prepare(language, docs)
    assets(docs, model)
    write(docs / "explorer.md", explorer_page.markdown(language))
    navigation.insert(2, {NAMES[language]["explorer"]: "explorer.md"})
    config = load_config(str(WEB / "mkdocs.yml"), docs_dir=str(docs), site_dir=str(SITE / language),
                         site_name=NAMES[language]["site"], nav=navigation)
    config.theme["language"] = language
    config.plugins["material/search"].config["lang"] = SEARCH[language]
    config.plugins.run_event("startup", command="build", dirty=False)
    make(config)
    config.plugins.run_event("shutdown")


def main(arguments: list[str]) -> int:
    started = time.time()
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(message)s")
    jieba.setLogLevel(logging.WARNING)
    for folder in (WORK, SITE):
        shutil.rmtree(folder, ignore_errors=True)
    SITE.mkdir(parents=True)
    model = ROOT / "build" / "explorer_model_shown.js"
    site_model.write(arguments[0] if arguments else None, model)
    for language in NAMES:
        edition(language, model)
    formulas = finish(SITE)
    shutil.copy(WEB / "start.html", SITE / "index.html")
    broken = links.broken(SITE)
    for line in broken:
        print(line)
    size = sum(path.stat().st_size for path in SITE.rglob("*") if path.is_file())
    pages = len([*SITE.rglob("*.html")])
    print(f"site/index.html: {pages} pages, {formulas:,} formulas, {size / 1e6:.1f} MB, {len(broken)} broken "
          f"links, {time.time() - started:.0f} s")
    return 1 if broken else 0


if __name__ == "__main__":
    os.environ.setdefault("NO_MKDOCS_2_WARNING", "1")
    sys.exit(main(sys.argv[1:]))
