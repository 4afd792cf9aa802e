"""Numba's kernels give what NumPy's give, from the same inputs."""

import inspect
import itertools
import types

import numba
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scratch_lstm import LSTM, PoemModel, functional, get_backend
from scratch_lstm.kernels import numpy_adam, numpy_cell, numpy_scatter
from scratch_lstm.kernels.compiled import adam as numba_adam
from scratch_lstm.kernels.compiled import cell as numba_cell
from scratch_lstm.kernels.compiled import fused_loss as numba_fused_loss
from scratch_lstm.kernels.compiled import jit as numba_jit
from scratch_lstm.kernels.compiled import loop as numba_loop
from scratch_lstm.kernels.compiled import loss as numba_loss
from scratch_lstm.kernels.compiled import row_groups
from scratch_lstm.kernels.compiled import scatter as numba_scatter

NUMBER = itertools.count()
MODULES = (numba_adam, numba_cell, numba_fused_loss, numba_loop, numba_loss, numba_scatter)
SIZES = st.integers(4, 40)  # a tensor of one entry can be all cancellation
BOUND = {"float32": 1e-6, "float64": 1e-14}


def within(bound, ours, reference):
    """Relative to the largest entry; a reference that is all zero asks for zeros."""
    return ours.dtype == reference.dtype and abs(ours - reference).max() <= bound * abs(reference).max()


@pytest.mark.parametrize("dtype", BOUND)
@given(H=SIZES, B=SIZES, seed=st.integers(0, 10_000), scale=st.sampled_from([0.01, 1.0, 3.0]))
def test_the_cell(dtype, H, B, seed, scale):
    rng = np.random.default_rng(seed)
    z, c_prev, dh, dc = (rng.normal(size=s).astype(dtype) for s in ((4 * H, B), (H, B), (H, B), (H, B)))
    z *= np.asarray(scale, dtype)
    forward, backward = [], []
    for cell in (numpy_cell, numba_cell):
        gates, c, tanh_c, h = z.copy(), *(np.full_like(dh, np.nan) for _ in range(3))
        cell.forward(gates, c_prev, c, tanh_c, h)
        forward.append((gates, c, tanh_c, h))
    for cell in (numpy_cell, numba_cell):
        d_c_prev, dz = dc.copy(), np.full_like(z, np.nan)
        cell.backward(forward[0][0], c_prev, forward[0][2], dh, d_c_prev, dz)
        backward.append((d_c_prev, dz))
    for reference, ours in (forward, backward):
        for a, b in zip(ours, reference):
            assert within(BOUND[dtype], a, b)


@pytest.mark.parametrize("dtype", BOUND)
@given(H=st.integers(1, 9), B=st.integers(1, 9), seed=st.integers(0, 10_000))
def test_saturated_gates(dtype, H, B, seed):
    """A gate of 1e-4 is 0.5 + 0.5 * tanh, so only its distance on the scale of gates, 1, has a bound."""
    rng = np.random.default_rng(seed)
    z, c_prev = 30 * rng.normal(size=(4 * H, B)).astype(dtype), rng.uniform(-1, 1, (H, B)).astype(dtype)
    results = []
    for cell in (numpy_cell, numba_cell):
        gates, c, tanh_c, h = z.copy(), *(np.full_like(c_prev, np.nan) for _ in range(3))
        cell.forward(gates, c_prev, c, tanh_c, h)
        results.append((gates, c, tanh_c, h))
    for reference, ours in zip(*results):
        assert abs(ours - reference).max() <= BOUND[dtype]


@pytest.mark.parametrize("dtype, bound", [("float32", 4e-7), ("float64", 2e-15)])
def test_tanh_over_its_whole_range(dtype, bound):
    z_g = np.concatenate([np.linspace(-25, 25, 100_001), 10.0 ** np.arange(-30, 0), [800.0, -1e30]])
    z = np.zeros((4, len(z_g)), dtype)
    z[2], z[0] = z_g, 800                                          # i = 1: then c = tanh(z_g)
    c, tanh_c, h = (np.empty((1, len(z_g)), dtype) for _ in range(3))
    numba_cell.forward(z, np.zeros_like(c), c, tanh_c, h)
    exact = np.tanh(z_g.astype(dtype).astype("float64"))
    assert (abs(c[0] - exact) / np.maximum(abs(exact), 1e-300)).max() <= bound if dtype == "float64" else (
        abs(c[0] - exact) <= bound * abs(exact) + 1e-37).all()


