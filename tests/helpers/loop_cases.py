"""The persistent time loops on drawn inputs: their own CUDA text on the CPU beside NumPy's loop.

Results and reference share no memory: the reference is computed from copies, with features first as in
lstm_layer.py, and turned round.
"""

from pathlib import Path
from typing import NamedTuple

import numpy as np
from helpers import cuda_on_cpu

import scratch_lstm.kernels
from scratch_lstm.check.observation import error
from scratch_lstm.kernels import numpy_cell
from scratch_lstm.kernels.gpu.persistent_split import STATES, Split, round_up, split

FOLDER = Path(scratch_lstm.__file__).parent / "kernels" / "gpu"
CARD = 64 * 1024                # bytes of shared memory a block, of the smallest card


def text_of(file):
    return "".join((FOLDER / name).read_text(encoding="utf-8") for name in ("sum_of_block.cuh", file))


FORWARD, BACKWARD = text_of("lstm_forward.cu"), text_of("lstm_backward.cu")


class Case(NamedTuple):
    T: int
    B: int
    H: int
    dtype: str = "float32"
    sequences: int = 1
    given: bool = True          # whether there is an initial state, and gradients of the last one
    seed: int = 0
    places: tuple | None = None     # entries of U in registers and in shared memory; None: as the rule has it

    @property
    def split(self):
        size = np.dtype(self.dtype).itemsize
        if self.places is None:
            return split(self.H, size, self.sequences, CARD)
        registers, shared = self.places
        used = self.sequences * STATES * 4 * round_up(self.H, 4) * size + shared * 4 * self.H * size
        return Split(registers, shared, self.sequences, round_up(4 * self.H, 32), used)

    @property
    def defines(self):
        real = {"float32": "float", "float64": "double"}[self.dtype]
        return {"real": real, "THREADS": self.split.threads, **self.split.defines(self.H)}


def draw(case):
    """U, b, the input's part of z, the initial state, and the gradients from above: all with a batch before
    features. U as a layer starts."""
    rng = np.random.default_rng(case.seed)
    T, B, H = case.T, case.B, case.H

    def uniform(bound, *shape):
        return rng.uniform(-bound, bound, shape).astype(case.dtype)

    zero = 1 if case.given else 0
    return {"U": uniform(H ** -0.5, 4 * H, H), "b": uniform(H ** -0.5, 4 * H), "z": uniform(1.5, T, B, 4 * H),
            "h_0": zero * uniform(1, B, H), "c_0": zero * uniform(1, B, H), "above": uniform(1, T, B, H),
            "dh_n": zero * uniform(1, B, H), "dc_n": zero * uniform(1, B, H)}


def reference(case, dtype=None):
    """NumPy's loop on the same numbers, in float64 where asked -> forward's z, c, tanh_c, h, out and
    backward's dz, dh, dc, with a batch before features."""
    a = {name: value.astype(dtype or case.dtype) for name, value in draw(case).items()}
    T, B, H = case.T, case.B, case.H
    z, c, tanh_c, h = (np.empty(shape, a["U"].dtype) for shape in (
        (T, 4 * H, B), (T + 1, H, B), (T, H, B), (T + 1, H, B)))
    h[0], c[0] = a["h_0"].T, a["c_0"].T
    for t in range(T):
        np.matmul(a["U"], h[t], out=z[t])
        z[t] += a["z"][t].T + a["b"][:, None]
        numpy_cell.forward(z[t], c[t], c[t + 1], tanh_c[t], h[t + 1])
    dz, dh, dc = np.empty_like(z), a["dh_n"].T.copy(), a["dc_n"].T.copy()
    for t in reversed(range(T)):
        dh += a["above"][t].T
        numpy_cell.backward(z[t], c[t], tanh_c[t], dh, dc, dz[t])
        np.matmul(a["U"].T, dz[t], out=dh)
    turned = {"out": h[1:], "z": z, "c": c, "tanh_c": tanh_c, "h": h, "dz": dz, "dh": dh, "dc": dc}
    return {name: value.swapaxes(-1, -2).copy() for name, value in turned.items()}


def arguments(case, which):
    """(kernel, its arguments, which of them are results) of the forward or the backward loop."""
    a, (T, B, H) = draw(case), (case.T, case.B, case.H)
    numbers = np.int32(T), np.int32(B), np.int32(not case.given)
    if which == "forward":
        c, h = (np.full((T + 1, B, H), np.nan, case.dtype) for _ in range(2))
        if case.given:
            h[0], c[0] = a["h_0"], a["c_0"]
        tanh_c, out = (np.full((T, B, H), np.nan, case.dtype) for _ in range(2))
        return ("lstm_forward", [a["U"], a["b"], a["z"], c, tanh_c, h, out, *numbers],
                {"z": 2, "c": 3, "tanh_c": 4, "h": 5, "out": 6})
    found = reference(case)
    dh, dc = ((a["dh_n"], a["dc_n"]) if case.given else
              [np.full((B, H), np.nan, case.dtype) for _ in range(2)])
    dz = np.full((T, B, 4 * H), np.nan, case.dtype)
    return ("lstm_backward",
            [a["U"], found["z"], found["c"], found["tanh_c"], a["above"], dz, dh, dc, *numbers],
            {"dz": 5, "dh": 6, "dc": 7})


def run(case, which, order="forward"):
    """The results of one launch in this process, by name."""
    name, values, results = arguments(case, which)
    compiled = cuda_on_cpu.Compiled(FORWARD if which == "forward" else BACKWARD, case.defines)
    compiled.launch(name, (-(-case.B // case.sequences),), case.split.threads, values,
                    case.split.shared_bytes, order)
    return {key: values[place] for key, place in results.items()}


def run_apart(case, which, sanitizer, orders, text, blocks=None, fewer_bytes=0):
    """The results of a launch in each of the orders, in a program of their own. blocks and fewer_bytes are
    faults of the launch itself."""
    name, values, results = arguments(case, which)
    launches = [(name, (blocks or -(-case.B // case.sequences),), case.split.threads, values,
                 case.split.shared_bytes - fewer_bytes, order) for order in orders]
    return [{key: after[place] for key, place in results.items()}
            for after in cuda_on_cpu.run_apart(sanitizer, text, case.defines, launches)]


def errors(found, expected):
    """max|a - b| / max|b| of each result; where all of b is 0, infinity unless all of a is; and for NaN."""
    assert not any(np.shares_memory(found[name], expected[name]) for name in found)
    return {name: error(a, expected[name]) for name, a in found.items()}
