"""What a file gave on one problem, and when two arrays count as the same."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from .problem import Array, Problem

BOUND = 1e-9


@dataclass
class Observation:
    """h (T, H), or None where the file has no forward pass; the gradients that it returned."""

    problem: Problem
    h: Array | None
    gradients: dict[str, Array] = field(default_factory=dict)
    misshapen: dict[str, tuple[int, ...]] = field(default_factory=dict)   # returned in another shape than due
    unknown: list[str] = field(default_factory=list)                      # keys that nobody asked for
    single: set[str] = field(default_factory=set)                         # tensors that came in float32
    whole: dict[str, Array] = field(default_factory=dict)                 # gradients in whole numbers
    written: set[str] = field(default_factory=set)                        # arguments that it has changed


def error(value: Array, reference: Array) -> float:
    """max|value - reference| / max|reference|; of a reference that is zero, 0 or inf; NaN gives inf."""
    difference, size = np.max(np.abs(value - reference), initial=0), np.max(np.abs(reference), initial=0)
    if not np.isfinite(difference):
        return float("inf")
    return float(difference / size) if size else float("inf") if difference else 0.0


def same(value: Array, reference: Array) -> bool:
    """Equal to BOUND. A zero is equal to nothing but a zero."""
    return value.shape == reference.shape and error(value, reference) <= BOUND
