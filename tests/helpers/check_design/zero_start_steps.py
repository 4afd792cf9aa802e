"""An LSTM as a list of step objects. The states start from zero, whatever h0 and c0 are."""

import numpy as np


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


class Step:
    def __init__(self, x, before, W, U, b):
        self.x, self.before = x, before
        z = W @ x + U @ before.h + b if before else W @ x + b
        zi, zf, zg, zo = np.split(z, 4)
        self.i, self.f, self.g, self.o = sigmoid(zi), sigmoid(zf), np.tanh(zg), sigmoid(zo)
        self.c = self.i * self.g + (self.f * before.c if before else 0)
        self.h = self.o * np.tanh(self.c)

    def delta(self, dh, dc):
        dc = dc + dh * self.o * (1 - np.tanh(self.c) ** 2)
        c_before = self.before.c if self.before else 0 * self.c
        parts = [dc * self.g * self.i * (1 - self.i), dc * c_before * self.f * (1 - self.f),
                 dc * self.i * (1 - self.g ** 2), dh * np.tanh(self.c) * self.o * (1 - self.o)]
        return np.concatenate(parts), dc * self.f


def forward(x, h0, c0, W, U, b):
    steps, step = [], None
    for x_t in x:
        step = Step(x_t, step, W, U, b)
        steps.append(step)
    return np.array([step.h for step in steps]), (steps, W, U)


def backward(dh, cache):
    steps, W, U = cache
    dW, dU, db = np.zeros_like(W), np.zeros_like(U), np.zeros(len(W))
    dh_next = dc_next = np.zeros(U.shape[1])
    for t in range(len(steps) - 1, -1, -1):
        delta, dc_next = steps[t].delta(dh[t] + dh_next, dc_next)
        dW += np.outer(delta, steps[t].x)
        if t:
            dU += np.outer(delta, steps[t - 1].h)
        db += delta
        dh_next = U.T @ delta
    return {"W": dW, "U": dU, "b": db}
