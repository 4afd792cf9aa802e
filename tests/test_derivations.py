"""The pages of derivations/: their examples run, their quotations are the source's, their names exist."""

import ast
import doctest
import importlib.util
import re
import traceback
from pathlib import Path

import numpy as np
import pytest

from scratch_lstm import LSTM, lstm_textbook

ROOT = Path(__file__).resolve().parent.parent


def load(name):
    """A script of derivations/, which is no package."""
    spec = importlib.util.spec_from_file_location(f"derivations_{name}", ROOT / "derivations" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


refresh = load("refresh")

PAGES = refresh.numbered()          # in English; test_derivations_chinese.py compares the Chinese with them
LAB = sorted((ROOT / "derivations").glob("lab5*.md"))
EVERY_PAGE = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
AND_LAB = pytest.mark.parametrize("page", [*PAGES, *LAB], ids=lambda page: page.stem)
BOTH = pytest.mark.parametrize("page", [*PAGES, *LAB, *refresh.numbered(".zh.md")],
                               ids=lambda page: page.stem)
WITH_README = pytest.mark.parametrize("page", refresh.pages(), ids=lambda page: page.stem)
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)


def text_of(page):
    return page.read_text(encoding="utf-8")


def prose(text):
    """Without the fenced blocks, their lines left empty."""
    return FENCE.sub(lambda block: "\n" * block.group().count("\n"), text)


def where(page, text, position):
    return f"derivations/{page.name}:{text.count(chr(10), 0, position) + 1}"


# The examples

def examples_of(page):
    """Only what stands in ```pycon blocks, on its own line: a closing fence is no expected output."""
    text = text_of(page)
    kept = "\n" * text.count("\n")
    lines = kept.split("\n")
    for block in FENCE.finditer(text):
        if block[1] == "pycon":
            first = text.count("\n", 0, block.start(2))
            for offset, line in enumerate(block[2].splitlines()):
                lines[first + offset] = line
    return doctest.DocTestParser().get_doctest("\n".join(lines), {"__name__": "__main__"}, page.name,
                                               f"derivations/{page.name}", 0)


class Readable(doctest.DocTestRunner):
    """Remembers the first failure as page:line, the example, what the page says and what came out."""

    failure = None

    def note(self, test, example, title, came):
        if self.failure is None:
            number = test.examples.index(example) + 1
            source = "".join(f"    >>> {line}\n" if n == 0 else f"    ... {line}\n"
                             for n, line in enumerate(example.source.splitlines()))
            self.failure = (f"derivations/{test.name}:{example.lineno + 1}: example {number} of "
                            f"{len(test.examples)} {title}\n{source}"
                            f"the page says:\n{indented(example.want)}came out:\n{indented(came)}")

    def report_failure(self, out, test, example, got):
        self.note(test, example, "gives something else", got + sides(example, test.globs))

    def report_unexpected_exception(self, out, test, example, exc_info):
        came = "".join(traceback.format_exception_only(*exc_info[:2]))
        self.note(test, example, "raises", came + sides(example, test.globs))


def sides(example, names):
    """What was compared: the value on the left of each comparison with a number, if it can still be had."""
    text = ""
    for node in ast.walk(ast.parse(example.source)):
        if isinstance(node, ast.Compare) and isinstance(node.comparators[0], ast.Constant):
            try:
                value = eval(compile(ast.Expression(node.left), "page", "eval"), dict(names))
                text += f"{ast.unparse(node.left)} = {value}\n"
            except Exception:  # it is only there to help
                pass
    return text


def indented(text):
    return "".join(f"    {line}\n" for line in text.splitlines()) or "    (nothing)\n"


def run(page):
    test = examples_of(page)
    runner = Readable(verbose=False, optionflags=doctest.NORMALIZE_WHITESPACE)
    runner.run(test, out=lambda text: None)
    return len(test.examples), runner.failure


@AND_LAB
def test_every_example_gives_what_the_page_says(page):
    count, failure = run(page)
    if failure:
        pytest.fail(failure, pytrace=False)
    assert count >= 3
    print(f"{page.name}: {count} examples")


@EVERY_PAGE
def test_the_last_words_are_a_check_and_who_carries_it(page):
    """Every page ends with examples, a wrong formula among them with its error, then with names."""
    headings = re.findall(r"^## (.*)$", prose(text_of(page)), re.MULTILINE)
    assert [name for name in headings[-3:] if name != "Exercises"][-2:] == ["Check", "Where it stands"]
    check, foot = text_of(page).split("\n## Check\n")[1].split("\n## Where it stands\n")
    check = check.split("\n## Exercises\n")[0]
    printed = "".join(example.want for example in doctest.DocTestParser().get_examples(check))
    assert re.search(r"error +\d+\.\d\d", printed), "no wrong formula is shown with its error"
    assert CODE_NAME.search(foot) and TEST_NAME.search(foot)


