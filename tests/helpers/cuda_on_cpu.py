"""The CUDA text of a kernel, compiled for the CPU: cuda_on_cpu.h says how it runs.

`Compiled` calls the kernels in this process; `run_apart` makes the same launches in a program of their own,
under ThreadSanitizer or AddressSanitizer if asked. Arrays are NumPy's; a scalar is a NumPy scalar, so that
its size is known.
"""

import ctypes
import re
import shutil
import struct
import subprocess
import sys
import tempfile
from functools import lru_cache
from pathlib import Path

import numpy as np

HERE = Path(__file__).parent
FLAGS = ["-std=c++17", f"-I{HERE}", "-fno-strict-aliasing", "-ffp-contract=off", "-Wall", "-Werror",
         "-Wno-unknown-pragmas", "-Wno-unused-function", "-Wno-unused-variable"]
SANITIZERS = {"none": [], "thread": ["-fsanitize=thread"],
              "address": ["-fsanitize=address,undefined", "-fno-sanitize-recover=undefined"]}
KERNEL = re.compile(r'extern "C" __global__ void[^(]*(?:\([^)]*\))?\s*(\w+)\(([^)]*)\)')
SHARED = re.compile(r"extern __shared__ (\w+) (\w+)\[\];")
ORDERS = {"forward": 0, "backward": 1, "shuffled": 2}


class BarrierError(AssertionError):
    """Not all threads of a block reach the same barrier."""


class SanitizerError(AssertionError):
    """What a sanitizer reported."""


def compiler():
    """The C++ compiler, or None. Fibres are made as on Linux."""
    return (shutil.which("c++") or shutil.which("g++")) if sys.platform == "linux" else None


@lru_cache
def has_sanitizer(name):
    """Whether programs with it can be made and run here."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "a.cpp").write_text("int main() { return 0; }")
        made = subprocess.run([compiler(), *SANITIZERS[name], "-o", "a", "a.cpp"], cwd=folder,
                              capture_output=True)
        return made.returncode == 0 and subprocess.run([Path(folder) / "a"]).returncode == 0


def signatures(text):
    """Kernel -> its parameters, each (type without const, is a pointer, name)."""
    found = {}
    for name, parameters in KERNEL.findall(text):
        split = [re.fullmatch(r"(?:const )?([\w ]+?)\s*(\*?)\s*(?:__restrict__ )?(\w+)", p.strip())
                 for p in parameters.split(",")]
        found[name] = [(p[1], p[2] == "*", p[3]) for p in split]
    return found


def source(text, defines):
    """The C++ text: the shim, the kernel as it is, and an entry for each kernel."""
    names = list(signatures(text))
    text = SHARED.sub(r"\1* \2 = (\1*)shim::shared_memory;",
                      text.replace('extern "C" __global__', "__global__"))
    entries = "".join(
        f'extern "C" int launch_{name}(const shim::Launch* l, void** a) {{ return shim::launch(*l, '
        f"[](void* a) {{ shim::call({name}, (void**)a); }}, a); }}\n" for name in names)
    table = ", ".join(f"launch_{name}" for name in names)
    return ("".join(f"#define {name} {value}\n" for name, value in defines.items())
            + '#include "cuda_on_cpu.h"\n' + text + entries
            + f"int (*const kernels[])(const shim::Launch*, void**) = {{{table}}};\n")


class Compiled:
    """The kernels of a text as functions of this process."""

    def __init__(self, text, defines):
        self.names = list(signatures(text))
        with tempfile.TemporaryDirectory(prefix="kernel-") as folder:
            library = Path(folder) / "kernel.so"
            subprocess.run([compiler(), "-O1", *FLAGS, "-shared", "-fPIC", "-x", "c++", "-", "-o", library],
                           check=True, input=source(text, defines), text=True)
            self.library = ctypes.CDLL(str(library))

    def launch(self, name, grid, block, arguments, shared_bytes=0, order="forward", seed=1):
        pointers, kept = [], []
        for a in arguments:
            value = ctypes.c_void_p(a.ctypes.data) if isinstance(a, np.ndarray) else np.array([a])
            kept.append(value)
            pointers.append(ctypes.addressof(value) if isinstance(a, np.ndarray) else value.ctypes.data)
        launch = (ctypes.c_uint * 6)(*grid, *([1] * (2 - len(grid))), block, shared_bytes, ORDERS[order],
                                     seed)
        if getattr(self.library, f"launch_{name}")(launch, (ctypes.c_void_p * len(pointers))(*pointers)):
            raise BarrierError(f"{name}: a barrier that not all threads of a block reach")


def run_apart(sanitizer, text, defines, launches):
    """The different arrays of each launch after it. sanitizer: thread, address or none; launches: of (name,
    grid, block, arguments, shared bytes, order). An array that is two arguments is one array there too."""
    with tempfile.TemporaryDirectory(prefix="kernel-") as folder:
        program = Path(folder) / "program"
        flags = ["-g1", "-O0", *FLAGS, *SANITIZERS[sanitizer]]
        subprocess.run([compiler(), *flags, "-x", "c++", "-", "-o", program], check=True, text=True,
                       input=source(text, defines) + (HERE / "cuda_on_cpu.cpp").read_text(encoding="utf-8"))
        names, data = list(signatures(text)), b""
        for name, grid, block, arguments, shared_bytes, order in launches:
            data += struct.pack("6I2Q", *grid, *([1] * (2 - len(grid))), block, shared_bytes, ORDERS[order],
                                1, names.index(name), len(arguments))
            for n, a in enumerate(arguments):
                values, first = np.asarray(a).tobytes(), [b is a for b in arguments].index(True)
                if first < n:
                    data += struct.pack("3Q", 2, 8, first)
                else:
                    data += struct.pack("2Q", isinstance(a, np.ndarray), len(values)) + values
        (Path(folder) / "launches.bin").write_bytes(data)
        run = subprocess.run([program, "launches.bin", "results.bin"], cwd=folder, capture_output=True,
                             text=True, env={"TSAN_OPTIONS": "exitcode=66", "ASAN_OPTIONS": "detect_leaks=0"})
        if run.returncode == 4:
            raise BarrierError(run.stderr)
        if run.returncode:
            raise SanitizerError(f"exit status {run.returncode}: {run.stderr[:2000]}")
        results, offset = (Path(folder) / "results.bin").read_bytes(), 0
    after = []
    for _, _, _, arguments, *_ in launches:
        after.append([])
        for a in {id(a): a for a in arguments}.values():
            if isinstance(a, np.ndarray):
                after[-1].append(np.frombuffer(results, a.dtype, a.size, offset).reshape(a.shape))
                offset += a.nbytes
    return after
