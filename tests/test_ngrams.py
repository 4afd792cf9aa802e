"""n-grams: Kneser-Ney as printed, computed slowly; every context sums to 1; runs against those of strings."""

from collections import Counter, defaultdict

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scratch_lstm.evaluation.grams import longest_runs, places
from scratch_lstm.evaluation.ngrams import NGrams, discounts

V, START, END = 6, 0, 1
poems = st.lists(st.lists(st.integers(2, V - 1), max_size=7).map(lambda some: (START, *some, END)),
                 min_size=1, max_size=12)
orders = st.integers(1, 5)


def flat(some):
    return np.concatenate([np.array(poem, np.int64) for poem in some]), np.array([len(poem) for poem in some])


class Textbook:
    """The formulas of ngrams.py with dictionaries, one n-gram at a time."""

    def __init__(self, some, n):
        occurrences, lefts = Counter(), defaultdict(set)
        for poem in some:
            for end in range(len(poem)):
                for size in range(1, min(n, end + 1) + 1):
                    gram = poem[end + 1 - size:end + 1]
                    occurrences[gram] += 1
                    if end - size >= 0:
                        lefts[gram].add(poem[end - size])
        self.a = {gram: (count if len(gram) == n or gram[0] == START else len(lefts[gram]))
                  for gram, count in occurrences.items()}
        self.a[START,] = 0
        self.n, self.D = n, {}
        for size in range(1, n + 1):
            counts = [count for gram, count in self.a.items() if len(gram) == size]
            n1, n2, n3, n4 = (counts.count(k) for k in (1, 2, 3, 4))
            self.D[size] = [0, 0.5, 1, 1.5]
            if n1 and n2 and n3 and n4:
                Y = n1 / (n1 + 2 * n2)
                found = [1 - 2 * Y * n2 / n1, 2 - 3 * Y * n3 / n2, 3 - 4 * Y * n4 / n3]
                if all(0 < D < k for k, D in enumerate(found, 1)):
                    self.D[size] = [0, *found]

    def p(self, word, history):
        history = history[-(self.n - 1):] if self.n > 1 else ()
        return self._p(word, tuple(history))

    def _p(self, word, history):
        shorter = self._p(word, history[1:]) if history else 1 / V
        after = {v: self.a.get((*history, v), 0) for v in range(V)}
        total = sum(after.values())
        if total == 0:
            return shorter
        D = self.D[len(history) + 1]
        taken = {v: D[min(count, 3)] for v, count in after.items()}
        return (after[word] - taken[word]) / total + sum(taken.values()) / total * shorter


@given(poems, poems, orders)
def test_equal_to_the_printed_formula(training, others, n):
    slow = Textbook(training, n)
    expected = [np.log(slow.p(poem[t], poem[:t])) for poem in others for t in range(1, len(poem))]
    found = NGrams(*flat(training), n, V).log_probabilities(*flat(others))
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-12)


def test_the_formula_with_its_own_discounts():
    """A corpus large enough that every n_k of the low orders is above 0."""
    rng = np.random.default_rng(0)
    training = [(START, *rng.choice(np.arange(2, V), p=[.6, .25, .1, .05], size=6).tolist(), END)
                for _ in range(12)]
    for n in range(1, 6):
        slow = Textbook(training, n)
        assert n < 3 or slow.D[3] != [0, 0.5, 1, 1.5]
        expected = [np.log(slow.p(poem[t], poem[:t])) for poem in training for t in range(1, len(poem))]
        np.testing.assert_allclose(NGrams(*flat(training), n, V).log_probabilities(*flat(training)), expected,
                                   rtol=1e-12)


@given(poems, st.lists(st.integers(1, V - 1), max_size=6), orders)
def test_the_probabilities_after_any_words_sum_to_1_and_none_is_0(training, words, n):
    """Also after words that no poem has, and after END."""
    model = NGrams(*flat(training), n, V)
    last = [model.log_probabilities(*flat([(START, *words, word)]))[-1] for word in range(V)]
    assert abs(np.exp(last).sum() - 1) <= 1e-12 and np.isfinite(last).all()


@given(poems, poems)
def test_unseen_contexts_back_off(training, others):
    """After words that stand nowhere together, 5-grams say what their own lower order says."""
    model = NGrams(*flat(training), 5, V)
    poem = (START, 2, 3, 4, 5, END)
    seen = {some[k:k + size] for some in training for size in range(1, 5) for k in range(len(some))}
    p = np.exp(model.log_probabilities(*flat([poem])))
    context = poem[1:5]
    while context and context not in seen:
        context = context[1:]
    assert p[-1] == pytest.approx(Textbook(training, 5)._p(END, context), rel=1e-12)


def test_discounts_of_the_paper():
    counts = np.repeat([1, 2, 3, 4, 9], [10, 5, 3, 2, 4])
    Y = 10 / 20
    assert discounts(counts).tolist() == [0, 1 - 2 * Y * 5 / 10, 2 - 3 * Y * 3 / 5, 3 - 4 * Y * 2 / 3]
    assert discounts(np.array([1, 1, 2])).tolist() == [0, 0.5, 1, 1.5]
    assert discounts(np.repeat([1, 2, 3, 4], [1, 9, 1, 30])).tolist() == [0, 0.5, 1, 1.5]     # outside (0, k)


def test_what_cannot_be_an_n_gram_model():
    for arguments in ((*flat([(START, 2, END)]), 0), (np.zeros(0, np.int64), np.zeros(0, np.int64), 2)):
        with pytest.raises(ValueError):
            NGrams(*arguments, V)


def longest_common(poem, others):
    return max((size for size in range(1, len(poem) + 1) for k in range(len(poem) + 1 - size)
                if any(poem[k:k + size] in other for other in others)), default=0)


texts = st.lists(st.text("abc", max_size=9), min_size=1, max_size=6)


@given(texts, texts)
def test_longest_runs_are_those_of_the_strings(some, others):
    def numbers(strings):
        return (np.array([ord(c) - ord("a") for text in strings for c in text], np.int64),
                np.array([len(text) for text in strings]))

    found = longest_runs(*numbers(some), *numbers(others), 3)
    assert found.tolist() == [longest_common(text, others) for text in some]


def test_places():
    assert places(np.array([3, 0, 2])).tolist() == [0, 1, 2, 0, 1]
