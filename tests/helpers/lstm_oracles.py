"""Random cases for the LSTM that trains, and its results and gradients, here and by other ways."""

import numpy as np
import torch
from helpers.cases import draw_arrays
from hypothesis import strategies as st

from scratch_lstm import LSTM, get_backend
from scratch_lstm.errors import InputError
from torch_ref.oracles import by_textbook, by_torch, onednn_switched

__all__ = ["BACKENDS", "EXACT", "SINGLE", "USES", "by_delta", "by_torch", "draw", "filled",
           "forward_backward", "layer_of", "loss_of", "onednn_switched", "ours", "parts", "shapes", "single"]

torch.set_num_threads(1)        # the arrays are small: threads would only wait for each other

EXACT, SINGLE = 1e-13, 1e-5     # the bounds of tests/README.md for float64 and float32
USES = {"h": ("h",), "h_n": ("h_n",), "c_n": ("c_n",), "all": ("h", "h_n", "c_n")}


def _works(name):
    try:
        get_backend(name)
    except InputError:
        return False
    return True


BACKENDS = ["numpy"] + [name for name in ("numba",) if _works(name)]

shapes = dict(seed=st.integers(0, 2**32 - 1), T=st.integers(1, 7), B=st.integers(1, 4), D=st.integers(1, 6),
              H=st.integers(1, 6), L=st.integers(1, 3), uses=st.sampled_from(sorted(USES)))


def draw(seed=0, T=4, B=3, D=2, H=5, L=2, uses="all", output=None):
    """arguments: W0, U0, b0, ..., x, h_0, c_0; upstream: dL/dh, dL/dh_n, dL/dc_n, None where the loss does
    not use them. No entry is zero. output: the size of the last layer; where it is not H, the layers of a
    state lie side by side in one array (B, (L-1) H + output)."""
    output = output or H
    state = (L, B, output) if output == H or L == 1 else (B, (L - 1) * H + output)
    shapes = {**LSTM.shapes(D, H, L, output), "x": (T, B, D), "h_0": state, "c_0": state}
    upstream = {"h": (T, B, output), "h_n": state, "c_n": state}
    arrays = draw_arrays(seed, {**shapes, **upstream}, positive=min(H, output, T * B * D) <= 2)
    arguments, upstream = ({name: arrays[name] for name in names} for names in (shapes, upstream))
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


def layer_of(arguments, backend="numpy", dropout=0.0, mask_seed=None, **options):
    """An LSTM with the parameters among the arguments, in their dtype; mask_seed fixes its dropout masks."""
    sizes = [p.shape[1] for name, p in arguments.items() if name[0] == "U"]
    layer = LSTM(arguments["W0"].shape[1], sizes[0], len(sizes), dropout, backend,
                 np.result_type(*(a.dtype for a in arguments.values())), output_size=sizes[-1], **options)
    for name, p in layer.parameters.items():
        p[...] = arguments[name]
    if mask_seed is not None:
        layer.rng = np.random.default_rng(mask_seed)
    return layer


def parts(state, sizes):
    """h or c as LSTM takes it: the array, or, if the layers lie side by side in it, each of them."""
    if state.ndim == 3:
        return state
    ends = np.cumsum(sizes).tolist()
    return tuple(state[:, begin:end] for begin, end in zip([0, *ends], ends))


def loss_of(upstream, backend="numpy", **options):
    """<h, dL/dh> + <h_n, dL/dh_n> + <c_n, dL/dc_n> as a function of the arguments; no conjugate."""
    def loss(**arguments):
        h, (h_n, c_n) = layer_of(arguments, backend, **options).forward(
            arguments["x"], (arguments["h_0"], arguments["c_0"]))
        return sum((value * upstream[name]).sum() for name, value in (("h", h), ("h_n", h_n), ("c_n", c_n))
                   if upstream[name] is not None)
    return loss


def forward_backward(layer, arguments, upstream):
    """The results h, h_n, c_n, and every gradient. A d_state that is all zeros is not passed at all."""
    h, (h_n, c_n) = layer.forward(arguments["x"], (arguments["h_0"], arguments["c_0"]))
    up = filled(arguments, upstream)
    d_state = None if upstream["h_n"] is None and upstream["c_n"] is None else (up["h_n"], up["c_n"])
    dx, (dh_0, dc_0) = layer.backward(up["h"], d_state)
    return {"h": h, "h_n": h_n, "c_n": c_n}, {**layer.gradients, "x": dx, "h_0": dh_0, "c_0": dc_0}


def ours(arguments, upstream, backend="numpy", **options):
    """forward_backward of a new layer."""
    return forward_backward(layer_of(arguments, backend, **options), arguments, upstream)


def by_delta(arguments, upstream):
    """Every gradient as the double sum of delta_{t,k}."""
    return by_textbook(arguments, filled(arguments, upstream))[0]
