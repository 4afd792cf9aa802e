"""The CuPy backend, proven as far as a machine without a GPU can: its API, whole steps, launches."""

import ast
import importlib
import inspect
import platform
import sys
from pathlib import Path

import numpy as np
import pytest
from helpers import fake_cupy, fake_kernels
from helpers.fake_counts import LAUNCHES
from helpers.gpu_steps import RECIPES, STEP_BOUND, has_device, largest_difference, steps_of

import scratch_lstm.kernels
from scratch_lstm import PoemModel, get_backend
from scratch_lstm.errors import InputError
from scratch_lstm.kernels.gpu import persistent_split
from scratch_lstm.poems.corpus import Corpus
from scratch_lstm.training.learner import make_learner
from scratch_lstm.training.settings import Settings

cupy = pytest.importorskip("cupy", reason="CuPy has wheels for Linux on x86-64 only") if (
    sys.platform, platform.machine()) != ("linux", "x86_64") else importlib.import_module("cupy")
needs_compiler = pytest.mark.skipif(fake_cupy.compiler() is None, reason="no C++ compiler, or not Linux")
PACKAGE = Path(scratch_lstm.__file__).parent


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
        if isinstance(function, cupy.ufunc) or name in ("matmul", "ElementwiseKernel", "RawKernel"):
            assert {keyword.arg for keyword in node.keywords} <= {"out", "dtype", "size", "options"}
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
    assert callable(cupy.cuda.runtime.getDevice) and callable(cupy.cuda.Device)
    source = (Path(cupy.__file__).parent / "cublas.py").read_text(encoding="utf-8")
    # as CuPy itself calls cuBLAS; not imported: that needs the library
    assert "func(handle, transa, transb, m, n, k, alpha_ptr, a.data.ptr, lda" in " ".join(source.split())
    assert "cublas.sgemm" in source and "cublas.dgemm" in source
    assert callable(cupy.cuda.device.get_cublas_handle)
    assert "max_dynamic_shared_size_bytes" in dir(cupy.RawKernel)


def test_the_stand_in_is_strict():
    a = fake_cupy.ndarray(np.ones(3))
    with pytest.raises(TypeError, match="Implicit conversion"):
        np.asarray(a)
    for mix in (lambda: a + np.ones(3), lambda: np.ones(3) * a, lambda: a.__setitem__(0, np.ones(1)),
                lambda: np.result_type(a, np.ones(3))):
        with pytest.raises(TypeError):
            mix()
    with pytest.raises(AssertionError, match="synchronises"):
        if a:
            pass


@pytest.mark.parametrize("wrong, message", [
    (dict(scalar=3), "n is <class 'int'>"), (dict(scalar=np.int64(3)), "n is int64, not int32"),
    (dict(array=np.ones((3, 2)).T), "a is not contiguous"),
    (dict(array=np.ones(6, "float32")), "a is float32"),
    (dict(shared_mem=49 * 1024), "bytes not asked for"),
])
def test_the_stand_in_of_a_raw_kernel_takes_only_what_a_device_takes_rightly(wrong, message):
    kernel = fake_kernels.RawKernel('extern "C" __global__ void k(const real* a, int n) {}', "k",
                                    ("-Dreal=double", "-DTHREADS=32"))
    arguments = fake_cupy.ndarray(wrong.get("array", np.ones(6))), wrong.get("scalar", np.int32(3))
    with pytest.raises(AssertionError, match=message):
        kernel((1,), (32,), arguments, shared_mem=wrong.get("shared_mem", 0))


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


# Whole training steps

@needs_compiler
@pytest.mark.parametrize("recipe", RECIPES)
@pytest.mark.parametrize("largest", [persistent_split.LARGEST, 5, 0])
def test_twenty_steps_equal_numpys_and_one_copy_crosses_within_a_step(standin, corpus_file, recipe, largest,
                                                                      monkeypatch):
    """largest: of the H that the persistent loops take; so the layers beyond take the other path."""
    monkeypatch.setattr(persistent_split, "LARGEST", largest)
    corpus = Corpus.load(corpus_file)
    assert largest_difference(corpus, recipe, "float64") <= STEP_BOUND["float64"]
    for count in steps_of("cupy", corpus, recipe=recipe, number=3)[3]:
        assert (count["to host"], count["to device"], count["synchronisations"]) == (0, 1, 0)


