"""The source of a right LSTM and a right RNN, and lines of it to be replaced by wrong ones."""

LSTM = '''import numpy as np

NETWORK = "lstm"
GATES = "ifgo"


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def forward(x, h0, c0, W, U, b):
    h, c, states, cache = h0, c0, [], []
    for k in range(len(x)):
        z = U @ h + W @ x[k] + b
        zi, zf, zg, zo = np.split(z, 4)
        i, f, g, o = sigmoid(zi), sigmoid(zf), np.tanh(zg), sigmoid(zo)
        h_prev, c_prev = h, c
        c = f * c_prev + i * g
        h = o * np.tanh(c)
        states.append(h)
        cache.append((x[k], h_prev, c_prev, i, f, g, o, c, h))
    return np.array(states), (cache, W, U)


def backward(dh, cache):
    steps, W, U = cache
    T = len(steps)
    dW, dU, db = np.zeros_like(W), np.zeros_like(U), np.zeros(len(W))
    dx = np.zeros((T, W.shape[1]))
    dh_next, dc_next = np.zeros(U.shape[1]), np.zeros(U.shape[1])
    for k in reversed(range(T)):
        x, h_prev, c_prev, i, f, g, o, c, h = steps[k]
        d = dh[k] + dh_next
        dc = dc_next + d * o * (1 - np.tanh(c) ** 2)
        di = dc * g * i * (1 - i)
        df = dc * c_prev * f * (1 - f)
        dg = dc * i * (1 - g ** 2)
        do = d * np.tanh(c) * o * (1 - o)
        delta = np.concatenate([di, df, dg, do])
        dW += np.outer(delta, x)
        dU += np.outer(delta, h_prev)
        db += delta
        dx[k] = W.T @ delta
        dh_next = U.T @ delta
        dc_next = dc * f
    return {"W": dW, "U": dU, "b": db, "x": dx, "h0": dh_next, "c0": dc_next}
'''

RNN = '''import numpy as np

NETWORK = "rnn"


def forward(x, h0, W, U, b):
    h = [h0]
    for k in range(len(x)):
        h.append(np.tanh(U @ h[-1] + W @ x[k] + b))
    return np.array(h[1:]), (x, h, W, U)


def backward(dh, cache):
    x, h, W, U = cache
    dW, dU, db, dx = np.zeros_like(W), np.zeros_like(U), np.zeros(len(W)), np.zeros_like(x)
    dh_next = np.zeros(len(U))
    for k in reversed(range(len(x))):
        delta = (1 - h[k + 1] ** 2) * (dh[k] + dh_next)
        dW += np.outer(delta, x[k])
        dU += np.outer(delta, h[k])
        db += delta
        dx[k] = W.T @ delta
        dh_next = U.T @ delta
    return {"W": dW, "U": dU, "b": db, "x": dx, "h0": dh_next}
'''

