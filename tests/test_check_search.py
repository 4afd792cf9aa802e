"""The dictionary of scratch_lstm.check: every mistake is found again, alone and with others, and nothing
else is."""

import numpy as np
import pytest
from helpers.planted_mistakes import alone, equal_as_functions, look_at, outside, several, together

from scratch_lstm import lstm_textbook, rnn_textbook
from scratch_lstm.check.dictionary import DICTIONARY, ORDERS, entries
from scratch_lstm.check.observation import BOUND, error
from scratch_lstm.check.problem import draw
from scratch_lstm.check.search import backward_mistakes, forward_mistakes, residual
from scratch_lstm.check.tensors import Result

NETWORKS = pytest.mark.parametrize("network", ["lstm", "rnn"])


def find(look, seed=0):
    """The mistakes that the search finds, or None: the forward pass first, as the judge does."""
    base = {}
    if residual({}, [look(3, 4, 4, seed)], ("h",)) > BOUND:
        found = forward_mistakes(look, seed)
        if found is None:
            return None
        base = found.mistakes
    found = backward_mistakes(look, seed, base)
    return found and found.mistakes


def recovered(network, mistakes):
    """"exact", "equal" (another name for the same function), "wrong name" or "unknown"."""
    found = find(look_at(network, mistakes))
    if found is None:
        return "unknown"
    if names(found) == names(mistakes):
        return "exact"
    return "equal" if equal_as_functions(network, found, mistakes) else "wrong name"


def names(mistakes):
    """Without the remark whether the backward pass is right for its own wrong forward pass."""
    return {name: value for name, value in mistakes.items() if name != "backward.of"}


@NETWORKS
@pytest.mark.parametrize("T, H, D", [(1, 2, 3), (4, 3, 2), (6, 1, 1)])
def test_without_a_mistake_it_is_the_textbook(network, T, H, D):
    p = draw(network, T, H, D, 0)
    result = Result(p, {})
    if network == "lstm":
        states = lstm_textbook.forward(p.x, (p.h0, p.c0), p.W, p.U, p.b)
        delta, dc = lstm_textbook.backward(states, p.U, p.dh)
        due = dict(zip("WUb", lstm_textbook.gradients(delta, states, p.x)))
        due["x"], (due["h0"], due["c0"]) = lstm_textbook.input_gradients(delta, dc, p.W, p.U)
    else:
        states = rnn_textbook.forward(p.x, p.h0, p.W, p.U, p.b)
        delta = rnn_textbook.delta(states, p.U, p.dh)
        due = dict(zip("WUb", rnn_textbook.gradients(delta, states, p.x)))
        due["x"], due["h0"] = rnn_textbook.input_gradients(delta, p.W, p.U)
    assert error(result.states.h, states.h) <= 1e-14
    assert error(result.tensor("delta"), delta) <= 1e-14
    assert result.all().keys() == due.keys()
    for name, value in due.items():
        assert error(result.tensor(name), value) <= 1e-14, name


@NETWORKS
def test_no_two_entries_are_the_same_mistake(network):
    """And each changes something by much more than the bound."""
    p = draw(network, 4, 3, 3, 1)
    seen = {}
    for mistakes in [{}, *alone(network)]:
        result = Result(p, mistakes)
        values = np.concatenate([result.states.h.ravel(),
                                 *(value.ravel() for value in result.all().values())])
        for other, different in seen.items():
            assert np.abs(values - different).max() > 1e-6, (mistakes, other)
        seen[tuple(mistakes.items())] = values


@pytest.mark.parametrize("network, every", [("lstm", 3), ("rnn", 1),
                                            pytest.param("lstm", 1, marks=pytest.mark.slow)])
