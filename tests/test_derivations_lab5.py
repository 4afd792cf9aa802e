"""The published answer's faults, planted one at a time into copies of lab5.md and lab5.zh.md: each is caught.

A fault replaces one line of the page's own code by what the published answer says. The page then runs as
test_derivations.py runs it, and has to fail.
"""

import re

import pytest
import test_derivations

LAB = test_derivations.LAB
PAIRS = "[(t, k) for t in range(T) for k in range(t + 1)]"
PLUS = "rnn.immediate_partial(states.h[k], i, j, len(dz))"
DIRECT = "rnn.immediate_partial(states.h[k], i, j, len(net[\"b\"])) @ delta[t, k]"
# name: (the page's line, the published one)
FAULTS = {
    "1: free k, read as k = t": (PAIRS, "[(t, t) for t in range(T)]"),
    "1: free k, read as k = 1": (PAIRS, "[(t, 0) for t in range(T)]"),
    "1: free t, read as t = T": (PAIRS, "[(T - 1, k) for k in range(T)]"),
    "1: a sum from nowhere: line 2 is taken for the whole, then summed over t again":
        (PAIRS, "[(t, k) for t in range(T) for k in range(t + 1) for _ in range(T)]"),
    "2: mixed layouts, U transposed where it is not": ("plus + U @ (", "plus + U.T @ ("),
    "2: wrong index, z_{k-2} for z_{k-1}": ("(1 - states.h[k] ** 2) * dz", "(1 - states.h[k - 1] ** 2) * dz"),
    "2: every chain ends in z_1": (DIRECT, DIRECT.replace("h[k]", "h[0]").replace("[t, k]", "[t, 0]")),
    "2: one chain only, not even summed": (DIRECT + "\n...                for k in range(t + 1))",
                                           DIRECT + "\n...                for k in range(1))"),
    "2: always zero, the published formula with h_0 = 0": (
        "W=np.eye(1), U=np.array([[0.5]]), b=np.zeros(1))",
        "W=np.eye(1), U=np.array([[0.5]]), b=np.zeros(1)) | dict(h0=np.zeros(1))"),
    "2: total derivatives for direct ones": (PLUS, PLUS + " + (dz if k else 0)"),
}


def run_copy(tmp_path, page, right, wrong):
    """The first failure of sections 1 and 2 in a copy in which one line is another. (3 shows the faults.)"""
    text = re.split(r"^## 3\. ", page.read_text(encoding="utf-8"), flags=re.MULTILINE)[0]
    assert text.count(right) == 1, f"{page.name} has {text.count(right)} times: {right}"
    copy = tmp_path / page.name
    copy.write_text(text.replace(right, wrong), encoding="utf-8")
    return test_derivations.run(copy)


@pytest.mark.parametrize("page", LAB, ids=lambda page: page.stem)
def test_without_a_fault_the_copy_passes(page, tmp_path):
    count, failure = run_copy(tmp_path, page, PAIRS, PAIRS)
    assert count >= 9 and failure is None


@pytest.mark.parametrize("name", FAULTS)
@pytest.mark.parametrize("page", LAB, ids=lambda page: page.stem)
def test_each_fault_is_caught(page, name, tmp_path):
    _, failure = run_copy(tmp_path, page, *FAULTS[name])
    assert failure is not None and ("gives something else" in failure or "AssertionError" in failure)


def test_both_languages_have_the_same_code_and_formulas():
    """Only the prose is translated."""
    english, chinese = (test_derivations.text_of(page) for page in LAB)
    blocks = re.compile(r"```pycon\n.*?```", re.DOTALL)
    assert blocks.findall(english) == blocks.findall(chinese)
    for start, end in (("## 1.", "## 2."), ("## 2.", "## 3.")):
        one, two = (re.findall(r"^(\d+)\. (.*)$", text.split(start)[1].split(end)[0], re.MULTILINE)
                    for text in (english, chinese))
        assert [number for number, _ in one] == [number for number, _ in two] == [
            str(n + 1) for n in range(12 if start == "## 1." else 15)]
        for (number, a), (_, b) in zip(one, two):
            assert sorted(re.findall(r"\$`(.*?)`\$", a)) == sorted(re.findall(r"\$`(.*?)`\$", b)), number


@pytest.mark.parametrize("page", LAB, ids=lambda page: page.stem)
def test_each_size_in_the_tables_is_printed_by_the_code_below(page):
    """The last column of the two tables against the errors that section 3's own examples give."""
    section = re.split(r"^## [34]\. ", test_derivations.text_of(page), flags=re.MULTILINE)[1]
    rows = re.findall(r"^\| \d \|.*\| ([^|]*)\|$", section, re.MULTILINE)
    sizes = [float(size) for row in rows for size in re.findall(r"(?<!\()\b\d\.\d\d\b", row)]
    printed = [float(size) for size in re.findall(r"error (?:of dL/dW )?(\d\.\d\d)$", section, re.MULTILINE)]
    assert len(rows) == 9 and len(sizes) == 8 and set(sizes) <= set(printed)
