"""The probability that a model gives to poems which it has not seen.

Predicted is each word of a poem after START, END included, from all words before it. `nats a prediction` is
the mean of -ln p over all predictions of all held-out poems, and the perplexity is e to the power of it. The
marks and the END of a fixed form are nearly free, so `nats a character` is the mean over the others alone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..model import PoemModel
from ..poems.corpus import Corpus
from ..poems.vocabulary import is_punctuation
from ..reading import read
from .bootstrap import interval
from .grams import places

NUMBERS_AT_A_TIME = 4_000_000     # logits of a batch: 16 MB in float32
ROWS = 64                         # of them in float64 at once


@dataclass(frozen=True, eq=False)
class Poems:
    """Some poems of a corpus, one after another."""

    words: np.ndarray           # (total,) START and END included
    lengths: np.ndarray         # (N,) START and END included
    is_character: np.ndarray    # (total - N,) of each prediction: neither a mark nor END
    V: int

    @classmethod
    def of(cls, corpus: Corpus, indices: np.ndarray) -> Poems:
        lengths = corpus.lengths[indices]
        words = corpus.tokens[np.repeat(corpus.starts[indices], lengths) + places(lengths)]
        vocabulary = corpus.vocabulary
        characters = np.array([not is_punctuation(word) and word not in (vocabulary.start, vocabulary.end)
                               for word in vocabulary.words])
        return cls(words, lengths, characters[words[places(lengths) > 0]], len(vocabulary))

    @property
    def poem(self) -> np.ndarray:
        """(total - N,) the poem of each prediction, from 0."""
        return np.repeat(np.arange(len(self.lengths)), self.lengths - 1)

    def log_probabilities(self, model: PoemModel, advance: Callable[[int], Any] = int,
                          threads: int = 1) -> np.ndarray:
        """Of each prediction (total - N,), natural logarithms; without dropout, in batches.

        advance: called with the number of poems that are done since the last call. threads: so many batches
        are read at the same time; the result is the same for any number.
        """
        starts = np.cumsum(self.lengths) - self.lengths
        result = np.zeros(len(self.words))
        most = max(1, NUMBERS_AT_A_TIME // self.V)                       # predictions at once

        def measure(one: PoemModel, batch: np.ndarray) -> int:
            at = starts[batch] + np.arange(self.lengths[batch[0]])[:, None]             # (T+1, B)
            step = max(1, most // len(batch))                            # of a long poem a part at a time
            state = None
            for t in range(0, len(at) - 1, step):
                here = at[t:t + step + 1]
                logits, state = one.forward(one.backend.to_device(self.words[here[:-1]]), state)
                result[here[1:]] = log_softmax_at(one.backend.to_host(logits), self.words[here[1:]])
            return len(batch)

        for done in read(model, self._batches(most), measure, threads):
            advance(done)
        return result[places(self.lengths) > 0]

    def _batches(self, most: int) -> list[np.ndarray]:
        """The numbers of all poems, in batches of one length, of at most so many predictions."""
        batches, begin = [], 0
        order = np.argsort(self.lengths, kind="stable")
        while begin < len(order):
            length = self.lengths[order[begin]]
            batch = order[begin:begin + max(1, most // int(length))]
            batch = batch[self.lengths[batch] == length]
            batches.append(batch)
            begin += len(batch)
        return batches

    def figures(self, log_p: np.ndarray, seed: int = 0) -> dict[str, Any]:
        """What is reported of a model: log_p (total - N,) of each prediction, or (N,) of each poem.

        nats_per_prediction, perplexity, nats_per_character, perplexity_per_character: each [value, low,
        high], the bounds of 95 % of the bootstrap over poems. The last two need each prediction; without
        it they are None.
        """
        predictions = self.lengths - 1
        found: dict[str, Any] = dict.fromkeys(("nats_per_character", "perplexity_per_character"))
        if len(log_p) == len(self.lengths) and len(log_p) != predictions.sum():
            self._mean(found, "prediction", -log_p, predictions, seed)
            return found
        poem, of_characters = self.poem, np.where(self.is_character, -log_p, 0)
        self._mean(found, "prediction", np.bincount(poem, -log_p), predictions, seed)
        if self.is_character.any():
            self._mean(found, "character", np.bincount(poem, of_characters),
                       np.bincount(poem, self.is_character), seed)
        return found

    @staticmethod
    def _mean(found: dict[str, Any], what: str, sums: np.ndarray, counts: np.ndarray, seed: int) -> None:
        bounds = [float(sums.sum() / counts.sum()), *interval(sums, counts, seed)]
        found[f"nats_per_{what}"] = bounds
        found["perplexity" if what == "prediction" else f"perplexity_per_{what}"] = np.exp(bounds).tolist()


def log_softmax_at(logits: np.ndarray, words: np.ndarray) -> np.ndarray:
    """logits (T, B, V), words (T, B) -> the log-probability of each word (T, B), in float64."""
    flat, targets = logits.reshape(-1, logits.shape[-1]), words.reshape(-1)
    result = np.empty(len(flat))
    for begin in range(0, len(flat), ROWS):                              # they stay in the cache
        rows = flat[begin:begin + ROWS].astype(np.float64)
        rows -= rows.max(axis=1, keepdims=True)
        chosen = rows[np.arange(len(rows)), targets[begin:begin + ROWS]]
        result[begin:begin + ROWS] = chosen - np.log(np.exp(rows, out=rows).sum(axis=1))
    return result.reshape(words.shape)