@EVERY_PAGE
def test_exercises_have_folded_answers(page):
    """Three to five on each of the pages 0 to 11, each with one answer."""
    parts = text_of(page).split("\n## Exercises\n")
    if len(parts) == 1:
        assert int(page.name[:2]) > 11, f"{page.name} has no exercises"
        return
    exercises = parts[1].split("\n## Where it stands\n")[0]
    asked = re.findall(r"^\*\*(\d)\.\*\* \*\((?:pencil|code|pencil and code)\)\*", exercises, re.MULTILINE)
    assert asked == [str(n + 1) for n in range(len(asked))] and 3 <= len(asked) <= 5
    answers = re.findall(r"^<details><summary>Answer</summary>\n\n(.*?)^\n?</details>$", exercises,
                         re.DOTALL | re.MULTILINE)
    assert len(answers) == len(asked) and all(answer.strip() for answer in answers)
    kinds = re.findall(r"^\*\*\d\.\*\* \*\((.*?)\)\*", exercises, re.MULTILINE)
    for kind, answer in zip(kinds, answers):
        assert "code" not in kind or "```pycon" in answer or "](../tests/" in answer, f"{page.name}: {answer}"


@WITH_README
def test_code_is_not_wider_than_github_shows(page):
    """90 characters: GitHub would cut a wider line, and show the rest only when one scrolls."""
    text = text_of(page)
    for block in FENCE.finditer(text):
        for offset, line in enumerate(block[2].splitlines() if block[1] != "math" else []):
            place = f"derivations/{page.name}:{text.count(chr(10), 0, block.start(2)) + offset + 1}"
            assert len(line) <= refresh.WIDTH, f"{place}: {len(line)} characters: {line}"


# Words that a third-year student would not understand in the sense in which they were once used here
PRIVATE = re.compile(r"\b(told|tells|mend\w*|beside|whoever|cotangent|oracle|for ever|is gone|is won|"
                     r"in the place of)\b",
                     re.IGNORECASE)


@WITH_README
def test_plain_words(page):
    text = prose(text_of(page))
    found = PRIVATE.search(re.sub(r"\]\([^)]*\)", "]", text)) if not page.name.startswith("12") else None
    assert not found, f"{page.name}: {found[0]}"


# What is made from the source

@WITH_README
def test_quotations_are_the_source_s(page):
    lines = refresh.stale(page)
    if lines:
        pytest.fail("\n".join([*lines, f"The source has moved. Run: {refresh.COMMAND}"]), pytrace=False)


@BOTH
def test_no_code_is_typed_off(page):
    """A ```python block without examples is made by refresh.py; whatever else is code runs as an example."""
    text = text_of(page)
    for block in FENCE.finditer(text):
        place = where(page, text, block.start())
        assert block[1] in ("python", "pycon", "math"), f"{place}: a block of '{block[1]}' is not run"
        if block[1] == "python":
            assert re.search(r"<!-- source: .* -->\n$", text[:block.start()]), f"{place}: not from the source"
        assert (">>>" in block[2]) == (block[1] == "pycon"), f"{place}: examples stand in pycon blocks"


def test_a_page_that_lags_behind_the_source_is_told(tmp_path, monkeypatch):
    """An old line number, an old code block, a name that is gone: page and line, and what to do."""
    page, source = tmp_path / "derivations" / "1.md", tmp_path / "code.py"
    page.parent.mkdir()
    monkeypatch.setattr(refresh, "ROOT", tmp_path)
    monkeypatch.setattr(refresh, "PAGES", page.parent)
    source.write_text("def square(x):\n    y = x * x  # (6.99)\n    return y\n")
    marker = "<!-- source: code.py square | (6.99) | return -->\n"
    page.write_text(f'See [code.py:7](../code.py#L7 "square: (6.99)").\n\n{marker}')
    (page.parent / "README.md").write_text("# Pages\n")
    told = refresh.stale(page)
    assert "derivations/1.md:1: code.py square (6.99): line 7 is now 2" in told
    assert "derivations/1.md:3: the code block of code.py square is not the source's" in told
    assert refresh.main(["--check"]) == 1 and "#L7" in page.read_text()
    assert refresh.main([]) == 0 and refresh.stale(page) == [] and refresh.main(["--check"]) == 0
    assert page.read_text() == ('See [code.py:2](../code.py#L2 "square: (6.99)").\n\n' + marker +
                                "```python\ny = x * x  # (6.99)\nreturn y\n```\n"
                                "[code.py, lines 2 to 3](../code.py#L2-L3)\n")
    refresh._lines.cache_clear()
    refresh._spans.cache_clear()
    refresh._docstrings.cache_clear()
    source.write_text("def square(x):\n    return x * x\n")
    assert refresh.stale(page) == ["derivations/1.md:1: code.py: square has no line with (6.99)"]
    assert refresh.main([]) == 2


