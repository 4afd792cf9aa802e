"""An LSTM as a class with state, in the form of "deep learning from scratch 2": gates f, g, i, o."""

import numpy as np

FORM = "dlfs2"


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


class TimeLSTM:
    def __init__(self, Wx, Wh, b, stateful=False):
        self.params = [Wx, Wh, b]
        self.grads = [np.zeros_like(p) for p in self.params]
        self.stateful, self.h, self.c, self.dh = stateful, None, None, None

    def set_state(self, h, c=None):
        self.h, self.c = h, c

    def forward(self, xs):
        Wx, Wh, b = self.params
        self.steps, hs = [], []
        for t in range(xs.shape[1]):
            f, g, i, o = np.split(xs[:, t] @ Wx + self.h @ Wh + b, 4, axis=1)
            f, g, i, o = sigmoid(f), np.tanh(g), sigmoid(i), sigmoid(o)
            before = self.h, self.c
            self.c = f * self.c + i * g
            self.h = o * np.tanh(self.c)
            self.steps.append((xs[:, t], *before, f, g, i, o, self.c))
            hs.append(self.h)
        return np.stack(hs, axis=1)

    def backward(self, dhs):
        Wx, Wh, _ = self.params
        dh = dc = 0
        dxs = []
        for t in reversed(range(len(self.steps))):
            x, h_prev, c_prev, f, g, i, o, c = self.steps[t]
            dh = dhs[:, t] + dh
            dc = dc + dh * o * (1 - np.tanh(c) ** 2)
            dA = np.hstack([dc * c_prev * f * (1 - f), dc * i * (1 - g ** 2), dc * g * i * (1 - i),
                            dh * np.tanh(c) * o * (1 - o)])
            for grad, d in zip(self.grads, (x.T @ dA, h_prev.T @ dA, dA.sum(axis=0))):
                grad += d
            dxs.insert(0, dA @ Wx.T)
            dh, dc = dA @ Wh.T, dc * f
        self.dh = dh
        return np.stack(dxs, axis=1)
