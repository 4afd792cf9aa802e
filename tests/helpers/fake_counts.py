"""What the stand-in for CuPy counts: launches by kind, with bytes and floating-point operations; copies;
waits."""

from typing import NamedTuple

import numpy as np

COUNTS = {"launches": 0, "to device": 0, "to host": 0, "synchronisations": 0}


class Launch(NamedTuple):
    kind: str               # product, elementwise, ..., or the name of a kernel
    shapes: tuple           # of its arrays
    bytes: int              # of its arrays, each once
    flop: int               # of a product; 0 otherwise
    threads: int            # of all blocks, of a kernel; 0 otherwise


LAUNCHES: list[Launch] = []


def counted(what):
    COUNTS[what] += 1


def launched(kind, *arrays, threads=0):
    """Count one launch. arrays: what it reads and writes."""
    counted("launches")
    arrays = [a for a in arrays if isinstance(a, np.ndarray)]
    flop = 2 * arrays[0].size * arrays[1].shape[-1] if kind == "product" else 0
    LAUNCHES.append(Launch(kind, tuple(a.shape for a in arrays), sum(a.nbytes for a in arrays), flop,
                           threads))
