"""The equivalence table: every gradient of one network, computed in eight ways.

    python -m torch_ref.gradients [--json] [--seed N]

The network is embedding -> two LSTM layers -> linear, and its loss touches everything at once:

    L = cross_entropy(fc(h)) + <h, A> + <h_n, B> + <c_n, C>        A, B, C random
    h, (h_n, c_n) = LSTM(embedding[tokens] + x, (h_0, c_0))        x, h_0, c_0 random, biases too

The numbers are errors max|a - r| / max|r|, where r is the accumulated pass of lstm.py in float64 and a
the way that the column names; the column of lstm.py itself shows max|r|. A cell is empty where a way does
not give that tensor. The exit status is 1 when an error is beyond its bound.
"""

from __future__ import annotations

import argparse
import json
import sys
from typing import Any

import numpy as np
import torch

from scratch_lstm import LSTM, get_backend
from scratch_lstm.functional import softmax_cross_entropy, softmax_cross_entropy_backward
from scratch_lstm.gradcheck import complex_step, relative_error, richardson

from .convert import lstm_gradients, set_lstm
from .model import PoemNet
from .oracles import by_textbook, onednn_switched

Arrays = dict[str, np.ndarray]
T, B, V, E, H, L = 5, 3, 7, 2, 4, 2  # all different, so that a wrong shape is noticed
BOUNDS = {"sum of delta_tk": 1e-13, "RTRL": 1e-13, "central diff.": 1e-9, "complex step": 1e-13,
          "torch float64": 1e-13, "float32 oneDNN": 1e-5, "float32 plain": 1e-5}


class Case:
    """One random network with its loss."""

    def __init__(self, seed: int) -> None:
        rng = np.random.default_rng(seed)
        shapes = {**LSTM.shapes(E, H, L), "x": (T, B, E), "h_0": (L, B, H), "c_0": (L, B, H),
                  "embedding": (V, E), "fc.weight": (V, H), "fc.bias": (V,)}
        self.arguments = {name: 0.8 * rng.normal(size=shape) for name, shape in shapes.items()}
        self.upstream = {"h": rng.normal(size=(T, B, H)), "h_n": rng.normal(size=(L, B, H)),
                         "c_n": rng.normal(size=(L, B, H))}
        self.tokens, self.targets = rng.integers(0, V, (2, T, B))

    def forward(self, arguments: Arrays) -> tuple[Any, LSTM, Any, Any]:
        """The loss, written out, and what the backward passes need: the layer, h, the softmax."""
        a = arguments
        layer = LSTM(E, H, L, dtype=np.result_type(*a.values()))
        for name, p in layer.parameters.items():
            p[...] = a[name]
        h, (h_n, c_n) = layer.forward(a["embedding"][self.tokens] + a["x"], (a["h_0"], a["c_0"]))
        logits = h.reshape(T * B, H) @ a["fc.weight"].T + a["fc.bias"]                  # (T*B, V)
        cross_entropy, saved = softmax_cross_entropy(logits, self.targets.reshape(-1))
        loss = cross_entropy + sum((value * self.upstream[name]).sum()
                                   for name, value in (("h", h), ("h_n", h_n), ("c_n", c_n)))
        return loss, layer, h, saved

    def top(self) -> tuple[np.ndarray, Arrays, LSTM]:
        """What every way back shares: dL/dh (T, B, H), the linear layer's gradients, the LSTM."""
        _, layer, h, saved = self.forward(self.arguments)
        dlogits = softmax_cross_entropy_backward(saved, self.targets.reshape(-1))       # (T*B, V)
        dh = (dlogits @ self.arguments["fc.weight"]).reshape(T, B, H) + self.upstream["h"]
        return dh, {"fc.weight": dlogits.T @ h.reshape(T * B, H), "fc.bias": dlogits.sum(axis=0)}, layer

    def scatter(self, dx: np.ndarray) -> np.ndarray:
        """The embedding's gradient (V, E) from dx (T, B, E)."""
        d_embedding = np.zeros((V, E))
        get_backend("numpy").scatter.scatter_add(d_embedding, self.tokens.reshape(-1), dx.reshape(-1, E))
        return d_embedding


def accumulated(case: Case) -> Arrays:
    """lstm.py: one pass backward."""
    dh, gradients, layer = case.top()
    dx, (dh_0, dc_0) = layer.backward(dh, (case.upstream["h_n"], case.upstream["c_n"]))
    return {**layer.gradients, "x": dx, "h_0": dh_0, "c_0": dc_0, "embedding": case.scatter(dx), **gradients}


