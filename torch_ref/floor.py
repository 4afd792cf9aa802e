"""The floor below a training step: its matrix products alone, by the library and the threads of a contender.

    floor           NumPy's products, all threads in the library: for NumPy's learner
    floor whole     the time loops' products as compiled code calls them (SciPy's library), a shard a thread
    floor grouped   the same in groups of rows, and the vocabulary layer's in tiles, where
                    scratch_lstm/kernels/compiled/row_groups.py finds that faster

The last two are for Numba's learner; the faster of them is its floor. torch has none here: nn.LSTM takes its
products from oneDNN and nn.Linear from another library, and no public function calls oneDNN's alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import cache, partial
from typing import Any

import numpy as np

from .sizes import Size

FLOORS = {"floor": "numpy", "floor whole": "numba", "floor grouped": "numba"}   # and by which backend
Work = Callable[[], Any]


def products(name: str, size: Size, threads: int) -> Work:
    """The matrix products of one step of this floor, and nothing else. Limits the matrix library."""
    from threadpoolctl import threadpool_limits

    from scratch_lstm.backend import get_backend
    from scratch_lstm.training.data_parallel import cut
    get_backend(FLOORS[name])
    if name == "floor":
        threadpool_limits(threads, user_api="blas")
        return together(pieces(name, size, size.B).values())
    threadpool_limits(1, user_api="blas")
    shards = [together(pieces(name, size, end - begin).values()) for begin, end in cut(size.B, threads)]
    if len(shards) == 1:
        return shards[0]
    pool = ThreadPoolExecutor(threads)
    return lambda: list(pool.map(lambda shard: shard(), shards))


def together(works: Iterable[Work]) -> Work:
    """One after the other."""
    works = list(works)

    def all_of_them() -> None:
        for work in works:
            work()
    return all_of_them


def pieces(name: str, size: Size, B: int) -> dict[str, Work]:
    """The products of B poems, by the phase of the step that needs them."""
    rng = np.random.default_rng(0)
    T = size.T

    def matrix(*shape: int) -> np.ndarray:
        return rng.standard_normal(shape, np.float32)

    vocabulary = of_vocabulary(name, matrix(T * B, size.top), matrix(size.V, size.top))
    inputs: list[Work] = []
    sums: list[Work] = []
    forward: list[Work] = []
    backward: list[Work] = []
    for D, H in size.layers:
        W, U, x, dz, h_prev = (matrix(4 * H, D), matrix(4 * H, H), matrix(T * B, D), matrix(4 * H, T * B),
                               matrix(T * B, H))
        inputs.append(partial(np.matmul, W, x.T))
        sums += [partial(np.matmul, dz, x), partial(np.matmul, dz, h_prev), partial(np.matmul, dz.T, W)]
        forward.append(repeated(name, U, matrix(H, B), T))
        backward.append(repeated(name, np.ascontiguousarray(U.T) if name != "floor" else U.T,
                                 matrix(4 * H, B), T))
    return {"input products": together(inputs), "time loops": together(forward),
            "vocabulary layer": vocabulary[0], "vocabulary layer, backward": vocabulary[1],
            "time loops, backward": together(backward), "input products, backward": together(sums)}


def of_vocabulary(name: str, h: np.ndarray, fc: np.ndarray) -> tuple[Work, Work]:
    """The products of the last layer as this floor computes them, both ways. h (N, H), fc (V, H)."""
    from scratch_lstm.kernels.compiled.row_groups import TILE, tiles_are_faster
    (N, H), V = h.shape, len(fc)
    dlogits = np.random.default_rng(0).standard_normal((N, V), np.float32)
    logits = np.empty_like(dlogits)
    if name != "floor grouped" or not tiles_are_faster(H, h.dtype):
        return (partial(np.matmul, h, fc.T, out=logits),
                together([partial(np.matmul, dlogits.T, h), partial(np.matmul, dlogits, fc)]))
    forward, backward = compiled_tiles()
    block, dfc, dh = np.empty(V * TILE, np.float32), np.zeros_like(fc), np.zeros_like(h)
    block_of_dlogits = np.full(V * TILE, 1e-3, np.float32)
    return (partial(forward, h.reshape(-1), fc, block, N, TILE),
            partial(backward, block_of_dlogits, h, fc, dfc, dh, TILE))


@cache
def compiled_tiles() -> tuple[Any, Any]:
    """The products of the vocabulary layer in tiles, both ways, a block of predictions at a time."""
    import numba

    from scratch_lstm.kernels.compiled import products as numba_products
    products: Any = numba_products

    def forward(h: Any, fc: Any, block: Any, N: Any, tile: Any) -> None:
        V, H = fc.shape
        for begin in range(0, N, tile):
            n = min(tile, N - begin)
            products.product_in_groups(fc, h[begin * H:(begin + n) * H].reshape(H, n),
                                       block[:V * n].reshape(V, n), tile)

    def backward(block: Any, h: Any, fc: Any, dfc: Any, dh: Any, tile: Any) -> None:
        V = len(fc)
        for begin in range(0, len(h), tile):
            some = h[begin:begin + tile]
            dlogits = block[:V * len(some)].reshape(V, len(some))
            products.add_product_in_groups(dfc, dlogits, some, tile)
            products.add_transposed_product_in_groups(dh[begin:begin + tile], dlogits, fc, tile)

    jit = numba.njit(nogil=True)
    return jit(forward), jit(backward)


def repeated(name: str, A: np.ndarray, B: np.ndarray, times: int) -> Work:
    """A B, so many times, as this floor computes it."""
    out = np.empty((len(A), B.shape[1]), np.float32)
    if name == "floor":
        def work() -> None:
            for _ in range(times):
                np.matmul(A, B, out=out)
        return work
    from scratch_lstm.kernels.compiled.row_groups import rows_at_once
    rows = len(A) if name == "floor whole" else rows_at_once(len(A), len(B), B.shape[1], A.dtype)
    loop = compiled()
    return lambda: loop(A, B, out, rows, times)


@cache
def compiled() -> Any:
    """The loop over time with nothing in it but the product."""
    import numba

    from scratch_lstm.kernels.compiled import products as numba_products
    products: Any = numba_products

    def loop(A: Any, B: Any, out: Any, rows: int, times: int) -> None:
        for _ in range(times):
            products.product_in_groups(A, B, out, rows)

    return numba.njit(nogil=True)(loop)
