"""The time loops of lstm_layer.py on an NVIDIA GPU, in two launches a step: one matrix product, one kernel.

CuPy refuses the matrix library under graph capture, so the launches of a loop cannot be recorded as one.
The kernels are those of cell.py with one more sum in front: the part of the net input that comes from x,
or the gradient that comes from above. The arrays are those of protocols.TimeLoop.
"""

from __future__ import annotations

from typing import Any

import cupy

from .cell import ADJOINT, FROM_NET_INPUT

Array = Any

# wx_plus_b is (4H, T, B): `stride` from row to row
FORWARD_ADD = cupy.ElementwiseKernel(
    "raw T c_prev, int64 cells, raw T wx_plus_b, int64 batch, int64 stride, int64 start",
    "raw T z, raw T c, raw T tanh_c, raw T h",
    """
    const long long rows = cells / batch, at = (i / batch) * stride + start + i % batch;
    const T net_i = z[i] + wx_plus_b[at], net_f = z[cells + i] + wx_plus_b[at + rows * stride];
    const T net_g = z[2 * cells + i] + wx_plus_b[at + 2 * rows * stride];
    const T net_o = z[3 * cells + i] + wx_plus_b[at + 3 * rows * stride];
    """ + FROM_NET_INPUT, "lstm_forward_add")

BACKWARD_ADD = cupy.ElementwiseKernel(
    "raw T gates, raw T c_prev, raw T tanh_c, raw T dh, int64 cells, raw T dh_above", "raw T dc, raw T dz",
    "const T dh_k = dh[i] + dh_above[i];" + ADJOINT, "lstm_backward_add")


def forward(U: Array, b: Array, wx: Array, z: Array, c: Array, tanh_c: Array, h: Array) -> None:
    """As protocols.TimeLoop.forward; every array contiguous."""
    _, T, B = wx.shape
    cells, wx_plus_b = h[0].size, wx
    wx_plus_b += b[:, None, None]
    for t in range(T):
        cupy.matmul(U, h[t], out=z[t])
        FORWARD_ADD(c[t], cells, wx_plus_b, B, T * B, t * B, z[t], c[t + 1], tanh_c[t], h[t + 1], size=cells)


def backward(U: Array, gates: Array, c: Array, tanh_c: Array, dh_above: Array, delta: Array, sums: Array,
             dh: Array, dc: Array) -> None:
    """As protocols.TimeLoop.backward; every array contiguous."""
    dz = cupy.empty_like(gates)                                        # (T, 4H, B)
    for t in reversed(range(len(dz))):
        BACKWARD_ADD(gates[t], c[t], tanh_c[t], dh, dh.size, dh_above[t], dc, dz[t], size=dh.size)
        cupy.matmul(U.T, dz[t], out=dh)
    delta[...] = dz.transpose(1, 0, 2)
    sums[...] = delta.sum(axis=(1, 2))                                 # db of (6.41)
