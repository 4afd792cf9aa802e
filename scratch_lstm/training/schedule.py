"""The learning rate of each step: it rises over the warm-up, then stays, or falls along half a cosine."""

from __future__ import annotations

import math

from .settings import Settings


def learning_rate(settings: Settings, step: int, steps: int) -> float:
    """Of step number `step`, counted from 0, of a run of `steps` steps in all.

    warm-up, w steps:  rate * (step + 1) / w
    cosine, after it:  rate * (1 + cos(pi * (step - w) / (steps - w))) / 2

    With settings.rate_for_batch all of it is multiplied by sqrt(batch size / that batch size): the noise of
    the mean gradient of B poems falls with sqrt(B), and Adam's step is the gradient over its own size.

    derivations/13_better_poems.md, section 13.4.
    """
    rate, warmup = settings.learning_rate, settings.warmup
    if settings.rate_for_batch:
        rate *= math.sqrt(settings.batch_size / settings.rate_for_batch)
    if step < warmup:
        return rate * (step + 1) / warmup
    if settings.schedule == "cosine":
        return rate * (1 + math.cos(math.pi * (step - warmup) / (steps - warmup))) / 2
    return rate