# (what is wrong, the line, the wrong line, site, gate)
WRONG_LSTM = [
    ("tanh of c forgotten", "h = o * np.tanh(c)", "h = o * c", "forward-tanh-of-c", None),
    ("sigmoid for the candidate", "np.tanh(zg)", "sigmoid(zg)", "forward-activation", "g"),
    ("h not advanced", "z = U @ h + W", "z = U @ h0 + W", "forward-state", None),
    ("bias forgotten", "+ W @ x[k] + b", "+ W @ x[k]", "forward-bias", None),
    ("gates split in torch's order, declared otherwise", "zi, zf, zg, zo = np", "zi, zf, zo, zg = np",
     "forward-gate-order", None),
    ("sigmoid' missing", "c_prev * f * (1 - f)", "c_prev", "sigmoid-derivative", "f"),
    ("sigmoid for sigmoid'", "np.tanh(c) * o * (1 - o)", "np.tanh(c) * o", "sigmoid-derivative", "o"),
    ("sigmoid' of the activated value", "g * i * (1 - i)", "g * sigmoid(i) * (1 - sigmoid(i))",
     "sigmoid-derivative",
     "i"),
    ("tanh' missing in g", "dc * i * (1 - g ** 2)", "dc * i", "tanh-derivative-g", "g"),
    ("1 - c^2", "(1 - np.tanh(c) ** 2)", "(1 - c ** 2)", "tanh-derivative-c", None),
    ("tanh' of tanh c", "(1 - np.tanh(c) ** 2)", "(1 - np.tanh(np.tanh(c)) ** 2)", "tanh-derivative-c", None),
    ("c_k for c_{k-1}", "df = dc * c_prev", "df = dc * c", "factor-in-gate", "f"),
    ("c for tanh c", "do = d * np.tanh(c)", "do = d * c", "factor-in-gate", "o"),
    ("i and g exchanged", "di = dc * g * i", "di = dc * i * i", "factor-in-gate", "i"),
    ("deltas exchanged", "concatenate([di, df, dg, do])", "concatenate([di, df, do, dg])", "deltas-exchanged",
     None),
    ("path along c dropped", "dc = dc_next + d", "dc = d", "path-through-c", None),
    ("path along c without f", "dc_next = dc * f", "dc_next = dc", "path-through-c", None),
    ("f of the step before", "dc_next = dc * f", "dc_next = dc * steps[max(k - 1, 0)][4]", "path-through-c",
     None),
    ("path through h dropped", "d = dh[k] + dh_next", "d = dh[k]", "path-through-h", None),
    ("U not transposed", "dh_next = U.T @ delta",
     "dh_next = sum(u @ v for u, v in zip(np.split(U, 4), np.split(delta, 4)))", "path-through-h", None),
    ("some gates only", "dh_next = U.T @ delta", "dh_next = np.split(U, 4)[2].T @ dg", "path-through-h",
     None),
    ("first loss only", "d = dh[k] + dh_next", "d = (dh[k] if k == 0 else 0) + dh_next", "direct-loss", None),
    ("dU = for +=", "dU += np.outer", "dU[...] = np.outer", "sum-over-time", None),
    ("h_k for h_{k-1}", "np.outer(delta, h_prev)", "np.outer(delta, h)", "input-of-sum", None),
    ("db of the gates", "db += delta", "db += np.concatenate([dc * g, dc * c_prev, dc * i, d * np.tanh(c)])",
     "bias-delta", None),
    ("blocks returned in another order", '"W": dW, "U": dU, "b": db',
     '**{n: np.concatenate([np.split(v, 4)[j] for j in (1, 0, 2, 3)]) for n, v in zip("WUb", (dW, dU, db))}',
     "gate-order", None),
    ("first states exchanged", '"h0": dh_next, "c0": dc_next', '"h0": dc_next, "c0": dh_next',
     "initial-state", None),
    ("dh_0 zero", '"h0": dh_next', '"h0": 0 * dh_next', "initial-state", None),
    ("half of dx", "dx[k] = W.T @ delta", "dx[k] = (W.T @ delta) / 2", "scaled", None),
    ("a mean for a sum", '"W": dW, "U": dU, "b": db', '"W": dW / T, "U": dU / T, "b": db / T', "scaled",
     None),
    ("clipped in the loop", "dh_next = U.T @ delta", "dh_next = np.clip(U.T @ delta, -5, 5)",
     "path-through-h", None),
]
WRONG_RNN = [
    ("tanh' missing", "delta = (1 - h[k + 1] ** 2) * (dh[k] + dh_next)", "delta = dh[k] + dh_next",
     "tanh-derivative-g", None),
    ("U not transposed", "dh_next = U.T @ delta", "dh_next = U @ delta", "path-through-h", None),
    ("path dropped", "(dh[k] + dh_next)", "dh[k]", "path-through-h", None),
    ("h_k for h_{k-1}", "np.outer(delta, h[k])", "np.outer(delta, h[k + 1])", "input-of-sum", None),
    ("x_{k-1} for x_k", "np.outer(delta, x[k])", "np.outer(delta, x[k - 1])", "input-of-sum", None),
    ("outer product turned round", "dU += np.outer(delta, h[k])", "dU += np.outer(h[k], delta)",
     "input-of-sum", None),
    ("db the last", "db += delta", "db[...] = delta", "sum-over-time", None),
    ("loop forward", "for k in reversed(range(len(x))):\n        delta",
     "for k in range(len(x)):\n        delta",
     "path-through-h", None),
    ("dx through U", "dx[k] = W.T @ delta", "dx[k] = U.T @ delta", "input-gradient", None),
]


def with_line(source, line, wrong):
    """The source with one line replaced, which has to be there exactly once."""
    assert source.count(line) == 1, (line, source.count(line))
    return source.replace(line, wrong)
