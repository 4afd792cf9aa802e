"""An LSTM in the form of the CS231n assignment: a batch, x @ Wx, gates i, f, o, g, no c_0."""

import numpy as np

FORM = "cs231n"


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def lstm_forward(x, h0, Wx, Wh, b):
    N, T, _ = x.shape
    h, c, caches = h0, np.zeros_like(h0), []
    states = np.zeros((N, T, h0.shape[1]))
    for t in range(T):
        a = x[:, t] @ Wx + h @ Wh + b
        i, f, o, g = np.split(a, 4, axis=1)
        i, f, o, g = sigmoid(i), sigmoid(f), sigmoid(o), np.tanh(g)
        caches.append((x[:, t], h, c, i, f, o, g))
        c = f * c + i * g
        h = o * np.tanh(c)
        states[:, t] = h
    return states, (caches, Wx, Wh)


def lstm_backward(dh, cache):
    caches, Wx, Wh = cache
    N, T, H = dh.shape
    dx = np.zeros((N, T, len(Wx)))
    dWx, dWh, db = np.zeros_like(Wx), np.zeros_like(Wh), np.zeros(4 * H)
    dh_next, dc_next = np.zeros((N, H)), np.zeros((N, H))
    for t in reversed(range(T)):
        x, h_prev, c_prev, i, f, o, g = caches[t]
        tanh_c = np.tanh(f * c_prev + i * g)
        d = dh[:, t] + dh_next
        dc = dc_next + d * o * (1 - tanh_c ** 2)
        da = np.hstack([dc * g * i * (1 - i), dc * c_prev * f * (1 - f), d * tanh_c * o * (1 - o),
                        dc * i * (1 - g ** 2)])
        dx[:, t] = da @ Wx.T
        dWx += x.T @ da
        dWh += h_prev.T @ da
        db += da.sum(axis=0)
        dh_next, dc_next = da @ Wh.T, dc * f
    return dx, dh_next, dWx, dWh, db
