"""total += a b: compiled where arrays allow it, NumPy's elsewhere; in groups of rows. The same sums."""

import numpy as np
import pytest

pytest.importorskip("numba")
from scratch_lstm.kernels.compiled import products as numba_products  # noqa: E402

BOUND = {"float32": 1e-6, "float64": 1e-14, "complex128": 1e-14}


def arrays(dtype, m=5, k=4, n=3):
    rng = np.random.default_rng(m + 10 * k + 100 * n)
    return [rng.normal(size=shape).astype(dtype) for shape in ((m, n), (m, k), (k, n))]


def compiled_calls(monkeypatch):
    calls, compiled = [], numba_products._add_product

    def counted(*given):
        calls.append(given)
        compiled(*given)

    monkeypatch.setattr(numba_products, "_add_product", counted)
    return calls


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("m, k, n", [(5, 4, 3), (1, 4, 3), (5, 1, 3), (5, 4, 1), (1, 1, 1), (33, 17, 65)])
def test_the_compiled_way(monkeypatch, dtype, m, k, n):
    calls = compiled_calls(monkeypatch)
    total, a, b = arrays(dtype, m, k, n)
    expected, kept = total + a @ b, (a.copy(), b.copy())
    numba_products.add_product(total, a, b)
    assert len(calls) == 1 and (a == kept[0]).all() and (b == kept[1]).all()
    assert np.max(abs(total - expected)) <= BOUND[dtype] * np.max(abs(expected))


def but_one(change, which):
    return [change(array) if number == which else array for number, array in enumerate(arrays("float64"))]


def single(array):
    return array.astype("float32")


@pytest.mark.parametrize("given", [arrays("complex128"), *(
    but_one(change, which) for change in (single, np.asfortranarray) for which in range(3))])
def test_arrays_that_only_numpy_takes(monkeypatch, given):
    calls = compiled_calls(monkeypatch)
    total, a, b = given
    expected = total + a @ b
    numba_products.add_product(total, a, b)
    assert not calls and total.dtype == given[0].dtype
    bound = BOUND["float32" if total.dtype == "float32" else "float64"]
    assert np.max(abs(total - expected)) <= bound * np.max(abs(expected))


@pytest.mark.parametrize("shapes", [
    ((4, 3), (5, 4), (4, 3)), ((6, 3), (5, 4), (4, 3)), ((5, 2), (5, 4), (4, 3)), ((5, 4), (5, 4), (4, 3)),
    ((5, 3), (5, 4), (3, 3)), ((5, 3), (5, 4), (5, 3))])
@pytest.mark.parametrize("dtype", ["float32", "complex64"])
def test_arrays_that_do_not_fit_are_refused(shapes, dtype):
    total, a, b = (np.ones(shape, dtype) for shape in shapes)
    message = "^total, a and b do not fit$" if dtype == "float32" else "match|broadcast"
    with pytest.raises(ValueError, match=message):
        numba_products.add_product(total, a, b)
    assert (total == 1).all()


GROUPS = {  # function, what it makes of total, a, b; the rows are those of a
    "product_in_groups": (lambda total, a, b: a @ b, False),
    "add_product_in_groups": (lambda total, a, b: total + a @ b, False),
    "add_transposed_product_in_groups": (lambda total, a, b: total + a @ b, True)}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("rows", [1, 2, 3, 4, 5, 6, 10 ** 6])
@pytest.mark.parametrize("name", GROUPS)
def test_groups_of_rows(name, rows, dtype):
    """Also where the last group is smaller, or the only one."""
    compute, transposed = GROUPS[name]
    total, a, b = arrays(dtype, 3, 5, 4) if transposed else arrays(dtype)
    expected = compute(total, a, b)
    if transposed:
        a = np.ascontiguousarray(a.T)                                   # (k, m)
    kept = a.copy(), b.copy()
    function = getattr(numba_products, name)
    function(*((a, b, total) if name == "product_in_groups" else (total, a, b)), rows)
    assert (a == kept[0]).all() and (b == kept[1]).all()
    assert np.max(abs(total - expected)) <= BOUND[dtype] * np.max(abs(expected))


@pytest.mark.parametrize("name", GROUPS)
def test_each_product_has_so_many_rows(monkeypatch, name):
    """The Python text of the function, on arrays that note what is asked of the library."""
    total, a, b = arrays("float64", 5, 5, 3)
    seen = []
    monkeypatch.setattr(numba_products, "add_product", lambda total, a, b: seen.append((a.shape, b.shape)))
    monkeypatch.setattr(np, "dot", lambda a, b, out: seen.append((a.shape, b.shape)))
    function = getattr(numba_products, name).py_func
    function(*((a, b, total) if name == "product_in_groups" else (total, a, b)), 2)
    shapes = [(2, 5), (2, 5), (1, 5)]
    assert seen == [((5, n), (n, 3)) if GROUPS[name][1] else ((n, m), (5, 3)) for n, m in shapes]
