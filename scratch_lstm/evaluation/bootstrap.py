"""How far a figure may be from the truth because the held-out poems are these and not others.

The percentile bootstrap (Efron and Tibshirani, An introduction to the bootstrap, 1993, chapter 13): the
figure is computed again from as many poems, drawn from the held-out ones with replacement, a thousand times;
the interval has the middle 95 % of the results. Whole poems are drawn, because the characters of one poem
depend on each other.
"""

from __future__ import annotations

import numpy as np

AT_A_TIME = 2_000_000     # poems drawn as one array


def interval(sums: np.ndarray, counts: np.ndarray, seed: int = 0, resamples: int = 1000,
             level: float = 0.95) -> tuple[float, float]:
    """Bounds of sum(sums) / sum(counts) over poems; sums and counts (N,), one entry a poem.

    Raises ValueError without poems.
    """
    if not len(sums):
        raise ValueError("no poems to draw from")
    rng = np.random.default_rng(seed)
    rows = max(1, AT_A_TIME // len(sums))
    means: list[float] = []
    while len(means) < resamples:
        drawn = rng.integers(len(sums), size=(min(rows, resamples - len(means)), len(sums)))
        total, count = sums[drawn].sum(axis=1), counts[drawn].sum(axis=1)
        means += (total / np.where(count > 0, count, np.nan)).tolist()
    low, high = np.nanquantile(means, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)
