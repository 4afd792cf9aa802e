"""The numbers that the pages compute by hand: each printed product is that of its printed factors.

In every formula and table cell the parts between = signs that are plain arithmetic are computed, as a
pocket calculator would, and compared with the next part: they agree to half a unit of its last digit.
"""

import re

import pytest
import test_derivations
import test_derivations_wrong_answers as worked

NUMERIC = re.compile(r"[\d.+\-*/(), ]+")


def python(latex):
    """A piece of LaTeX as an arithmetic expression of Python, or None if it is more than that."""
    text = re.sub(r"\\(?:,|;|!|quad|qquad|left|right|big|Big|displaystyle)(?![a-zA-Z])", " ", latex)
    text = text.replace("&", " ").replace("\\cdot", "*").replace("·", "*")
    for _ in range(3):
        text = re.sub(r"\\d?frac\{([^{}]*)\}\{([^{}]*)\}", r"((\1)/(\2))", text)
    text = re.sub(r"\^\{?(\d+)\}?", r"**\1", text)
    text = text.strip().rstrip(".,;:").strip()
    if not NUMERIC.fullmatch(text) or not re.search(r"\d", text):
        return None
    try:
        values(text)
    except (SyntaxError, TypeError):        # a vector in the middle of a formula, for example
        return None
    return text


def pieces(formula):
    """The formula cut at line ends, at \\qquad, \\quad and at commas outside brackets."""
    for line in re.split(r"\\\\|\\q?quad(?![a-z])|\\Rightarrow|\n\n", formula):
        depth, begin = 0, 0
        for n, sign in enumerate(line):
            depth += sign in "([{"
            depth -= sign in ")]}"
            if sign == "," and depth == 0 and line[n - 1] != "\\":
                yield line[begin:n]
                begin = n + 1
        yield line[begin:]


def values(text):
    value = eval(text)
    return value if isinstance(value, tuple) else (value,)


def equalities(text):
    """(left, right, difference, allowed) for each two neighbours between = signs that are both arithmetic."""
    for piece in pieces(text):
        parts = [python(part) for part in piece.split("=")]
        for left, right in zip(parts, parts[1:]):
            if left is None or right is None or not re.search(r"\d[^\d.]*[*+/-]", left):
                continue
            a, b = values(left), values(right)
            if len(a) != len(b):
                continue
            digits = [""] * len(b) if "/" in right else re.findall(r"\d+(?:\.(\d+))?", right)
            for x, y, shown in zip(a, b, digits):
                yield left, right, abs(x - y), 0.5 * 10.0 ** -len(shown) if shown else 0.0


def sources(page):
    text = test_derivations.text_of(page)
    for _, formula in test_derivations.formulas(text):
        yield re.sub(r"\\begin\{\w+\}|\\end\{\w+\}|\\tag\{[^}]*\}|\\text\{[^{}]*\}", "", formula)
    for cell in re.findall(r"(?<=\|)([^|\n]*=[^|\n]*)(?=\|)", test_derivations.prose(text)):
        if "$" not in cell:
            yield cell


ALL_PAGES = [*test_derivations.PAGES, *test_derivations.LAB]


@pytest.mark.parametrize("page", ALL_PAGES, ids=lambda page: page.stem)
def test_hand_products_agree_with_a_pocket_calculator(page):
    for source in sources(page):
        for left, right, difference, allowed in equalities(source):
            assert difference <= allowed + 1e-9, f"{page.name}: {left} is {eval(left)}, printed {right}"


def test_enough_of_them_are_found():
    """A parser that found none would pass; the three worked pages have most of them."""
    found = {page.stem[:5]: sum(1 for source in sources(page) for _ in equalities(source))
             for page in ALL_PAGES}
    print(found)
    assert found["01_si"] >= 12 and found["02_bp"] >= 25 and found["03_di"] >= 8 and found["07_ls"] >= 16
    assert found["lab5"] >= 3 and found["lab5."] >= 3 and sum(found.values()) >= 85


def test_a_wrong_digit_is_found():
    assert [d <= a + 1e-9 for *_, d, a in equalities(r"x &= 0.0248 \cdot 0.6273 = 0.0156 \\")] == [True]
    assert [d <= a + 1e-9 for *_, d, a in equalities(r"x &= 0.0248 \cdot 0.6273 = 0.0155 \\")] == [False]
    assert [d <= a + 1e-9 for *_, d, a in equalities(r"\frac{4 - 1}{4 + 1} = \frac{3}{5}")] == [True]
    assert [d <= a + 1e-9 for *_, d, a in equalities(r"(2 \cdot 0.5, \; 3) = (1.0, \; 3.1)")] == [True, False]


def printed_by_hand(page, pattern):
    """{name: the last number of its line} for the lines of a page's formulas that begin with the pattern."""
    text = test_derivations.text_of(next(p for p in test_derivations.PAGES if p.stem.startswith(page)))
    return {match[1]: float(match[2]) for match in re.finditer(
        rf"^({pattern}) &=.*?= (-?\d+\.\d+)[ \\,.]*$", text, re.MULTILINE)}


def test_hand_numbers_differ_from_the_code_by_one_in_the_fourth_place_at_most():
    """Pages 2 and 7: what rounding on the way has changed."""
    net = worked.page_1([0.5, -0.5])
    by_hand = printed_by_hand("02", r"\[\\delta_\{\d,\d\}\]_\d")
    assert len(by_hand) == 8
    for name, value in by_hand.items():
        t, k, row = map(int, re.findall(r"\d", name))
        assert abs(value - net.delta[t - 1, k - 1, row - 1]) < 1.5e-4, name
    delta = worked.lstm_delta()
    by_hand = printed_by_hand("07", r"\\delta\^\w_\{2,\d\}")
    assert len(by_hand) == 8
    for name, value in by_hand.items():
        gate, k = re.fullmatch(r"\\delta\^(\w)_\{2,(\d)\}", name).groups()
        assert abs(value - delta[1, int(k) - 1, "ifgo".index(gate)]) < 1.5e-4, name
