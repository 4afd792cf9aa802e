"""A file that works with torch: an autograd.Function or a Module. This package does not import torch: the
tensors are made by the torch that the file has imported itself.

    FUNCTION = "MyLSTM"   a class with .apply(x, h0, c0, W, U, b) -> h                     (rnn: without c0)
    MODULE = "MyLSTM"     a class made as MyLSTM(D, H) and called as module(x, (h0, c0)) -> h or (h, ...);
                          (rnn: module(x, h0)); its parameters are named W, U, b, or contain ih, hh, bias

One sequence: x (T, D), h (T, H). Without both names the file has a function run(x, h0, c0, W, U, b) -> h.
"""

from __future__ import annotations

from typing import Any

from .contract import Answer
from .look import Form
from .problem import TENSORS, Problem
from .program import NotWritten, Program, StudentError, call


def answer(program: Program, p: Problem, gates: str) -> Answer:
    """The states and all gradients, by the file's own backward pass. Raises StudentError."""
    names, path = program.fresh(), program.path
    torch = names.get("torch")
    if torch is None:
        raise StudentError("no function", name="import torch")
    wanted = TENSORS[p.network]
    leaves = {name: torch.tensor(getattr(p, name), requires_grad=True) for name in wanted}
    states = [leaves[name] for name in ("h0", "c0") if name in leaves]
    try:
        if "MODULE" in names:
            h = _module(torch, names, path, p, leaves, states)
        else:
            chosen = names.get("FUNCTION")
            run = names[chosen].apply if chosen in names else names.get("run")
            if run is None:
                raise StudentError("no function", name=chosen or "run")
            h = call(path, chosen or "run", run, leaves["x"], *states, leaves["W"], leaves["U"], leaves["b"])
    except NotWritten:
        return None, {}, ["forward", "backward"]
    if isinstance(h, (tuple, list)):
        h = h[0]
    values = h.detach().cpu().numpy()
    try:
        call(path, "backward", lambda: h.backward(torch.tensor(p.dh, dtype=h.dtype)))
    except NotWritten:
        return values, {}, ["backward"]
    found = {name: leaf.grad for name, leaf in leaves.items() if leaf.grad is not None}
    return values, found, [name for name in wanted if name not in found]


def _module(torch: Any, names: dict[str, Any], path: str, p: Problem, leaves: dict[str, Any],
            states: list[Any]) -> Any:
    """Build the module, give its parameters our numbers, run it; its parameters take the place of our
    leaves."""
    _, H, D = p.sizes
    chosen = names["MODULE"]
    module = call(path, chosen, names[chosen], D, H).double()
    left = ["W", "U", "b"]
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            ours = _ours(name.rpartition(".")[2])
            if ours is None or tuple(parameter.shape) != p.shape(ours):
                raise StudentError("parameter", name=name, shape=tuple(parameter.shape))
            if ours in left:
                parameter.copy_(leaves[ours])
                leaves[ours] = parameter
                left.remove(ours)
            else:
                parameter.zero_()                     # torch has a second bias, which adds nothing new
    state = tuple(states) if len(states) > 1 else states[0]
    if isinstance(module, torch.nn.RNNBase):
        state = tuple(s[None] for s in states) if len(states) > 1 else states[0][None]
    return call(path, chosen, module, leaves["x"], state)


def _ours(name: str) -> str | None:
    if name in ("W", "U", "b"):
        return name
    if "bias" in name or name.startswith("b"):
        return "b"
    return "W" if "ih" in name else "U" if "hh" in name else None


TORCH = Form(answer)