def textbook(case: Case) -> tuple[Arrays, Arrays]:
    """lstm_textbook.py: by the double sums of delta_{t,k}, and by RTRL."""
    dh, at_the_top, _ = case.top()
    arguments = {name: a for name, a in case.arguments.items() if name not in at_the_top}
    arguments["x"] = arguments.pop("embedding")[case.tokens] + arguments["x"]
    by_delta, by_rtrl = by_textbook(arguments, {**case.upstream, "h": dh}, rtrl=True)
    return {**by_delta, "embedding": case.scatter(by_delta["x"])}, by_rtrl


def oracle(case: Case, way: Any) -> Arrays:
    """Finite differences or the complex step over every entry of every argument."""
    def loss_of(name: str) -> Any:
        return lambda value: case.forward({**case.arguments, name: value})[0]

    return {name: way(loss_of(name), value) for name, value in case.arguments.items()}


def autograd(case: Case, dtype: torch.dtype, onednn: bool = False) -> Arrays:
    """torch.nn.LSTM and torch's own derivatives."""
    def leaf(name: str) -> torch.Tensor:
        return torch.tensor(case.arguments[name], dtype=dtype, requires_grad=True)

    net = PoemNet(V, E, H, L).to(dtype)
    set_lstm(net.lstm, case.arguments)
    leaves = {name: leaf(name) for name in ("x", "h_0", "c_0", "embedding", "fc.weight", "fc.bias")}
    up = {name: torch.tensor(value, dtype=dtype) for name, value in case.upstream.items()}
    with onednn_switched(onednn):
        x = torch.nn.functional.embedding(torch.tensor(case.tokens), leaves["embedding"]) + leaves["x"]
        h, (h_n, c_n) = net.lstm(x.transpose(0, 1), (leaves["h_0"], leaves["c_0"]))
        h = h.transpose(0, 1)                                                            # (T, B, H)
        logits = torch.nn.functional.linear(h, leaves["fc.weight"], leaves["fc.bias"])
        loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1), torch.tensor(case.targets).flatten())
        (loss + (h * up["h"]).sum() + (h_n * up["h_n"]).sum() + (c_n * up["c_n"]).sum()).backward()
    return {**lstm_gradients(net.lstm),
            **{name: tensor.grad.numpy() for name, tensor in leaves.items() if tensor.grad is not None}}


def table(seed: int = 0) -> dict[str, dict[str, float]]:
    """row -> column -> error; no entry where a way does not give that tensor."""
    case = Case(seed)
    reference = accumulated(case)
    by_delta, by_rtrl = textbook(case)
    ways = {"sum of delta_tk": by_delta, "RTRL": by_rtrl, "central diff.": oracle(case, richardson),
            "complex step": oracle(case, complex_step), "torch float64": autograd(case, torch.float64),
            "float32 oneDNN": autograd(case, torch.float32, onednn=True),
            "float32 plain": autograd(case, torch.float32)}
    rows: dict[str, dict[str, float]] = {}
    for name in case.arguments:
        rows[name] = {"lstm.py max": float(np.max(np.abs(reference[name])))}
        for way, gradients in ways.items():
            if name in gradients:
                rows[name][way] = relative_error(gradients[name].astype(np.float64), reference[name],
                                                 f"{name} by {way}")
    return rows


def within(rows: dict[str, dict[str, float]]) -> bool:
    """Whether every error is within the bound of its column; NaN is not."""
    return all(error <= BOUNDS[way] for row in rows.values() for way, error in row.items() if way in BOUNDS)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--json", action="store_true", help="for machines")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args(arguments)
    rows = table(args.seed)
    ok = within(rows)
    if args.json:
        print(json.dumps({"sizes": {"T": T, "B": B, "V": V, "E": E, "H": H, "L": L}, "seed": args.seed,
                          "bounds": BOUNDS, "rows": rows, "ok": ok}, indent=2))
        return 0 if ok else 1
    columns = ["lstm.py max", *BOUNDS]
    print(f"T={T} B={B} V={V} E={E} H={H} L={L}, seed {args.seed}: max|a-r| / max|r|, r from lstm.py\n")
    print("tensor".ljust(10) + "".join(column.rjust(16) for column in columns))
    for name, row in rows.items():
        cells = (f"{row[column]:.1e}" if column in row else "" for column in columns)
        print(name.ljust(10) + "".join(cell.rjust(16) for cell in cells))
    bounds = ("" if column not in BOUNDS else f"{BOUNDS[column]:.0e}" for column in columns)
    print("bound".ljust(10) + "".join(bound.rjust(16) for bound in bounds))
    print("\nevery error is within its bound" if ok else "\nBEYOND ITS BOUND: at least one error")
    return 0 if ok else 1


if __name__ == "__main__":
    sys.exit(main())
