"""One time step of the LSTM cell in NumPy: elementwise, in place, without temporaries.

Equations (6.51)-(6.56) of NNDL chapter 6, draft of 2019-04-10; `backward` is derived from them.

    B batch, H hidden size. Features stand down and the batch across, so that each gate is one
    contiguous block: z (4H, B) is i over f over g over o, everything else is (H, B).

Any real or complex dtype. One `tanh` serves all four gates: sigma(z) = (1 + tanh(z / 2)) / 2.
"""

from __future__ import annotations

import numpy as np

GATES = ("i", "f", "g", "o")  # the order everywhere, torch's; g is NNDL's candidate c~


def forward(z: np.ndarray, c_prev: np.ndarray, c: np.ndarray, tanh_c: np.ndarray,
            h: np.ndarray) -> None:
    """z (4H, B): the net input W x + U h_prev + b comes in, the gates i, f, g, o go out.

    Reads c_prev; writes c, tanh_c = tanh(c) and h, each (H, B).
    """
    H = len(h)
    for squashed in (z[:2 * H], z[3 * H:]):       # i, f and o
        squashed *= 0.5
    np.tanh(z, out=z)                             # (6.53); with the halves, (6.54)-(6.56)
    for squashed in (z[:2 * H], z[3 * H:]):
        squashed *= 0.5
        squashed += 0.5
    i, f, g, o = z[:H], z[H:2 * H], z[2 * H:3 * H], z[3 * H:]
    np.multiply(i, g, out=tanh_c)
    np.multiply(f, c_prev, out=c)
    c += tanh_c                                   # (6.51)
    np.tanh(c, out=tanh_c)
    np.multiply(o, tanh_c, out=h)                 # (6.52)


def backward(gates: np.ndarray, c_prev: np.ndarray, tanh_c: np.ndarray, dh: np.ndarray,
             dc: np.ndarray, dz: np.ndarray) -> None:
    """From dh = dL/dh_k, complete, and dc = what step k+1 sent back to c_k: writes dz = dL/dz_k (4H, B)
    and turns dc into what flows on to c_{k-1}. Everything else is only read.
    """
    H = len(dh)
    i, f, g, o = gates[:H], gates[H:2 * H], gates[2 * H:3 * H], gates[3 * H:]
    di, df, dg, do = dz[:H], dz[H:2 * H], dz[2 * H:3 * H], dz[3 * H:]

    np.multiply(tanh_c, tanh_c, out=do)           # `do` serves as scratch here
    np.subtract(1, do, out=do)
    do *= o
    do *= dh
    dc += do                                      # (6.52): dc += dh * o * (1 - tanh_c^2)

    np.subtract(1, o, out=do)
    do *= o
    do *= tanh_c
    do *= dh                                      # (6.52), (6.56): dh * tanh_c * o * (1 - o)

    np.subtract(1, gates[:2 * H], out=dz[:2 * H])
    dz[:2 * H] *= gates[:2 * H]                   # i * (1 - i) over f * (1 - f)
    di *= g
    di *= dc                                      # (6.51), (6.54): dc * g * i * (1 - i)
    df *= c_prev
    df *= dc                                      # (6.51), (6.55): dc * c_prev * f * (1 - f)

    np.multiply(g, g, out=dg)
    np.subtract(1, dg, out=dg)
    dg *= i
    dg *= dc                                      # (6.51), (6.53): dc * i * (1 - g^2)

    dc *= f                                       # (6.51): c_{k-1} reaches the loss through f * c_{k-1}
