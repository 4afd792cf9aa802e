"""A forward pass that is not the textbook's: the backward pass is compared with differences of that one."""

import pytest
from helpers.check_forwards import FORWARDS
from helpers.check_sources import with_line

from scratch_lstm.check.checking import check_source
from scratch_lstm.check.report import as_text

BACKWARD = ("one step", "through time", "sums", "ends")


@pytest.mark.parametrize("name", FORWARDS)
def test_a_backward_pass_that_is_right_for_its_own_forward_pass(name):
    verdict, _ = check_source(FORWARDS[name][0], "my.py")
    print(as_text(verdict, "my.py", "en"))
    assert verdict.verdict == "unknown" and not verdict.mistakes and verdict.where.own
    assert not verdict.where.tensors and set(verdict.where.right) == set(verdict.returned)
    assert verdict.stages == {"forward": "wrong", **dict.fromkeys(BACKWARD, "right")}


@pytest.mark.parametrize("name", FORWARDS)
def test_a_backward_pass_that_is_wrong_for_its_own_forward_pass(name):
    source, line, wrong, tensors = FORWARDS[name]
    verdict, _ = check_source(with_line(source, line, wrong), "my.py")
    print(as_text(verdict, "my.py", "en"))
    assert verdict.verdict == "unknown" and not verdict.mistakes
    assert set(verdict.where.tensors) == tensors
    assert set(verdict.where.right) == set(verdict.returned) - tensors
    right = {"U": {"one step", "through time", "ends"}, "x": {"one step", "through time", "sums"}}
    said = {stage for stage in BACKWARD if verdict.stages[stage] == "right"}
    assert said == (right[min(tensors)] if len(tensors) == 1 else said - set(BACKWARD[1:]))
