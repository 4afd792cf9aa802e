"""The Chinese edition of derivations/: only the prose is written twice, everything else is the same bytes."""

import re
from collections import Counter

import pytest
import test_derivations
from test_derivations import FENCE, ROOT, anchors, examples_of, prose, refresh, text_of

FOLDER = ROOT / "derivations"
ENGLISH = [*refresh.numbered(), FOLDER / "README.md", FOLDER / "lab5.md", FOLDER / "glossary.md"]
PAIRS = [(page, page.with_name(page.name.replace(".md", ".zh.md"))) for page in ENGLISH]
EACH = pytest.mark.parametrize("english, chinese", PAIRS, ids=[page.stem for page in ENGLISH])
HEADING = re.compile(r"^(#+) (?:(\d+(?:\.\d+)?)\.? )?(.*)$", re.MULTILINE)
FORMULA = re.compile(r"\$`([^`]*)`\$")
LINK = re.compile(r"(!?)\[[^\]]*\]\(([^)\s]+)((?: \"[^\"]*\")?)\)")
CHINESE = re.compile(r"[\u4e00-\u9fff]")
TAG = re.compile(r"\(6\.\d+\)")


def parts(page):
    """The prose of a page, cut at its headings."""
    return re.split(r"^#+ .*$", prose(text_of(page)), flags=re.MULTILINE)


def test_every_page_is_there_in_both_languages():
    pages = {page.name for page in FOLDER.glob("*.md")}
    chinese = {name for name in pages if name.endswith(".zh.md")}
    assert {name.replace(".zh.md", ".md") for name in chinese} == pages - chinese


@EACH
def test_the_headings_are_the_same_in_number_and_level(english, chinese):
    one, two = (HEADING.findall(prose(text_of(page))) for page in (english, chinese))
    assert [heading[:2] for heading in one] == [heading[:2] for heading in two]
    for _, _, words in two[1:]:
        assert CHINESE.search(words) or not re.search(r"[A-Za-z]{4}", words.replace("LSTM", "")), words


@EACH
def test_formulas_and_code_are_the_same_bytes(english, chinese):
    one, two = (FENCE.findall(text_of(page)) for page in (english, chinese))
    assert one == two
    markers = [re.findall(r"^<!-- .* -->$", text_of(page), re.MULTILINE) for page in (english, chinese)]
    assert markers[0] == markers[1]


@EACH
def test_the_examples_are_those_that_run_on_the_english_page(english, chinese):
    """So that running one edition, in test_derivations.py, is running both."""
    one, two = ([(example.source, example.want) for example in examples_of(page).examples]
                for page in (english, chinese))
    assert one == two


@EACH
def test_each_section_has_the_same_formulas_numbers_and_links(english, chinese):
    for number, (one, two) in enumerate(zip(parts(english), parts(chinese))):
        place = f"{chinese.name}, part {number}"
        assert Counter(FORMULA.findall(one)) == Counter(FORMULA.findall(two)), place
        numbers = [Counter(TAG.findall(FORMULA.sub("", text))) for text in (one, two)]
        assert numbers[0] == numbers[1], place
        assert Counter(links(one, english)) == Counter(links(two, chinese)), place
        assert one.count("<details>") == two.count("<details>"), place


def links(text, page):
    """Every link as (image, file, place, title) for both editions: an anchor is the number of its heading."""
    for image, target, title in LINK.findall(text):
        path, _, fragment = target.partition("#")
        file = page.parent / path if path else page
        if fragment and file.suffix == ".md":
            fragment = anchors(file).index(fragment)
        yield image, path.replace(".zh.md", ".md"), fragment, title


@EACH
def test_a_page_leads_to_pages_of_its_own_language(english, chinese):
    """All its links, but those to its other edition and to lab5's."""
    for page, other in ((english, chinese), (chinese, english)):
        for _, target, _ in LINK.findall(text_of(page)):
            path = target.partition("#")[0]
            if path.endswith(".md") and "/" not in path:
                is_same = path.endswith(".zh.md") == page.name.endswith(".zh.md")
                assert is_same or path in (other.name, "lab5.zh.md", "lab5.md"), f"{page.name}: {path}"


@EACH
def test_the_prose_is_chinese(english, chinese):
    """Every paragraph with words has Chinese ones: nothing was left untranslated."""
    text = re.sub(r"^</?details>.*$|^<!--.*$|^\[[\w/]+\.py, lines .*$", "", prose(text_of(chinese)),
                  flags=re.MULTILINE)
    for paragraph in re.split(r"\n{2,}", text):
        words = re.findall(r"[A-Za-z]{3,}", re.sub(r"`[^`]*`|\]\([^)]*\)|\[[^\]]*\]", "", paragraph))
        assert CHINESE.search(paragraph) or len(words) < 3, f"{chinese.name}: {paragraph[:80]}"


def test_there_is_so_much_chinese():
    characters = sum(len(CHINESE.findall(text_of(chinese))) for _, chinese in PAIRS)
    assert characters > 20_000
    print(f"{characters:,} Chinese characters")


def test_the_edition_stands_with_the_numbers():
    for _, chinese in PAIRS:
        text = text_of(chinese)
        assert "2019-04-10 版讲义" in text or not test_derivations.NUMBER.search(text), chinese.name


def test_the_glossary_has_the_same_rows_in_both_editions():
    one, two = (re.findall(r"^\| ([^|]*) \| ([^|]*) \| ([^|]*) \|", text_of(page), re.MULTILINE)[1:]
                for page in (FOLDER / "glossary.md", FOLDER / "glossary.zh.md"))
    assert one == two and len(one) > 50
    assert len({row[0] for row in one}) == len(one) == len({row[1] for row in one})


def test_every_term_of_the_glossary_is_used():
    """In its section or anywhere else on the Chinese pages: a term that nobody uses is not one."""
    pages = "".join(text_of(chinese) for _, chinese in PAIRS if chinese.stem != "glossary.zh")
    rows = re.findall(r"^\| ([^|]*) \| ([^|]*) \|", text_of(FOLDER / "glossary.zh.md"), re.MULTILINE)[2:]
    for term, _ in rows:
        assert term in pages, term
