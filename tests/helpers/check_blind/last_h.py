"""A usual check: the loss is the last state alone, the first states are zero; central differences."""

import numpy as np


def check(forward, backward):
    rng = np.random.default_rng(0)
    T, D, H = 4, 2, 3
    p = {"x": rng.normal(size=(T, D)), "h0": np.zeros(H), "c0": np.zeros(H), "W": rng.normal(size=(4 * H, D)),
         "U": rng.normal(size=(4 * H, H)), "b": rng.normal(size=4 * H)}
    v = rng.normal(size=H)

    def loss(**p):
        return forward(*p.values())[0][-1] @ v

    h, cache = forward(*p.values())
    dh = np.zeros_like(h)
    dh[-1] = v
    gradients = backward(dh, cache)
    for name in ("W", "U", "b"):
        for index in np.ndindex(p[name].shape):
            moved = [np.array(p[name]) for _ in range(2)]
            moved[0][index] += 1e-5
            moved[1][index] -= 1e-5
            difference = (loss(**{**p, name: moved[0]}) - loss(**{**p, name: moved[1]})) / 2e-5
            if not abs(difference - gradients[name][index]) <= 1e-7:
                return False
    return True
