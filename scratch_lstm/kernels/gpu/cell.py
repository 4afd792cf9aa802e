"""The cell on an NVIDIA GPU: each elementwise step of numpy_cell.py is one fused launch.

On a GPU every launch costs 10-20 us from Python, more than the work in it, so what numpy_cell does in a dozen
passes is one kernel here: a thread takes one unit of one sequence and all its four gates. The shapes and the
meaning are those of numpy_cell.py; dtypes are float32 and float64.

In the operations `i` counts the H * B cells, `cells` is their number, and gate number n of cell i is at
n * cells + i.
"""

from __future__ import annotations

from typing import Any

import cupy

Array = Any

SIGMA = "half + half * tanh(half * ({}))"   # it never overflows

FROM_NET_INPUT = f"""
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
    """ + FROM_NET_INPUT, "lstm_forward")

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


def forward(z: Array, c_prev: Array, c: Array, tanh_c: Array, h: Array) -> None:
    """As numpy_cell.forward; every array contiguous."""
    FORWARD(c_prev, h.size, z, c, tanh_c, h, size=h.size)


def backward(gates: Array, c_prev: Array, tanh_c: Array, dh: Array, dc: Array, dz: Array) -> None:
    """As numpy_cell.backward; every array contiguous."""
    BACKWARD(gates, c_prev, tanh_c, dh, dh.size, dc, dz, size=dh.size)
