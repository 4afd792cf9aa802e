"""An LSTM that learns to write poems, the whole of it in NumPy:  python one_file.py poems.txt

It reads a poem character by character and guesses each next one: embedding, two LSTM layers, linear layer,
softmax. Every backward is directly under its forward. (6.51) is an equation of Qiu Xipeng, 神经网络与深度学习
(NNDL), chapter 6, draft of 2019-04-10. There a vector is a column, here it is a row: W x becomes x @ W.T.

    T time steps, B poems at once, N = T * B guesses, V characters, E embedding size, H hidden size
    tokens (T+1, B), time first; x (T, B, D), where D is E or H; h and c (T+1, B, H), row 0 is the start
    W (4H, D), U (4H, H), b (4H,): rows of the gates i, f, g, o, in this order; g is the book's c~
    p["W0"] is a parameter, d["W0"] = dL/dW0 its gradient; dname is dL/dname and has the shape of name
"""

import os
import sys
from collections import Counter

if __name__ == "__main__":
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")      # at this size more threads only get in the way

import numpy as np

START, END = "\x02", "\x03"                         # stand before and after every poem; no text has them
ZERO = (0, 0), (0, 0)                               # (h, c) of layer 0 and of layer 1 before the first step


def read(path):
    """A text in UTF-8, one poem a line -> the poems as numbers, and the characters, most frequent first."""
    with open(path, encoding="utf-8-sig") as file:
        poems = [START + line.strip() + END for line in file if line.strip()]
    number = {c: n for n, (c, _) in enumerate(Counter("".join(poems)).most_common())}
    return [[number[c] for c in poem] for poem in poems], list(number)


def batches(poems, rng):
    """Every poem once, in random order: arrays (T+1, B) of up to 32 poems of one length."""
    by_length = [rng.permutation([poem for poem in poems if len(poem) == n]) for n in set(map(len, poems))]
    groups = [same[n:n + 32].T for same in by_length for n in range(0, len(same), 32)]
    return [groups[n] for n in rng.permutation(len(groups))]


def make_parameters(V, E=100, H=128, seed=0):
    """The random start, as torch's; torch adds two biases, so one is the sum of two draws here."""
    u, k, q = np.random.default_rng(seed).uniform, 1 / np.sqrt(H), np.sqrt(6 / (H + V))
    p = {"embedding": u(-1, 1, (V, E)),
         "W0": u(-k, k, (4 * H, E)), "U0": u(-k, k, (4 * H, H)), "b0": u(-k, k, (2, 4 * H)).sum(axis=0),
         "W1": u(-k, k, (4 * H, H)), "U1": u(-k, k, (4 * H, H)), "b1": u(-k, k, (2, 4 * H)).sum(axis=0),
         "fc.weight": u(-q, q, (V, H)), "fc.bias": np.zeros(V)}
    return {name: array.astype(np.float32) for name, array in p.items()}


def lstm_forward(x, state, W, U, b):
    """x (T, B, D), state (h_0, c_0) -> h (T, B, H), the last state, and what backward needs."""
    (T, B, _), H, gates = x.shape, U.shape[1], []
    h, c = np.empty((2, T + 1, B, H), U.dtype)                  # (T+1, B, H)   h[t] is h_t, x[t] is x_{t+1}
    h[0], c[0] = state
    for t in range(T):
        z = h[t] @ U.T + x[t] @ W.T + b                         # (B, 4H)   (6.57): derivations/06
        z_i, z_f, z_g, z_o = np.split(z, 4, axis=1)             # (B, H) each, as all that follow
        i, f, o = ((1 + np.tanh(z / 2)) / 2 for z in (z_i, z_f, z_o))   # 1 / (1 + exp(-z))  (6.54)-(6.56)
        g = np.tanh(z_g)                                        # (6.53)
        c[t + 1] = f * c[t] + i * g                             # (6.51)
        h[t + 1] = o * np.tanh(c[t + 1])                        # (6.52)
        gates.append((i, f, g, o))
    return h[1:], (h[T], c[T]), (x, h, c, gates)


def lstm_backward(dh_above, x, h, c, gates, W, U):
    """dh_above (T, B, H): what h gets from above -> dx (T, B, D), dW, dU, db. See derivations/07."""
    dx, dW, dU, db = np.empty_like(x), np.zeros_like(W), np.zeros_like(U), np.zeros_like(U[:, 0])
    dh, dc = np.zeros_like(h[:2])                               # (B, H) each, from the step after
    for t in reversed(range(len(x))):
        (i, f, g, o), tanh_c = gates[t], np.tanh(c[t + 1])      # (B, H) each
        dh = dh + dh_above[t]                                   # h has two uses: there, and above
        dc = dc + dh * o * (1 - tanh_c ** 2)                    # (6.52)   so has c: there, and in h
        dz_i = dc * g * i * (1 - i)                             # (6.51), (6.54)
        dz_f = dc * c[t] * f * (1 - f)                          # (6.51), (6.55)
        dz_g = dc * i * (1 - g ** 2)                            # (6.51), (6.53)
        dz_o = dh * tanh_c * o * (1 - o)                        # (6.52), (6.56)
        delta = np.concatenate([dz_i, dz_f, dz_g, dz_o], 1)     # (B, 4H)   (6.34)
        dU += delta.T @ h[t]                                    # (6.39), as one sum: derivations/04
        dW += delta.T @ x[t]                                    # (6.40)
        db += delta.sum(axis=0)                                 # (6.41)
        dx[t] = delta @ W                                       # (B, D)   for the layer below
        dh, dc = delta @ U, dc * f                              # (6.36), (6.51)   for the step before
    return dx, dW, dU, db


