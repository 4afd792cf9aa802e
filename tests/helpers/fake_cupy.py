"""A stand-in for the `cupy` module on a machine without a GPU: strict where CuPy is strict, and it counts.

Its arrays contain NumPy arrays and refuse what CuPy's refuse: implicit conversion to NumPy, mixing with NumPy
arrays. fake_kernels.py runs the kernels' own text. Counted are launches, with their kind and the bytes of
their arrays, copies each way, and the synchronisations that `float()` of a device scalar costs.
Only names that the real CuPy has are exposed; a test checks that.
"""

import sys
import types

import numpy as np
from helpers import cuda_on_cpu
from helpers.fake_counts import COUNTS, LAUNCHES, counted, launched
from helpers.fake_kernels import ElementwiseKernel, RawKernel

import scratch_lstm.kernels

SHARED_LIMIT, MULTIPROCESSORS = 64 * 1024, 3      # a small card: a batch of 4 has two sequences in a block


def plain(value):
    """What NumPy may work on; a NumPy array together with a device array is a mistake."""
    if isinstance(value, ndarray):
        return value.held
    if isinstance(value, np.ndarray):
        raise TypeError("Unsupported type <class 'numpy.ndarray'>")
    if isinstance(value, (tuple, list)):
        return type(value)(map(plain, value))
    return value


def is_advanced(index):
    parts = index if isinstance(index, tuple) else (index,)
    return any(isinstance(part, ndarray) for part in parts)


class ndarray:
    """A device array."""

    def __init__(self, held):
        self.held = held

    def __array__(self, *args, **kwargs):
        raise TypeError("Implicit conversion to a NumPy array is not allowed. Please use `.get()`.")

    __array_ufunc__ = None

    shape = property(lambda self: self.held.shape)
    flags = property(lambda self: self.held.flags)
    dtype = property(lambda self: self.held.dtype)
    size = property(lambda self: self.held.size)
    ndim = property(lambda self: self.held.ndim)
    T = property(lambda self: ndarray(self.held.T))
    real = property(lambda self: ndarray(self.held.real))

    def __len__(self):
        return len(self.held)

    def __float__(self):
        counted("synchronisations")
        return float(self.held)

    def __bool__(self):
        raise AssertionError("a branch on a device value synchronises unasked")

    __int__ = __index__ = __iter__ = __bool__

    def __getitem__(self, index):
        found = ndarray(self.held[plain(index)])
        if is_advanced(index):
            launched("gather", found.held, found.held)
        return found

    def __setitem__(self, index, value):
        self.held[plain(index)] = plain(value)
        launched("fill or copy", self.held[plain(index)], plain(value))

    def reshape(self, *shape):
        reshaped = self.held.reshape(*shape)
        if not np.shares_memory(reshaped, self.held):
            launched("copy", reshaped, self.held)
        return ndarray(reshaped)

    def transpose(self, *axes):
        return ndarray(self.held.transpose(*axes))

    def swapaxes(self, one, other):
        return ndarray(self.held.swapaxes(one, other))

    def copy(self):
        launched("copy", self.held, self.held)
        return ndarray(self.held.copy())

    def astype(self, dtype, copy=True):
        if not copy and self.dtype == dtype:
            return self
        launched("copy", self.held, self.held)
        return ndarray(self.held.astype(dtype))

    def sum(self, axis=None):
        launched("reduction", self.held)
        return ndarray(np.asarray(self.held.sum(axis=axis)))

    def max(self, axis=None, keepdims=False):
        launched("reduction", self.held)
        return ndarray(np.asarray(self.held.max(axis=axis, keepdims=keepdims)))


def _operator(name):
    def method(self, other):
        result = getattr(self.held, name)(plain(other))
        launched("product" if "matmul" in name else "elementwise", self.held, plain(other), result)
        if result is NotImplemented:
            return result
        return self if result is self.held else ndarray(np.asarray(result))
    setattr(ndarray, name, method)


for _name in ("add", "sub", "mul", "truediv", "matmul"):
    for _form in ("__{}__", "__r{}__", "__i{}__"):
        if (_name, _form) != ("matmul", "__i{}__"):
            _operator(_form.format(_name))


def _ufunc(name):
    def function(*arguments, out=None):
        result = getattr(np, name)(*map(plain, arguments), out=None if out is None else out.held)
        launched("product" if name == "matmul" else "elementwise", *map(plain, arguments), result)
        return ndarray(np.asarray(result)) if out is None else out
    return function


FUNCTIONS = {name: _ufunc(name) for name in ("add", "subtract", "multiply", "exp", "log", "sqrt", "minimum",
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


def gemm(transa, transb, a, b, out=None, alpha=1.0, beta=0.0):
    """cupy.cublas.gemm, as far as it makes one launch: no copy for an order in memory that it cannot take."""
    assert (transa, transb, alpha) == ("N", "N", 1.0) and a.dtype == b.dtype == out.dtype
    for matrix in (a, b, out):
        assert matrix.ndim == 2 and (matrix.flags.c_contiguous or matrix.flags.f_contiguous)
    assert out.shape == (a.shape[0], b.shape[1])
    launched("product", a.held, b.held, out.held)
    out.held[...] = a.held @ b.held + beta * out.held
    return out


class Device:
    def __init__(self, device=0):
        self.attributes = {"MaxSharedMemoryPerBlockOptin": SHARED_LIMIT, "MultiProcessorCount": MULTIPROCESSORS}


def make_module():
    """The module, to be put into sys.modules as `cupy`."""
    module = types.ModuleType("cupy")
    vars(module).update(FUNCTIONS, ElementwiseKernel=ElementwiseKernel, RawKernel=RawKernel, ndarray=ndarray)
    runtime = types.SimpleNamespace(driverGetVersion=lambda: 13000, getDeviceCount=lambda: 1, getDevice=lambda: 0)
    module.cuda = types.SimpleNamespace(runtime=runtime, Device=Device)
    module.cublas = types.SimpleNamespace(gemm=gemm)
    for what in COUNTS:
        COUNTS[what] = 0
    LAUNCHES.clear()
    return module


compiler = cuda_on_cpu.compiler
KERNEL_FILES = ("cupy_cell", "cupy_loop", "cupy_loss", "cupy_adam", "cupy_scatter", "cupy_kernels", "cupy_products",
                "cupy_layer", "cupy_dropout")


def forget_the_kernels():
    """Let the next import of the kernels/cupy_*.py make them again."""
    for name in KERNEL_FILES:
        sys.modules.pop(f"scratch_lstm.kernels.{name}", None)
        vars(scratch_lstm.kernels).pop(name, None)
