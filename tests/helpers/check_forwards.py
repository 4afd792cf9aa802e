"""Five forward passes that are not the textbook's, each with a backward pass that is right for it, as files
of the plain form; and a line of each backward pass that makes it wrong."""

RNN_HALF = '''import numpy as np

NETWORK = "rnn"


def forward(x, h0, W, U, b):
    h = [h0]
    for x_k in x:
        h.append(np.tanh((U @ h[-1] + W @ x_k + b) / 2))
    return np.array(h[1:]), (x, h, W, U)


def backward(dh, cache):
    x, h, W, U = cache
    dW, dU, db, dx = np.zeros_like(W), np.zeros_like(U), np.zeros(len(W)), np.zeros_like(x)
    carry = np.zeros(len(U))
    for k in reversed(range(len(x))):
        delta = (1 - h[k + 1] ** 2) / 2 * (dh[k] + carry)
        dW += np.outer(delta, x[k])
        dU += np.outer(delta, h[k])
        db += delta
        dx[k] = W.T @ delta
        carry = U.T @ delta
    return {"W": dW, "U": dU, "b": db, "x": dx, "h0": carry}
'''
RNN_RESIDUAL = RNN_HALF.replace("np.tanh((U @ h[-1] + W @ x_k + b) / 2)",
                                "h[-1] + np.tanh(U @ h[-1] + W @ x_k + b)").replace(
    "delta = (1 - h[k + 1] ** 2) / 2 * (dh[k] + carry)",
    "d = dh[k] + carry\n        delta = (1 - (h[k + 1] - h[k]) ** 2) * d").replace(
    "carry = U.T @ delta", "carry = U.T @ delta + d")
LSTM = '''import numpy as np


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def slope(s):
    return s * (1 - s)


def forward(x, h0, c0, W, U, b):
    h, c, steps = h0, c0, []
    for x_k in x:
        before = h, c
        zi, zf, zg, zo = np.split(W @ x_k + U @ h + b, 4)
        i, f, g = sigmoid(zi), sigmoid(zf), np.tanh(zg)
        c = f * c + i * g
        o = sigmoid(zo)
        h = o * np.tanh(c)
        steps.append((x_k, *before, i, f, g, o, c, h))
    return np.array([step[-1] for step in steps]), (steps, W, U)


def backward(dh, cache):
    steps, W, U = cache
    dW, dU, db, dx = np.zeros_like(W), np.zeros_like(U), np.zeros(len(W)), [None] * len(steps)
    dh_next = dc_next = np.zeros(U.shape[1])
    for k in reversed(range(len(steps))):
        x, h_before, c_before, i, f, g, o, c, h = steps[k]
        d = dh[k] + dh_next
        do = d * np.tanh(c) * slope(o)
        dc = dc_next + d * o * (1 - np.tanh(c) ** 2)
        di, df, dg = dc * g * slope(i), dc * c_before * slope(f), dc * i * (1 - g ** 2)
        dc_next = dc * f
        delta = np.concatenate([di, df, dg, do])
        dW += np.outer(delta, x)
        dU += np.outer(delta, h_before)
        db += delta
        dx[k] = W.T @ delta
        dh_next = U.T @ delta
    return {"W": dW, "U": dU, "b": db, "x": np.array(dx), "h0": dh_next, "c0": dc_next}
'''
# peepholes without weights: i and f see c_{k-1}, o sees c_k
PEEPHOLES = LSTM.replace("sigmoid(zi), sigmoid(zf)", "sigmoid(zi + c), sigmoid(zf + c)").replace(
    "o = sigmoid(zo)", "o = sigmoid(zo + c)").replace(
    "+ d * o * (1 - np.tanh(c) ** 2)", "+ d * o * (1 - np.tanh(c) ** 2) + do").replace(
    "dc_next = dc * f", "dc_next = dc * f + di + df")
HARD = LSTM.replace("return 1 / (1 + np.exp(-z))", "return np.clip(0.25 * z + 0.5, 0, 1)").replace(
    "return s * (1 - s)", "return 0.25 * ((s > 0) & (s < 1))")
# the gates i and f are coupled, as in one variant: f = 1 - i, and the rows of f are not used
COUPLED = LSTM.replace("i, f, g = sigmoid(zi), sigmoid(zf), np.tanh(zg)",
                       "i, g = sigmoid(zi), np.tanh(zg)\n        f = 1 - i").replace(
    "di, df, dg = dc * g * slope(i), dc * c_before * slope(f), dc * i * (1 - g ** 2)",
    "di, df, dg = dc * (g - c_before) * slope(i), 0 * dc, dc * i * (1 - g ** 2)")

# name: (the file, a line of its backward pass, what makes it wrong, the gradients that are then wrong)
FORWARDS = {
    "tanh(z / 2)": (RNN_HALF, "** 2) / 2 * (dh", "** 2) * (dh", {"W", "U", "b", "x", "h0"}),
    "h + tanh(z)": (RNN_RESIDUAL, "U.T @ delta + d", "U.T @ delta", {"W", "U", "b", "x", "h0"}),
    "peepholes": (PEEPHOLES, "dU += np.outer(delta, h_before)", "dU += np.outer(delta, h)", {"U"}),
    "hard sigmoid": (HARD, "dx[k] = W.T @ delta", "dx[k] = W.T @ delta / 2", {"x"}),
    "f = 1 - i": (COUPLED, "dc * (g - c_before) * slope(i)", "dc * g * slope(i)",
                  {"W", "U", "b", "x", "h0", "c0"}),
}
