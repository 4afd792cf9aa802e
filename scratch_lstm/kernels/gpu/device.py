"""Is there a GPU that CuPy can use? Each thing that may be missing has a probe and a sentence."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType

from ...errors import InputError

INSTALL = ("pip install 'scratch-lstm[cuda13x]' for a driver of CUDA 13, "
           "'scratch-lstm[cuda12x]' for one of CUDA 12")


def import_cupy() -> ModuleType:
    """CuPy, after it has computed something on a device.

    Raises InputError, one line that says what is missing and how to install it.
    """
    try:
        import cupy
    except Exception as error:   # ImportError, or OSError where it cannot make its cache folder
        raise InputError(f"backend 'cupy': CuPy cannot be imported ({one_line(error)}); {INSTALL}") from None
    probes: dict[str, Callable[[], float]] = {
        "no driver, or one too old for this CuPy": cupy.cuda.runtime.driverGetVersion,
        "no device": cupy.cuda.runtime.getDeviceCount,
        "a device that takes no array": lambda: cupy.zeros(3).size,
        "kernels do not compile (NVRTC, or another version of CUDA)":
            lambda: float(cupy.ElementwiseKernel("T x", "T y", "y = 2 * x", "probe")(cupy.ones(1)).sum()),
        "no matrix product (cuBLAS)": lambda: float((cupy.ones((2, 3)) @ cupy.ones((3, 2))).sum())}
    for what, probe in probes.items():
        try:
            if not probe():
                raise RuntimeError("it counts 0")
        except Exception as error:   # CuPy has an exception class of its own for each library
            raise InputError(f"backend 'cupy': {what}: {one_line(error)}; {INSTALL}") from None
    return cupy


def one_line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
