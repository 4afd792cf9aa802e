"""What `make site` does to the pages around its generator; `make site-test` tries the whole site."""

import re
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "web"))

import explorer_page  # noqa: E402
import links  # noqa: E402
import prepared  # noqa: E402
import sources  # noqa: E402

refresh = prepared.refresh
PAGES = [*refresh.numbered(), *refresh.numbered(".zh.md")]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_numbered_equation_stands_beside_its_code(page):
    """In both languages: a pair with the cited lines, an anchor, and no formula lost."""
    text, language = page.read_text(encoding="utf-8"), "zh" if page.name.endswith(".zh.md") else "en"
    made = prepared.site_markdown(text, language)
    for tag in re.findall(r"\\tag\{(6\.\d+)\}", text):
        found = re.search(rf'<div class="pair" id="eq-{re.escape(tag)}".*?<div class="pair-text"', made,
                          re.DOTALL)
        assert found and f"\\tag{{{tag}}}" in found[0] and "<!--excerpt " in found[0], tag
    assert made.count("\n\\[\n") == text.count("```math\n")
    assert "```math" not in made and "$`" not in made and "\x00" not in made and "\x01" not in made
    assert made.count("```pycon") == text.count("```pycon")
    for path, lines, first, last in re.findall(r"<!--excerpt (\S+) ([\d,]+) (\d+) (\d+)-->", made):
        assert all(int(first) <= int(line) <= int(last) for line in lines.split(","))
        assert all(sources.plain(path, [int(line)])[0].strip() for line in lines.split(","))


def test_the_pair_of_6_36_shows_the_line_that_computes_it():
    line = refresh.line_with("scratch_lstm/rnn_textbook.py", "delta", "(6.36)")
    first, last = refresh.span("scratch_lstm/rnn_textbook.py", "delta")
    shown = sources.excerpt("scratch_lstm/rnn_textbook.py", [line], first, last, "label")
    assert shown.count(" cited") == 1 and f'data-line="scratch_lstm/rnn_textbook.py:{line}"' in shown
    plain = re.sub("<[^>]*>", "", shown)
    assert "delta[t, k] = df(states.z[k]) * (U.T @ delta[t, k + 1])" in plain
    assert plain.startswith("for t in range(T):\n    delta[t, t]"), "less what all the lines are indented by"


def test_a_source_page_leads_back_to_the_derivation():
    page = sources.whole("scratch_lstm/rnn_textbook.py", refresh.sections(), "../../")
    assert 'href="../../derivations/02_bptt.html#eq-6.36"' in page and 'id="L1"' in page
    assert page.count('class="code-line"') == len((ROOT / "scratch_lstm/rnn_textbook.py").read_text(
        encoding="utf-8").splitlines())


@pytest.mark.parametrize("target, language, folder, expected", [
    ("../scratch_lstm/lstm.py#L82", "en", "derivations", "../source/scratch_lstm/lstm.py.html#L82"),
    ("../scratch_lstm/lstm.py#L82-L90", "en", "derivations", "../source/scratch_lstm/lstm.py.html#L82"),
    ("02_bptt.zh.md#28-两种布局", "zh", "derivations", "02_bptt.html#28-两种布局"),
    ("02_bptt.zh.md", "zh", ".", "derivations/02_bptt.html"),
    ("index.md", "en", "derivations", "equations.html"), ("#29-x", "en", "derivations", "#29-x"),
    ("lab5.zh.md", "en", "derivations", "../../zh/derivations/lab5.html"),
    ("figures.py", "zh", "derivations", "../source/derivations/figures.py.html"),
    ("figures/paths.svg", "zh", "derivations", "figures/paths.svg")])
def test_links_lead_to_the_page_of_the_site(target, language, folder, expected):
    assert prepared.moved(target, language, folder) == expected


def test_a_broken_link_is_found(tmp_path):
    (tmp_path / "a.html").write_text('<a href="b.html#x">1</a><a href="b.html#y">2</a><img src="none.png">'
                                     '<a href="https://example.org">3</a>', encoding="utf-8")
    (tmp_path / "b.html").write_text('<p id="x"></p><a href="a.html">4</a>', encoding="utf-8")
    found = links.broken(tmp_path)
    assert [line.split()[1].rstrip(":") for line in found] == ["b.html#y", "none.png", "https://example.org"]


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_explorer_s_formulas_have_their_lines(language):
    """Each case finds its code in the source as it is now; both languages say the same things."""
    page = explorer_page.markdown(language)
    assert page.count("<!--excerpt ") == len(explorer_page.CASES) == page.count("data-case=")
    assert explorer_page.TEXT["en"].keys() == explorer_page.TEXT["zh"].keys()
    view = (ROOT / "web/assets/explorer_view.js").read_text(encoding="utf-8")
    for name in re.findall(r'byId\("(\w+)"\)', view):
        assert f'id="ex-{name}"' in page, name


def test_the_pinned_packages_are_exact():
    packages = pytest.importorskip("packages")
    for version, integrity in packages.PINNED.values():
        assert re.fullmatch(r"\d+\.\d+\.\d+", version) and re.fullmatch(r"sha512-[\w+/]{86}==", integrity)
    groups = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    found = re.findall(r'"(mkdocs-material|mkdocs|jieba|playwright)==[\d.]+"', groups)
    assert sorted(found) == ["jieba", "mkdocs", "mkdocs-material", "playwright"]
