"""The cell, the time loops, the loss and Adam on an NVIDIA GPU: each elementwise step is one fused launch.

On a GPU every launch costs 10-20 us from Python, more than the work in it, so what numpy_cell does in a dozen
passes is one kernel here: a thread takes one unit of one sequence and all its four gates. A time step is
one matrix product and one kernel; CuPy refuses the matrix library under graph capture, so nothing is built on
that. The shapes and the meaning are those of numpy_cell.py; dtypes are float32 and float64.

In the operations `i` counts the H * B cells, `cells` is their number, and gate g of cell i stands at
g * cells + i.
"""

from __future__ import annotations

from typing import Any

import cupy

Array = Any

SIGMA = "half + half * tanh(half * ({}))"   # it overflows nowhere

GATES = f"""
    const T half = 0.5;
    const T gate_i = {SIGMA.format("net_i")}, gate_f = {SIGMA.format("net_f")};
    const T gate_g = tanh(net_g), gate_o = {SIGMA.format("net_o")};
    const T c_k = gate_f * c_prev[i] + gate_i * gate_g;
    const T t = tanh(c_k);
    z[i] = gate_i;  z[cells + i] = gate_f;  z[2 * cells + i] = gate_g;  z[3 * cells + i] = gate_o;
    c[i] = c_k;  tanh_c[i] = t;  h[i] = gate_o * t;
"""

FORWARD = cupy.ElementwiseKernel(
    "raw T c_prev, int64 cells", "raw T z, raw T c, raw T tanh_c, raw T h",
    """
    const T net_i = z[i], net_f = z[cells + i], net_g = z[2 * cells + i], net_o = z[3 * cells + i];
    """ + GATES, "lstm_forward")

# with the part of the net input that comes from x, which lies as (4H, T, B): `stride` from row to row
FORWARD_ADD = cupy.ElementwiseKernel(
    "raw T c_prev, int64 cells, raw T from_x, int64 batch, int64 stride, int64 start",
    "raw T z, raw T c, raw T tanh_c, raw T h",
    """
    const long long rows = cells / batch, at = (i / batch) * stride + start + i % batch;
    const T net_i = z[i] + from_x[at], net_f = z[cells + i] + from_x[at + rows * stride];
    const T net_g = z[2 * cells + i] + from_x[at + 2 * rows * stride];
    const T net_o = z[3 * cells + i] + from_x[at + 3 * rows * stride];
    """ + GATES, "lstm_forward_add")

ADJOINT = """
    const T one = 1;
    const T gate_i = gates[i], gate_f = gates[cells + i];
    const T gate_g = gates[2 * cells + i], gate_o = gates[3 * cells + i];
    const T t = tanh_c[i];
    const T dc_k = dc[i] + dh_k * gate_o * (one - t * t);
    dz[i] = dc_k * gate_g * gate_i * (one - gate_i);
    dz[cells + i] = dc_k * c_prev[i] * gate_f * (one - gate_f);
    dz[2 * cells + i] = dc_k * gate_i * (one - gate_g * gate_g);
    dz[3 * cells + i] = dh_k * t * gate_o * (one - gate_o);
    dc[i] = dc_k * gate_f;
"""

BACKWARD = cupy.ElementwiseKernel(
    "raw T gates, raw T c_prev, raw T tanh_c, raw T dh, int64 cells", "raw T dc, raw T dz",
    "const T dh_k = dh[i];" + ADJOINT, "lstm_backward")

BACKWARD_ADD = cupy.ElementwiseKernel(
    "raw T gates, raw T c_prev, raw T tanh_c, raw T dh, int64 cells, raw T from_above", "raw T dc, raw T dz",
    "const T dh_k = dh[i] + from_above[i];" + ADJOINT, "lstm_backward_add")

# the softmax's rows n and words v: i counts n, or n * words + v
AT_TARGET = cupy.ElementwiseKernel(
    "raw T logits, raw T largest, raw int64 targets, int64 words", "raw T at_target",
    "at_target[i] = logits[i * words + targets[i]] - largest[i]", "at_target")

