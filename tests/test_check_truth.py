"""What scratch_lstm.check says has been seen: no name without proof, no "right" without a comparison.

A network with known mistakes becomes a file of each form; one of its gradients is replaced by zeros, ones,
noise, ...; and every word of the verdict is compared with what is true of that file.
"""

from dataclasses import replace

import numpy as np
import pytest
from helpers.check_forms_of import NAMES, File, looker
from helpers.planted_mistakes import alone, several

from scratch_lstm.check.judge import judge
from scratch_lstm.check.observation import error
from scratch_lstm.check.problem import TENSORS
from scratch_lstm.check.program import StudentError
from scratch_lstm.check.report import as_text
from scratch_lstm.check.tensors import Result
from scratch_lstm.check.words_en import LINES

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


# Every word of a verdict is true

def ones(name):
    return lambda found, problem: {**found, name: np.ones_like(found[name])}


def noise(name):
    """Other numbers for each problem, the same ones each time, and of the size of the gradient."""
    def change(found, problem):
        rng = np.random.default_rng(int(abs(problem.x.flat[0]) * 1e6))
        size = np.abs(problem.dh).max()
        return {**found, name: size * rng.normal(size=found[name].shape)}
    return change


def negative(name):
    return lambda found, problem: {**found, name: -found[name]}


def another(name):
    """The next gradient, in the shape of this one."""
    def change(found, problem):
        names = list(found)
        other = names[(names.index(name) + 1) % len(names)]
        return {**found, name: np.resize(found[other], found[name].shape)}
    return change


REPLACED = {"zeros": zeros, "ones": ones, "noise": noise, "negative": negative, "another": another}
SIZES = ((1, 3, 3), (2, 3, 4), (5, 2, 2), (8, 2, 3))


def untrue(look, verdict, file):
    """What the verdict says, or shows as right, and is not so: on problems that the checker never saw."""
    problems, answers = [], []
    for T, H, D in SIZES:
        try:
            problems.append(look.problem(T, H, D, 991))
            answers.append(look.on(problems[-1]))
        except StudentError:                                  # W for U: it runs with D = H only
            problems[-1] = look.problem(T, H, H, 991)
            answers.append(look.on(problems[-1]))
    own = {name: value for name, value in file.mistakes.items() if name.startswith("forward")
           and not (look.zero_start and value == "zero start")}
    right = [Result(problem, {**own, "backward.of": "own"} if own else {}) for problem in problems]
    wrong = []

    def equal(name):
        return all(name in a.gradients and error(a.gradients[name], r.tensor(name)) <= 1e-9
                   for a, r in zip(answers, right))

    true = {name for name in verdict.returned if equal(name)}
    for name in set(verdict.where.right) - true:
        wrong.append(f"d{name} is said to be right")
    for name in set(verdict.where.tensors) & true:
        wrong.append(f"d{name} is said to be wrong")
    same_h = all(a.h is None or error(a.h, Result(p, {}).states.h[1:]) <= 1e-9
                 for a, p in zip(answers, problems))
    if verdict.verdict == "right" and not (same_h and set(verdict.returned) == true):
        wrong.append("right")
    if verdict.verdict in ("wrong", "unknown") and verdict.mistakes:
        found = verdict.found or verdict.base
        for problem, answer in zip(problems, answers):
            result = Result(problem, found)
            if answer.h is not None and error(answer.h, result.states.h[1:]) > 1e-9:
                wrong.append(f"{found} does not give h")
            start = look.on(replace(problem, dh=0 * problem.dh)).gradients
            for name, value in (answer.gradients if verdict.found else {}).items():
                if look.zero_start and name in ("h0", "c0") and not np.any(value):
                    continue                                  # nothing depends on a state that is not used
                value = value - start[name] * (name in look.added)
                if error(value, result.tensor(name)) > 1e-9:
                    wrong.append(f"{found} does not give d{name}")
    if verdict.verdict == "unknown" and not verdict.base and verdict.mistakes:
        wrong.append("a name, and none is named")
    deltas = [np.all(np.abs(Result(p, file.mistakes).deltas(file.mistakes).z.sum(axis=0)
                            - r.deltas(r.mistakes).z.sum(axis=0)) <= 1e-9 * np.abs(p.dh).max())
              for p, r in zip(problems, right)]
    ends = {"x", "h0", "c0"} & set(verdict.returned)
    truth = {"forward": same_h, "one step": deltas[0], "through time": all(deltas),
             "sums": set("WUb") <= true, "ends": ends <= true}
    wrong += [f"{stage}: right" for stage, state in verdict.stages.items()
              if state == "right" and not truth[stage]]
    text = as_text(verdict, "my.py", "en", 3)
    if LINES["unknown"] in text and "mistake 1" in text:
        wrong.append("a name, and none is named")
    return wrong


ZERO_START = {"forward.h": "zero start", "forward.c": "zero start", "backward.of": "own"}


def examine(network, form, mistakes, name, kind):
    if form == "zero start":
        form, mistakes = "plain", {**mistakes, **ZERO_START}
        mistakes = {key: value for key, value in mistakes.items() if network == "lstm" or key != "forward.c"}
    look = looker(form, network, mistakes, REPLACED[kind](name) if name else None)
    verdict = judge(look)
    if verdict.verdict == "error":                            # of the form "loss" h is not seen
        return [] if verdict.remarks == [("another loss", {})] else [f"error: {verdict.remarks}"]
    return untrue(look, verdict, File(network, mistakes))


def cases(network, rng, count):
    """Draws of (form, mistakes, gradient, kind): no mistake, one of the dictionary, or two."""
    pool = alone(network)
    for _ in range(count):
        form = str(rng.choice([*NAMES[network], "zero start"]))
        name = str(rng.choice(tensors(form, network)))
        mistakes = [{}, pool[rng.integers(len(pool))], several(network, rng, 2)][rng.integers(3)]
        if form == "step":                                # its loop is the checker's own
            mistakes = {}
        yield form, mistakes, name, str(rng.choice(list(REPLACED)))


def every_word_is_true(network, seed, count):
    rng, found = np.random.default_rng(seed), []
    for form, mistakes, name, kind in cases(network, rng, count):
        wrong = examine(network, form, mistakes, name, kind)
        found += [(form, mistakes, name, kind, wrong)] if wrong else []
    assert not found, found


@pytest.mark.parametrize("seed", range(6))
def test_every_word_of_a_verdict_is_true(seed):
    every_word_is_true("lstm", seed, 30)
    every_word_is_true("rnn", seed, 45)


@pytest.mark.slow
@pytest.mark.parametrize("network, form", CASES)
def test_every_word_is_true_for_the_whole_dictionary(network, form):
    """Each entry with one gradient replaced; in the plain form, as it is too."""
    rng, found = np.random.default_rng(7), []
    for mistakes in alone(network) if form != "step" else [{}]:
        for name in [None] * (form == "plain") + [str(rng.choice(tensors(form, network)))]:
            kind = str(rng.choice(list(REPLACED)))
            wrong = examine(network, form, mistakes, name, kind)
            found += [(mistakes, name, kind, wrong)] if wrong else []
    assert not found, found
