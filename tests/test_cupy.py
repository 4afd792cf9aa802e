"""The CuPy backend, proven as far as a machine without a GPU can: its API, its kernels, whole steps."""

import ast
import importlib
import inspect
import platform
import re
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from helpers import fake_cupy
from hypothesis import given, settings
from hypothesis import strategies as st

import scratch_lstm.kernels
from scratch_lstm import PoemModel, functional, get_backend
from scratch_lstm.poems.corpus import Corpus
from scratch_lstm.errors import InputError
from scratch_lstm.poems.generate import generate
from scratch_lstm.kernels import numpy_adam, numpy_cell
from scratch_lstm.training.learner import make_learner
from scratch_lstm.training.settings import Settings

cupy = pytest.importorskip("cupy", reason="CuPy has wheels for Linux on x86-64 only") if (
    sys.platform, platform.machine()) != ("linux", "x86_64") else importlib.import_module("cupy")
needs_compiler = pytest.mark.skipif(fake_cupy.compiler() is None, reason="no C++ compiler on this machine")
PACKAGE = Path(scratch_lstm.__file__).parent
BOUND = {"float32": 1e-6, "float64": 1e-14}
KERNELS = {"FORWARD": "cell", "BACKWARD": "cell", "FORWARD_ADD": "loop", "BACKWARD_ADD": "loop",
           "AT_TARGET": "loss", "EXPONENTIALS": "loss", "LOSSES": "loss", "DLOGITS": "loss", "ADAM": "adam"}


def has_device():
    try:
        return cupy.cuda.runtime.getDeviceCount() > 0
    except cupy.cuda.runtime.CUDARuntimeError:
        return False


@pytest.fixture
def standin(monkeypatch):
    """`import cupy` gives the stand-in, and the kernels are made again with it."""
    module = fake_cupy.make_module()
    monkeypatch.setitem(sys.modules, "cupy", module)
    fake_cupy.forget_the_kernels()
    yield module
    fake_cupy.forget_the_kernels()


