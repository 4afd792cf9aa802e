"""What scratch_lstm.check says has been seen: no name without proof, no "right" without a comparison.

A network with known mistakes becomes a file of each form; one of its gradients is replaced by zeros, ones,
noise, ...; and every word of the verdict is compared with what is true of that file.
"""

import numpy as np
import pytest
from helpers.check_forms_of import NAMES, looker

from scratch_lstm.check.judge import judge
from scratch_lstm.check.problem import TENSORS

CASES = [(network, form) for network, forms in NAMES.items() for form in forms]


def zeros(*names):
    """The gradients of these names, of an LSTM also the block of one gate ("W.f"), are zero."""
    def change(found, problem):
        found = {name: value.copy() for name, value in found.items()}
        for name, _, gate in (name.partition(".") for name in names):
            if name in found:
                blocks = np.split(found[name], 4)["ifgo".index(gate)] if gate else found[name]
                blocks[...] = 0
        return found
    return change


def tensors(form, network):
    names = ["delta"] if form == "delta" else list(TENSORS[network])
    return [name for name in names if name != "c0" or form not in ("cs231n", "dlfs2", "coursera")]


@pytest.mark.parametrize("network, form", CASES)
def test_a_gradient_that_is_zero_gets_no_other_name(network, form):
    """Each alone, and all of them: a mistake for each, that nothing is added to it, and no other one. In a
    file of one step the gradients of h and c are also the paths to the step before."""
    names = tensors(form, network)
    for some in [*([name] for name in names), names]:
        ends = dict.fromkeys(("h0", "c0"), ("initial-state", "zero"))
        if form == "step" and len(some) == 1:
            ends = {"h0": ("path-through-h", "dropped"), "c0": ("path-through-c", "dropped")}
        verdict = judge(looker(form, network, {}, zeros(*some)))
        assert verdict.verdict == "wrong", (some, verdict)
        said = {(one.site, one.value) for one in verdict.mistakes}
        due = {"x": ("input-gradient", "zero"), **ends}
        assert said == {due.get(name, ("never-filled", "zero")) for name in some}, (some, said)
        filled = [tensor for one in verdict.mistakes if one.site == "never-filled" for tensor in one.tensors]
        assert sorted(filled) == sorted(set(some) - set(due))


@pytest.mark.parametrize("form", NAMES["lstm"])
@pytest.mark.parametrize("gate", "ifgo")
def test_the_block_of_a_gate_that_is_zero_is_said(form, gate):
    for name in (name for name in tensors(form, "lstm") if name in "WUb"):
        verdict = judge(looker(form, "lstm", {}, zeros(f"{name}.{gate}")))
        said = [(one.site, one.value, one.gates, one.tensors) for one in verdict.mistakes]
        assert said == [("never-filled", "zero", gate, (name,))], (name, verdict)
