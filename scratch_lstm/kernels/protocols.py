"""What a backend must give: one Protocol for each part. A module with these functions fits.

    T time steps, B batch, D input size, H hidden size; N = T * B predictions, V vocabulary, E embedding size.
"""

from __future__ import annotations

from typing import Any, Protocol

Array = Any


class Cell(Protocol):
    """One time step of the LSTM cell, elementwise and in place: numpy_cell.py says what each array is."""

    def forward(self, z: Array, c_prev: Array, c: Array, tanh_c: Array, h: Array, /) -> None:
        """z (4H, B): net input in, gates out. Reads c_prev; writes c, tanh_c and h, each (H, B)."""

    def backward(self, gates: Array, c_prev: Array, tanh_c: Array, dh: Array, dc: Array,
                 dz: Array, /) -> None:
        """Writes dz (4H, B); dc comes in from step k+1 and goes out to step k-1. The rest is only read."""


class TimeLoop(Protocol):
    """The loop over time of one layer as one call, for float32 and float64."""

    def forward(self, U: Array, wx_plus_b: Array, z: Array, c: Array, tanh_c: Array, h: Array, /) -> None:
        """U (4H, H), wx_plus_b (4H, T, B). Fills z (T, 4H, B) with the gates, tanh_c (T, H, B), and
        c, h (T+1, H, B) from their rows 0 on."""

    def backward(self, U: Array, gates: Array, c: Array, tanh_c: Array, dh_above: Array, dz: Array,
                 dh: Array, dc: Array, /) -> None:
        """dh_above (T, H, B). Fills dz (T, 4H, B); dh and dc (H, B) come in for the last state and go out
        for the initial one."""


class Loss(Protocol):
    """Softmax and mean cross-entropy: functional.py says what each array is."""

    def softmax_cross_entropy(self, logits: Array, targets: Array,
                              out: Array | None = None) -> tuple[Array, tuple[Array, Array]]:
        """logits (N, V), targets (N,) -> the loss, and what backward needs."""

    def softmax_cross_entropy_backward(self, saved: tuple[Array, Array], targets: Array, d_loss: float = 1.0,
                                       out: Array | None = None) -> Array:
        """dlogits (N, V)."""


class AdamUpdate(Protocol):
    """One step of Adam on flat vectors: numpy_adam.py has the formula."""

    def update(self, p: Array, g: Array, m: Array, v: Array, step_size: float,
               bias_correction2_sqrt: float, beta1: float, beta2: float, epsilon: float,
               keep: float = 1.0, /) -> None:
        """p, m and v change in place."""


class ScatterAdd(Protocol):
    """The embedding's backward."""

    def scatter_add(self, table: Array, rows: Array, values: Array, /) -> None:
        """table[rows[n]] += values[n], also where a row occurs more than once. table (V, E), rows (N,)
        integers in [0, V), values (N, E)."""
