"""When a recurrent product is cut into groups of rows."""

import numpy as np
import pytest

from scratch_lstm.kernels.compiled import row_groups
from scratch_lstm.kernels.compiled.row_groups import rows_at_once, small_products_are_faster, tiles_are_faster


@pytest.fixture(params=[("SkylakeX", True), ("Haswell", False), (None, False)])
def machine(request, monkeypatch):
    """(architecture of the library that compiled code calls, whether groups pay there)."""
    architecture, pays = request.param
    libraries = [{"internal_api": "openblas", "filepath": "numpy.libs/x.so", "architecture": "SkylakeX"},
                 {"internal_api": "openblas", "filepath": "scipy.libs/x.so", "architecture": architecture}]
    monkeypatch.setattr("threadpoolctl.threadpool_info", lambda: libraries)
    small_products_are_faster.cache_clear()
    yield pays
    small_products_are_faster.cache_clear()


@pytest.mark.parametrize("M, K, N, rows", [
    (512, 128, 32, 240),        # U h at the course's sizes
    (128, 512, 32, 48),         # U^T dz
    (1280, 320, 32, 96),
    (16, 4, 2, 16),             # small already
    (256, 64, 32, 256),
    (2048, 512, 128, 2048),     # not even 16 rows are small
    (1, 1, 1, 1)])
def test_rows_at_once(machine, M, K, N, rows):
    assert rows_at_once(M, K, N, np.float32) == (rows if machine else M)
    assert rows_at_once(M, K, N, np.float64) == M
    assert rows * K * N <= row_groups.SMALL or rows == M


@pytest.mark.parametrize("H, pays", [(1, True), (128, True), (129, False)])
def test_tiles(machine, H, pays):
    """A tile is a small product."""
    assert tiles_are_faster(H, "float32") == (machine and pays) and not tiles_are_faster(H, "float64")
    assert row_groups.TILE ** 2 * row_groups.WIDEST <= row_groups.SMALL
