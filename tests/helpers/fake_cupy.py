"""A stand-in for the `cupy` module on a machine without a GPU: strict where CuPy is strict, and it counts.

Its arrays contain NumPy arrays and refuse what CuPy's refuse: implicit conversion to NumPy, mixing with NumPy
arrays. ElementwiseKernel compiles the kernel's very operation with the C++ compiler and runs it for each i.
Counted are launches, copies each way, and the synchronisations that `float()` of a device scalar costs.
Only names that the real CuPy has are exposed; a test checks that.
"""

import ctypes
import shutil
import subprocess
import sys
import tempfile
import types
from pathlib import Path

import numpy as np

import scratch_lstm.kernels

COUNTS = {"launches": 0, "to device": 0, "to host": 0, "synchronisations": 0}


def counted(what):
    COUNTS[what] += 1


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
        if is_advanced(index):
            counted("launches")
        return ndarray(self.held[plain(index)])

    def __setitem__(self, index, value):
        counted("launches")
        self.held[plain(index)] = plain(value)

    def reshape(self, *shape):
        reshaped = self.held.reshape(*shape)
        if not np.shares_memory(reshaped, self.held):
            counted("launches")
        return ndarray(reshaped)

    def transpose(self, *axes):
        return ndarray(self.held.transpose(*axes))

    def copy(self):
        counted("launches")
        return ndarray(self.held.copy())

    def astype(self, dtype, copy=True):
        if not copy and self.dtype == dtype:
            return self
        counted("launches")
        return ndarray(self.held.astype(dtype))

    def sum(self, axis=None):
        counted("launches")
        return ndarray(np.asarray(self.held.sum(axis=axis)))

    def max(self, axis=None, keepdims=False):
        counted("launches")
        return ndarray(np.asarray(self.held.max(axis=axis, keepdims=keepdims)))

    def mean(self):
        counted("launches")
        return ndarray(np.asarray(self.held.mean()))


def _operator(name):
    def method(self, other):
        counted("launches")
        result = getattr(self.held, name)(plain(other))
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
        counted("launches")
        result = getattr(np, name)(*map(plain, arguments), out=None if out is None else out.held)
        return ndarray(np.asarray(result)) if out is None else out
    function.at = lambda target, index, values: (
        counted("launches"), getattr(np, name).at(plain(target), plain(index), plain(values)))[0]
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
    counted("launches")
    return ndarray(np.zeros(shape, dtype))


@function
def zeros_like(a):
    return zeros(a.shape, a.dtype)


@function
def ones(shape, dtype=float):
    counted("launches")
    return ndarray(np.ones(shape, dtype))


@function
def arange(*arguments):
    counted("launches")
    return ndarray(np.arange(*arguments))


@function
def concatenate(tup):
    counted("launches")
    return ndarray(np.concatenate(plain(tup)))


@function
def stack(tup, axis=0):
    counted("launches")
    return ndarray(np.stack(plain(tup), axis))


@function
def result_type(*arguments):
    return np.result_type(*map(plain, arguments))


# Kernels: the operation of each, compiled for the CPU

KINDS = {"int64": "long long"}
SHIM = """
#include <cmath>
#include <cstddef>
using std::exp; using std::log; using std::sqrt; using std::tanh;
template <typename T> void loop(ptrdiff_t count{parameters}) {{
    for (ptrdiff_t i = 0; i < count; ++i) {{
        {references}
        {operation};
    }}
}}
extern "C" void run_float(ptrdiff_t count{single}) {{ loop<float>(count{names}); }}
extern "C" void run_double(ptrdiff_t count{double}) {{ loop<double>(count{names}); }}
"""


class Parameter:
    def __init__(self, text, is_out):
        *raw, self.kind, self.name = text.split()
        self.raw, self.is_out = raw == ["raw"], is_out

    def declared(self, kind, is_array):
        star = "*" if is_array else ""
        const = "" if self.is_out else "const "
        name = f"_{self.name}" if is_array and not self.raw else self.name
        return f", {const}{KINDS.get(self.kind, kind)} {star}{name}"


