"""Random cases for the LSTM that trains, the way there and back through it, and torch's way beside it.

Weights of about half the usual size keep the gates from saturating: there sigma' and tanh' are differences
of nearly equal numbers, and no code can hold 1e-13 of them.
Where some tensor has one entry or two, or there are no more units (H <= 2 or T B D <= 2), all draws are
positive: then so is every term of every gradient. With mixed signs a lone sum may cancel by chance, and
its relative error be anything.
"""

import warnings
from contextlib import contextmanager

import numpy as np
import torch
from hypothesis import strategies as st

from scratch_lstm import LSTM, get_backend, lstm_textbook
from scratch_lstm.errors import InputError
from torch_ref.convert import lstm_gradients, set_lstm

torch.set_num_threads(1)        # the arrays are small: threads would only wait for each other

EXACT, SINGLE = 1e-13, 1e-5     # DESIGN's bounds for float64 and float32
USES = {"h": ("h",), "h_n": ("h_n",), "c_n": ("c_n",), "all": ("h", "h_n", "c_n")}


def _answers(name):
    try:
        get_backend(name)
    except InputError:
        return False
    return True


BACKENDS = ["numpy"] + [name for name in ("numba",) if _answers(name)]

shapes = dict(seed=st.integers(0, 2**32 - 1), T=st.integers(1, 7), B=st.integers(1, 4), D=st.integers(1, 6),
              H=st.integers(1, 6), L=st.integers(1, 3), uses=st.sampled_from(sorted(USES)))


def draw(seed=0, T=4, B=3, D=2, H=5, L=2, uses="all"):
    """arguments: W0, U0, b0, ..., x, h_0, c_0; upstream: dL/dh, dL/dh_n, dL/dc_n, None where the loss does
    not use them. No entry is zero."""
    rng = np.random.default_rng(seed)

    def normal(*shape):
        return rng.uniform(0.2, 1, shape) if min(H, T * B * D) <= 2 else rng.standard_normal(shape)

    arguments = {name: normal(*shape) / (2 * (shape[1] if len(shape) > 1 else 1) ** 0.5)
                 for name, shape in LSTM.shapes(D, H, L).items()}
    arguments |= {"x": normal(T, B, D), "h_0": normal(L, B, H), "c_0": normal(L, B, H)}
    upstream = {"h": normal(T, B, H), "h_n": normal(L, B, H), "c_n": normal(L, B, H)}
    return arguments, {name: d if name in USES[uses] else None for name, d in upstream.items()}


def single(arrays):
    """The same numbers in float32."""
    return {name: None if a is None else a.astype("float32") for name, a in arrays.items()}


def filled(arguments, upstream):
    """The upstream gradients with zeros where the loss does not use a result."""
    like = {"h": (*arguments["x"].shape[:2], arguments["h_0"].shape[2]), "h_n": arguments["h_0"].shape,
            "c_n": arguments["c_0"].shape}
    return {name: np.zeros(shape, arguments["x"].dtype) if upstream[name] is None else upstream[name]
            for name, shape in like.items()}


def layer_of(arguments, backend="numpy"):
    """An LSTM with the parameters among the arguments, in their dtype."""
    H, L = arguments["U0"].shape[1], arguments["h_0"].shape[0]
    layer = LSTM(arguments["W0"].shape[1], H, L, backend=backend, dtype=np.result_type(*arguments.values()))
    for name, p in layer.parameters.items():
        p[...] = arguments[name]
    return layer


def loss_of(upstream, backend="numpy"):
    """<h, dL/dh> + <h_n, dL/dh_n> + <c_n, dL/dc_n> as a function of the arguments; no conjugate."""
    def loss(**arguments):
        h, (h_n, c_n) = layer_of(arguments, backend).forward(arguments["x"],
                                                             (arguments["h_0"], arguments["c_0"]))
        return sum((value * upstream[name]).sum() for name, value in (("h", h), ("h_n", h_n), ("c_n", c_n))
                   if upstream[name] is not None)
    return loss


def there_and_back(layer, arguments, upstream):
    """The results h, h_n, c_n, and every gradient. A d_state that is all zeros is not passed at all."""
    h, (h_n, c_n) = layer.forward(arguments["x"], (arguments["h_0"], arguments["c_0"]))
    up = filled(arguments, upstream)
    d_state = None if upstream["h_n"] is None and upstream["c_n"] is None else (up["h_n"], up["c_n"])
    dx, (dh_0, dc_0) = layer.backward(up["h"], d_state)
    return {"h": h, "h_n": h_n, "c_n": c_n}, {**layer.gradients, "x": dx, "h_0": dh_0, "c_0": dc_0}


def ours(arguments, upstream, backend="numpy"):
    return there_and_back(layer_of(arguments, backend), arguments, upstream)


@contextmanager
def onednn_switched(on):
    """torch's float32 LSTM has two hands on a CPU, oneDNN's and its own."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "TF32 acceleration")  # said whenever the switch is touched
        with torch.backends.mkldnn.flags(enabled=on):
            yield


def theirs(arguments, upstream, onednn=False):
    """The same from torch.nn.LSTM and autograd."""
    D, H, L = arguments["W0"].shape[1], arguments["U0"].shape[1], arguments["h_0"].shape[0]
    dtype = torch.from_numpy(arguments["W0"]).dtype
    lstm = torch.nn.LSTM(D, H, L, dtype=dtype)
    set_lstm(lstm, arguments)
    leaves = {name: torch.tensor(arguments[name], requires_grad=True) for name in ("x", "h_0", "c_0")}
    with onednn_switched(onednn):
        h, (h_n, c_n) = lstm(leaves["x"], (leaves["h_0"], leaves["c_0"]))
        results = {"h": h, "h_n": h_n, "c_n": c_n}
        sum((value * torch.tensor(upstream[name])).sum() for name, value in results.items()
            if upstream[name] is not None).backward()
    gradients = {**lstm_gradients(lstm), **{name: leaf.grad.numpy() for name, leaf in leaves.items()}}
    return {name: value.detach().numpy() for name, value in results.items()}, gradients


def by_delta(arguments, upstream):
    """Every gradient as the double sum of delta_{t,k}, a sequence at a time and from the top layer down.

    The h of a layer is the x of the layer above, so that layer's dx is this one's dL/dh.
    """
    up, (L, B, _) = filled(arguments, upstream), arguments["h_0"].shape
    gradients = {name: np.zeros_like(a) for name, a in arguments.items()}
    for b in range(B):
        inputs, states = [arguments["x"][:, b]], []
        for l in range(L):
            states.append(lstm_textbook.forward(inputs[l], (arguments["h_0"][l, b], arguments["c_0"][l, b]),
                                                *(arguments[f"{name}{l}"] for name in "WUb")))
            inputs.append(states[l].h[1:])
        dL_dh = up["h"][:, b]
        for l in reversed(range(L)):
            W, U = arguments[f"W{l}"], arguments[f"U{l}"]
            dL_dh = dL_dh.copy()
            dL_dh[-1] += up["h_n"][l, b]
            delta, dL_dc = lstm_textbook.backward(states[l], U, dL_dh, up["c_n"][l, b])
            for name, sums in zip("WUb", lstm_textbook.gradients(delta, states[l], inputs[l])):
                gradients[f"{name}{l}"] += sums
            dL_dh, (gradients["h_0"][l, b], gradients["c_0"][l, b]) = lstm_textbook.input_gradients(
                delta, dL_dc, W, U)
        gradients["x"][:, b] = dL_dh
    return gradients
