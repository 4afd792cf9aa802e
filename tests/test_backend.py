"""What a backend does for all layers, what it refuses, and which one `auto` takes."""

import sys

import numpy as np
import pytest

from scratch_lstm import backend, get_backend
from scratch_lstm.backend import Backend, Workspace, check_settings
from scratch_lstm.errors import InputError

FLOATS = "float32, float64, complex64, complex128"


def test_as_array_keeps_floating_point_numbers_and_converts_integers():
    for dtype in ("float16", "float32", "float64", "complex64", "complex128"):
        array = np.ones(2, dtype)
        assert Backend().as_array(array, "x", "float32") is array
    for values in ([1, 2], np.array([1, 2], "u1"), [True, False]):
        array = Backend().as_array(values, "x", "complex64")
        assert array.dtype == "complex64" and np.array_equal(array, values)


class Unreadable:
    def __array__(self, *arguments, **options):
        raise TypeError("not this one")


@pytest.mark.parametrize("values, message", [
    (Unreadable(), "x: a Unreadable that cannot be read as an array (not this one)"),
    (np.zeros(2, object), f"x has dtype object; it must be float16 or {FLOATS}"),
    (["a"], f"x has dtype <U1; it must be float16 or {FLOATS}"),
])
def test_as_array_refuses_the_rest(values, message):
    with pytest.raises(ValueError) as error:
        Backend().as_array(values, "x", "float32")
    assert str(error.value) == message


@pytest.mark.parametrize("arguments, message", [
    (dict(dropout=0.0, dtype="float32", T=0), "T is 0; it must be an integer, 1 or more"),
    (dict(dropout=0.0, dtype="float32", T=2.0), "T is 2.0; it must be an integer, 1 or more"),
    (dict(dropout=1, dtype="float32"), "dropout is 1; it must be from 0 to below 1"),
    (dict(dropout=-0.1, dtype="float32"), "dropout is -0.1; it must be from 0 to below 1"),
    (dict(dropout=0.0, dtype=int), f"dtype is int64; it must be one of {FLOATS}"),
])
def test_check_settings(arguments, message):
    with pytest.raises(ValueError) as error:
        check_settings(**arguments)
    assert str(error.value) == message
    check_settings(0.0, np.complex64, T=1, B=np.int32(1))
    check_settings(0.999, "float64")


def test_indices_are_checked_on_the_host():
    Backend().check_indices(np.array([0, 2]), 3, "word")
    Backend().check_indices(np.zeros(0, int), 3, "word")
    for wrong in (-1, 3):
        with pytest.raises(ValueError, match=rf"^word {wrong} is not in \[0, 3\)$"):
            Backend().check_indices(np.array([0, wrong]), 3, "word")


def test_the_sum_of_several_draws():
    one, two = (Backend().uniform(np.random.default_rng(0), 0.5, (2, 3), "float32", n) for n in (1, 2))
    rng = np.random.default_rng(0)
    first, second = rng.uniform(-0.5, 0.5, (2, 3)), rng.uniform(-0.5, 0.5, (2, 3))
    assert one.dtype == "float32" and np.array_equal(one, first.astype("float32"))
    assert np.array_equal(two, (first + second).astype("float32"))
    assert np.array_equal(one, Backend().uniform(np.random.default_rng(0), 0.5, (2, 3), "float32"))


def test_a_workspace_gives_the_same_memory_and_grows():
    workspace = Workspace(np)
    a = workspace("a", (2, 3), "float32")
    assert a.shape == (2, 3) and a.dtype == "float32"
    same, smaller = workspace("a", (3, 2), np.float32), workspace("a", (5,), "float32")
    assert np.shares_memory(a, same) and np.shares_memory(a, smaller)
    larger = workspace("a", (7,), "float32")
    assert larger.shape == (7,) and not np.shares_memory(a, larger)
    assert np.shares_memory(larger, workspace("a", (6,), "float32"))
    for other in (workspace("b", (6,), "float32"), workspace("a", (6,), "float64")):
        assert not np.shares_memory(larger, other)