class ElementwiseKernel:
    """Compiled when it is first called: until then it is not known which parameters are scalars."""

    def __init__(self, in_params, out_params, operation, name="kernel"):
        self.parameters = [Parameter(text, is_out) for text, is_out in
                           [(text, False) for text in in_params.split(",")]
                           + [(text, True) for text in out_params.split(",")]]
        self.operation, self.name = operation, name
        self.compiled = {}

    def source(self, arrays):
        def declared(kind):
            return "".join(p.declared(kind, is_array) for p, is_array in zip(self.parameters, arrays))

        elementwise = [p for p, is_array in zip(self.parameters, arrays) if is_array and not p.raw]
        names = "".join(", " + ("_" if p in elementwise else "") + p.name for p in self.parameters)
        references = " ".join(f"{'' if p.is_out else 'const '}T& {p.name} = _{p.name}[i];"
                              for p in elementwise)
        return SHIM.format(parameters=declared("T"), references=references, operation=self.operation,
                           single=declared("float"), double=declared("double"), names=names)

    def library(self, arrays):
        if arrays not in self.compiled:
            folder = Path(tempfile.mkdtemp(prefix="kernel-"))
            (folder / "kernel.cpp").write_text(self.source(arrays))
            subprocess.run([compiler(), "-O1", "-ffp-contract=off", "-Wall", "-Werror", "-shared", "-fPIC",
                            "-o", folder / "kernel.so", folder / "kernel.cpp"], check=True)
            self.compiled[arrays] = ctypes.CDLL(str(folder / "kernel.so"))
            shutil.rmtree(folder)
        return self.compiled[arrays]

    def __call__(self, *arguments, size=None):
        counted("launches")
        if len(arguments) < len(self.parameters):   # CuPy makes the outputs that are not given
            arguments += tuple(empty_like(arguments[0]) for p in self.parameters if p.is_out)
        assert len(arguments) == len(self.parameters)
        arrays = tuple(isinstance(a, ndarray) for a in arguments)
        of_T = {p.name for p in self.parameters if p.kind == "T"}
        dtypes = {a.dtype for a, p in zip(arguments, self.parameters)
                  if isinstance(a, ndarray) and p.name in of_T}
        for a, p in zip(arguments, self.parameters):
            assert p.kind == "T" or not isinstance(a, ndarray) or a.dtype == p.kind, f"{self.name}: {p.name}"
        assert len(dtypes) == 1, f"{self.name}: T is {dtypes}"
        kind = {"float32": ctypes.c_float, "float64": ctypes.c_double}[str(dtypes.pop())]
        passed = []
        for a, p in zip(arguments, self.parameters):
            if isinstance(a, ndarray):
                assert a.held.flags.c_contiguous, f"{self.name}: {p.name} is not contiguous"
                passed.append(ctypes.c_void_p(a.held.ctypes.data))
                size = a.size if size is None and not p.raw else size
            else:
                assert not isinstance(a, np.ndarray) and not p.raw
                passed.append(ctypes.c_longlong(a) if p.kind in KINDS else kind(a))
        run = getattr(self.library(arrays), "run_float" if kind is ctypes.c_float else "run_double")
        run(ctypes.c_ssize_t(size), *passed)
        return arguments[-1]


def compiler():
    """The C++ compiler, or None."""
    return shutil.which("c++") or shutil.which("g++") or shutil.which("clang++")


def make_module():
    """The module, to be put into sys.modules as `cupy`."""
    module = types.ModuleType("cupy")
    vars(module).update(FUNCTIONS, ElementwiseKernel=ElementwiseKernel, ndarray=ndarray)
    runtime = types.SimpleNamespace(driverGetVersion=lambda: 13000, getDeviceCount=lambda: 1)
    module.cuda = types.SimpleNamespace(runtime=runtime)
    for what in COUNTS:
        COUNTS[what] = 0
    return module


KERNEL_FILES = ("cupy_cell", "cupy_loop", "cupy_loss", "cupy_adam", "cupy_scatter")


def forget_the_kernels():
    """Let the next import of the kernels/cupy_*.py make them again."""
    for name in KERNEL_FILES:
        sys.modules.pop(f"scratch_lstm.kernels.{name}", None)
        vars(scratch_lstm.kernels).pop(name, None)
