"""CS231n's form, a simple network whose first state is always zero: h0 is taken and not used."""

import numpy as np

FORM, NETWORK = "cs231n", "rnn"


def rnn_forward(x, h0, Wx, Wh, b):
    N, T, _ = x.shape
    h = np.zeros((N, T + 1, len(b)))
    for t in range(T):
        h[:, t + 1] = np.tanh(x[:, t] @ Wx + h[:, t] @ Wh + b)
    return h[:, 1:], (x, h, Wx, Wh)


def rnn_backward(dh, cache):
    x, h, Wx, Wh = cache
    dx, dWx, dWh = np.empty_like(x), np.zeros_like(Wx), np.zeros_like(Wh)
    db, carry = np.zeros(len(Wh)), 0
    for t in reversed(range(x.shape[1])):
        da = (dh[:, t] + carry) * (1 - h[:, t + 1] ** 2)
        dx[:, t], carry = da @ Wx.T, da @ Wh.T
        dWx += x[:, t].T @ da
        dWh += h[:, t].T @ da
        db += da.sum(axis=0)
    return dx, carry, dWx, dWh, db
