"""The choice of the next word from the logits: the likeliest one, or drawn from a distribution.

    B poems, V words.

A word is drawn by the inverse distribution: the first one at which the cumulative sum of the probabilities
reaches draw * their sum. The sum is taken over groups of words first, then inside the one group that has the
word, because the cumulative sum over all V words costs more than all else. The rows go in blocks that stay in
the cache. Probabilities are in float64 throughout.
"""

from __future__ import annotations

import numpy as np

ROWS = 64      # in a block: 1 MB of 2,001 words
GROUP = 46     # words: the square root of V would be best


def choose(logits: np.ndarray, temperature: float | None, top_k: int | None,
           draws: np.ndarray) -> np.ndarray:
    """logits (B, V), draws (B,) or (B, 1) from (0, 1] -> tokens (B,).

    temperature: None for the likeliest word, else words are drawn from softmax(logits / temperature), among
    the top_k likeliest and those that are as likely as the last of them, if that is given. draws is not used
    without a temperature. A word whose logit is -inf is not chosen.
    """
    if temperature is None:
        return logits.argmax(axis=1)
    tokens = np.empty(len(logits), np.int64)
    for begin in range(0, len(logits), ROWS):
        rows = slice(begin, begin + ROWS)
        if top_k is not None and top_k < logits.shape[1]:
            tokens[rows] = _among_likeliest(logits[rows], temperature, top_k, draws[rows].reshape(-1, 1))
        else:
            tokens[rows] = _among_all(logits[rows], temperature, draws[rows].reshape(-1, 1))
    return tokens


def _among_all(logits: np.ndarray, temperature: float, draws: np.ndarray) -> np.ndarray:
    """logits (B, V), draws (B, 1) -> tokens (B,)."""
    p = _proportional(logits, temperature)                                        # (B, V)
    begins, row = np.arange(0, p.shape[1], GROUP), np.arange(len(p))
    sums = np.add.reduceat(p, begins, axis=1).cumsum(axis=1)                      # (B, groups)
    wanted = draws * sums[:, -1:]
    group = (sums < wanted).sum(axis=1)
    before = np.where(group > 0, sums[row, group - 1], 0)
    words = np.minimum(begins[group, None] + np.arange(GROUP), p.shape[1] - 1)    # (B, GROUP)
    cumulative = p[row[:, None], words].cumsum(axis=1)
    # the two sums round in two ways: no more is wanted than the group has
    wanted = np.minimum(wanted - before[:, None], cumulative[:, -1:])
    return words[row, (cumulative < wanted).sum(axis=1)]


def _among_likeliest(logits: np.ndarray, temperature: float, top_k: int, draws: np.ndarray) -> np.ndarray:
    """As _among_all, but only words as likely as the k-th likeliest, or likelier."""
    least = np.partition(logits, -top_k)[:, -top_k, None]                         # the k-th largest
    row, word = np.nonzero(~(logits < least))                   # so that a row of NaN keeps its words
    counts = np.bincount(row, minlength=len(logits))
    first = np.cumsum(counts) - counts
    few = np.full((len(logits), counts.max()), -np.inf)                           # (B, k or more)
    few[row, np.arange(len(row)) - first[row]] = logits[row, word]
    cumulative = _proportional(few, temperature).cumsum(axis=1)
    return word[first + (cumulative < draws * cumulative[:, -1:]).sum(axis=1)]


def _proportional(logits: np.ndarray, temperature: float) -> np.ndarray:
    """logits (B, V) -> numbers in proportion to softmax(logits / temperature), in float64."""
    with np.errstate(over="ignore", invalid="ignore"):          # a tiny temperature: -inf; huge weights: NaN
        p = logits.astype(np.float64)
        p -= p.max(axis=1, keepdims=True)
        p /= temperature
        return np.exp(p, out=p)


def ranked(logits: np.ndarray, rank: int, end: int) -> int:
    """logits (V,) -> the token that is in that place when they are sorted, the likeliest in place 0.

    The end is in place 0 or nowhere: a poem that ends at once is not another poem.
    """
    order = np.argsort(-logits, kind="stable")
    return int(order[rank + (end in order[1:rank + 1])])
