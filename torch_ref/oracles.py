"""Two other ways to every gradient of stacked LSTM layers: the textbook's sums, and torch's autograd.

Both take the same case as tests/helpers and torch_ref/gradients.py:
    arguments: W0, U0, b0, ..., x (T, B, D), h_0 and c_0 (L, B, H)
    upstream:  h (T, B, H) = dL/dh, h_n and c_n (L, B, H) = dL/dh_n, dL/dc_n
and return the gradient of each argument under its name.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import numpy as np
import torch

from scratch_lstm import lstm_textbook

from .convert import lstm_gradients, set_lstm

Arrays = dict[str, np.ndarray]


def by_textbook(arguments: Mapping[str, np.ndarray], upstream: Mapping[str, np.ndarray],
                rtrl: bool = False) -> tuple[Arrays, Arrays]:
    """lstm_textbook.py, one sequence at a time and from the last layer down: the double sums of delta_{t,k},
    and, with rtrl, forward mode for W, U and b (otherwise the second result is empty).

    The h of a layer is the x of the layer above, so the dx of the layer above is this layer's dL/dh.
    """
    L, B, _ = arguments["h_0"].shape
    by_delta = {name: np.zeros_like(a) for name, a in arguments.items()}
    by_rtrl = {name: np.zeros_like(a) for name, a in arguments.items() if rtrl and name[0] in "WUb"}
    for b in range(B):
        inputs, states = [arguments["x"][:, b]], []
        for l in range(L):
            initial = arguments["h_0"][l, b], arguments["c_0"][l, b]
            states.append(lstm_textbook.forward(inputs[l], initial,
                                                *(arguments[f"{name}{l}"] for name in "WUb")))
            inputs.append(states[l].h[1:])
        dL_dh = upstream["h"][:, b]
        for l in reversed(range(L)):
            W, U, bias = (arguments[f"{name}{l}"] for name in "WUb")
            dL_dh = dL_dh.copy()
            dL_dh[-1] += upstream["h_n"][l, b]
            delta, dL_dc = lstm_textbook.backward(states[l], U, dL_dh, upstream["c_n"][l, b])
            for name, sums in zip("WUb", lstm_textbook.gradients(delta, states[l], inputs[l])):
                by_delta[f"{name}{l}"] += sums
            if rtrl:
                initial = arguments["h_0"][l, b], arguments["c_0"][l, b]
                for name, sums in zip("WUb", lstm_textbook.rtrl(inputs[l], initial, W, U, bias, dL_dh,
                                                                upstream["c_n"][l, b])):
                    by_rtrl[f"{name}{l}"] += sums
            dL_dh, (by_delta["h_0"][l, b], by_delta["c_0"][l, b]) = lstm_textbook.input_gradients(
                delta, dL_dc, W, U)
        by_delta["x"][:, b] = dL_dh
    return by_delta, by_rtrl


@contextmanager
def onednn_switched(on: bool) -> Iterator[None]:
    """torch's float32 LSTM has two implementations on a CPU, oneDNN's and its own."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "TF32 acceleration")  # a warning about the switch itself
        with torch.backends.mkldnn.flags(enabled=on):
            yield


def by_torch(arguments: Mapping[str, np.ndarray], upstream: Mapping[str, np.ndarray | None],
             onednn: bool = False) -> tuple[Arrays, Arrays]:
    """torch.nn.LSTM and autograd: the results h, h_n, c_n, and every gradient. An upstream gradient may be
    None: then the loss does not use that result."""
    D, H, L = arguments["W0"].shape[1], arguments["U0"].shape[1], arguments["h_0"].shape[0]
    lstm = torch.nn.LSTM(D, H, L, dtype=torch.from_numpy(arguments["W0"]).dtype)
    set_lstm(lstm, arguments)
    leaves = {name: torch.tensor(arguments[name], requires_grad=True) for name in ("x", "h_0", "c_0")}
    with onednn_switched(onednn):
        h, (h_n, c_n) = lstm(leaves["x"], (leaves["h_0"], leaves["c_0"]))
        results = {"h": h, "h_n": h_n, "c_n": c_n}
        loss = [(value * torch.tensor(upstream[name])).sum() for name, value in results.items()
                if upstream[name] is not None]
        torch.stack(loss).sum().backward()
    gradients = lstm_gradients(lstm)
    for name, leaf in leaves.items():
        assert leaf.grad is not None
        gradients[name] = leaf.grad.numpy()
    return {name: value.detach().numpy() for name, value in results.items()}, gradients
