"""n-gram models of poems: interpolated Kneser-Ney with three discounts an order.

S. F. Chen and J. Goodman (1999), An empirical study of smoothing techniques for language modeling, section 3
("modified Kneser-Ney"), with the counts at the beginning of a text as in K. Heafield et al. (2013), Scalable
modified Kneser-Ney language model estimation:

    p_n(w | h) = (a(h w) - D(a(h w))) / a(h .) + (sum over v of D(a(h v))) / a(h .) * p_{n-1}(w | h')
    p_0(w) = 1 / V

h is the n-1 words before w, fewer near the start of the poem; h' is h without its first word; a(h .) is the
sum of a(h v) over v, and where it is 0, p_n(w | h) = p_{n-1}(w | h'). a(h w) is how often h w occurs in
the highest order, and in the others the number of different words before it; START has no word before it, so
what begins with START is counted as it occurs. START itself follows nothing: a(START) = 0.

D(a) is D_1, D_2 or D_3 for a = 1, 2, and 3 or more; with n_k the number of n-grams of that order with a = k,
Y = n_1 / (n_1 + 2 n_2) and D_k = k - (k + 1) Y n_{k+1} / n_k. Where an n_k is 0, or a D_k falls outside
(0, k), the order has D_k = k / 2. Every order is smoothed in this way, the unigram by the uniform p_0, so
every word of the vocabulary has a probability above 0.
"""

from __future__ import annotations

import numpy as np

from .grams import find, keys, places


class Order:
    """The n-grams of one length: sorted keys, and what the formula needs of each and of each context."""

    def __init__(self, known: np.ndarray, counts: np.ndarray, contexts: int, V: int) -> None:
        """known: (G,) sorted keys; counts: (G,) a(h w); contexts: how many (n-1)-grams there are."""
        discount = np.take(discounts(counts), np.minimum(counts, 3))                  # (G,), 0 for a = 0
        context = known // V
        total = np.bincount(context, counts, contexts)                                # (contexts,) a(h .)
        at_least_1 = np.maximum(total, 1)
        self.known = known
        self.p = (counts - discount) / at_least_1[context]                            # (G,)
        lower = np.bincount(context, discount, contexts) / at_least_1
        self.lower = np.where(total > 0, lower, 1.0)                                  # (contexts,)


def discounts(counts: np.ndarray) -> np.ndarray:
    """[0, D_1, D_2, D_3] of an order with these a(h w)."""
    k = np.arange(1, 4)
    n = np.bincount(np.minimum(counts, 5), minlength=6)[1:5].astype(float)            # n_1 .. n_4
    if n.all():
        y = n[0] / (n[0] + 2 * n[1])
        found = k - (k + 1) * y * n[1:] / n[:3]
        if (found > 0).all() and (found < k).all():
            return np.concatenate([[0.0], found])
    return np.concatenate([[0.0], k / 2])


class NGrams:
    """An n-gram model of poems, and of what is written like them.

    words: (total,) the numbers of all words, START and END included, one poem after another; lengths: (N,) of
    the poems, START and END included; n: words of the longest n-grams; V: size of the vocabulary.
    """

    def __init__(self, words: np.ndarray, lengths: np.ndarray, n: int, V: int) -> None:
        if n < 1 or not len(lengths):
            raise ValueError("an n-gram model needs n of 1 or more, and a poem")
        self.V = V
        self.orders: list[Order] = []
        place = places(lengths)
        shorter, contexts = np.zeros_like(words), 1          # of the order below: its n-gram that ends here
        below: tuple[np.ndarray, np.ndarray, int, np.ndarray] | None = None
        for order in range(1, n + 1):
            ends = np.flatnonzero(place >= order - 1)
            known, first, ids, counts = np.unique(keys(shorter, words, place, order, V)[ends],
                                                  return_index=True, return_inverse=True, return_counts=True)
            example = ends[first]                            # where one of each kind ends
            if below is not None:
                before = np.bincount(shorter[example], minlength=contexts)    # different words before each
                self.orders.append(Order(below[0], np.where(below[3], below[1], before), below[2], V))
            if order == 1:
                counts = np.where(known == words[0], 0, counts)               # START
            below = known, counts, contexts, place[example] == order - 1
            shorter, contexts = np.full(len(words), -1), len(known)
            shorter[ends] = ids.reshape(-1)
        if below is not None:
            self.orders.append(Order(*below[:3], V))

    def log_probabilities(self, words: np.ndarray, lengths: np.ndarray) -> np.ndarray:
        """Of every word but each poem's first, one poem after another: (total - N,), natural logarithms.

        words (total,), lengths (N,): as in the constructor.
        """
        place = places(lengths)
        p = np.full(len(words), 1 / self.V)
        shorter = np.zeros_like(words)                                   # the empty context has number 0
        for n, order in enumerate(self.orders, 1):
            context = np.zeros_like(words) if n == 1 else np.concatenate([[-1], shorter[:-1]])
            seen = (place >= max(n - 1, 1)) & (context >= 0)
            p[seen] *= order.lower[context[seen]]
            shorter = find(order.known, keys(shorter, words, place, n, self.V))
            known = seen & (shorter >= 0)
            p[known] += order.p[shorter[known]]
        return np.log(p[place > 0])
