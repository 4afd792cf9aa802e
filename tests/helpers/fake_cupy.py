"""A stand-in for the `cupy` module on a machine without a GPU: strict where CuPy is strict, and it counts.

fake_array.py has its arrays, fake_kernels.py runs the kernels' own text. Counted are launches, with their
kind and the bytes of their arrays, copies each way, and the synchronisations that `float()` of a device
scalar costs. Only names that the real CuPy has are exposed; a test checks that.
"""

import ctypes
import sys
import types

import numpy as np
from helpers import cuda_on_cpu
from helpers.fake_array import FUNCTIONS, ndarray, plain
from helpers.fake_counts import COUNTS, LAUNCHES, counted, launched
from helpers.fake_kernels import ElementwiseKernel, RawKernel

import scratch_lstm.kernels.gpu

SHARED_LIMIT, MULTIPROCESSORS = 64 * 1024, 3      # a small card: a batch of 4 has two sequences in a block


def _ufunc(name):
    def function(*arguments, out=None):
        result = getattr(np, name)(*map(plain, arguments), out=None if out is None else out.held)
        launched("product" if name == "matmul" else "elementwise", *map(plain, arguments), result)
        return ndarray(np.asarray(result)) if out is None else out
    return function


FUNCTIONS |= {name: _ufunc(name) for name in ("add", "subtract", "multiply", "exp", "log", "sqrt", "minimum",
                                              "matmul", "tanh")}


def function(made):
    FUNCTIONS[made.__name__] = made
    return made


@function
def asarray(a):
    if isinstance(a, ndarray):
        return a
    counted("to device")
    return ndarray(np.array(a))


@function
def asnumpy(a):
    counted("to host")
    return a.held.copy()


@function
def empty(shape, dtype=float):
    return ndarray(np.full(shape, np.nan if np.dtype(dtype).kind == "f" else 0, dtype))


@function
def empty_like(prototype):
    return empty(prototype.shape, prototype.dtype)


@function
def zeros(shape, dtype=float):
    made = ndarray(np.zeros(shape, dtype))
    launched("fill", made.held)
    return made


@function
def zeros_like(a):
    return zeros(a.shape, a.dtype)


@function
def ones(shape, dtype=float):
    made = ndarray(np.ones(shape, dtype))
    launched("fill", made.held)
    return made


@function
def arange(*arguments):
    made = ndarray(np.arange(*arguments))
    launched("fill", made.held)
    return made


@function
def concatenate(tup):
    made = ndarray(np.concatenate(plain(tup)))
    launched("copy", made.held)
    return made


@function
def stack(tup, axis=0):
    made = ndarray(np.stack(plain(tup), axis))
    launched("copy", made.held)
    return made


@function
def ascontiguousarray(a):
    return a if a.held.flags.c_contiguous else a.copy()


@function
def argsort(a):
    launched("sort", a.held)
    return ndarray(np.argsort(a.held, kind="stable"))


@function
def result_type(*arguments):
    return np.result_type(*map(plain, arguments))


@function
def shares_memory(a, b):
    return np.shares_memory(a.held, b.held)


@function
def take(a, indices, axis=None):
    made = ndarray(a.held.take(plain(indices), axis))
    launched("gather", made.held, made.held)
    return made


def gemm(kind):
    """cuBLAS's sgemm or dgemm: pointers to matrices whose columns come first, the factors on the host."""
    def at(address, rows, columns, line):
        assert line >= rows >= 1 and columns >= 1
        memory = (kind * (line * (columns - 1) + rows)).from_address(address)
        flat = np.frombuffer(memory, kind)
        return np.lib.stride_tricks.as_strided(flat, (rows, columns), (flat.itemsize, flat.itemsize * line))

    def function(handle, transa, transb, m, n, k, alpha, A, lda, B, ldb, beta, C, ldc):
        assert handle == "the handle" and transa in (0, 1) and transb in (0, 1)
        a = at(A, k, m, lda).T if transa else at(A, m, k, lda)
        b = at(B, n, k, ldb).T if transb else at(B, k, n, ldb)
        c = at(C, m, n, ldc)
        found = kind.from_address(alpha).value * (a @ b)
        beta = kind.from_address(beta).value
        launched("product", a, b, c)
        c[...] = found + beta * c if beta else found        # as cuBLAS: without beta C may be anything
    return function


COMPUTE_TYPES = {}               # of products, by the character of a dtype


class Device:
    def __init__(self, device=0):
        self.attributes = {"MaxSharedMemoryPerBlockOptin": SHARED_LIMIT,
                           "MultiProcessorCount": MULTIPROCESSORS}


def make_module():
    """The module, to be put into sys.modules as `cupy`."""
    module = types.ModuleType("cupy")
    vars(module).update(FUNCTIONS, ElementwiseKernel=ElementwiseKernel, RawKernel=RawKernel, ndarray=ndarray)
    module.__version__ = "the stand-in"
    runtime = types.SimpleNamespace(
        driverGetVersion=lambda: 13000, getDeviceCount=lambda: 1, getDevice=lambda: 0,
        deviceSynchronize=lambda: None,
        getDeviceProperties=lambda device: {"name": b"the stand-in", "major": 7, "minor": 5})
    module.get_default_memory_pool = lambda: types.SimpleNamespace(used_bytes=lambda: 0,
                                                                   total_bytes=lambda: 0)
    module.cuda = types.SimpleNamespace(
        runtime=runtime, Device=Device, device=types.SimpleNamespace(get_cublas_handle=lambda: "the handle"),
        cublas=types.SimpleNamespace(sgemm=gemm(ctypes.c_float), dgemm=gemm(ctypes.c_double)))
    types_of = types.SimpleNamespace(COMPUTE_TYPE_TF32=4, COMPUTE_TYPE_DEFAULT=1)
    module._core = types.SimpleNamespace(_routines_linalg=types_of,
                                         set_compute_type=COMPUTE_TYPES.__setitem__)
    for what in COUNTS:
        COUNTS[what] = 0
    LAUNCHES.clear()
    return module


compiler = cuda_on_cpu.compiler
KERNEL_FILES = ("cell", "loop", "loss", "adam", "scatter", "raw_kernels", "products", "layer", "dropout")


def forget_the_kernels():
    """Let the next import of the kernels/gpu/ make them again."""
    for name in KERNEL_FILES:
        sys.modules.pop(f"scratch_lstm.kernels.gpu.{name}", None)
        vars(scratch_lstm.kernels.gpu).pop(name, None)


def device(*arrays):
    """The arrays themselves, as device arrays."""
    return [ndarray(array) for array in arrays]


def within(bound, ours, reference):
    """Of one dtype, and max|a - b| <= bound * max|b|."""
    return ours.dtype == reference.dtype and abs(ours - reference).max() <= bound * abs(reference).max()
