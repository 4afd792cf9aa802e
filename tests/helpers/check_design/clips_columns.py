"""A character model's recurrent layer with columns (H, 1) and dicts of steps; at the end it clips at 5."""

import numpy as np

NETWORK = "rnn"


def forward(x, h0, W, U, b):
    xs, hs = {}, {-1: h0.reshape(-1, 1)}
    for t in range(len(x)):
        xs[t] = x[t].reshape(-1, 1)
        hs[t] = np.tanh(np.dot(W, xs[t]) + np.dot(U, hs[t - 1]) + b.reshape(-1, 1))
    return np.hstack([hs[t] for t in range(len(x))]).T, (xs, hs, W, U)


def backward(dh, cache):
    xs, hs, W, U = cache
    d = {"W": np.zeros_like(W), "U": np.zeros_like(U), "b": np.zeros((len(W), 1))}
    dhnext = np.zeros_like(hs[-1])
    for t in reversed(range(len(xs))):
        draw = (1 - hs[t] * hs[t]) * (dh[t].reshape(-1, 1) + dhnext)
        d["b"] += draw
        d["W"] += np.dot(draw, xs[t].T)
        d["U"] += np.dot(draw, hs[t - 1].T)
        dhnext = np.dot(U.T, draw)
    for gradient in d.values():
        np.clip(gradient, -5, 5, out=gradient)
    return d