def forward(p, tokens, state):
    """tokens (T, B) -> log_p (N, V) of each next character, the last state, and what backward needs."""
    x = p["embedding"][tokens]                                                              # (T, B, E)
    lower, state_0, saved_0 = lstm_forward(x, state[0], p["W0"], p["U0"], p["b0"])          # (T, B, H)
    upper, state_1, saved_1 = lstm_forward(lower, state[1], p["W1"], p["U1"], p["b1"])      # (T, B, H)
    h = upper.reshape(-1, upper.shape[2])                                                   # (N, H)
    logits = h @ p["fc.weight"].T + p["fc.bias"]                                            # (N, V)
    logits -= logits.max(axis=1, keepdims=True)                 # the same softmax; exp cannot overflow
    log_p = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))                      # (N, V)
    return log_p, (state_0, state_1), (h, saved_0, saved_1)


def loss_and_gradients(p, tokens, state=ZERO):
    """tokens (T+1, B): guess each from those before it -> L, and back to all of d. See derivations/08."""
    log_p, _, (h, saved_0, saved_1) = forward(p, tokens[:-1], state)
    n, targets, d = np.arange(len(log_p)), tokens[1:].reshape(-1), {}                       # (N,), (N,)
    loss = -log_p[n, targets].mean()                                                        # (6.28), (6.29)
    dlogits = np.exp(log_p) / len(n)                                                        # (N, V)
    dlogits[n, targets] -= 1 / len(n)                           # (softmax - one_hot(targets)) / N
    d["fc.weight"], d["fc.bias"] = dlogits.T @ h, dlogits.sum(axis=0)                       # (V, H), (V,)
    d_upper = (dlogits @ p["fc.weight"]).reshape(*tokens[1:].shape, -1)                     # (T, B, H)
    d_lower, d["W1"], d["U1"], d["b1"] = lstm_backward(d_upper, *saved_1, p["W1"], p["U1"])     # (T, B, H)
    dx, d["W0"], d["U0"], d["b0"] = lstm_backward(d_lower, *saved_0, p["W0"], p["U0"])      # (T, B, E)
    d["embedding"] = np.zeros_like(p["embedding"])                                          # (V, E)
    np.add.at(d["embedding"], tokens[:-1], dx)                  # adds up all places of a character
    return loss, d


def clipped_adam(p, d, m, v, t, max_norm=1.0, rate=3e-3, beta1=0.9, beta2=0.999, epsilon=1e-8):
    """Step t = 1, 2, ... of Adam, from d scaled to a norm of at most max_norm. See derivations/09."""
    norm = np.sqrt(sum((d[name] ** 2).sum() for name in p))     # of all gradients as one vector
    for name in p:
        g = d[name] * min(1, max_norm / (norm + 1e-6))
        m[name] += (1 - beta1) * (g - m[name])                  # the running mean of g
        v[name] += (1 - beta2) * (g ** 2 - v[name])             # and that of its square
        p[name] -= rate * m[name] / (1 - beta1 ** t) / (np.sqrt(v[name] / (1 - beta2 ** t)) + epsilon)


def write(p, characters, longest, rng):
    """A poem: each character is drawn from the softmax, and is the next input."""
    poem, state = START, ZERO
    while len(poem) <= longest and poem[-1] != END:
        log_p, state, _ = forward(p, np.array([[characters.index(poem[-1])]]), state)       # (1, V)
        softmax = np.exp(log_p[0].astype(np.float64))                                       # (V,)
        poem += rng.choice(characters, p=softmax / softmax.sum())
    return poem.replace(START, "").replace(END, "")


if __name__ == "__main__":
    try:
        poems, characters = read(*sys.argv[1:])
        longest = max(map(len, poems)) - 2
    except (TypeError, OSError, ValueError) as error:
        sys.exit(f"Give a text in UTF-8 with one poem a line: python one_file.py poems.txt ({error})")
    p, rng, t = make_parameters(len(characters)), np.random.default_rng(0), 0
    m, v = ({name: np.zeros_like(array) for name, array in p.items()} for _ in "mv")
    for epoch in range(1, 11):
        losses = []
        for tokens in batches(poems, rng):                                                  # (T+1, B)
            loss, d = loss_and_gradients(p, tokens)
            clipped_adam(p, d, m, v, t := t + 1)
            losses.append(loss)
        print(f"epoch {epoch:2}  loss {np.mean(losses):.3f}  {write(p, characters, longest, rng)}")