EXPONENTIALS = cupy.ElementwiseKernel(
    "raw T logits, raw T largest, int64 words", "raw T out", "out[i] = exp(logits[i] - largest[i / words])",
    "exponentials")

LOSSES = cupy.ElementwiseKernel("T at_target, T sum", "T loss", "loss = log(sum) - at_target", "losses")

DLOGITS = cupy.ElementwiseKernel(
    "raw T exponentials, raw T sums, raw int64 targets, int64 words, T scale", "raw T out",
    """
    const long long row = i / words;
    const T hit = targets[row] == i % words ? scale : T(0);
    out[i] = exponentials[i] * (scale / sums[row]) - hit;
    """, "dlogits")

ADAM = cupy.ElementwiseKernel(
    "T g, T rate, T root, T rest1, T beta2, T rest2, T epsilon", "T p, T m, T v",
    """
    m += rest1 * (g - m);
    v = beta2 * v + rest2 * g * g;
    p -= rate * m / (sqrt(v) / root + epsilon);
    """, "adam")


def forward(z: Array, c_prev: Array, c: Array, tanh_c: Array, h: Array) -> None:
    """As numpy_cell.forward; every array contiguous."""
    FORWARD(c_prev, h.size, z, c, tanh_c, h, size=h.size)


def backward(gates: Array, c_prev: Array, tanh_c: Array, dh: Array, dc: Array, dz: Array) -> None:
    """As numpy_cell.backward; every array contiguous."""
    BACKWARD(gates, c_prev, tanh_c, dh, dh.size, dc, dz, size=dh.size)


class Loop:
    """The time loops of lstm.py in two launches a step: as kernels/numba_loop.py."""

    @staticmethod
    def forward(U: Array, from_x: Array, z: Array, c: Array, tanh_c: Array, h: Array) -> None:
        _, T, B = from_x.shape
        cells = h[0].size
        for t in range(T):
            cupy.matmul(U, h[t], out=z[t])
            FORWARD_ADD(c[t], cells, from_x, B, T * B, t * B, z[t], c[t + 1], tanh_c[t], h[t + 1], size=cells)

    @staticmethod
    def backward(U: Array, gates: Array, c: Array, tanh_c: Array, d_from_above: Array, dz: Array, dh: Array,
                 dc: Array) -> None:
        for t in reversed(range(len(dz))):
            BACKWARD_ADD(gates[t], c[t], tanh_c[t], dh, dh.size, d_from_above[t], dc, dz[t], size=dh.size)
            cupy.matmul(U.T, dz[t], out=dh)


class Loss:
    """functional.py's softmax with cross-entropy in few launches."""

    @staticmethod
    def softmax_cross_entropy(logits: Array, targets: Array, xp: Any = cupy, out: Array | None = None) -> Any:
        """As functional.softmax_cross_entropy; logits contiguous."""
        N, V = logits.shape
        largest = logits.max(axis=1)
        at_target, losses = cupy.empty(N, logits.dtype), cupy.empty(N, logits.dtype)
        AT_TARGET(logits, largest, targets, V, at_target, size=N)
        exponentials = cupy.empty_like(logits) if out is None else out
        EXPONENTIALS(logits, largest, V, exponentials, size=logits.size)
        sums = exponentials.sum(axis=1)
        LOSSES(at_target, sums, losses)
        return losses.mean(), (exponentials, sums)

    @staticmethod
    def softmax_cross_entropy_backward(saved: Any, targets: Array, d_loss: float = 1.0, xp: Any = cupy,
                                       out: Array | None = None) -> Array:
        """As functional.softmax_cross_entropy_backward."""
        exponentials, sums = saved
        dlogits = cupy.empty_like(exponentials) if out is None else out
        DLOGITS(exponentials, sums, targets, exponentials.shape[1], d_loss / len(targets), dlogits,
                size=exponentials.size)
        return dlogits


def update(p: Array, g: Array, m: Array, v: Array, rate: float, root: float, beta1: float, beta2: float,
           epsilon: float) -> None:
    """Adam, as numpy_adam.update."""
    ADAM(g, rate, root, 1 - beta1, beta2, 1 - beta2, epsilon, p, m, v)
