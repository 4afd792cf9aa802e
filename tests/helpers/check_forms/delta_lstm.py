"""Every delta_{t,k} and nothing else: the states come from the checker."""

import numpy as np


def delta(dh, cache):
    h, c, U = cache["h"], cache["c"], cache["U"]
    T = len(dh)
    result = np.zeros((T, T, len(U)))
    for t in range(T):
        d, dc_next = dh[t], np.zeros(h.shape[1])
        for k in reversed(range(t + 1)):
            i, f, g, o = np.split(cache["gates"][k], 4)
            dc = dc_next + d * o * (1 - np.tanh(c[k + 1]) ** 2)
            result[t, k] = np.concatenate([dc * g * i * (1 - i), dc * c[k] * f * (1 - f),
                                           dc * i * (1 - g ** 2),
                                           d * np.tanh(c[k + 1]) * o * (1 - o)])
            d, dc_next = U.T @ result[t, k], dc * f
    return result