# Equations, names, links

NUMBER = re.compile(r"\(6\.(\d+)\)(?:(?:-| to )\(6\.(\d+)\))?")
CODE_NAME = re.compile(r"\]\(\.\./(?:scratch_lstm|torch_ref)/[\w/]+\.py#L\d+ \"[\w.]+\"\)")
TEST_NAME = re.compile(r"\]\(\.\./tests/\w+\.py#L\d+ \"\w+\"\)")
TAG = re.compile(r"\\tag\{6\.(\d+)\}")


def derived():
    """number -> the page that has it as the tag of a formula."""
    return {int(number): page.name for page in PAGES for number in TAG.findall(text_of(page))}


@pytest.mark.parametrize("path", sorted(p for folder in ("scratch_lstm", "torch_ref")
                                        for p in (ROOT / folder).rglob("*.py") if NUMBER.search(text_of(p))),
                         ids=lambda path: path.relative_to(ROOT).as_posix())
def test_every_equation_that_the_source_cites_is_derived(path):
    known, text = derived(), text_of(path)
    for match in NUMBER.finditer(text):
        for number in range(int(match[1]), int(match[2] or match[1]) + 1):
            assert number in known, (f"{path.relative_to(ROOT)}:{text.count(chr(10), 0, match.start()) + 1} "
                                     f"cites (6.{number}), which no page derives")


def test_every_equation_has_one_page():
    numbers = [number for page in PAGES for number in TAG.findall(text_of(page))]
    assert sorted(map(int, numbers)) == [*range(28, 60)]


@EVERY_PAGE
def test_a_link_to_the_code_stands_under_each_number(page):
    """The first words under a formula with a number are "Code of (6.31): " and a link."""
    for block in re.finditer(r"^```math\n(.*?)^```\n\n([^\n]*)", text_of(page), re.DOTALL | re.MULTILINE):
        tag = TAG.search(block[1])
        if tag:
            assert block[2].startswith(f"Code of (6.{tag[1]})"), f"{page.name}: {tag[0]}"
            assert "](../" in block[2], f"{page.name}: {tag[0]}"


@AND_LAB
def test_the_edition_stands_with_the_numbers(page):
    assert "draft of 2019-04-10" in text_of(page) or not NUMBER.search(text_of(page))


@WITH_README
def test_a_function_or_test_is_named_by_a_link(page):
    """refresh.py keeps the line of a link, and says when the name is gone; of a bare name nobody would."""
    text = text_of(page)
    bare = re.search(r"`(tests/\w+\.py::\w+|(?:scratch_lstm|torch_ref)\.\w+\.\w[\w.]*)`", prose(text))
    assert not bare, f"{where(page, text, text.index(bare[0]))}: {bare[0]} is no link"


def anchors(page):
    """The names that GitHub gives to the headings of a page."""
    return [re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
            for heading in re.findall(r"^#+ (.*)$", prose(text_of(page)), re.MULTILINE)]


@WITH_README
def test_no_link_is_dead(page):
    text = prose(text_of(page))
    for match in re.finditer(r"\]\(([^)\s]+)(?: \"[^\"]*\")?\)", text):
        target, _, fragment = match[1].partition("#")
        place = where(page, text, match.start())
        assert not target.startswith("http"), f"{place}: a link out of the project, which no test can follow"
        file = (page.parent / target).resolve() if target else page
        assert file.is_file(), f"{place}: there is no {target}"
        if re.fullmatch(r"L\d+(-L\d+)?", fragment):
            last = int(fragment.split("L")[-1])
            assert last <= len(text_of(file).splitlines()), f"{place}: {target} has no line {last}"
        elif fragment:
            assert fragment in anchors(file), f"{place}: {target} has no heading {fragment}"


def test_pages_lead_to_each_other():
    for before, after in zip(PAGES, PAGES[1:]):
        assert f"]({after.name})" in text_of(before).split("\n## Where it stands\n")[1]
        assert f"]({before.name})" in text_of(after).split("\n## Where it stands\n")[1]
    readme = text_of(ROOT / "derivations" / "README.md")
    assert re.findall(r"\]\((\d\d_\w+\.md)\)", readme) == [page.name for page in PAGES]


