"""This project's own oracle, scratch_lstm.gradcheck: every tensor, random numbers, the complex step."""

import numpy as np

from scratch_lstm.gradcheck import check_gradients


def check(forward, backward):
    rng = np.random.default_rng(0)
    T, D, H = 4, 2, 3
    p = {"x": rng.normal(size=(T, D)), "h0": rng.normal(size=H), "c0": rng.normal(size=H),
         "W": rng.normal(size=(4 * H, D)), "U": rng.normal(size=(4 * H, H)), "b": rng.normal(size=4 * H)}
    dh = rng.normal(size=(T, H))
    gradients = backward(dh, forward(*p.values())[1])
    if any(gradients[name].shape != p[name].shape for name in p):
        return False

    def loss(**p):
        return np.sum(dh * forward(*p.values())[0])

    return check_gradients(loss, p, {name: gradients[name] for name in p}, methods=("complex",)).ok
