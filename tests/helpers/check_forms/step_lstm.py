"""One step of the LSTM, forward and backward; the checker runs the loop over the steps."""

import numpy as np


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def cell_forward(x, h, c, W, U, b):
    i, f, g, o = np.split(W @ x + U @ h + b, 4)
    i, f, g, o = sigmoid(i), sigmoid(f), np.tanh(g), sigmoid(o)
    c_next = f * c + i * g
    return o * np.tanh(c_next), c_next, (x, h, c, W, U, i, f, g, o, c_next)


def cell_backward(dh, dc, cache):
    x, h, c, W, U, i, f, g, o, c_next = cache
    dc = dc + dh * o * (1 - np.tanh(c_next) ** 2)
    z = np.concatenate([dc * g * i * (1 - i), dc * c * f * (1 - f), dc * i * (1 - g ** 2),
                        dh * np.tanh(c_next) * o * (1 - o)])
    return {"x": W.T @ z, "h0": U.T @ z, "c0": dc * f, "W": np.outer(z, x), "U": np.outer(z, h), "b": z}
