"""The CUDA text compiles for every architecture from the oldest to the newest: registers, spills, shared
memory.

Without a device the figures come from the assembler (ptxas -v of nvcc). CuPy compiles with NVRTC of the
user's own CUDA, whose figures may differ a little. Run as a script,

    PYTHONPATH=.:tests python tests/test_cupy_compile.py

it prints the table of docs/gpu.md.
"""

import importlib
import itertools
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest
from helpers.cards import ARCHITECTURES, occupancy
from helpers.loop_cases import FOLDER, text_of

from scratch_lstm.kernels.gpu.persistent_split import round_up, split

pytestmark = pytest.mark.skipif(shutil.which("nvcc") is None, reason="no nvcc on this machine")
REAL = {"float32": "float", "float64": "double"}
ELEMENTWISE = {"FORWARD": "cell", "BACKWARD": "cell", "FORWARD_ADD": "loop", "BACKWARD_ADD": "loop"}
LOOPS = ("lstm_forward", "lstm_backward")
AROUND = [("softmax.cu", 256), ("sums.cu", 256), ("sums.cu", 1024), ("clip_adam.cu", 256),
          ("dropout.cu", 256)]
# H, sequences of a block, dtype
SIZES = [(128, 1, "float32"), (128, 2, "float32"), (128, 4, "float32"), (100, 1, "float32"),
         (100, 4, "float32"), (200, 1, "float32"), (200, 2, "float32"), (256, 1, "float32"),
         (256, 4, "float32"), (33, 1, "float32"), (128, 1, "float64"), (128, 2, "float64"),
         (256, 1, "float64"), (256, 2, "float64")]


def compiled(text, architecture, defines, *flags):
    """Kernel -> (registers, bytes of spills)."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "kernel.cu").write_text(text)
        made = subprocess.run(
            ["nvcc", "-cubin", f"-arch=sm_{architecture}", "-Xptxas=-v", "-std=c++17", "-o", "kernel.cubin",
             "kernel.cu", *(f"-D{name}={value}" for name, value in defines.items()), *flags],
            cwd=folder, capture_output=True, text=True)
    assert made.returncode == 0, made.stderr
    found = re.findall(r"Compiling entry function '(\w+)'.*?(\d+) bytes spill stores.*?Used (\d+) registers",
                       made.stderr, re.DOTALL)
    return {name: (int(registers), int(spills)) for name, spills, registers in found}


def loop_figures(name, size, architecture):
    """split, registers, spills, and the occupancy."""
    H, sequences, dtype = size
    one = split(H, np.dtype(dtype).itemsize, sequences, ARCHITECTURES[architecture].shared_block)
    defines = {"real": REAL[dtype], "THREADS": one.threads, **one.defines(H)}
    registers, spills = compiled(text_of(f"{name}.cu"), architecture, defines)[name]
    return one, registers, spills, occupancy(architecture, one.threads, registers, one.shared_bytes)


def of_every_day(values, everyday):
    return [value if value in everyday else pytest.param(value, marks=pytest.mark.slow) for value in values]


@pytest.mark.parametrize("architecture", of_every_day(ARCHITECTURES, ("75", "120")))
@pytest.mark.parametrize("size", of_every_day(SIZES, SIZES[:1]), ids=str)
@pytest.mark.parametrize("name", LOOPS)
def test_a_time_loop_spills_nothing_and_fits(name, size, architecture):
    one, registers, spills, (blocks, _) = loop_figures(name, size, architecture)
    assert spills == 0 and blocks >= 1
    assert one.shared_bytes <= ARCHITECTURES[architecture].shared_block


@pytest.mark.parametrize("architecture", of_every_day(ARCHITECTURES, ("75",)))
@pytest.mark.parametrize("dtype", REAL)
def test_the_kernels_around_the_loops_spill_nothing(dtype, architecture):
    for file, threads in AROUND:
        figures = compiled(text_of(file), architecture, {"real": REAL[dtype], "THREADS": threads})
        assert figures and all(spills == 0 for _, spills in figures.values())


def test_every_cuda_file_is_compiled_here():
    files = {path.name for path in FOLDER.glob("*.cu")}
    assert files == {file for file, _ in AROUND} | {f"{name}.cu" for name in LOOPS}


# The elementwise kernels of the path for large H: CuPy makes their CUDA text

NDARRAY, INDEXER, SCALAR = 1, 2, 3   # CuPy's own numbers of the kinds of arguments
HEADERS = "#include <cupy/complex.cuh>\n#include <cupy/carray.cuh>\n"   # as CuPy puts before each kernel


def generated_source(kernel, dtype):
    """The CUDA text that CuPy itself makes of the kernel, as for contiguous arrays of that dtype."""
    import cupy
    from cupy._core import _kernel
    arguments = []
    parameters = kernel.in_params + kernel.out_params
    for p in parameters[:kernel.nin + kernel.nout]:
        kind = np.dtype(dtype if p.ctype == "T" else "int64").type
        arguments.append(_kernel._ArgInfo(*((NDARRAY, cupy.ndarray, kind, 1, True, True) if p.raw else
                                            (SCALAR, kind, kind, 0, False, False))))
    indexer = type("Indexer", (), {})
    arguments.append(_kernel._ArgInfo(INDEXER, indexer, None, 1, True, True))
    return _kernel._get_elementwise_kernel_code(
        tuple(arguments), _kernel._TypeMap((("T", np.dtype(dtype).type),)), kernel.params, kernel.operation,
        kernel.name, kernel.preamble)


@pytest.mark.parametrize("dtype", REAL)
@pytest.mark.parametrize("name", ELEMENTWISE)
@pytest.mark.parametrize("architecture", of_every_day(ARCHITECTURES, ("75",)))
def test_the_generated_cuda_compiles(name, dtype, architecture):
    cupy = pytest.importorskip("cupy", reason="CuPy has wheels for Linux on x86-64 only")
    module = importlib.import_module(f"scratch_lstm.kernels.gpu.{ELEMENTWISE[name]}")
    include = Path(cupy.__file__).parent / "_core" / "include"
    figures = compiled(HEADERS + generated_source(getattr(module, name), dtype), architecture, {},
                       f"-I{include}")
    assert figures and all(spills == 0 for _, spills in figures.values())


def report():
    """Print the table in Markdown."""
    columns = ("loop", "H", "sequences", "dtype", "sm", "U in registers, shared, L2", "registers of",
               "spills", "shared KiB of", "blocks, occupancy")
    print("|", " | ".join(columns), "|\n" + "|---" * len(columns) + "|")
    for size, name, architecture in itertools.product(SIZES, LOOPS, ARCHITECTURES):
        one, registers, spills, (blocks, share) = loop_figures(name, size, architecture)
        limit = ARCHITECTURES[architecture].shared_block // 1024
        most = min(255, 65536 // round_up(one.threads, 128) // 8 * 8)
        places = one.registers, one.shared, max(0, size[0] - one.registers - one.shared)
        cells = (name[5:], *size, architecture, "{}, {}, {}".format(*places), f"{registers} of {most}",
                 spills, f"{one.shared_bytes / 1024:.1f} of {limit}", f"{blocks}, {share:.0%}")
        print("|", " | ".join(map(str, cells)), "|", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(report())
