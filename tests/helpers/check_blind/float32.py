"""A usual check: float32, small weights, an absolute tolerance of 1e-3."""

import numpy as np


def check(forward, backward):
    rng = np.random.default_rng(0)
    T, D, H = 4, 2, 3
    p = {"x": rng.normal(size=(T, D)), "h0": np.zeros(H), "c0": np.zeros(H),
         "W": 0.01 * rng.normal(size=(4 * H, D)),
         "U": 0.01 * rng.normal(size=(4 * H, H)), "b": np.zeros(4 * H)}
    v = rng.normal(size=(T, H))

    def loss(**p):
        h, _ = forward(*p.values())
        return np.sum(h.astype(np.float32) * v.astype(np.float32))

    _, cache = forward(*p.values())
    gradients = backward(v, cache)
    for name in ("W", "U", "b"):
        for index in np.ndindex(p[name].shape):
            moved = [np.array(p[name]) for _ in range(2)]
            moved[0][index] += 1e-2
            moved[1][index] -= 1e-2
            difference = (loss(**{**p, name: moved[0]}) - loss(**{**p, name: moved[1]})) / 2e-2
            if not abs(difference - gradients[name][index]) <= 1e-3:
                return False
    return True