def test_every_entry_alone_is_recovered(network, every):
    """Every entry of the dictionary, in the everyday run every third of the LSTM's; of the 23 orders of each
    key every eighth."""
    often = {name for name, value in entries(network) if value in ORDERS}
    some = ([m for m in alone(network) if not often & set(m) or next(iter(m.values())) in ORDERS[::8]]
            + together(network))[::every]
    counts = {}
    for mistakes in some:
        result = recovered(network, mistakes)
        counts.setdefault(result, []).append(mistakes)
    assert not counts.get("wrong name") and not counts.get("unknown"), counts
    print(network, len(some), {name: len(found) for name, found in counts.items()}, counts.get("equal"))
    assert len(counts["exact"]) >= 0.95 * len(some), counts.get("equal")


@pytest.mark.slow
def test_every_order_of_the_gates_alone_is_recovered():
    results = {recovered("lstm", m) for m in alone("lstm") if next(iter(m.values())) in ORDERS}
    assert results == {"exact"}


def evaluate(network, seed, count):
    rng, counts = np.random.default_rng(seed), {}
    for _ in range(count):
        mistakes = several(network, rng, rng.choice([2, 3]))
        counts.setdefault(recovered(network, mistakes), []).append(mistakes)
    print(network, {name: len(found) for name, found in counts.items()}, counts.get("unknown"))
    assert "wrong name" not in counts, counts["wrong name"]
    assert len(counts.get("unknown", [])) <= 0.1 * count, counts["unknown"]


@pytest.mark.parametrize("network, count", [("lstm", 8), ("rnn", 30)])
def test_pairs_and_triples_are_never_named_wrongly(network, count):
    evaluate(network, 1, count)


@pytest.mark.slow
@NETWORKS
def test_five_hundred_pairs_and_triples(network):
    evaluate(network, 2, 500)


def no_false_name(network, seed, count):
    rng, done = np.random.default_rng(seed), 0
    while done < count:
        mistakes, change = outside(network, rng)
        look = look_at(network, mistakes, change)
        if change is not None and residual(mistakes, [look(3, 4, 4, 0)]) <= BOUND:
            continue                    # it spoils what a mistake of the dictionary had made zero: no fault
        assert find(look) is None, (mistakes, change)
        done += 1


@pytest.mark.parametrize("network, count", [("lstm", 2), ("rnn", 12)])
def test_what_the_dictionary_has_not_gets_no_name(network, count):
    no_false_name(network, 3, count)


@pytest.mark.slow
@NETWORKS
def test_a_hundred_faults_from_outside_get_no_name(network):
    no_false_name(network, 4, 100)


def test_nine_mistakes_at_once():
    mistakes = {"slope.i": "missing", "slope.o": "tanh'", "slope.c": "1 - c^2", "factor.f": "c_k",
                "path.c": "dropped",
                "input.U": "h_k", "sum.b": "last", "from.x": "step before", "end.h0": "zero"}
    assert find(look_at("lstm", mistakes)) == mistakes


@pytest.mark.parametrize("kind", [{"backward.of": "own"}, {"backward.of": "cache"}, {}], ids=str)
@pytest.mark.parametrize("mistake", [{"forward.squash": "none"}, {"forward.activation.g": "sigmoid"},
                                     {"forward.order": "ifog"}, {"forward.h": "first"},
                                     {"forward.bias.f": "none"}],
                         ids=str)
def test_a_wrong_forward_pass_is_named_alone(mistake, kind):
    """Whether the backward pass is right for this forward pass or for the textbook's."""
    assert names(find(look_at("lstm", {**mistake, **kind}))) == mistake


def test_every_site_of_the_issue_is_in_the_dictionary():
    sites = {key.site for key in DICTIONARY["lstm"].values()}
    assert sites >= {
        "forward-tanh-of-c", "forward-activation", "forward-state", "forward-bias", "forward-gate-order",
        "sigmoid-derivative", "tanh-derivative-g", "tanh-derivative-c", "factor-in-gate", "deltas-exchanged",
        "path-through-c", "path-through-h", "direct-loss", "sum-over-time", "input-of-sum", "bias-delta",
        "gate-order", "initial-state", "input-gradient", "scaled"}
