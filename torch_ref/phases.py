"""A training step by phases, on one thread, each beside its floor.

    python -m torch_ref.benchmark --phases

The real step runs, and the functions of its phases are wrapped by a clock that gives each moment to the
innermost of them. NumPy's time loop has no function of its own: here it gets one with the same lines. The
floor of a phase is the time of its matrix products alone, by the library that the phase calls (floor.py); of
a phase without products it is one pass over its arrays, which a copy, an exp or a sum of squares makes.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any
from unittest.mock import patch

import numpy as np

from scratch_lstm import lstm, optim

from .contenders import build_learner
from .floor import FLOORS, Work, pieces, together
from .sizes import Size

STEPS, WARM_UP = 40, 5
ELSE = "everything else"
TOGETHER = "vocabulary layer and loss"         # forward and backward, in blocks


class Clock:
    """Seconds by phase; while a phase is inside another one, the time is its own alone."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self.inside: list[str] = []
        self.since = 0.0

    def wrap(self, phase: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def timed(*arguments: Any, **options: Any) -> Any:
            self.turn_to(phase)
            try:
                return function(*arguments, **options)
            finally:
                self.turn_to(None)
        return timed

    def turn_to(self, phase: str | None) -> None:
        """Begin a phase, or None: end the innermost one."""
        now = time.perf_counter()
        if self.inside:
            self.seconds[self.inside[-1]] = self.seconds.get(self.inside[-1], 0) + now - self.since
        if phase is None:
            self.inside.pop()
        else:
            self.inside.append(phase)
        self.since = now


class NumpyLoop:
    """The time loop of lstm_layer.py as the functions of a TimeLoop (kernels/protocols.py)."""

    def __init__(self, cell: Any) -> None:
        self.cell = cell

    def forward(self, U: Any, b: Any, wx: Any, z: Any, c: Any, tanh_c: Any, h: Any) -> None:
        wx += b[:, None, None]
        for t in range(len(z)):
            np.matmul(U, h[t], out=z[t])
            z[t] += wx[:, t]
            self.cell.forward(z[t], c[t], c[t + 1], tanh_c[t], h[t + 1])

    def backward(self, U: Any, gates: Any, c: Any, tanh_c: Any, dh_above: Any, delta: Any, sums: Any,
                 dh: Any, dc: Any) -> None:
        dz = np.empty_like(gates[0])
        for t in reversed(range(len(gates))):
            dh += dh_above[t]
            self.cell.backward(gates[t], c[t], tanh_c[t], dh, dc, dz)
            delta[:, t] = dz
            np.matmul(U.T, dz, out=dh)
        delta = delta.reshape(len(sums), -1)
        np.matmul(delta, np.ones(delta.shape[1], delta.dtype), out=sums)


def parts_of(one: Any) -> list[tuple[str, Any, str]]:
    """(phase, object, its function) of a learner's step, in the order of the step."""
    model, backend, optimizer = one.model, one.model.backend, one.optimizer
    vocabulary = [("vocabulary layer", model.linear, "forward"),
                  ("softmax and loss", backend.loss, "softmax_cross_entropy"),
                  ("softmax, backward", backend.loss, "softmax_cross_entropy_backward"),
                  ("vocabulary layer, backward", model.linear, "backward")]
    fused = backend.fused_for(model.flat_parameters.dtype)
    if fused is not None:
        vocabulary = [(TOGETHER, fused, "fused_loss")]
    return [("embedding", model.embedding, "forward"),
            ("input products", lstm, "layer_forward"),
            ("time loops", backend.loop, "forward"),
            *vocabulary,
            ("time loops, backward", backend.loop, "backward"),
            ("input products, backward", lstm, "layer_backward"),
            ("scatter-add", model.embedding, "backward"),
            ("clip", optim, "clip_grad_norm"),
            ("Adam", optimizer, "step")]


@contextmanager
def clocked(one: Any) -> Iterator[Clock]:
    """While this lasts, the learner's functions are wrapped."""
    clock = Clock()
    with ExitStack() as stack:
        for phase, owner, name in parts_of(one):
            stack.enter_context(patch.object(owner, name, clock.wrap(phase, getattr(owner, name))))
        yield clock


def floors(backend: str, size: Size, parameters: int) -> dict[str, list[Work]]:
    """Phase -> what its floor does; of several, the fastest counts."""
    names = [name for name, whose in FLOORS.items() if whose == backend]
    found: dict[str, list[Work]] = {}
    for name in names:
        for phase, work in pieces(name, size, size.B).items():
            found.setdefault(phase, []).append(work)
    rng = np.random.default_rng(0)
    x, x_too = (rng.standard_normal((size.T * size.B, size.E), np.float32) for _ in range(2))
    logits = rng.standard_normal((size.T * size.B, size.V), np.float32)
    exponentials = np.empty_like(logits)
    p, *others = (rng.standard_normal(parameters, np.float32) for _ in range(4))
    table, table_too = (rng.standard_normal((size.V, size.E), np.float32) for _ in range(2))
    found["embedding"] = [partial(np.copyto, x_too, x)]
    found["scatter-add"] = [together([partial(np.copyto, x_too, x), partial(np.copyto, table_too, table)])]
    found["softmax and loss"] = [lambda: np.exp(logits, out=exponentials)]
    found["softmax, backward"] = [lambda: np.multiply(exponentials, np.float32(1), out=exponentials)]
    found[TOGETHER] = [together(found[phase][0] for phase in (
        "vocabulary layer", "softmax and loss", "vocabulary layer, backward"))]
    found["clip"] = [lambda: p @ p]
    found["Adam"] = [together([partial(np.copyto, other, p) for other in others])]
    return found


def phases(backend: str, size: Size) -> dict[str, Any]:
    """{"phases": phase -> [milliseconds, of its floor], "sum", "step"}: medians, on one thread. `step` is the
    step without a clock, in turns with the steps that have one and with the floors."""
    one = build_learner(backend, size, threads=1)
    if one.model.backend.loop is None:
        one.model.backend.loop = NumpyLoop(one.model.backend.cell)
    tokens = np.random.default_rng(1).integers(0, size.V, (size.T + 1, size.B))
    below = floors(backend, size, one.model.flat_parameters.size)
    times: dict[str, list[float]] = {}
    under: dict[str, list[list[float]]] = {phase: [] for phase in below}
    whole: list[float] = []
    for number in range(WARM_UP + STEPS):
        one.step(tokens, number)                    # what the floors took out of the cache comes back
        whole.append(seconds(partial(one.step, tokens, number)))
        with clocked(one) as clock:
            clock.wrap(ELSE, one.step)(tokens, number)
        for phase, spent in clock.seconds.items():
            times.setdefault(phase, []).append(spent)
        for phase, works in below.items():
            under[phase].append([seconds(work, work) for work in works])
    order = [phase for phase, *_ in parts_of(one)] + [ELSE]
    table = {phase: [median(times[phase]), median(under[phase]) if phase in under else 0.0]
             for phase in order if phase in times}
    return {"phases": table, "sum": sum(spent for spent, _ in table.values()), "step": median(whole)}


def seconds(work: Work, before: Work | None = None) -> float:
    if before is not None:
        before()
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def median(some: Any) -> float:
    """Milliseconds of the fastest column, after the warm-up."""
    return float(1e3 * np.median(np.array(some[WARM_UP:]), axis=0).min())


def as_lines(backend: str, found: dict[str, Any]) -> Iterator[str]:
    """The table, for people."""
    yield f"{backend:28}{'ms':>8}{'floor':>8}{'/floor':>8}"
    for phase, (spent, floor) in found["phases"].items():
        yield f"  {phase:26}{spent:8.3f}" + (f"{floor:8.3f}{spent / floor:8.2f}" if floor else "")
    below = sum(floor for _, floor in found["phases"].values())
    yield f"  {'sum':26}{found['sum']:8.3f}{below:8.3f}{found['sum'] / below:8.2f}"
    yield (f"  {'whole step, no clock':26}{found['step']:8.3f}   the sum is "
           f"{100 * (found['sum'] / found['step'] - 1):+.1f} % of it")