def launches_of_a_step(**options):
    """What one step launches at the course's sizes but for H and the vocabulary, which change no count."""
    one = make_learner(Settings(backend="cupy", embedding_size=4, hidden_size=4, **options), 11)
    tokens = np.random.default_rng(0).integers(0, 11, (26, 3))
    one.step(tokens, 0)
    LAUNCHES.clear()
    one.step(tokens, 1)
    return LAUNCHES[:]


@needs_compiler
@pytest.mark.parametrize("options, most", [
    ({}, 27), (dict(dropout=0.5, embedding_dropout=0.2, shared_masks=True, average=0.9, weight_decay=0.05,
                    tie_embedding=True), 36)], ids=["course", "every option"])
def test_launches_of_a_step(standin, options, most):
    """T = 25, L = 2; the batch is one copy more."""
    launches = launches_of_a_step(**options)
    kinds = [launch.kind for launch in launches]
    print("\n".join(f"{kinds.count(kind):3} {kind}" for kind in sorted(set(kinds))))
    assert len(launches) <= most
    assert kinds.count("lstm_forward") == kinds.count("lstm_backward") == 2


@needs_compiler
def test_launches_do_not_grow_with_time(standin):
    one = make_learner(Settings(backend="cupy", embedding_size=4, hidden_size=4), 11)
    counts = []
    for T in (1, 60):
        LAUNCHES.clear()
        one.step(np.zeros((T + 1, 2), int), 0)
        counts.append(len(LAUNCHES))
    assert counts[0] == counts[1]


@needs_compiler
def test_the_same_step_twice_gives_the_same_bits(standin):
    """Sums of gradients have one order; the threads of a block run here in another order each time."""
    tokens, vectors = np.random.default_rng(0).integers(0, 3, (26, 7)), []
    for _ in range(2):
        one = make_learner(Settings(backend="cupy", embedding_size=6, hidden_size=5, dropout=0.3), 11)
        for number in range(3):
            one.step(tokens, number)
        vectors.append(one.arrays()["vector"])
    assert np.array_equal(*vectors)


@needs_compiler
def test_tf32_only_where_it_is_asked_for(standin):
    """Then no product may take the way that knows nothing of it."""
    counts = []
    for tf32 in (False, True):
        one = make_learner(Settings(backend="cupy", embedding_size=4, hidden_size=4, tf32=tf32), 11)
        assert fake_cupy.COMPUTE_TYPES["f"] == getattr(standin._core._routines_linalg,
                                                       f"COMPUTE_TYPE_{'TF32' if tf32 else 'DEFAULT'}")
        LAUNCHES.clear()
        one.step(np.zeros((3, 2), int), 0)
        counts.append(len(LAUNCHES))
    assert counts[1] == counts[0] + 5
    assert callable(cupy._core.set_compute_type) and hasattr(cupy._core._routines_linalg, "COMPUTE_TYPE_TF32")


@needs_compiler
def test_tokens_on_the_device_are_sorted_there(standin):
    vectors = []
    for place in (np.asarray, get_backend("cupy").to_device):
        one = make_learner(Settings(backend="cupy", embedding_size=6, hidden_size=5), 11)
        one.step(place(np.random.default_rng(0).integers(0, 11, (6, 3))), 0)
        vectors.append(one.arrays()["vector"])
    assert np.array_equal(*vectors)


@needs_compiler
def test_the_start_is_the_same_bits(standin):
    here, there = (PoemModel(11, 5, 6, backend=name, seed=3) for name in ("numpy", "cupy"))
    assert np.array_equal(here.flat_parameters, there.backend.to_host(there.flat_parameters))
