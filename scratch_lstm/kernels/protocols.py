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

    def forward(self, U: Array, b: Array, wx: Array, z: Array, c: Array, tanh_c: Array, h: Array, /) -> None:
        """U (4H, H), b (4H,), wx (4H, T, B) = W x_t, which may be overwritten. Fills z (T, 4H, B) with the
        gates, tanh_c (T, H, B), and c, h (T+1, H, B) from their rows 0 on."""

    def backward(self, U: Array, gates: Array, c: Array, tanh_c: Array, dh_above: Array, delta: Array,
                 sums: Array, dh: Array, dc: Array, /) -> None:
        """dh_above (T, H, B). Fills delta (4H, T, B), which is dz of every step, and sums (4H,), those of its
        rows; dh and dc (H, B) come in for the last state and go out for the initial one."""


class Layer(Protocol):
    """One layer of the LSTM as lstm_layer.py has it, with as few launches as possible."""

    def layer_forward(self, x: Array, state: tuple[Array, Array] | None, W: Array, U: Array, b: Array,
                      dtype: Any, own: Any, /) -> tuple[Array, tuple[Array, Array, Array, Array]]:
        """h (T, B, H), a new array, and the fields of a Cache."""

    def layer_backward(self, dh_above: Array, d_state: tuple[Array, Array] | None, W: Array, U: Array,
                       cache: Any, dtype: Any, scratch: Any, gradients: list[Array], /) -> tuple[Array,
                                                                                                 Array]:
        """dx (T, B, D), and (dh_0, dc_0) as one (2, B, H) in scratch memory; adds to the gradients of
        W, U, b."""


class Products(Protocol):
    """Matrix products, and sums that are added to a gradient."""

    def product(self, a: Array, b: Array, out: Array | None = None, /) -> Array:
        """a (m, k) @ b (k, n) -> (m, n), in `out` if it is given."""

    def add_product(self, total: Array, a: Array, b: Array, /) -> None:
        """total (m, n) += a (m, k) @ b (k, n)."""

    def add_column_sum(self, total: Array, a: Array, /) -> None:
        """total (n,) += the sum of a (N, n) over its rows."""


class Loss(Protocol):
    """Softmax and mean cross-entropy: functional.py says what each array is."""

    def softmax_cross_entropy(self, logits: Array, targets: Array,
                              out: Array | None = None) -> tuple[Array, tuple[Array, Array]]:
        """logits (N, V), targets (N,) -> the loss, and what backward needs."""

    def softmax_cross_entropy_backward(self, saved: tuple[Array, Array], targets: Array, d_loss: float = 1.0,
                                       out: Array | None = None) -> Array:
        """dlogits (N, V)."""


class FusedLoss(Protocol):
    """The linear layer to the vocabulary and its loss, forward and backward, as one call."""

    def fused_loss(self, h: Array, parameters: dict[str, Array], gradients: dict[str, Array], targets: Array,
                   d_loss: float | None, workspace: Any, /) -> tuple[Array, Array | None]:
        """h (N, H), targets (N,) -> the mean cross-entropy, and its gradient for h times d_loss, dh (N, H), a
        new array. Adds those for `weight` (V, H) and `bias` (V,) to gradients. With d_loss None: the loss and
        None. workspace: a backend.Workspace."""


class AdamUpdate(Protocol):
    """One step of Adam on flat vectors: numpy_adam.py has the formula."""

    def update(self, p: Array, g: Array, m: Array, v: Array, step_size: float,
               bias_correction2_sqrt: float, beta1: float, beta2: float, epsilon: float,
               keep: float = 1.0, /) -> None:
        """p, m and v change in place."""


class ClippedAdam(Protocol):
    """What optim.Adam.clipped_step does, in one call."""

    def clip_and_update(self, p: Array, g: Array, m: Array, v: Array, max_norm: float, step_size: float,
                        bias_correction2_sqrt: float, beta1: float, beta2: float, epsilon: float, keep: float,
                        average: Array | None, share: float, /) -> Array:
        """The norm that g had; g, p, m, v and average change in place."""


class ScatterAdd(Protocol):
    """The embedding's backward."""

    def scatter_add(self, table: Array, rows: Array, values: Array, order: Array | None = None, /) -> None:
        """table[rows[n]] += values[n], also where a row occurs more than once. table (V, E), rows (N,)
        integers in [0, V), values (N, E). order: which stable argsort rows has, if it is known."""
