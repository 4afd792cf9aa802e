"""The two kinds of kernels of the stand-in for CuPy: their own CUDA text, run on the CPU.

ElementwiseKernel compiles the kernel's very operation with the C++ compiler and runs it for each i. RawKernel
gives the text to cuda_on_cpu.py, and is as strict as a device is: types and contiguity of the arguments,
shared memory, threads.
"""

import ctypes
import re
import shutil
import subprocess
import tempfile
from functools import lru_cache
from itertools import cycle
from pathlib import Path

import numpy as np
from helpers import cuda_on_cpu
from helpers.fake_counts import launched

# where a list, each launch is added: what run_apart needs, arrays before and after
RECORDED: list | None = None
compiled_text = lru_cache(maxsize=None)(lambda text, defines: cuda_on_cpu.Compiled(text, dict(defines)))
orders = cycle(cuda_on_cpu.ORDERS)
SCALARS = {"int": "int32", "unsigned": "uint32", "float": "float32", "double": "float64",
           "long long": "int64"}


def is_device(a):
    return hasattr(a, "held")


class RawKernel:
    """cupy.RawKernel: each launch runs the threads of a block in another order than the one before."""

    def __init__(self, code, name, options=()):
        assert all(re.fullmatch(r"-D\w+=\w+", option) for option in options)
        self.defines = tuple(tuple(option[2:].split("=")) for option in options)
        self.code, self.name = code, name
        self.max_dynamic_shared_size_bytes = 48 * 1024
        self.parameters = cuda_on_cpu.signatures(code)[name]

    def __call__(self, grid, block, args, shared_mem=0):
        defines = dict(self.defines)
        (threads,), kinds = block, {"real": defines["real"]}
        assert threads == int(defines["THREADS"]) <= 1024 and min(grid) >= 1
        assert len(args) == len(self.parameters)
        most = self.max_dynamic_shared_size_bytes
        assert shared_mem <= most, f"{self.name}: {shared_mem} bytes not asked for"
        for a, (kind, is_pointer, name) in zip(args, self.parameters):
            is_right = is_device(a) if is_pointer else isinstance(a, np.generic)
            assert is_right, f"{self.name}: {name} is {type(a)}"
            wanted = SCALARS[kinds.get(kind, kind)]
            assert a.dtype == wanted, f"{self.name}: {name} is {a.dtype}, not {wanted}"
            assert not is_pointer or a.held.flags.c_contiguous, f"{self.name}: {name} is not contiguous"
        arguments = [a.held if is_device(a) else a for a in args]
        launched(self.name, *[a for a in arguments if isinstance(a, np.ndarray)],
                 threads=threads * int(np.prod(grid)))
        copies = {a.ctypes.data: a.copy() for a in arguments if isinstance(a, np.ndarray)}
        before = [copies[a.ctypes.data] if isinstance(a, np.ndarray) else a for a in arguments]
        compiled_text(self.code, self.defines).launch(self.name, grid, threads, arguments, shared_mem,
                                                      next(orders))
        if RECORDED is not None:
            RECORDED.append((self, (self.name, grid, threads, before, shared_mem, "forward"),
                             [a.copy() for a in {a.ctypes.data: a for a in arguments
                                                 if isinstance(a, np.ndarray)}.values()]))


# ElementwiseKernel

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
            subprocess.run([cuda_on_cpu.compiler(), "-O1", "-ffp-contract=off", "-Wall", "-Werror", "-shared",
                            "-fPIC",
                            "-o", folder / "kernel.so", folder / "kernel.cpp"], check=True)
            self.compiled[arrays] = ctypes.CDLL(str(folder / "kernel.so"))
            shutil.rmtree(folder)
        return self.compiled[arrays]

    def __call__(self, *arguments, size=None):
        if len(arguments) < len(self.parameters):   # CuPy makes the outputs that are not given
            arguments += tuple(arguments[0].copy() for p in self.parameters if p.is_out)
        assert len(arguments) == len(self.parameters)
        arrays = tuple(is_device(a) for a in arguments)
        of_T = {p.name for p in self.parameters if p.kind == "T"}
        dtypes = {a.dtype for a, p in zip(arguments, self.parameters)
                  if is_device(a) and p.name in of_T}
        for a, p in zip(arguments, self.parameters):
            assert p.kind == "T" or not is_device(a) or a.dtype == p.kind, f"{self.name}: {p.name}"
        assert len(dtypes) == 1, f"{self.name}: T is {dtypes}"
        kind = {"float32": ctypes.c_float, "float64": ctypes.c_double}[str(dtypes.pop())]
        passed = []
        for a, p in zip(arguments, self.parameters):
            if is_device(a):
                assert a.held.flags.c_contiguous, f"{self.name}: {p.name} is not contiguous"
                passed.append(ctypes.c_void_p(a.held.ctypes.data))
                size = a.size if size is None and not p.raw else size
            else:
                assert not isinstance(a, np.ndarray) and not p.raw
                passed.append(ctypes.c_longlong(a) if p.kind in KINDS else kind(a))
        launched(self.name, *[a.held for a in arguments if is_device(a)], threads=size)
        run = getattr(self.library(arrays), "run_float" if kind is ctypes.c_float else "run_double")
        run(ctypes.c_ssize_t(size), *passed)
        return arguments[-1]
