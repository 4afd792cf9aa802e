"""The in-place cell against (6.51)-(6.56) written out in one line each, and its adjoint."""

import numpy as np
import pytest

from scratch_lstm.functional import sigmoid
from scratch_lstm.gradcheck import check_gradients
from scratch_lstm.kernels import numpy_cell

pytestmark = pytest.mark.quick


def printed(z, c_prev):
    """(6.51)-(6.56) as printed: c, h."""
    z_i, z_f, z_g, z_o = np.split(z, 4)
    c = sigmoid(z_f) * c_prev + sigmoid(z_i) * np.tanh(z_g)
    return c, sigmoid(z_o) * np.tanh(c)


def run_forward(z, c_prev):
    gates = z.astype(np.result_type(z, c_prev))
    c, tanh_c, h = (np.full(c_prev.shape, np.nan, gates.dtype) for _ in range(3))
    numpy_cell.forward(gates, c_prev, c, tanh_c, h)
    return gates, c, tanh_c, h


def test_gate_order_is_torchs():
    assert numpy_cell.GATES == ("i", "f", "g", "o")


@pytest.mark.parametrize("dtype, bound", [("float64", 1e-15), ("float32", 1e-6), ("complex128", 1e-15)])
def test_forward_is_as_printed(dtype, bound):
    rng = np.random.default_rng(0)
    z, c_prev = (2 * rng.normal(size=s).astype(dtype) for s in ((20, 3), (5, 3)))
    gates, c, tanh_c, h = run_forward(z, c_prev)
    c_printed, h_printed = printed(z, c_prev)
    for ours, theirs in ((c, c_printed), (h, h_printed), (tanh_c, np.tanh(c_printed))):
        assert ours.dtype == dtype
        assert abs(ours - theirs).max() / abs(theirs).max() <= bound
    assert abs(gates[:5] - sigmoid(z[:5])).max() <= bound
    assert abs(gates[10:15] - np.tanh(z[10:15])).max() <= bound


def test_backward_is_the_adjoint_of_forward():
    rng = np.random.default_rng(1)
    z, c_prev, dh, dc = (rng.normal(size=s) for s in ((20, 3), (5, 3), (5, 3), (5, 3)))
    gates, c, tanh_c, h = run_forward(z, c_prev)
    kept = [a.copy() for a in (gates, c_prev, tanh_c, dh)]
    dz, d_c_prev = np.full_like(z, np.nan), dc.copy()
    numpy_cell.backward(gates, c_prev, tanh_c, dh, d_c_prev, dz)

    def project(z, c_prev):
        _, c, _, h = run_forward(z, c_prev)
        return (h * dh).sum() + (c * dc).sum()

    check_gradients(project, {"z": z, "c_prev": c_prev}, {"z": dz, "c_prev": d_c_prev}).assert_ok()
    assert all(np.array_equal(a, b) for a, b in zip(kept, (gates, c_prev, tanh_c, dh)))


def test_extreme_inputs():
    z = np.array([[-800.0], [800.0], [-0.0], [800.0]])
    _, c, _, h = run_forward(z, np.array([[0.5]]))
    assert c == 0.5 and h == np.tanh(0.5)
    _, c, _, h = run_forward(np.full((4, 1), np.nan), np.array([[0.5]]))
    assert np.isnan(c).all() and np.isnan(h).all()
