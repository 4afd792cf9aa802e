"""A file that works with torch: an autograd.Function or a Module. This package does not import torch: the
tensors are made by the torch that the file has imported itself.

    FUNCTION = "MyLSTM"   a class with .apply(x, h0, c0, W, U, b) -> h                     (rnn: without c0)
    MODULE = "MyLSTM"     a class made as MyLSTM(D, H) and called as module(x, (h0, c0)) -> h or (h, ...);
                          (rnn: module(x, h0)); its parameters are named W, U, b, or contain ih, hh, bias, as
                          weight_ih_l0 does, or ih.weight of a layer ih = Linear(D, 4 * H)

One sequence: x (T, D), h (T, H). Without both names the file has a function run(x, h0, c0, W, U, b) -> h.
"""

from __future__ import annotations

from typing import Any

from .contract import Answer
from .look import Form
from .problem import TENSORS, Problem
from .program import NotWritten, Program, StudentError, as_array, call, function_of, kind_of


def answer(program: Program, p: Problem, gates: str) -> Answer:
    """The states and all gradients, by the file's own backward pass. Raises StudentError."""
    names, path = program.fresh(), program.path
    torch: Any = names.get("torch")
    if not hasattr(torch, "Tensor"):
        raise StudentError("no function", name="import torch")
    wanted = TENSORS[p.network]
    leaves = {name: torch.tensor(getattr(p, name), requires_grad=True) for name in wanted}
    states = [leaves[name] for name in ("h0", "c0") if name in leaves]
    try:
        if "MODULE" in names:
            where, h = names["MODULE"], _module(torch, names, path, p, leaves, states)
        else:
            where = names.get("FUNCTION", "run")
            run = _apply(names, where) if "FUNCTION" in names else function_of(names, where)
            h = call(path, where, run, leaves["x"], *states, leaves["W"], leaves["U"], leaves["b"])
    except NotWritten:
        return None, {}, ["forward", "backward"]
    if isinstance(h, (tuple, list)) and h:
        h = h[0]
    if not isinstance(h, torch.Tensor):
        raise StudentError("no tensor", where=where, kind=kind_of(h))
    values = as_array(h, "h")
    if values.shape != p.dh.shape:
        raise StudentError("shape of h", shape=values.shape, due=p.dh.shape)
    try:
        dh = torch.tensor(p.dh, dtype=h.dtype)
        program.watch("dh", dh.numpy(), dh.numpy())
        call(path, "backward", h.backward, dh)
    except NotWritten:
        return values, {}, ["backward"]
    found = {name: leaf.grad for name, leaf in leaves.items() if leaf.grad is not None}
    return values, found, [name for name in wanted if name not in found]


def _apply(names: dict[str, Any], chosen: Any) -> Any:
    """The function of an autograd.Function of this name. Raises StudentError."""
    run = getattr(function_of(names, chosen), "apply", None)
    if run is None:
        raise StudentError("no function", name=f"{chosen}.apply")
    return run


def _module(torch: Any, names: dict[str, Any], path: str, p: Problem, leaves: dict[str, Any],
            states: list[Any]) -> Any:
    """Build the module, give its parameters our numbers, run it; its parameters take the place of our
    leaves."""
    _, H, D = p.sizes
    chosen = names["MODULE"]
    module = call(path, chosen, function_of(names, chosen), D, H)
    if not isinstance(module, torch.nn.Module):
        raise StudentError("no module", name=chosen, kind=kind_of(module))
    module = module.double()
    left = ["W", "U", "b"]
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            ours = _ours(name)
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
    """Which of W, U, b the name of a parameter means; None where it is unknown."""
    last = name.rpartition(".")[2]
    if last in ("W", "U", "b"):
        return last
    if "bias" in last or last.startswith("b"):
        return "b"
    return "W" if "ih" in name else "U" if "hh" in name else None


TORCH = Form(answer)
