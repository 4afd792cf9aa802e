"""What is checked on a device, and its logic on the stand-in: each check returns figures with their bounds.

Nothing here knows whether it is a device or the stand-in that computes; torch runs where torch_ref puts it.
"""

import time

import numpy as np
import torch
from helpers.gpu_steps import RECIPES, STEP_BOUND, largest_difference
from helpers.loop_cases import Case, draw, errors, reference

from scratch_lstm import LSTM, get_backend
from scratch_lstm.training.learner import make_learner
from scratch_lstm.training.settings import Settings
from torch_ref.convert import set_lstm
from torch_ref.learner import TorchBackend

LOOP_BOUND = {"float32": 1e-6, "float64": 1e-14}
# link 5: whole gradients against another implementation, on another processor
GRADIENT_BOUND = {"float32": 1e-5, "float64": 1e-12}
SHAPES = [(1, 1, 1), (25, 32, 128), (7, 5, 33), (25, 9, 100), (20, 6, 200), (9, 3, 256), (9, 300, 64)]


def worst_of(figures, bound):
    """The figures, as numbers that JSON can have, and whether all are within the bound; NaN is not."""
    figures = {name: float(figure) for name, figure in figures.items()}
    is_right = all(figure <= bound for figure in figures.values())
    return {"bound": bound, "worst": float(np.max([*figures.values()])), **figures}, is_right


def loop_errors(dtype, shapes=SHAPES):
    """The persistent loops against NumPy's, by shape."""
    from scratch_lstm.kernels.gpu import layer as cupy_layer
    backend, figures = get_backend("cupy"), {}
    for T, B, H in shapes:
        case = Case(T, B, H, dtype)
        a, expected = draw(case), reference(case)
        c, h = (np.zeros((T + 1, B, H), dtype) for _ in range(2))
        h[0], c[0] = a["h_0"], a["c_0"]
        blank = [np.zeros((T, B, H), dtype) for _ in range(2)]
        U, b, z, c, h, tanh_c, out = map(backend.to_device, (a["U"], a["b"], a["z"], c, h, *blank))
        cupy_layer.loop("lstm_forward", (U, b, z, c, tanh_c, h, out), (T, B, H), False)
        saved = {name: backend.to_host(value) for name, value in
                 (("z", z), ("c", c), ("tanh_c", tanh_c), ("h", h), ("out", out))}
        above, dz, dh, dc = map(backend.to_device, (a["above"], np.zeros_like(a["z"]), a["dh_n"], a["dc_n"]))
        gates, c, tanh_c = (backend.to_device(expected[name]) for name in ("z", "c", "tanh_c"))
        cupy_layer.loop("lstm_backward", (U, gates, c, tanh_c, above, dz, dh, dc), (T, B, H), False)
        saved |= {name: backend.to_host(value) for name, value in (("dz", dz), ("dh", dh), ("dc", dc))}
        figures[f"T {T} B {B} H {H}"] = max(errors(saved, reference(case, "float64")).values())
    return worst_of(figures, LOOP_BOUND[dtype])


def layer_gradients(backend, dtype, x, dh, sizes, parameters=None):
    """Every gradient of a stack of layers, on the host."""
    layer = LSTM(*sizes, backend=backend, dtype=dtype)
    for name, values in (parameters or {}).items():
        layer.parameters[name][...] = values
    to_device, to_host = layer.backend.to_device, layer.backend.to_host
    h, _ = layer.forward(to_device(x))
    dx, _ = layer.backward(to_device(dh))
    return layer, {"h": to_host(h), "dx": to_host(dx),
                   **{name: to_host(gradient) for name, gradient in layer.gradients.items()}}