# The mathematics

def formulas(text):
    """Every formula with its position, displayed and within a line."""
    yield from ((block.start(), block[2]) for block in FENCE.finditer(text) if block[1] == "math")
    yield from ((match.start(), match[1]) for match in re.finditer(r"\$`([^`]*)`\$", prose(text)))


@WITH_README
def test_formulas_are_written_so_that_github_shows_them(page):
    """$`...`$ and ```math leave Markdown nothing to eat; macros that GitHub refuses; braces that match."""
    text = text_of(page)
    bare = re.sub(r"`[^`]*`", "``", prose(text))
    assert bare.count("$") == 2 * bare.count("$``$"), f"{page.name}: a formula without $`...`$"
    for position, formula in formulas(text):
        place = where(page, text, position)
        refused = re.search(r"\\(operatorname|newcommand|def|label|ref|eqref)\b", formula)
        assert not refused, f"{place}: {formula}"
        assert formula.count("{") == formula.count("}"), f"{place}: braces do not match in {formula}"
        left, right = (len(re.findall(rf"\\{side}(?!arrow)\b", formula)) for side in ("left", "right"))
        assert left == right, f"{place}: \\left without \\right"


@BOTH
def test_every_sum_and_product_has_its_bounds(page):
    text = text_of(page)
    for position, formula in formulas(text):
        for sign in re.finditer(r"\\(sum|prod)(?!_\{[^{}]+\}\^(\{[^{}]+\}|\w))", formula):
            pytest.fail(f"{where(page, text, position)}: a {sign[1]} without bounds in {formula}",
                        pytrace=False)


# The figures

@pytest.fixture(scope="module")
def figures():
    return load("figures")


def test_figures_are_small_shown_and_drawn_by_the_script(figures, tmp_path):
    """Each is shown on a page, has a caption under it, and comes out of figures.py again."""
    folder = ROOT / "derivations" / "figures"
    committed = {path.name for path in folder.iterdir()}
    shown = {name for page in PAGES
             for name in re.findall(r"!\[[^\]]+\]\(figures/(\S+)\)\n\n\*", text_of(page))}
    assert shown == committed
    assert {draw(tmp_path).name for draw in figures.FIGURES} == committed
    for name in committed:
        assert (folder / name).stat().st_size < 150_000 and (tmp_path / name).stat().st_size < 150_000
        if name.endswith(".svg"):
            text = (tmp_path / name).read_text(encoding="utf-8")
            title = re.search(r"<svg[^>]*>\s*<title>([^<]+)</title>", text)
            assert title and title[1] == figures.TITLES[name]
            assert "fill: #ffffff" in text, "an opaque background, for dark mode"
    for page in PAGES:
        for words in re.findall(r"!\[([^\]]*)\]", text_of(page)):
            assert len(words.split()) >= 5, f"{page.name}: the alternative text is only: {words}"


def number(text):
    """820 or $`2.3 \\cdot 10^{10}`$ as a float."""
    match = re.fullmatch(r"(?:\$`)?([\d.]+)(?: \\cdot 10\^\{(-?\d+)\})?(?:`\$)?", text.strip())
    return float(match[1]) * 10.0 ** int(match[2] or 0)


def test_the_table_of_page_5_is_what_was_measured(figures):
    """Each factor to the two digits that are printed, and the order that the text draws its moral from."""
    text = text_of(ROOT / "derivations" / "05_vanishing_exploding.md")
    printed_rows = re.findall(r"^\| (?:simple|LSTM), .* \| (.*) \| (.*) \|$", text, re.MULTILINE)
    rows = dict(zip(figures.falls(), printed_rows))
    assert len(rows) == len(printed_rows) == 5
    for name, printed in rows.items():
        for value, measured in zip(printed, figures.falls()[name]):
            assert abs(number(value) / measured - 1) < 0.05, (name, value, measured)
    ten = {name: fall[0] for name, fall in figures.falls().items()}
    assert (ten["simple, uniform U"] > ten["LSTM, as it starts"] > ten["LSTM, forget bias 1"]
            > ten["simple, orthogonal U"] > ten["LSTM, forget bias 3"])