def test_nan_in_nan_out_and_no_overflow():
    for row in range(4):
        z = np.zeros((4, 8))
        z[row] = np.nan
        c, tanh_c, h = (np.zeros((1, 8)) for _ in range(3))
        numba_cell.forward(z, np.ones((1, 8)), c, tanh_c, h)
        assert np.isnan(h).all()
    z = np.array([[-800.0], [800.0], [-0.0], [np.inf]])
    numba_cell.forward(z, np.array([[0.5]]), c := np.zeros((1, 1)), np.zeros((1, 1)), h := np.zeros((1, 1)))
    assert c == 0.5 and abs(h - np.tanh(0.5)) <= 1e-16


@pytest.mark.parametrize("dtype", BOUND)
@given(N=st.integers(1, 70), V=st.integers(1, 50), seed=st.integers(0, 10_000))
def test_softmax_cross_entropy(dtype, N, V, seed):
    rng = np.random.default_rng(seed)
    logits, targets = (4 * rng.normal(size=(N, V))).astype(dtype), rng.integers(0, V, N)
    kept = logits.copy()
    loss, saved = functional.softmax_cross_entropy(logits, targets)
    ours, ours_saved = numba_loss.softmax_cross_entropy(logits, targets)
    assert abs(ours - loss) <= BOUND[dtype] * max(1, abs(loss)) and ours.dtype == dtype
    dlogits = functional.softmax_cross_entropy_backward(saved, targets)
    ours = numba_loss.softmax_cross_entropy_backward(ours_saved, targets)
    assert abs(ours - dlogits).max() <= BOUND[dtype] * max(abs(dlogits).max(), 1 / N)
    assert np.array_equal(logits, kept)


@pytest.mark.parametrize("dtype", BOUND)
@pytest.mark.parametrize("N", [1, 31, 32, 33, 70])
def test_softmax_shifts_each_row_by_its_own_maximum(dtype, N):
    """Rows 1,000 apart: with one maximum for a block of rows the others would underflow."""
    rng = np.random.default_rng(8)
    logits = (rng.normal(size=(N, 5)) + 1000 * rng.integers(-3, 4, (N, 1))).astype(dtype)
    targets = rng.integers(0, 5, N)
    loss, saved = functional.softmax_cross_entropy(logits, targets)
    ours, ours_saved = numba_loss.softmax_cross_entropy(logits, targets)
    assert abs(ours - loss) <= BOUND[dtype] * max(1, abs(loss))
    assert within(BOUND[dtype], ours_saved[1], saved[1]) and (ours_saved[1] >= 1).all()


@pytest.mark.parametrize("in_place", [False, True])
def test_softmax_cross_entropy_uses_the_memory_it_is_given(in_place):
    logits, targets = np.random.default_rng(10).normal(size=(40, 5)), np.arange(40) % 5
    expected, saved = functional.softmax_cross_entropy(logits, targets)
    out = logits if in_place else np.empty((40, 5))
    loss, ours = numba_loss.softmax_cross_entropy(logits, targets, out)
    assert ours[0] is out and abs(loss - expected) <= 1e-14
    assert within(1e-14, ours[0], saved[0]) and within(1e-14, ours[1], saved[1])


def test_complex_logits_go_to_numpy():
    """There the shift is the real part of the largest logit, and the loss is analytic."""
    logits = np.random.default_rng(11).normal(size=(3, 4)) * (1 + 0.1j)
    targets, out = np.array([0, 3, 1]), np.empty((3, 4), complex)
    expected, saved = functional.softmax_cross_entropy(logits, targets)
    loss, ours = numba_loss.softmax_cross_entropy(logits, targets, out)
    assert abs(loss - expected) <= 1e-15 and loss.imag != 0 and ours[0] is out
    assert within(1e-15, ours[0], saved[0])


def test_a_target_out_of_range():
    with pytest.raises(ValueError, match=r"^target 5 is not in \[0, 5\)$"):
        numba_loss.softmax_cross_entropy(np.zeros((2, 5)), np.array([0, 5]))


