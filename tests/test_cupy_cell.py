"""The elementwise kernels of the GPU path for large H, their own source run on the CPU: equal to NumPy's."""

import subprocess

import numpy as np
import pytest
from helpers.fake_cupy import compiler, device, within
from hypothesis import given, settings
from hypothesis import strategies as st

from scratch_lstm.kernels import numpy_cell

needs_compiler = pytest.mark.skipif(compiler() is None, reason="no C++ compiler, or not Linux")
BOUND = {"float32": 1e-6, "float64": 1e-14}
KERNELS = {"FORWARD": "cell", "BACKWARD": "cell", "FORWARD_ADD": "loop", "BACKWARD_ADD": "loop"}


def run_forward(module, z, c_prev, wrap=lambda *arrays: arrays):
    arrays = [z.copy(), *(np.full_like(c_prev, np.nan) for _ in range(3))]
    gates, c, tanh_c, h = wrap(*arrays)
    module.forward(gates, wrap(c_prev)[0], c, tanh_c, h)
    return arrays


@needs_compiler
@pytest.mark.parametrize("dtype", BOUND)
@settings(max_examples=15)
@given(H=st.integers(4, 20), B=st.integers(4, 20), seed=st.integers(0, 10_000))
def test_the_cell_is_numpys(kernels, dtype, H, B, seed):
    rng = np.random.default_rng(seed)
    z, c_prev, dh, dc = (rng.normal(size=s).astype(dtype) for s in ((4 * H, B), (H, B), (H, B), (H, B)))
    reference, ours = run_forward(numpy_cell, z, c_prev), run_forward(kernels.cell, z, c_prev, device)
    for a, b in zip(ours, reference):
        assert within(BOUND[dtype], a, b)
    gates, _, tanh_c, _ = reference
    results = []
    for module, wrap in ((numpy_cell, lambda *arrays: arrays), (kernels.cell, device)):
        d_c_prev, dz = dc.copy(), np.full_like(z, np.nan)
        module.backward(*wrap(gates, c_prev, tanh_c, dh, d_c_prev, dz))
        results.append((d_c_prev, dz))
    for a, b in zip(results[1], results[0]):
        assert within(BOUND[dtype], a, b)


@needs_compiler
@pytest.mark.parametrize("dtype", BOUND)
@settings(max_examples=10)
@given(T=st.integers(1, 5), B=st.integers(4, 9), H=st.integers(4, 9), seed=st.integers(0, 10_000))
def test_the_loops_are_numpys(kernels, dtype, T, B, H, seed):
    rng = np.random.default_rng(seed)

    def draw(*shape):
        return (0.7 * rng.normal(size=shape)).astype(dtype)

    U, b, wx, above = draw(4 * H, H), draw(4 * H), draw(4 * H, T, B), draw(T, H, B)
    dh, dc = draw(H, B), draw(H, B)
    z, c, tanh_c, h = draw(T, 4 * H, B), draw(T + 1, H, B), draw(T, H, B), draw(T + 1, H, B)
    ours = [a.copy() for a in (z, c, tanh_c, h)]
    kernels.loop.forward(*device(U, b, wx.copy(), *ours))
    for t in range(T):
        np.matmul(U, h[t], out=z[t])
        z[t] += wx[:, t] + b[:, None]
        numpy_cell.forward(z[t], c[t], c[t + 1], tanh_c[t], h[t + 1])
    for a, b in zip(ours, (z, c, tanh_c, h)):
        assert within(4 * BOUND[dtype], a, b)
    delta, sums = np.empty((4 * H, T, B), dtype), np.empty(4 * H, dtype)
    our_dh, our_dc, dz = dh.copy(), dc.copy(), np.empty_like(z)
    kernels.loop.backward(*device(U, z, c, tanh_c, above, delta, sums, our_dh, our_dc))
    for t in reversed(range(T)):
        dh += above[t]
        numpy_cell.backward(z[t], c[t], tanh_c[t], dh, dc, dz[t])
        np.matmul(U.T, dz[t], out=dh)
    expected = dz.transpose(1, 0, 2), dz.sum(axis=(0, 2)), dh, dc
    for a, b in zip((delta, sums, our_dh, our_dc), expected):
        assert within(4 * BOUND[dtype], a, b)


@needs_compiler
@pytest.mark.parametrize("dtype", BOUND)
def test_extremes_and_nan(kernels, dtype):
    z = np.array([[-800.0, 800.0], [800.0, -800.0], [-0.0, np.inf], [800.0, -np.inf]], dtype)
    gates, c, tanh_c, h = run_forward(kernels.cell, z, np.array([[0.5, 0.25]], dtype), device)
    assert np.array_equal(c, [[0.5, 1.0]]) and np.isfinite(gates).all()
    assert abs(h[0, 0] - np.tanh(0.5)) <= 1e-7 and h[0, 1] == 0
    for row in range(4):
        z = np.zeros((4, 2), dtype)
        z[row] = np.nan
        assert np.isnan(run_forward(kernels.cell, z, np.ones((1, 2), dtype), device)[3]).all()


@needs_compiler
@pytest.mark.parametrize("kernel, old, new", [
    ("FORWARD", "c[i] = c_k", "c[i] = t"), ("FORWARD", "gate_f * c_prev[i]", "gate_i * c_prev[i]"),
    ("BACKWARD", "one - t * t", "one - t"), ("BACKWARD", "dc[i] = dc_k * gate_f", "dc[i] = dc_k"),
    ("FORWARD_ADD", "start + i % batch", "i % batch"), ("BACKWARD_ADD", "+ dh_above[i]", ""),
])
def test_a_fault_in_an_elementwise_kernel_is_caught(kernels, monkeypatch, kernel, old, new):
    module = getattr(kernels, KERNELS[kernel])
    right = getattr(module, kernel)
    assert old in right.operation
    fault = object.__new__(type(right))
    vars(fault).update(vars(right), operation=right.operation.replace(old, new), compiled={})
    monkeypatch.setattr(module, kernel, fault)
    check = test_the_loops_are_numpys if kernel.endswith("ADD") else test_the_cell_is_numpys
    arguments = {"H": 5, "B": 6, "seed": 1} | ({"T": 3} if kernel.endswith("ADD") else {})
    with pytest.raises((AssertionError, subprocess.CalledProcessError)):
        check.hypothesis.inner_test(kernels=kernels, dtype="float64", **arguments)
