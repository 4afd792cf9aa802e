"""One time step of the LSTM cell in NumPy: elementwise, in place, without temporaries.

Equations of NNDL chapter 6, draft of 2019-04-10; * is the product of entries.

Forward, from the net input z_k = U h_{k-1} + W x_k + b of the four gates:
    (6.53)  g = tanh(z_g)              (6.54)-(6.56)  i, f, o = sigma(z_i), sigma(z_f), sigma(z_o)
    (6.51)  c_k = f * c_{k-1} + i * g          (6.52)  h_k = o * tanh(c_k)

Backward, from dh = dL/dh_k and what step k+1 sent to dc (page 7 of derivations/ derives each line):
    dc   += dh * o * (1 - tanh(c_k)^2)          (6.52)
    dz_o  = dh * tanh(c_k) * o * (1 - o)        (6.52), (6.56)
    dz_i  = dc * g * i * (1 - i)                (6.51), (6.54)
    dz_f  = dc * c_{k-1} * f * (1 - f)          (6.51), (6.55)
    dz_g  = dc * i * (1 - g^2)                  (6.51), (6.53)
    dc    = dc * f                              (6.51): what c_{k-1} receives

lstm_textbook.py has one line of code for each of these. Here a line becomes a group of in-place lines,
with its formula above the group.

    B batch, H hidden size. Features are rows and the batch is across, so that each gate is one contiguous
    block: z (4H, B) is i over f over g over o, everything else is (H, B).

Any real or complex dtype. One `tanh` serves all four gates: sigma(z) = (1 + tanh(z / 2)) / 2.
"""

from __future__ import annotations

import numpy as np

GATES = ("i", "f", "g", "o")  # the order everywhere, as in torch; g is NNDL's candidate c~


def forward(z: np.ndarray, c_prev: np.ndarray, c: np.ndarray, tanh_c: np.ndarray,
            h: np.ndarray) -> None:
    """z (4H, B): the net input W x + U h_prev + b comes in, the gates i, f, g, o go out.

    Reads c_prev; writes c, tanh_c = tanh(c) and h, each (H, B).
    """
    H = len(h)
    # g = tanh(z_g) (6.53);  i, f, o = (1 + tanh(z / 2)) / 2 (6.54), (6.55), (6.56)
    for sigma_gates in (z[:2 * H], z[3 * H:]):
        sigma_gates *= 0.5
    np.tanh(z, out=z)
    for sigma_gates in (z[:2 * H], z[3 * H:]):
        sigma_gates *= 0.5
        sigma_gates += 0.5
    i, f, g, o = z[:H], z[H:2 * H], z[2 * H:3 * H], z[3 * H:]
    # c = f * c_prev + i * g (6.51)
    np.multiply(i, g, out=tanh_c)                 # tanh_c is scratch here
    np.multiply(f, c_prev, out=c)
    c += tanh_c
    # h = o * tanh(c) (6.52)
    np.tanh(c, out=tanh_c)
    np.multiply(o, tanh_c, out=h)


def backward(gates: np.ndarray, c_prev: np.ndarray, tanh_c: np.ndarray, dh: np.ndarray,
             dc: np.ndarray, dz: np.ndarray) -> None:
    """From dh = dL/dh_k, complete, and dc = what step k+1 sent back to c_k: writes dz = dL/dz_k (4H, B)
    and turns dc into what flows on to c_{k-1}. Everything else is only read.
    """
    H = len(dh)
    i, f, g, o = gates[:H], gates[H:2 * H], gates[2 * H:3 * H], gates[3 * H:]
    dz_i, dz_f, dz_g, dz_o = dz[:H], dz[H:2 * H], dz[2 * H:3 * H], dz[3 * H:]

    # dc += dh * o * (1 - tanh_c^2) (6.52)
    np.multiply(tanh_c, tanh_c, out=dz_o)         # dz_o is scratch here
    np.subtract(1, dz_o, out=dz_o)
    dz_o *= o
    dz_o *= dh
    dc += dz_o

    # dz_o = dh * tanh_c * o * (1 - o) (6.52), (6.56)
    np.subtract(1, o, out=dz_o)
    dz_o *= o
    dz_o *= tanh_c
    dz_o *= dh

    # dz_i = dc * g * i * (1 - i) (6.51), (6.54);  dz_f = dc * c_prev * f * (1 - f) (6.51), (6.55)
    np.subtract(1, gates[:2 * H], out=dz[:2 * H])
    dz[:2 * H] *= gates[:2 * H]                   # i * (1 - i) over f * (1 - f)
    dz_i *= g
    dz_i *= dc
    dz_f *= c_prev
    dz_f *= dc

    # dz_g = dc * i * (1 - g^2) (6.51), (6.53)
    np.multiply(g, g, out=dz_g)
    np.subtract(1, dz_g, out=dz_g)
    dz_g *= i
    dz_g *= dc

    # dc = dc * f (6.51): c_{k-1} reaches the loss through f * c_{k-1}
    dc *= f