@pytest.fixture(scope="module")
def kernels():
    """kernels/cupy_*.py on the stand-in, compiled once for all tests of this file."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "cupy", fake_cupy.make_module())
        fake_cupy.forget_the_kernels()
        modules = {name.removeprefix("cupy_"): importlib.import_module(f"scratch_lstm.kernels.{name}")
                   for name in fake_cupy.KERNEL_FILES}
    fake_cupy.forget_the_kernels()
    return SimpleNamespace(**modules)


def device(*arrays):
    return [fake_cupy.ndarray(array) for array in arrays]


# What the package asks of CuPy is there

def calls_of_xp():
    """(file, line, name, keywords) of each call of an array module in the package."""
    for path in sorted(PACKAGE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                owner = ast.unparse(node.func.value)
                if owner in ("xp", "cupy") or owner.endswith(".xp"):
                    yield path.name, node.lineno, node.func.attr, node


def test_every_function_that_is_used_exists_in_cupy_with_its_arguments():
    seen = set()
    for file, line, name, node in calls_of_xp():
        seen.add(name)
        function = getattr(cupy, name, None)
        assert function is not None, f"{file}:{line}: cupy.{name} does not exist"
        if isinstance(function, cupy.ufunc) or name in ("matmul", "ElementwiseKernel"):
            assert {keyword.arg for keyword in node.keywords} <= {"out", "dtype", "size"}
            continue
        try:
            signature = inspect.signature(function)
        except ValueError:
            continue   # compiled without one
        arguments = [object() for a in node.args if not isinstance(a, ast.Starred)]
        signature.bind_partial(*arguments, **{keyword.arg: object() for keyword in node.keywords})
    assert {"matmul", "zeros_like", "concatenate", "sqrt", "asnumpy"} <= seen


def test_the_stand_in_exposes_only_what_cupy_has():
    for name in fake_cupy.FUNCTIONS:
        assert hasattr(cupy, name), name
    for name in vars(fake_cupy.ndarray):
        assert hasattr(cupy.ndarray, name) or name in ("held", "__dict__", "__weakref__", "__index__"), name
    assert callable(cupy.cuda.runtime.driverGetVersion) and callable(cupy.cuda.runtime.getDeviceCount)
    assert callable(cupy.add.at)


def test_the_stand_in_is_strict():
    a, = device(np.ones(3))
    with pytest.raises(TypeError, match="Implicit conversion"):
        np.asarray(a)
    for mix in (lambda: a + np.ones(3), lambda: np.ones(3) * a, lambda: a.__setitem__(0, np.ones(1))):
        with pytest.raises(TypeError):
            mix()
    with pytest.raises(AssertionError, match="synchronises"):
        if a:
            pass


@pytest.mark.skipif(has_device(), reason="a GPU answers here")
def test_without_a_device_one_line_says_what_is_missing():
    with pytest.raises(InputError, match="no driver.*cuda13x.*cuda12x") as error:
        get_backend("cupy")
    assert "\n" not in str(error.value)
    assert get_backend("auto").name in ("numba", "numpy")


@pytest.mark.parametrize("broken, message", [
    ("zeros", "a device that takes no array: out of order"),
    ("ElementwiseKernel", "kernels do not compile .NVRTC, or another version of CUDA.: out of order"),
    ("ones", "kernels do not compile"),
])
def test_each_probe_has_a_message_of_its_own(standin, monkeypatch, broken, message):
    def out_of_order(*arguments):
        raise RuntimeError("out of\norder")

    monkeypatch.setattr(standin, broken, out_of_order)
    with pytest.raises(InputError, match=message):
        get_backend("cupy")


def test_no_device_and_no_cupy(standin, monkeypatch):
    monkeypatch.setattr(standin.cuda.runtime, "getDeviceCount", lambda: 0)
    with pytest.raises(InputError, match="no device: it counts 0"):
        get_backend("cupy")
    monkeypatch.setitem(sys.modules, "cupy", None)
    with pytest.raises(InputError, match="CuPy cannot be imported.*pip install 'scratch-lstm.cuda13x.'"):
        get_backend("cupy")


# The kernels' own source, run on the CPU

def within(bound, ours, reference):
    return ours.dtype == reference.dtype and abs(ours - reference).max() <= bound * abs(reference).max()


def run_forward(module, z, c_prev, wrap=lambda *arrays: arrays):
    arrays = [z.copy(), *(np.full_like(c_prev, np.nan) for _ in range(3))]
    gates, c, tanh_c, h = wrap(*arrays)
    module.forward(gates, wrap(c_prev)[0], c, tanh_c, h)
    return arrays


@needs_compiler
@pytest.mark.parametrize("dtype", BOUND)
@settings(max_examples=30)
@given(H=st.integers(4, 20), B=st.integers(4, 20), seed=st.integers(0, 10_000))
def test_the_cell_is_numpys(kernels, dtype, H, B, seed):
    rng = np.random.default_rng(seed)
    z, c_prev, dh, dc = (rng.normal(size=s).astype(dtype) for s in ((4 * H, B), (H, B), (H, B), (H, B)))
    reference, ours = run_forward(numpy_cell, z, c_prev), run_forward(kernels.cell, z, c_prev, device)
    for a, b in zip(ours, reference):
        assert within(BOUND[dtype], a, b)
    gates, _, tanh_c, _ = reference
    results = []
    for module, wrap in ((numpy_cell, lambda *arrays: arrays), (kernels.cell, device)):
        d_c_prev, dz = dc.copy(), np.full_like(z, np.nan)
        module.backward(*wrap(gates, c_prev, tanh_c, dh, d_c_prev, dz))
        results.append((d_c_prev, dz))
    for a, b in zip(results[1], results[0]):
        assert within(BOUND[dtype], a, b)


@needs_compiler
@pytest.mark.parametrize("dtype", BOUND)
@settings(max_examples=20)
@given(T=st.integers(1, 5), B=st.integers(4, 9), H=st.integers(4, 9), seed=st.integers(0, 10_000))
def test_the_loops_are_numpys(kernels, dtype, T, B, H, seed):
    rng = np.random.default_rng(seed)

    def draw(*shape):
        return (0.7 * rng.normal(size=shape)).astype(dtype)

    U, wx_plus_b, above, dh, dc = draw(4 * H, H), draw(4 * H, T, B), draw(T, H, B), draw(H, B), draw(H, B)
    z, c, tanh_c, h = draw(T, 4 * H, B), draw(T + 1, H, B), draw(T, H, B), draw(T + 1, H, B)
    ours = [a.copy() for a in (z, c, tanh_c, h)]
    kernels.loop.forward(*device(U, wx_plus_b, *ours))
    for t in range(T):
        np.matmul(U, h[t], out=z[t])
        z[t] += wx_plus_b[:, t]
        numpy_cell.forward(z[t], c[t], c[t + 1], tanh_c[t], h[t + 1])
    for a, b in zip(ours, (z, c, tanh_c, h)):
        assert within(4 * BOUND[dtype], a, b)
    our_dz, our_dh, our_dc, dz = np.empty_like(z), dh.copy(), dc.copy(), np.empty_like(z)
    kernels.loop.backward(*device(U, z, c, tanh_c, above, our_dz, our_dh, our_dc))
    for t in reversed(range(T)):
        dh += above[t]
        numpy_cell.backward(z[t], c[t], tanh_c[t], dh, dc, dz[t])
        np.matmul(U.T, dz[t], out=dh)
    for a, b in zip((our_dz, our_dh, our_dc), (dz, dh, dc)):
        assert within(4 * BOUND[dtype], a, b)


@needs_compiler
@pytest.mark.parametrize("dtype", BOUND)
def test_extremes_and_nan(kernels, dtype):
    z = np.array([[-800.0, 800.0], [800.0, -800.0], [-0.0, np.inf], [800.0, -np.inf]], dtype)
    gates, c, tanh_c, h = run_forward(kernels.cell, z, np.array([[0.5, 0.25]], dtype), device)
    assert np.array_equal(c, [[0.5, 1.0]]) and np.isfinite(gates).all()
    assert abs(h[0, 0] - np.tanh(0.5)) <= 1e-7 and h[0, 1] == 0
    for row in range(4):
        z = np.zeros((4, 2), dtype)
        z[row] = np.nan
        assert np.isnan(run_forward(kernels.cell, z, np.ones((1, 2), dtype), device)[3]).all()


@needs_compiler
@pytest.mark.parametrize("dtype", BOUND)
def test_adam_is_numpys(kernels, dtype):
    rng = np.random.default_rng(1)
    reference = [rng.normal(size=500).astype(dtype) for _ in range(3)] + [rng.random(500).astype(dtype)]
    ours = [a.copy() for a in reference]
    for step in range(1, 4):
        constants = (3e-3, np.sqrt(1 - 0.999 ** step), 0.9, 0.999, 1e-8)
        numpy_adam.update(*reference, *constants)
        kernels.adam.update(*device(*ours), *constants)
    for a, b in zip(ours, reference):
        assert within(2 * BOUND[dtype], a, b)


@needs_compiler
@pytest.mark.parametrize("dtype", BOUND)
def test_the_loss_is_numpys(kernels, dtype):
    rng = np.random.default_rng(2)
    logits, targets = (4 * rng.normal(size=(9, 7))).astype(dtype), rng.integers(0, 7, 9)
    logits[0, targets[0]] -= 300    # exp underflows; the loss must not
    loss, saved = functional.softmax_cross_entropy(logits, targets)
    dlogits = functional.softmax_cross_entropy_backward(saved, targets, 0.7)
    ours, our_saved = kernels.loss.softmax_cross_entropy(*device(logits.copy(), targets))
    assert abs(float(ours) - loss) <= BOUND[dtype] * loss
    assert within(BOUND[dtype], kernels.loss.softmax_cross_entropy_backward(
        our_saved, *device(targets), 0.7).held, dlogits)
    buffer, = device(logits.copy())
    _, our_saved = kernels.loss.softmax_cross_entropy(buffer, *device(targets), out=buffer)
    again = kernels.loss.softmax_cross_entropy_backward(our_saved, *device(targets), 0.7, out=buffer)
    assert again is buffer and within(BOUND[dtype], buffer.held, dlogits)


@needs_compiler
def test_a_wrong_target_gives_nan_and_reads_nothing(kernels):
    for target in (-1, 7, 300_000_000):
        loss, _ = kernels.loss.softmax_cross_entropy(*device(np.zeros((1, 7)), np.array([target])))
        assert np.isnan(float(loss))


@needs_compiler
@pytest.mark.parametrize("kernel, old, new", [
    ("FORWARD", "c[i] = c_k", "c[i] = t"), ("FORWARD", "gate_f * c_prev[i]", "gate_i * c_prev[i]"),
    ("BACKWARD", "one - t * t", "one - t"), ("BACKWARD", "dc[i] = dc_k * gate_f", "dc[i] = dc_k"),
    ("FORWARD_ADD", "start + i % batch", "i % batch"), ("BACKWARD_ADD", "+ dh_above[i]", ""),
    ("ADAM", "one_minus_beta2 * g * g", "one_minus_beta2 * g"), ("AT_TARGET", "- largest[i]", ""),
    ("EXPONENTIALS", "i / words", "i % 9"), ("LOSSES", "log(sum)", "sum"),
    ("DLOGITS", "scale / sums[row]", "scale"), ("DLOGITS", "scale : T(0)", "scale : T(1)"),
])
def test_a_fault_in_a_kernel_is_caught(kernels, monkeypatch, kernel, old, new):
    module = getattr(kernels, KERNELS[kernel])
    right = getattr(module, kernel)
    assert old in right.operation
    fault = object.__new__(type(right))
    vars(fault).update(vars(right), operation=right.operation.replace(old, new), compiled={})
    monkeypatch.setattr(module, kernel, fault)
    on_vectors = {"ADAM": test_adam_is_numpys}.get(kernel, test_the_loss_is_numpys)
    check = {"FORWARD": test_the_cell_is_numpys, "BACKWARD": test_the_cell_is_numpys,
             "FORWARD_ADD": test_the_loops_are_numpys, "BACKWARD_ADD": test_the_loops_are_numpys}.get(kernel)
    arguments = {"H": 5, "B": 6, "seed": 1} | ({"T": 3} if kernel.endswith("ADD") else {})
    with pytest.raises((AssertionError, subprocess.CalledProcessError)):
        if check is None:
            on_vectors(kernels, "float64")
        else:
            check.hypothesis.inner_test(kernels=kernels, dtype="float64", **arguments)


# Whole training steps

RECIPES = {"course": {}, "best": dict(tie_embedding=True, dropout=0.3, embedding_dropout=0.2,
                                      shared_masks=True, weight_decay=0.5, average=0.9)}


def steps_of(backend, corpus, number=20, recipe="course"):
    """Losses, weights and a poem after so many steps; and what each step counted."""
    one = make_learner(Settings(backend=backend, dtype="float64", embedding_size=5, hidden_size=6,
                                learning_rate=1e-2, **RECIPES[recipe]), len(corpus.vocabulary))
    losses, counts = [], []
    epochs = (batch for epoch in range(9) for batch in corpus.batches(
        np.arange(40), 8, np.random.default_rng(epoch), one.model.backend.to_device))
    for step, batch in zip(range(number), epochs):
        before = dict(fake_cupy.COUNTS)
        losses.append(one.step(batch, step)[0])
        counts.append({what: fake_cupy.COUNTS[what] - before[what] for what in before})
    weights = {name: one.model.backend.to_host(p) for name, p in one.result.parameters.items()}
    poems = generate(one.result, corpus.vocabulary, ["风"], limit=24)
    return list(map(float, losses)), weights, poems, counts


@needs_compiler
@pytest.mark.parametrize("recipe, masks", [("course", 0), ("best", 3)])
def test_twenty_steps_equal_numpys_and_only_masks_cross_within_a_step(standin, corpus_file, recipe, masks):
    corpus = Corpus.load(corpus_file)
    losses, weights, poems, counts = steps_of("cupy", corpus, recipe=recipe)
    expected, expected_weights, expected_poems, _ = steps_of("numpy", corpus, recipe=recipe)
    assert max(abs(a - b) / b for a, b in zip(losses, expected)) <= 1e-12
    for name, w in weights.items():
        assert abs(w - expected_weights[name]).max() / abs(expected_weights[name]).max() <= 1e-12, name
    assert poems == expected_poems
    for count in counts:
        assert (count["to host"], count["to device"], count["synchronisations"]) == (0, masks, 0)


@needs_compiler
def test_launches_of_a_step_at_the_courses_sizes(standin):
    one = make_learner(Settings(backend="cupy", embedding_size=4, hidden_size=4), 11)
    tokens = one.model.backend.to_device(np.random.default_rng(0).integers(0, 11, (26, 3)))
    one.step(tokens, 0)
    before = fake_cupy.COUNTS["launches"]
    one.step(tokens, 1)
    launches = fake_cupy.COUNTS["launches"] - before
    print(f"{launches} launches a step of T = 25, L = 2")
    assert launches <= 4 * 25 * 2 + 61


@needs_compiler
def test_the_start_is_the_same_bits(standin):
    here, there = (PoemModel(11, 5, 6, backend=name, seed=3) for name in ("numpy", "cupy"))
    assert np.array_equal(here.flat_parameters, there.backend.to_host(there.flat_parameters))


# The CUDA source that CuPy generates compiles for every architecture

ARCHITECTURES = ("75", "120")                      # the oldest and the newest; `make slow` has those between


NDARRAY, INDEXER, SCALAR = 1, 2, 3   # CuPy's own numbers of the kinds of arguments
HEADERS = "#include <cupy/complex.cuh>\n#include <cupy/carray.cuh>\n"   # as CuPy puts before each kernel


def generated_source(kernel, dtype):
    """The CUDA text that CuPy itself makes of the kernel, as for contiguous arrays of that dtype."""
    from cupy._core import _kernel
    arguments = []
    scalars = {"step_size", "correction", "one_minus_beta1", "beta2", "one_minus_beta2", "epsilon",
               "scale"}
    parameters = kernel.in_params + kernel.out_params
    for p in parameters[:kernel.nin + kernel.nout]:
        kind = np.dtype(dtype if p.ctype == "T" else "int64").type
        is_array = p.raw or (p.ctype == "T" and p.name not in scalars)
        arguments.append(_kernel._ArgInfo(*((NDARRAY, cupy.ndarray, kind, 1, True, True) if is_array else
                                            (SCALAR, kind, kind, 0, False, False))))
    indexer = type("Indexer", (), {})
    arguments.append(_kernel._ArgInfo(INDEXER, indexer, None, 1, True, True))
    return _kernel._get_elementwise_kernel_code(
        tuple(arguments), _kernel._TypeMap((("T", np.dtype(dtype).type),)), kernel.params, kernel.operation,
        kernel.name, kernel.preamble)


@pytest.mark.skipif(shutil.which("nvcc") is None, reason="no nvcc on this machine")
@pytest.mark.parametrize("dtype", BOUND)
@pytest.mark.parametrize("name", KERNELS)
@pytest.mark.parametrize("architectures", [ARCHITECTURES, pytest.param(
    ("80", "90", "100"), marks=pytest.mark.slow)], ids=["oldest and newest", "between"])
def test_the_generated_cuda_compiles(name, dtype, architectures, tmp_path):
    module = importlib.import_module(f"scratch_lstm.kernels.cupy_{KERNELS[name]}")
    source = generated_source(getattr(module, name), dtype)
    (tmp_path / "kernel.cu").write_text(HEADERS + source)
    include = Path(cupy.__file__).parent / "_core" / "include"
    for architecture in architectures:
        made = subprocess.run(
            ["nvcc", "-cubin", f"-arch=sm_{architecture}", "-Xptxas=-v", "-std=c++17", f"-I{include}",
             "-o", tmp_path / "kernel.cubin", tmp_path / "kernel.cu"], capture_output=True, text=True)
        assert made.returncode == 0, made.stderr
        registers = re.search(r"Used (\d+) registers", made.stderr)
        spills = re.search(r"(\d+) bytes spill stores", made.stderr)
        print(f"{name:13} {dtype} sm_{architecture}: {registers[1]} registers, {spills[1]} bytes spilled")
        assert spills[1] == "0"


# On a device, where one answers

@pytest.mark.gpu
@pytest.mark.skipif(not has_device(), reason="no NVIDIA GPU answers here")
@pytest.mark.parametrize("recipe", RECIPES)
def test_twenty_steps_on_a_device(corpus_file, recipe):
    corpus = Corpus.load(corpus_file)
    losses, weights, poems, _ = steps_of("cupy", corpus, recipe=recipe)
    expected, expected_weights, expected_poems, _ = steps_of("numpy", corpus, recipe=recipe)
    assert max(abs(a - b) / b for a, b in zip(losses, expected)) <= 1e-9
    for name, w in weights.items():
        assert abs(w - expected_weights[name]).max() / abs(expected_weights[name]).max() <= 1e-8, name
    assert poems == expected_poems