# Faults in the compiled text: each must differ from NumPy

FAULTS = [
    ("cell", "c_k = f * c_prev[k] + i * g", "c_k = i * c_prev[k] + f * g"),
    ("cell", "g = tanh(z[2 * n + k])", "g = tanh(z[3 * n + k])"),
    ("cell", "o = half + half * tanh(half * z[3 * n + k])", "o = half + half * tanh(z[3 * n + k])"),
    ("cell", "c[k], tanh_c[k], h[k] = c_k, t, o * t", "c[k], tanh_c[k], h[k] = c_k, t, o * c_k"),
    ("cell", "(one - tanh_c[k] * tanh_c[k])", "(one - tanh_c[k])"),
    ("cell", "dz[k] = dc_k * g * i * (one - i)", "dz[k] = dc_k * g * i"),
    ("cell", "dz[n + k] = dc_k * c_prev[k] * f", "dz[n + k] = dc_k * c_prev[k] * i"),
    ("cell", "dz[3 * n + k] = dh[k] * tanh_c[k]", "dz[3 * n + k] = dc_k * tanh_c[k]"),
    ("cell", "dc[k] = dc_k * f", "dc[k] = dc_k"),
    ("loop", "wx[row, t, k] + b[row]", "wx[row, 0, k] + b[row]"),
    ("loop", "wx[row, t, k] + b[row]", "wx[row, t, k] + b[row // 4 * 4]"),
    ("loop", "product_in_groups(U, h[t], z[t],", "product_in_groups(U, h[0], z[t],"),
    ("loop", "min(k + 8, K)", "min(k + 8, K - 1)"),
    ("loop", "min(m + 16, M)", "min(m + 16, M - 1)"),
    ("loop", "for t in range(len(gates) - 1, -1, -1)", "for t in range(len(gates) - 1, 0, -1)"),
    ("loop", "delta[row, t, k] = dz[row, k]", "delta[row, 0, k] = dz[row, k]"),
    ("loop", "total += dz[row, k]", "total = dz[row, k]"),
    ("loop", "sums[row] += total", "sums[row] = total"),
    ("loop", "sums[:] = 0", "sums[1:] = 0"),
    ("loop", "flat[k] += above[k]", "flat[k] = above[k]"),
    ("loop", "cell.backward(gates[t], c[t],", "cell.backward(gates[t], c[t + 1],"),
    ("loss", "exponentials[rows].max(axis=1)", "exponentials[rows].max(axis=1) * 0"),
    ("loss", "exponentials[rows].max(axis=1)", "exponentials[rows].max() + np.zeros(len(sums[rows]))"),
    ("loss", "at_target[n] = rows[n, targets[n]]", "at_target[n] = rows[n, targets[0]]"),
    ("loss", "range(0, len(logits), BLOCK)", "range(0, len(logits) - BLOCK, BLOCK)"),
    ("loss", "total += rows[n, v]", "total = rows[n, v]"),
    ("adam", "m[k] += (g[k] - m[k]) * one_minus_beta1", "m[k] += g[k] * one_minus_beta1"),
    ("adam", "g[k] * g[k] * one_minus_beta2", "g[k] * one_minus_beta2"),
    ("adam", "/ bias_correction2_sqrt + epsilon)", "+ epsilon)"),
    ("adam", "/ bias_correction2_sqrt + epsilon)", "/ bias_correction2_sqrt)"),
    ("scatter", "sums[rows[n], e] += values[n, e]", "sums[rows[n], e] = values[n, e]"),
    ("scatter", "for n in range(len(rows))", "for n in range(len(rows) - 1)"),
]


def compiled_anew(name, old="", new=""):
    """The module with one change in its text, compiled without a cache. It has a name of its own: Numba finds
    compiled functions by their module's name, and would take those of the real one."""
    source = inspect.getsource(next(module for module in MODULES if module.__name__.endswith(f".{name}")))
    assert source.count(old) == 1 or not old, f"{name} has {old!r} {source.count(old)} times"
    module = types.ModuleType(f"scratch_lstm.kernels.compiled.{name}_{next(NUMBER)}")
    module.__package__ = "scratch_lstm.kernels.compiled"
    folder, numba_jit.FOLDER = numba_jit.FOLDER, None
    try:
        exec(source.replace(old, new) if old else source, vars(module))
    finally:
        numba_jit.FOLDER = folder
    return module


