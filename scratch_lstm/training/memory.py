"""How much memory a training run needs, and how much this machine has: known before anything is allocated."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import numpy as np

from ..errors import InputError
from .settings import Settings

BASE = 120_000_000                 # bytes of Python with its libraries
GROUP_LIMITS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")


def count_parameters(vocabulary: int, settings: Settings) -> int:
    """Of a PoemModel, without making one."""
    V, E, H, L = vocabulary, settings.embedding_size, settings.hidden_size, settings.num_layers
    last = E if settings.tie_embedding else H               # size of the last layer
    if L == 1:
        layers = 4 * last * (E + last + 1)
    else:
        layers = 4 * H * (E + H + 1) + (L - 2) * 4 * H * (2 * H + 1) + 4 * last * (H + last + 1)
    return V * E + layers + V + (0 if settings.tie_embedding else V * H)


def predict(vocabulary: int, settings: Settings, words_in_batch: int, words: int = 0) -> int:
    """Bytes of a training run with batches of at most so many words, on a corpus of so many.

    Parameters: themselves, their gradients (in each thread and of each shard), Adam's two moments, their
    average with a gradient of its own, and copies of them all while they are saved. A batch: the logits
    once, and for each layer the gates, the states and their gradients.
    """
    size = np.dtype(settings.dtype).itemsize
    E, H, L = settings.embedding_size, settings.hidden_size, settings.num_layers
    H = max(E, H) if settings.tie_embedding else H
    shards = settings.shards or settings.threads
    vectors = 4 + 4 + settings.threads + (3 if settings.average else 0) + (shards if shards > 1 else 0)
    parameters = count_parameters(vocabulary, settings) * vectors
    activations = words_in_batch * (vocabulary + 3 * E + L * 16 * H)
    return BASE + size * (parameters + activations) + 60 * words


def machine() -> int:
    """Bytes of memory that this process can have at all, as far as the system says."""
    limits = [sys.maxsize]
    if hasattr(os, "sysconf") and "SC_PHYS_PAGES" in os.sysconf_names:
        limits.append(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    for file in GROUP_LIMITS:
        try:
            limits.append(int(Path(file).read_text()))
        except (OSError, ValueError):       # no such limit, or "max"
            pass
    try:
        import resource
        soft = resource.getrlimit(resource.RLIMIT_AS)[0]
        if soft != resource.RLIM_INFINITY:
            limits.append(soft)
    except ImportError:                     # Windows
        pass
    return min(limit for limit in limits if limit > 0)


def check(needed: int, what: str, advice: str) -> None:
    """Raise InputError if that many bytes are more than the machine has."""
    if needed > machine():
        raise InputError(f"{what} needs {human(needed)} of memory, this machine has {human(machine())}; "
                         f"{advice}")


def human(size: int) -> str:
    """So many bytes, as a person says it."""
    return f"{size / 1e9:,.1f} GB" if size >= 1e9 else f"{size / 1e6:.0f} MB"