def torch_gradients(layer, dtype, x, dh, sizes):
    """The same of torch.nn.LSTM, on its device."""
    backend = TorchBackend()
    backend.use_tf32(False)
    theirs = torch.nn.LSTM(*sizes, dtype=getattr(torch, dtype)).to(backend.device)
    set_lstm(theirs, {name: layer.backend.to_host(p) for name, p in layer.parameters.items()})
    there = backend.to_device(x).requires_grad_()
    h, _ = theirs(there)
    (h * backend.to_device(dh)).sum().backward()
    found = {"h": h, "dx": there.grad}
    for l in range(sizes[2]):
        found |= {f"{ours}{l}": getattr(theirs, f"{name}_l{l}").grad
                  for ours, name in (("W", "weight_ih"), ("U", "weight_hh"), ("b", "bias_ih"))}
    return {name: backend.to_host(value) for name, value in found.items()}


def gradient_errors(dtype, sizes=(100, 128, 2), T=25, B=32):
    """The CuPy path, every gradient of two layers: against NumPy in the same dtype and in float64, and in
    float64 against torch. In float32 torch's own distance from float64 is reported beside ours."""
    rng = np.random.default_rng(0)
    x, dh = rng.normal(size=(T, B, sizes[0])).astype(dtype), rng.normal(size=(T, B, sizes[1])).astype(dtype)
    layer, ours = layer_gradients("cupy", dtype, x, dh, sizes)
    numpys = layer_gradients("numpy", dtype, x, dh, sizes)[1]
    exact = layer_gradients("numpy", "float64", x.astype("float64"), dh.astype("float64"), sizes,
                            {name: layer.backend.to_host(p) for name, p in layer.parameters.items()})[1]
    torchs = torch_gradients(layer, dtype, x, dh, sizes)
    figures = {**differences(ours, numpys, "numpy"), **differences(ours, exact, "float64")}
    if dtype == "float64":
        return worst_of({**figures, **differences(ours, torchs, "torch")}, GRADIENT_BOUND[dtype])
    figures, is_right = worst_of(figures, GRADIENT_BOUND[dtype])
    return {**figures, "torch": differences(torchs, exact, "float64")}, is_right


def differences(found, expected, name):
    """The largest difference of each array, relative to the largest number expected."""
    return {f"{of} against {name}": float(np.max(np.abs(found[of] - right)) / np.max(np.abs(right)))
            for of, right in expected.items()}


def step_differences(corpus, dtype):
    """Twenty steps of training against NumPy's, by recipe."""
    return worst_of({recipe: largest_difference(corpus, recipe, dtype) for recipe in RECIPES},
                    STEP_BOUND[dtype])


def run_steps(number, sizes, options=None, each=lambda number: None):
    """A learner after so many steps on drawn batches; `each` is called after every one."""
    V, E, H, T, B = sizes
    one = make_learner(Settings(backend="cupy", embedding_size=E, hidden_size=H, **(options or {})), V)
    rng = np.random.default_rng(0)
    for n in range(number):
        one.step(rng.integers(0, V, (T + 1, B)), n)
        each(n)
    return one


COURSE = (2001, 100, 128, 25, 32)


def determinism(number=20, sizes=COURSE):
    """How many parameters differ in any bit after the same steps twice."""
    one, again = (run_steps(number, sizes, {"dropout": 0.3}).arrays() for _ in range(2))
    different = {name: int(np.sum(one[name].view("u1") != again[name].view("u1"))) for name in one}
    return {"bytes that differ": different}, not any(different.values())


def memory_growth(number=500, sizes=COURSE):
    """Bytes of the memory pool after a tenth of the steps and after all."""
    import cupy
    pool, seen = cupy.get_default_memory_pool(), {}

    def each(n):
        if n + 1 in (number // 10, number):
            seen[n + 1] = {"used": pool.used_bytes(), "held": pool.total_bytes()}

    run_steps(number, sizes, each=each)
    early, late = seen[number // 10], seen[number]
    return {str(n): bytes_of for n, bytes_of in seen.items()}, late["held"] <= early["held"]


def seconds_a_step(step, wait, warm_up=10, rounds=7, steps=50):
    """The median over the rounds; `wait` until everything launched is done."""
    number, medians = 0, []
    for n in range(warm_up):
        step(n)
    wait()
    for _ in range(rounds):
        began = time.perf_counter()
        for _ in range(steps):
            step(number)
            number += 1
        wait()
        medians.append((time.perf_counter() - began) / steps)
    return float(np.median(medians))