def test_the_lstm_of_page_5_starts_as_the_class_does():
    """The bias is the sum of two draws within 1/sqrt(H), weights are one draw: as in figures.deltas()."""
    layer = LSTM(16, 16, dtype="float64", seed=0)
    bound = 1 / 16 ** 0.5
    assert np.abs(layer.parameters["U0"]).max() <= bound < np.abs(layer.parameters["b0"]).max() <= 2 * bound
    x = np.random.default_rng(0).standard_normal((40, 16))
    gates = lstm_textbook.forward(x, (np.zeros(16), np.zeros(16)), *layer.parameters.values()).gates
    assert abs(gates[:, 16:32].mean() - 0.5) < 0.05      # "its forget gates are near 1/2"


def test_what_the_captions_say_is_what_was_measured(figures):
    best = {name: (float(steps[np.argmin(error)]), float(np.min(error)))
            for name, (steps, error) in figures.errors().items()}
    for name, step, error in (("central, float64", 6e-6, 4e-11), ("central, float32", 5e-3, 2e-5),
                              ("Richardson, float64", 6e-3, 4e-14)):                     # page 10
        assert 1 / 10 < best[name][0] / step < 10 and 1 / 30 < best[name][1] / error < 30, name
    assert best["complex step"][1] < 1e-15
    for name, slope, left, right in (
            ("central, float64", 2, 1e-3, 1e-1), ("central, float64", -1, 1e-12, 1e-7),
            ("Richardson, float64", 6, 5e-2, 2e-1), ("complex step", 2, 1e-6, 1e-2)):
        steps, error = figures.errors()[name]
        part = (steps > left) & (steps < right)
        measured = np.polyfit(np.log(steps[part]), np.log(error[part]), 1)[0]
        assert abs(measured - slope) < 0.35, (name, slope, measured)


# The index

def numbers_in(text):
    """Every 6.n that a text names, ranges written out."""
    return {number for match in NUMBER.finditer(text)
            for number in range(int(match[1]), int(match[2] or match[1]) + 1)}


def index_rows():
    text = text_of(ROOT / "derivations" / "index.md")
    return {int(number): [cell.strip() for cell in rest.split(" | ")]
            for number, rest in re.findall(r"^\| \(6\.(\d+)\) \| (.*) \|$", text, re.MULTILINE)}


def test_the_index_has_every_number_and_each_leads_to_page_code_and_tests():
    rows, known = index_rows(), derived()
    assert [*rows] == [*range(28, 60)]
    for number, (section, code, numeric, symbolic, *_) in rows.items():
        page = re.match(r"\[[\d.]+\]\(([\w.]+)#([\w-]+)\)", section)
        assert page[1] == known[number] and page[2] in anchors(ROOT / "derivations" / page[1]), number
        assert "](../" in code and "](../tests/" in numeric
        assert "](../tests/test_derivations_symbolic.py" in symbolic or (number, symbolic) == (48, "-")


def test_the_symbolic_test_of_the_index_names_the_number():
    path = "tests/test_derivations_symbolic.py"
    for number, row in index_rows().items():
        name = re.search(r"\"(\w+)\"", row[3])
        if name:
            first, last = refresh.span(path, name[1])
            source = "\n".join(text_of(ROOT / path).splitlines()[first - 1:last])
            assert number in numbers_in(source), f"{name[1]} does not name (6.{number})"


def test_the_code_line_of_the_index_has_the_number_where_the_source_has_it():
    """A line that names other numbers but not this one would be the wrong line."""
    same = {58: 51, 59: 52}      # the stacked form repeats (6.51) and (6.52)
    for number, row in index_rows().items():
        path, line = re.search(r"\]\(\.\./([\w/.]+)#L(\d+)", row[1]).groups()
        named = numbers_in(text_of(ROOT / path).splitlines()[int(line) - 1])
        assert not named or same.get(number, number) in named or number in named, (number, named)


def test_an_index_that_lags_behind_is_found(tmp_path, monkeypatch):
    copy = tmp_path / "derivations"
    copy.mkdir()
    for name in ("equations.csv", "index.md"):
        (copy / name).write_text(text_of(ROOT / "derivations" / name), encoding="utf-8")
    for page in PAGES:
        (copy / page.name).write_text(text_of(page), encoding="utf-8")
    monkeypatch.setattr(refresh, "PAGES", copy)
    assert refresh.index_page() == text_of(copy / "index.md")
    page = copy / "02_bptt.md"
    page.write_text(text_of(page).replace("## 2.3 ", "## 2.33 "), encoding="utf-8")
    assert refresh.index_page() != text_of(copy / "index.md")
    page.write_text(text_of(page).replace("\\tag{6.36}", ""), encoding="utf-8")
    with pytest.raises(refresh.Lost, match="6.36"):
        refresh.index_page()
