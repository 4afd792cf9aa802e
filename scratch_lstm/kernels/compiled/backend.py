"""The backend of NumPy arrays with compiled passes over them."""

from __future__ import annotations

from functools import cache

from ..numpy_backend import Backend
from ..one_blas_thread import one_blas_thread

find_libraries = cache(one_blas_thread.find_libraries)       # once: it takes milliseconds


class NumbaBackend(Backend):
    """NumPy arrays, and passes over them that Numba compiles into one (extra `fast`).

    Compiled code is kept on disk, so only the first start waits for it.
    """

    name = "numba"
    threads_share_batch = True

    def __init__(self) -> None:
        # Numba finds the matrix products there; loaded now, so that limits on threads reach them
        from scipy.linalg import cython_blas  # noqa: F401
        find_libraries()

        from . import adam, fused_loss, loop, loss, products, scatter
        self.loop, self.loss, self.adam, self.scatter = loop, loss, adam, scatter
        self.products, self.fused = products, fused_loss