def test_a_draw_that_is_just_the_rate_passes():
    """Drawn from [0, 1): so the share of what is dropped is the rate exactly."""
    class Draws:
        @staticmethod
        def random(shape):
            return np.array([0.0, 0.25, np.nextafter(0.25, 0)]).reshape(shape)

    mask = Backend().dropout_mask(Draws, 0.25, (3, 1), "float64")
    assert mask.tolist() == [[0.0], [1 / 0.75], [0.0]]
    assert np.array_equal(Backend().dropout_mask(Draws, 0.0, (3, 1), "float32"), np.ones((3, 1)))


# Which one

def test_every_backend_has_its_own_parts(standin):
    numpy, compiled, gpu = (get_backend(name) for name in ("numpy", "numba", "cupy"))
    assert [b.name for b in (numpy, compiled, gpu)] == ["numpy", "numba", "cupy"]
    assert get_backend().name == "numpy" and get_backend(gpu) is gpu
    for part in ("loop", "loss", "adam", "scatter"):
        assert len({id(getattr(b, part)) for b in (numpy, compiled, gpu)}) == 3, part
        for b, folder in ((compiled, "compiled"), (gpu, "gpu")):
            assert getattr(b, part).__name__ == f"scratch_lstm.kernels.{folder}.{part}"
    assert gpu.cell.__name__ == "scratch_lstm.kernels.gpu.cell" and compiled.cell is numpy.cell
    assert (numpy.xp, compiled.xp, gpu.xp) == (np, np, standin)
    assert [b.threads_share_batch for b in (numpy, compiled, gpu)] == [False, True, False]
    for b in (compiled, gpu):
        assert [b.loop_for(dtype) for dtype in ("float32", "float64")] == [b.loop] * 2
        assert b.loop_for("complex128") is None


def test_arrays_travel_to_the_device_and_back(standin):
    gpu, array = get_backend("cupy"), np.arange(3.0)
    there = gpu.to_device(array)
    assert isinstance(there, standin.ndarray) and type(gpu.to_host(there)) is np.ndarray
    assert np.array_equal(gpu.to_host(there), array)
    assert Backend().to_device(array) is array and Backend().to_host(array) is array
    assert type(Backend().to_host([1.0])) is np.ndarray


def test_a_device_is_not_made_to_wait_for_a_check(standin):
    gpu = get_backend("cupy")
    gpu.check_indices(gpu.to_device(np.array([9])), 3, "word")
    with pytest.raises(ValueError, match=r"^word 9 is not in \[0, 3\)$"):
        gpu.check_indices(np.array([9]), 3, "word")


def test_a_name_that_is_none():
    with pytest.raises(InputError, match="^backend 'tpu' is not one of auto, numpy, numba, cupy$"):
        get_backend("tpu")


def test_a_compiled_backend_that_is_not_installed(monkeypatch):
    monkeypatch.setitem(sys.modules, "scipy.linalg", None)
    with pytest.raises(InputError) as error:
        get_backend("numba")
    assert str(error.value) == ("backend 'numba' needs Numba and SciPy (import of scipy.linalg halted; "
                                "None in sys.modules): pip install 'scratch-lstm[fast]'")


@pytest.mark.parametrize("installed, working, expected", [
    (["cupy", "numba"], ["cupy", "numba"], "cupy"), (["cupy", "numba"], ["numba"], "numba"),
    (["numba"], ["cupy", "numba"], "numba"), (["cupy"], ["numba"], "numpy"), ([], ["cupy", "numba"], "numpy"),
], ids=["both", "no device", "no GPU library", "nothing works", "nothing installed"])
def test_auto_takes_the_first_that_is_installed_and_works(installed, working, expected, monkeypatch):
    class Found(Backend):
        def __init__(self):
            if self.name not in working:
                raise InputError("does not work")

    monkeypatch.setattr(backend, "CupyBackend", type("", (Found,), {"name": "cupy"}))
    monkeypatch.setattr(backend, "NumbaBackend", type("", (Found,), {"name": "numba"}))
    monkeypatch.setattr(backend, "find_spec", lambda name: name if name in installed else None)
    assert get_backend("auto").name == expected


@pytest.mark.parametrize("name", ["numpy", "numba"])
def test_tf32_without_a_gpu_is_refused(name):
    with pytest.raises(InputError, match=f"^--tf32: backend '{name}' does not use a GPU; leave it out$"):
        get_backend(name).use_tf32(True)
    get_backend(name).use_tf32(False)
