"""A usual check: the loss is h.sum(), so that the gradient from above is all ones; W, U, b and x compared."""

import numpy as np


def check(forward, backward):
    rng = np.random.default_rng(0)
    T, D, H = 4, 2, 3
    p = {"x": rng.normal(size=(T, D)), "h0": np.zeros(H), "c0": np.zeros(H), "W": rng.normal(size=(4 * H, D)),
         "U": rng.normal(size=(4 * H, H)), "b": np.zeros(4 * H)}
    h, cache = forward(*p.values())
    gradients = backward(np.ones_like(h), cache)
    for name in ("W", "U", "b", "x"):
        for index in np.ndindex(p[name].shape):
            sums = []
            for step in (1e-5, -1e-5):
                moved = np.array(p[name])
                moved[index] += step
                sums.append(forward(*{**p, name: moved}.values())[0].sum())
            if not abs((sums[0] - sums[1]) / 2e-5 - gradients[name][index]) <= 1e-7:
                return False
    return True