def differences(name, module):
    """How far the module is from NumPy's, on one case for each kernel."""
    rng = np.random.default_rng(9)
    z, tanh_c, above = (rng.normal(size=s) for s in ((3, 16, 2), (3, 4, 2), (3, 4, 2)))
    c, h = rng.normal(size=(2, 4, 4, 2))
    U, b, wx = rng.normal(size=(16, 4)), rng.normal(size=16), rng.normal(size=(16, 3, 2))
    if name in ("cell", "loop"):
        results = []
        for compiled in (False, True):
            z_, c_, t_, h_ = (a.copy() for a in (z, c, tanh_c, h))
            dz, dh, dc = np.zeros_like(z), h[3].copy(), c[3].copy()
            delta, sums = np.full((16, 3, 2), np.nan), np.full(16, 7.0)
            if compiled and name == "loop":
                module.rows_at_once = lambda M, K, N, dtype: 3        # the last group is smaller
                module.forward(U, b, wx, z_, c_, t_, h_)
                module.backward(U, z_, c_, t_, above, delta, sums, dh, dc)
            else:
                cell = module if compiled else numpy_cell
                for t in range(3):
                    z_[t] = U @ h_[t] + wx[:, t] + b[:, None]
                    cell.forward(z_[t], c_[t], c_[t + 1], t_[t], h_[t + 1])
                for t in reversed(range(3)):
                    dh += above[t]
                    cell.backward(z_[t], c_[t], t_[t], dh, dc, dz[t])
                    dh = U.T @ dz[t]
                delta, sums = dz.transpose(1, 0, 2), dz.sum(axis=(0, 2))
            results.append([z_, c_, t_, h_, delta, sums, dh, dc])
    elif name == "loss":
        logits = rng.normal(size=(70, 5)) + 1000 * rng.integers(-3, 4, (70, 1))
        targets = rng.integers(0, 5, 70)
        results = [[loss, saved[1]] for loss, saved in (
            side.softmax_cross_entropy(logits.copy(), targets) for side in (functional, module))]
    elif name == "adam":
        results = []
        for side in (numpy_adam, module):
            start = np.random.default_rng(1)
            arrays = [start.normal(size=20) for _ in range(3)] + [start.random(20)]
            side.update(*arrays, 0.1, 0.5, 0.9, 0.99, 0.1)
            results.append(arrays)
    else:
        rows, values = np.array([1, 1, 0]), rng.normal(size=(3, 2))
        results = [np.zeros((3, 2)), np.zeros((3, 2))]
        numpy_scatter.scatter_add(results[0], rows, values)
        module.scatter_add(results[1], rows, values)
        results = [[a] for a in results]
    return float(np.max([np.max(np.abs(a - b)) for a, b in zip(*results)]))      # NaN stays NaN


@pytest.mark.filterwarnings("ignore:.*NumPy.*overflow:RuntimeWarning", "ignore:overflow:RuntimeWarning",
                            "ignore:divide by zero:RuntimeWarning", "ignore:invalid value:RuntimeWarning")
@pytest.mark.parametrize("name, old, new", FAULTS, ids=[f"{name}: {new}" for name, _, new in FAULTS])
def test_a_fault_in_a_kernel_is_caught(name, old, new):
    assert not differences(name, compiled_anew(name, old, new)) <= 1e-6     # NaN counts as caught


@pytest.mark.parametrize("name", sorted({name for name, _, _ in FAULTS}))
def test_unchanged_the_kernel_is_numpys(name):
    assert differences(name, compiled_anew(name)) <= 1e-12


def test_softmax_cross_entropy_of_nan_is_nan():
    logits = np.zeros((2, 3))
    logits[1, 2] = np.nan
    assert np.isnan(numba_loss.softmax_cross_entropy(logits, np.array([0, 0]))[0])


