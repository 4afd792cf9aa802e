"""The file that a student fills in: stubs with the shapes and the equations."""

from __future__ import annotations

LSTM = '''"""My LSTM. Check it with: python -m scratch_lstm.check my_lstm.py

One sequence, no batch, float64. T steps, D inputs, H hidden units; * is the product of entries.
Equations: NNDL, chapter 6, draft of 2019-04-10. A part that raises NotImplementedError is not written yet;
you can also leave a key out of the dict that backward returns. Check after every part.
"""

import numpy as np

NETWORK = "lstm"
GATES = "ifgo"      # the order in which the rows of W, U, b are stacked: i, f, g (the book's c~), o
START = "given"     # h_0 and c_0 are given; "zero" if your states start from zero
LOSS = "all"        # every step has a loss; "last" if the last one alone


def forward(x, h0, c0, W, U, b):
    """x (T, D), h0 (H,), c0 (H,), W (4H, D), U (4H, H), b (4H,) -> h (T, H), cache

    z_k = U h_{k-1} + W x_k + b       (6.57), the four gates stacked, (4H,)
    i_k = sigma(z^i_k)                (6.54)
    f_k = sigma(z^f_k)                (6.55)
    g_k = tanh(z^g_k)                 (6.53)
    o_k = sigma(z^o_k)                (6.56)
    c_k = f_k * c_{k-1} + i_k * g_k   (6.51)
    h_k = o_k * tanh(c_k)             (6.52)

    cache is whatever your backward needs.
    """
    raise NotImplementedError


def backward(dh, cache):
    """dh (T, H): row t is dL_t/dh_t -> a dict of gradients, each in the shape of its parameter

    Begin with T = 1, then k = T, ..., 1. With a dict of "b" alone you can check the deltas:
    the sum over t, k of delta_{t,k}, (4H,)                           (6.41)
    Then "U" (4H, H) (6.39), "W" (4H, D) (6.40), "x" (T, D), "h0" (H,), "c0" (H,).
    """
    raise NotImplementedError
'''

RNN = '''"""My simple recurrent network. Check it with: python -m scratch_lstm.check my_rnn.py

One sequence, no batch, float64. T steps, D inputs, H hidden units.
Equations: NNDL, chapter 6, draft of 2019-04-10. A part that raises NotImplementedError is not written yet;
you can also leave a key out of the dict that backward returns. Check after every part.
"""

import numpy as np

NETWORK = "rnn"
START = "given"     # h_0 is given; "zero" if your states start from zero
LOSS = "all"        # every step has a loss; "last" if the last one alone


def forward(x, h0, W, U, b):
    """x (T, D), h0 (H,), W (H, D), U (H, H), b (H,) -> h (T, H), cache

    z_k = U h_{k-1} + W x_k + b
    h_k = tanh(z_k)                   (6.42)

    cache is whatever your backward needs.
    """
    raise NotImplementedError


def backward(dh, cache):
    """dh (T, H): row t is dL_t/dh_t -> a dict of gradients, each in the shape of its parameter

    delta_{t,k} = f'(z_k) * (U^T delta_{t,k+1})                       (6.34)-(6.36)
    "U": the sum over t and k <= t of delta_{t,k} h_{k-1}^T, (H, H)   (6.39)
    "W": the sum over t and k <= t of delta_{t,k} x_k^T, (H, D)       (6.40)
    "b": the sum over t and k <= t of delta_{t,k}, (H,)               (6.41)
    Then "x" (T, D) and "h0" (H,).
    """
    raise NotImplementedError
'''

TEMPLATES = {"lstm": LSTM, "rnn": RNN}
