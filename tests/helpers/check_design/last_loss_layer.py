"""Many to one, as the layer of "deep learning from scratch 2": only the last h has a loss, which is a mean
over the batch."""

import numpy as np

FORM = "dlfs2"


class TimeLSTM:
    def __init__(self, Wx, Wh, b, stateful=False):
        self.params, self.grads, self.dh = [Wx, Wh, b], None, None

    def set_state(self, h, c=None):
        self.h, self.c = h, c

    def forward(self, xs):
        Wx, Wh, b = self.params
        h, c, self.cache, hs = self.h, self.c, [], []
        for x in xs.transpose(1, 0, 2):
            f, g, i, o = np.split(x @ Wx + h @ Wh + b, 4, axis=1)
            f, i, o = (1 / (1 + np.exp(-z)) for z in (f, i, o))
            g, before = np.tanh(g), (h, c)
            c = f * c + g * i
            h = o * np.tanh(c)
            self.cache.append((x, *before, i, f, g, o, np.tanh(c)))
            hs.append(h)
        return np.stack(hs, axis=1)

    def backward(self, dhs):
        Wx, Wh, b = self.params
        dWx, dWh, db = (np.zeros_like(p) for p in self.params)
        dh, dc, dxs = dhs[:, -1] / len(dhs), 0, []
        for x, h, c, i, f, g, o, tanh_c in reversed(self.cache):
            dc = dc + dh * o * (1 - tanh_c ** 2)
            dz = np.hstack([dc * c * f * (1 - f), dc * i * (1 - g ** 2), dc * g * i * (1 - i),
                            dh * tanh_c * o * (1 - o)])
            dWx += x.T @ dz
            dWh += h.T @ dz
            db += dz.sum(axis=0)
            dxs.insert(0, dz @ Wx.T)
            dh, dc = dz @ Wh.T, dc * f
        self.grads, self.dh = [dWx, dWh, db], dh
        return np.stack(dxs, axis=1)