@pytest.mark.parametrize("dtype", BOUND)
def test_adam(dtype):
    rng = np.random.default_rng(3)
    ours = [rng.normal(size=1000).astype(dtype) for _ in range(3)] + [rng.random(1000).astype(dtype)]
    reference = [a.copy() for a in ours]
    for step, keep in enumerate((1, 0.9, 1, 0.99, 0.5), 1):
        for module, arrays in ((numba_adam, ours), (numpy_adam, reference)):
            module.update(*arrays, 3e-3, np.sqrt(1 - 0.999 ** step), 0.9, 0.999, 1e-8, keep)
    for a, b in zip(ours, reference):
        assert within(2 * BOUND[dtype], a, b)


def test_scatter_add():
    rng = np.random.default_rng(4)
    rows, values = rng.integers(0, 5, 30), rng.normal(size=(30, 3))
    tables = [np.ones((6, 3)), np.ones((6, 3))]
    for name, table in zip(("numpy", "numba"), tables):
        get_backend(name).scatter.scatter_add(table, rows, values)
    assert within(1e-15, tables[1], tables[0]) and (tables[0][5] == 1).all()


@pytest.mark.parametrize("dtype", BOUND)
def test_the_loops_of_the_whole_lstm(dtype):
    rng = np.random.default_rng(5)
    x, h_0, c_0, dh = (rng.normal(size=s).astype(dtype)
                       for s in ((7, 5, 6), (2, 5, 9), (2, 5, 9), (7, 5, 9)))
    results = []
    for backend in ("numpy", "numba"):
        layer = LSTM(6, 9, 2, backend=backend, dtype=dtype)
        h, state = layer.forward(x, (h_0, c_0))
        dx, d_state = layer.backward(dh, (c_0, h_0))
        results.append([h, *state, dx, *d_state, *layer.gradients.values()])
    for reference, ours in zip(*results):
        assert within(3 * BOUND[dtype], ours, reference)


def test_inputs_of_another_dtype_than_the_parameters():
    x = np.random.default_rng(6).normal(size=(3, 2, 4))
    expected = LSTM(4, 3).forward(x)[0]
    ours = LSTM(4, 3, backend="numba").forward(x)[0]
    assert within(1e-14, ours, expected)


def test_a_model_learns_the_same():
    tokens = np.random.default_rng(7).integers(0, 11, (6, 4))
    losses = []
    for backend in ("numpy", "numba"):
        model = PoemModel(11, 5, 6, backend=backend, dtype="float64")
        losses.append(float(model.loss(tokens)))
        model.backward()
        losses.append(float(abs(model.flat_gradients).sum()))
    assert abs(losses[0] - losses[2]) <= 1e-14 and abs(losses[1] / losses[3] - 1) <= 1e-13


@pytest.mark.parametrize("batch", [1, 31, 33])
def test_groups_of_rows_at_the_sizes_where_they_act(monkeypatch, batch):
    """H = 128 and H = 130: the last group is smaller; whatever the library of this machine."""
    monkeypatch.setattr(row_groups, "small_products_are_faster", lambda: True)
    for H in (128, 130):
        rng = np.random.default_rng(H)
        x, dh = rng.normal(size=(2, 4, batch, H)).astype("float32")
        results = []
        for backend in ("numpy", "numba"):
            layer = LSTM(H, H, 1, backend=backend, dtype="float32")
            h, state = layer.forward(x)
            results.append([h, *state, layer.backward(dh)[0], *layer.gradients.values()])
        for reference, ours in zip(*results):
            assert within(1e-5, ours, reference)


def test_the_loops_ask_for_groups_of_their_own_products(monkeypatch):
    asked = []

    def rows_at_once(*given):
        asked.append(given)
        return 2

    monkeypatch.setattr(numba_loop, "rows_at_once", rows_at_once)
    layer = LSTM(2, 3, backend="numba", dtype="float32")
    h, _ = layer.forward(np.ones((4, 5, 2), "float32"))
    layer.backward(h)
    assert asked == [(12, 3, 5, np.dtype("float32")), (3, 12, 5, np.dtype("float32"))]


@pytest.mark.parametrize("dtype", BOUND)
def test_tanh_computes_in_the_dtype_of_its_number(dtype):
    tanh = numba_cell.tanh
    compiled = numba.njit(lambda x: tanh(x))
    assert abs(compiled(np.dtype(dtype).type(0.5)) - np.tanh(0.5)) <= BOUND[dtype]
    assert str(compiled.nopython_signatures[0].return_type) == dtype
