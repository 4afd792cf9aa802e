"""An LSTM with one matrix a gate over [a_{t-1}, x_t], in a dict, as in Coursera's assignment; no c_0."""

import numpy as np

FORM = "coursera"


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def lstm_forward(x, a0, parameters):
    a, c, steps, states, cells = a0, np.zeros_like(a0), [], [], []
    for t in range(x.shape[2]):
        both = np.concatenate([a, x[:, :, t]])
        gate = {n: sigmoid(parameters["W" + n] @ both + parameters["b" + n]) for n in "ifo"}
        gate["c"] = np.tanh(parameters["Wc"] @ both + parameters["bc"])
        before, c = c, gate["f"] * c + gate["i"] * gate["c"]
        a = gate["o"] * np.tanh(c)
        steps.append((both, before, c, gate))
        states.append(a)
        cells.append(c)
    a, c = np.stack(states, axis=2), np.stack(cells, axis=2)
    y = parameters["Wy"] @ a[:, :, -1] + parameters["by"]
    return a, y, c, (steps, parameters, x)


def lstm_backward(da, caches):
    steps, parameters, x = caches
    n_a = da.shape[0]
    d = {kind + n: np.zeros_like(parameters[kind + n]) for n in "ifco" for kind in ("W", "b")}
    da_next, dc_next, dx = 0, 0, np.zeros_like(x)
    for t in reversed(range(len(steps))):
        both, before, c, g = steps[t]
        dh = da[:, :, t] + da_next
        dc = dc_next + dh * g["o"] * (1 - np.tanh(c) ** 2)
        z = {"i": dc * g["c"] * g["i"] * (1 - g["i"]), "f": dc * before * g["f"] * (1 - g["f"]),
             "c": dc * g["i"] * (1 - g["c"] ** 2), "o": dh * np.tanh(c) * g["o"] * (1 - g["o"])}
        for n in z:
            d["W" + n] += z[n] @ both.T
            d["b" + n] += z[n].sum(axis=1, keepdims=True)
        back = sum(parameters["W" + n].T @ z[n] for n in z)
        da_next, dx[:, :, t] = back[:n_a], back[n_a:]
        dc_next = dc * g["f"]
    return {"dx": dx, "da0": da_next, **{"d" + name: value for name, value in d.items()}}
