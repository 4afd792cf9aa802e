"""A function of all parameters that returns the loss and its gradients, for the simple network."""

import numpy as np

NETWORK = "rnn"
FORM = "loss"


def loss(parameters):
    x, h0, W, U, b, dh = (parameters[name] for name in ("x", "h0", "W", "U", "b", "dh"))
    h = [h0]
    for x_k in x:
        h.append(np.tanh(U @ h[-1] + W @ x_k + b))
    total = sum(dh[k] @ h[k + 1] for k in range(len(x)))
    d = {name: np.zeros_like(parameters[name]) for name in ("x", "W", "U", "b")}
    back = np.zeros_like(h0)
    for k in reversed(range(len(x))):
        delta = (1 - h[k + 1] ** 2) * (dh[k] + back)
        d["W"] += np.outer(delta, x[k])
        d["U"] += np.outer(delta, h[k])
        d["b"] += delta
        d["x"][k] = W.T @ delta
        back = U.T @ delta
    return total, {**d, "h0": back}
