"""The oracles are right, and they can fail: every fault here is one that a check must see."""

import ast
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scratch_lstm import gradcheck
from scratch_lstm.gradcheck import (
    EPS,
    GradientTable,
    Row,
    central_difference,
    check_gradients,
    complex_step,
    directional,
    relative_error,
    richardson,
    taylor_order,
)

pytestmark = pytest.mark.quick

ENTRYWISE = {central_difference: 1e-8, richardson: 1e-10, complex_step: 1e-14}


def smooth(A, x):
    return np.sum(A * np.sin(x) * np.exp(x / 2))


def smooth_gradient(A, x):
    return A * (np.cos(x) + np.sin(x) / 2) * np.exp(x / 2)


def case(seed=0, shape=(3, 4)):
    rng = np.random.default_rng(seed)
    return rng.standard_normal(shape), rng.standard_normal(shape)


def two_tensors(seed=0):
    """L = sum_i v_i tanh(A B)_i with both gradients; A is square, so that its transpose fits."""
    rng = np.random.default_rng(seed)
    A, B, v = rng.standard_normal((3, 3)), rng.standard_normal(3), rng.standard_normal(3)
    dz = v * (1 - np.tanh(A @ B) ** 2)
    return (lambda A, B: v @ np.tanh(A @ B)), dict(A=A, B=B), dict(A=np.outer(dz, B), B=A.T @ dz)


# The entrywise oracles

@pytest.mark.parametrize("oracle", ENTRYWISE)
@given(seed=st.integers(0, 2**32 - 1), shape=st.sampled_from([(), (1,), (5,), (2, 3), (2, 1, 3)]))
@settings(max_examples=25)
def test_oracle_against_the_exact_gradient(oracle, seed, shape):
    A, x = (np.asarray(a) for a in case(seed, shape))
    found = oracle(lambda x: smooth(A, x), x)
    # on the scale of f's terms: a single entry of the gradient may nearly vanish
    scale = np.max(np.abs(A) * np.exp(np.abs(x)))
    assert found.shape == x.shape and found.dtype == np.float64
    assert np.max(np.abs(found - smooth_gradient(A, x))) / scale <= ENTRYWISE[oracle]


@pytest.mark.parametrize("levels", [1, 2, 3])
def test_order_of_the_differences(levels):
    """Half the step, 2^(2 levels) times less error: h^2, h^4, h^6 as the header says."""
    A, x = case(1)
    coarse, fine = (np.max(np.abs(richardson(lambda x: smooth(A, x), x, step, levels)
                                  - smooth_gradient(A, x))) for step in (0.2, 0.1))
    assert abs(math.log2(coarse / fine) - 2 * levels) <= 0.1


@pytest.mark.parametrize("oracle", ENTRYWISE)
def test_step_grows_with_the_entry(oracle):
    """At x = 1e9 a step of 1e-5 would be lost in the rounding of x."""
    x = np.array([1e9, -3e9, 0.5])
    assert relative_error(oracle(lambda x: np.sum(x * x) / 2, x), x) <= 1e-8


@pytest.mark.parametrize("oracle, steps", [
    (central_difference, [EPS ** (1 / 3)]), (complex_step, [1e-30]),
    (richardson, [EPS ** (1 / 7), EPS ** (1 / 7) / 2, EPS ** (1 / 7) / 4])])
def test_the_steps_are_as_the_header_says(oracle, steps):
    """h = step * max(1, |x_i|), either way, or along the imaginary axis."""
    x, moves = np.array([0.25, -8.0, 1.5]), set()

    def f(y):
        move = y - x if np.isrealobj(y) else y.imag
        moves.update(move[move != 0].tolist())
        return np.sum(y)

    oracle(f, x)
    expected = [h * size for h in steps for size in (1.0, 8.0, 1.5)]
    if oracle is not complex_step:
        expected += [-h for h in expected]
    np.testing.assert_allclose(sorted(moves), sorted(expected), rtol=1e-9)


@pytest.mark.parametrize("oracle", ENTRYWISE)
def test_the_caller_s_array_is_out_of_reach(oracle):
    A, x = case(2)
    before = x.copy()

    def destructive(x):
        x *= 2
        result = smooth(A, x / 2)
        x[...] = 7
        return result

    assert relative_error(oracle(destructive, x), smooth_gradient(A, before)) <= 1e-8
    assert np.array_equal(x, before)


@pytest.mark.parametrize("oracle", ENTRYWISE)
def test_any_memory_layout(oracle):
    A, x = case(3, (4, 6))
    for view, B in ((x.T, A.T), (x[::2, ::-3], A[::2, ::-3]), (np.asfortranarray(x), A)):
        found = oracle(lambda x: smooth(B, x), view)
        assert relative_error(found, smooth_gradient(B, view)) <= 1e-8


@pytest.mark.parametrize("oracle", ENTRYWISE)
@pytest.mark.parametrize("x", [np.ones(2, np.float32), np.ones(2, int), np.ones(2, complex), 1.0])
def test_only_float64(oracle, x):
    with pytest.raises(ValueError, match="need a float64 array"):
        oracle(np.sum, x)


@pytest.mark.parametrize("f, oracle", [
    (lambda x: x, central_difference), (lambda x: x, complex_step),     # a vector
    (lambda x: np.sum(x[:1]) * 1j, central_difference),                 # complex
    (lambda x: np.sum(x.real), complex_step), (lambda x: 1.0, complex_step)])
def test_only_scalars_and_no_dropped_imaginary_part(f, oracle):
    with pytest.raises(ValueError, match="scalar"):
        oracle(f, np.ones(2))


@pytest.mark.parametrize("call, message", [
    (lambda: complex_step(np.sum, np.ones(2, np.float32)), "need a float64 array, not float32"),
    (lambda: complex_step(np.sum, 1.0), "need a float64 array, not <class 'float'>"),
    (lambda: central_difference(lambda x: x, np.ones(3)), "f must be a real scalar, not float64 (3,)"),
    (lambda: central_difference(lambda x: 1j, np.ones(3)), "f must be a real scalar, not complex128 ()"),
    (lambda: complex_step(lambda x: x, np.ones(3)), "f of complex x must be a complex scalar, not complex128 "
     "(3,): somewhere the imaginary part was dropped"),
    (lambda: complex_step(lambda x: x[0].real, np.ones(3)), "f of complex x must be a complex scalar, "
     "not float64 (): somewhere the imaginary part was dropped")])
def test_what_the_oracles_say_that_they_were_given(call, message):
    with pytest.raises(ValueError) as error:
        call()
    assert str(error.value) == message


# One direction

def test_directional_costs_one_call_and_sees_one_entry():
    A, x = case(4, (200, 500))
    calls = []

    def f(x):
        calls.append(1)
        return smooth(A, x)

    gradient = smooth_gradient(A, x)
    inner, jvp = directional(f, x, gradient)
    assert len(calls) == 1
    assert abs(inner - jvp) / np.linalg.norm(gradient) <= 1e-13
    gradient[17, 5] += 1e-9 * np.linalg.norm(gradient)
    inner, jvp = directional(f, x, gradient)
    assert abs(inner - jvp) / np.linalg.norm(gradient) > 1e-11


def test_directional_follows_its_seed():
    A, x = case(5)
    first, again, other = (directional(lambda x: smooth(A, x), x, A, seed) for seed in (0, 0, 1))
    assert first == again != other and directional(lambda x: smooth(A, x), x, A) == first


@given(seed=st.integers(0, 2**32 - 1))
def test_taylor_order_is_two_when_right_and_one_when_wrong(seed):
    rng = np.random.default_rng(seed)
    x, M = rng.standard_normal(4), rng.standard_normal((4, 4))
    M = M @ M.T + np.eye(4)                     # curved in every direction

    def f(x):
        return x @ M @ x / 2 + np.sum(np.sin(x)) / 10

    gradient = M @ x + np.cos(x) / 10
    fault = np.linalg.norm(gradient) * np.eye(4)[seed % 4]
    assert abs(taylor_order(f, x, gradient, seed=seed) - 2) <= 0.1
    direction = np.ones(4) / 2
    assert abs(taylor_order(f, x, gradient, direction) - 2) <= 0.1
    assert abs(taylor_order(f, x, gradient + 10 * fault, direction) - 1) <= 0.1


def test_taylor_order_goes_from_2_to_the_minus_7_along_a_unit_vector():
    A, x = case(7)
    far = []

    def f(y):
        far.append(np.linalg.norm(y - x))
        return smooth(A, y)

    taylor_order(f, x, smooth_gradient(A, x))
    assert relative_error(np.array(far[1:]), 2.0 ** -np.arange(7, 15)) <= 1e-9


def test_taylor_order_where_little_or_nothing_remains():
    x, one = np.array([0.0, 1.0]), np.array([1.0, 0.0])
    a = np.array([0.7, -0.3])
    assert taylor_order(lambda x: a @ x, x, a) == math.inf
    assert abs(taylor_order(lambda x: a @ x, x, 1.01 * a) - 1) <= 0.01
    assert abs(taylor_order(lambda x: np.sum(np.sin(x)), x, np.cos(x), one) - 3) <= 0.01
    # a gradient of zero for an f that moves, and the other way round
    assert abs(taylor_order(lambda x: a @ x, x, 0 * a) - 1) <= 0.01
    assert abs(taylor_order(lambda x: 2.0, x, a) - 1) <= 0.01


@pytest.mark.parametrize("f, gradient", [
    (lambda x: 1.0, np.zeros(2)),                        # constant: right, but nothing is tested
    (lambda x: 1e20 + np.sum(x), np.ones(2)),            # lost in the rounding of f
    (lambda x: np.sum(x), np.array([1.0, np.nan])),
    (lambda x: np.nan, np.ones(2))])
def test_taylor_order_refuses_to_say_what_it_cannot(f, gradient):
    with pytest.raises(ValueError, match="no test"):
        taylor_order(f, np.ones(2), gradient)


def order_of(values, start=0.0, slope=0.0):
    """The order found where f(x + 2^-7 v), f(x + 2^-8 v), ... have these values, f(x) the value `start`."""
    values = np.concatenate([values, np.full(8, start)[len(values):] + slope * STEPS[len(values):]])
    table = {0.0: start, **dict(zip(STEPS.tolist(), values.tolist()))}
    return taylor_order(lambda x: table[x[0]], np.zeros(1), np.array([slope]), np.ones(1))


STEPS = 2.0 ** -np.arange(7, 15)


def test_taylor_order_leaves_out_what_rounding_could_have_made():
    """Up to 64 eps (|f(x)| + |f(x + e v) - f(x)|), and not a step further."""
    assert order_of(1 + EPS * np.array([4096, 1024, 64]), start=1.0) == pytest.approx(2, rel=1e-12)
    remainders = np.array([4096, 1024, 65])
    expected = np.polyfit(np.log(STEPS[:3]), np.log(remainders * EPS), 1)[0]
    assert order_of(1 + EPS * remainders, start=1.0) == pytest.approx(expected, rel=1e-12)
    # the move counts as well: 64 * 1.5 = 96 of the first are rounding
    values = 1 + 64 * STEPS[:3] + EPS * np.array([80, 1024, 256])
    assert order_of(values, start=1.0, slope=64.0) == pytest.approx(2, rel=1e-12)
    # and just so much is rounding still
    slope = 128 * (1 - 64 * EPS)
    values = np.array([1.0, slope * STEPS[1] + 2.0**-10, slope * STEPS[2] + 2.0**-12])
    assert order_of(values, slope=slope) == pytest.approx(2, rel=1e-9)


def test_taylor_order_asks_the_largest_step_whether_f_moves():
    assert order_of([1.0]) == math.inf                                  # one remainder is no order
    assert order_of(np.ones(8), start=1.0, slope=100 * EPS * 2**7) == math.inf   # only the gradient says so
    assert order_of([1e-20, 1.0]) < 0                                   # moves less at first: still a test
    with pytest.raises(ValueError, match="f moves by 0.0 and the gradient says 0.0: no test"):
        order_of([])
    with pytest.raises(ValueError, match="f moves by 0.5 and the gradient says 0.25: no test"):
        order_of([0.5, np.nan], slope=32.0)


# Errors

def test_relative_error_is_relative_to_the_reference():
    assert relative_error(np.array([1.0, 4.5]), np.array([1.0, -4.0])) == 8.5 / 4
    assert relative_error(np.array([1 + 1j]), np.array([1 - 1j])) == pytest.approx(2**0.5)
    tiny = np.array([1e-300, 2e-300])
    assert relative_error(2 * tiny, tiny) == 1.0         # no absolute tolerance hides it
    assert relative_error(np.zeros(2), tiny) == 1.0


@pytest.mark.parametrize("a, b, why", [
    (np.ones(2), np.ones(3), "float64 \\(2,\\), but its reference float64 \\(3,\\)"),
    (np.ones((1, 2)), np.ones(2), "reference"),          # would broadcast
    (np.ones(2, np.float32), np.ones(2), "float32"),
    (np.array([1, np.nan]), np.ones(2), "value at \\(1,\\) is nan"),
    (np.ones((2, 2)), np.array([[1, 1], [np.inf, 1]]), "reference at \\(1, 0\\) is inf"),
    (np.array([np.inf]), np.array([np.inf]), "inf"),
    (np.zeros(2), np.zeros(2), "zero everywhere"),
    (np.zeros((0, 2)), np.zeros((0, 2)), "zero everywhere")])
def test_relative_error_fails_loudly(a, b, why):
    with pytest.raises(ValueError, match=f"dU: .*{why}"):
        relative_error(a, b, "dU")


def test_relative_error_of_a_tensor_without_a_name():
    with pytest.raises(ValueError, match="^tensor: the reference is zero everywhere"):
        relative_error(np.ones(2), np.zeros(2))


# The front

METHODS = ("central", "complex", "directional")


def test_right_gradients_pass_and_the_table_says_so():
    function, arguments, gradients = two_tensors()
    table = check_gradients(function, arguments, gradients, METHODS)
    table.assert_ok()
    assert table.ok and [(r.tensor, r.method) for r in table] == [(n, m) for n in "AB" for m in METHODS]
    assert [row.bound for row in table] == 2 * [1e-9, 1e-13, 1e-13]
    assert len(check_gradients(function, arguments, gradients)) == 4


FAULTS = {
    "scaled": lambda g: g * (1 + 1e-7), "transposed": np.transpose, "zero": np.zeros_like,
    "negative": np.negative, "twice": lambda g: 2 * g, "permuted": lambda g: np.roll(g, 1, axis=0),
    "one entry": lambda g: g + 1e-7 * np.max(np.abs(g)) * (np.arange(g.size) == 3).reshape(g.shape),
    "one entry missing": lambda g: g * (np.arange(g.size) != 3).reshape(g.shape)}


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("fault", FAULTS)
def test_every_method_sees_every_fault(fault, method):
    function, arguments, gradients = two_tensors()
    wrong = dict(gradients, A=FAULTS[fault](gradients["A"]))
    table = check_gradients(function, arguments, wrong, [method])
    assert [row.ok for row in table] == [False, True] and not table.ok
    assert table.worst.tensor == "A"
    with pytest.raises(AssertionError, match="1 of 2 are not ok"):
        table.assert_ok()


def test_the_message_counts_those_that_fail():
    function, arguments, gradients = two_tensors()
    wrong = dict(gradients, A=2 * gradients["A"])
    table = check_gradients(function, arguments, wrong, ["central", "complex"])
    del table[-1]
    with pytest.raises(AssertionError, match="2 of 3 are not ok"):
        table.assert_ok()


@pytest.mark.parametrize("wrong, why", [
    (np.full((3, 3), np.nan), "A .*nan"), (np.ones((3, 1)), "A: .*gradient float64 \\(3, 1\\)"),
    (np.ones((3, 3), np.float32), "A: .*float32"), (1.0, "A: ")])
@pytest.mark.parametrize("method", METHODS)
def test_what_cannot_be_compared_is_named(wrong, why, method):
    function, arguments, gradients = two_tensors()
    with pytest.raises(ValueError, match=why):
        check_gradients(function, arguments, dict(gradients, A=wrong), [method])


@pytest.mark.parametrize("drop, where", [("A", "arguments"), ("A", "gradients")])
def test_a_name_without_its_partner(drop, where):
    function, *dicts = two_tensors()
    del dicts[where == "gradients"][drop]
    with pytest.raises(ValueError, match="arguments .*, but gradients"):
        check_gradients(function, *dicts)


@pytest.mark.parametrize("unknown", [dict(methods=["forward"]), dict(methods=()),
                                     dict(bounds={"centre": 1}), dict(zeros=["C"])])
def test_unknown_names(unknown):
    with pytest.raises(ValueError, match="unknown name"):
        check_gradients(*two_tensors(), **unknown)


def test_a_float32_argument_is_refused():
    function, arguments, gradients = two_tensors()
    arguments["B"], gradients["B"] = (np.float32(d["B"]) for d in (arguments, gradients))
    with pytest.raises(ValueError, match="float64"):
        check_gradients(function, arguments, gradients)


@pytest.mark.parametrize("method", METHODS)
def test_zeros_are_exact_and_never_assumed(method):
    x = np.ones(2)

    def function(x, y):
        return np.sum(x * x) + 0 * np.sum(y)

    def check(**options):
        return check_gradients(function, dict(x=x, y=x), options.pop("gradients"), [method], **options)

    right = dict(x=2 * x, y=0 * x)
    assert check(gradients=right, zeros=["y"]).ok
    with pytest.raises(ValueError, match="y .*zero everywhere"):    # not said to be zero
        check(gradients=right)
    assert not check(gradients=dict(x=2 * x, y=1e-300 * x), zeros=["y"]).ok
    assert not check(gradients=dict(x=0 * x, y=0 * x), zeros=["x", "y"]).ok


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("zeros", [["y"], []], ids=["zeros", "no zeros"])
@pytest.mark.parametrize("where", ["value", "reference"])
@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")
def test_no_row_is_ok_with_nan_or_inf_on_either_side(method, zeros, where, bad):
    """Also of a gradient that is zero by structure: max(0, nan) is 0 in Python."""
    def function(x, y):
        moved = where == "reference" and np.any(y != 1)
        return np.sum(x * x) + (bad * np.sum(y - 1) if moved else 0)

    x, gradient = np.ones(2), np.zeros(2)
    gradient[1] = bad if where == "value" else 0 if zeros else 1
    with pytest.raises(ValueError, match=rf"^y \({method}\): gradient: the {where} at \(.*\) is [a-z-]+$"):
        check_gradients(function, dict(x=x, y=x), dict(x=2 * x, y=gradient), [method], zeros=zeros)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("size", [1e-8, 1e8])
def test_the_bound_is_relative_whatever_the_size(size, fault, method):
    """Gradients of 1e-8: an error that is small only compared with 1 is seen too."""
    function, arguments, gradients = two_tensors()
    gradients = {name: size * gradient for name, gradient in gradients.items()}
    wrong = dict(gradients, A=FAULTS[fault](gradients["A"]))
    table = check_gradients(lambda A, B: size * function(A, B), arguments, wrong, [method])
    assert [row.ok for row in table] == [False, True]


@pytest.mark.parametrize("method", ["central", "complex"])
def test_a_tensor_without_entries_is_named(method):
    with pytest.raises(ValueError, match=rf"^y \({method}\): the reference is zero everywhere"):
        check_gradients(lambda x, y: np.sum(x), dict(x=np.ones(2), y=np.ones(0)),
                        dict(x=np.ones(2), y=np.ones(0)), [method])


@pytest.mark.parametrize("options, seed", [({}, 0), ({"seed": 5}, 5)])
def test_directional_rows_are_one_draw_with_the_seed_that_was_given(options, seed):
    function, arguments, gradients = two_tensors()
    row, _ = check_gradients(function, arguments, gradients, ["directional"], **options)
    inner, jvp = directional(lambda A: function(A, arguments["B"]), arguments["A"], gradients["A"], seed)
    assert (row.value, row.reference, row.index) == (inner, jvp, ())
    assert row.error == abs(inner - jvp) / max(np.linalg.norm(gradients["A"]), abs(jvp))


def test_bounds_by_method():
    function, arguments, gradients = two_tensors()
    gradients["A"] = gradients["A"] * (1 + 1e-6)
    assert check_gradients(function, arguments, gradients, bounds=dict(central=1e-5, complex=1e-5)).ok
    table = check_gradients(function, arguments, gradients, bounds=dict(central=1e-5))
    assert [row.ok for row in table] == [True, False, True, True]


def test_the_function_gets_copies_of_one_dtype():
    function, arguments, gradients = two_tensors()
    before, seen = {k: v.copy() for k, v in arguments.items()}, set()

    def destructive(A, B):
        seen.add((A.dtype.name, B.dtype.name))
        result = function(A, B)
        A[...], B[...] = 0, 0
        return result

    check_gradients(destructive, arguments, gradients, METHODS).assert_ok()
    assert seen == {("float64", "float64"), ("complex128", "complex128")}
    assert all(np.array_equal(arguments[k], before[k]) for k in before)


def test_a_failure_shows_both_values_and_where():
    function, arguments, gradients = two_tensors()
    right = gradients["A"][2, 1]
    gradients["A"][2, 1] = 0.5
    table = check_gradients(function, arguments, gradients)
    lines = str(table).splitlines()
    assert len(lines) == 5 and len({line.index("e-") for line in lines[1:]}) == 1     # aligned
    assert table.worst.index == (2, 1) and table.worst.value == 0.5
    assert abs(table.worst.reference - right) <= 1e-9
    with pytest.raises(AssertionError, match=r"^2 of 4 are not ok\ntensor "):
        table.assert_ok()
    with pytest.raises(AssertionError, match="^1 of 3 are not ok\n"):
        GradientTable(table[1:]).assert_ok()
    for word in ("A  ", "complex", "WRONG", "[2, 1]", "+5.000000000000000e-01", f"{right:+.9e}"[:10]):
        assert word in lines[2]
    assert "ok" in lines[4] and "WRONG" not in lines[4]


def test_nan_fails_and_an_empty_table_is_not_ok():
    row = Row("A", "complex", math.nan, 1e-13, (0,), 1.0, 1.0)
    assert not row.ok and not GradientTable([row]).ok and not GradientTable().ok
    good = Row("B", "complex", 9e-14, 1e-13, (0,), 1.0, 1.0)
    assert good.ok and GradientTable([good]).ok and GradientTable([good, row]).worst is row
    assert Row("C", "complex", 1e-13, 1e-13, (0,), 1.0, 1.0).ok
    assert GradientTable([good, Row("C", "central", 5e-10, 1e-9, (0,), 1.0, 1.0)]).worst is good


def test_gradcheck_knows_no_model():
    tree = ast.parse(Path(gradcheck.__file__).read_text(encoding="utf-8"))
    imports = [node for node in ast.walk(tree) if isinstance(node, (ast.Import, ast.ImportFrom))]
    modules = {getattr(node, "module", None) or node.names[0].name for node in imports}
    assert modules == {"__future__", "collections.abc", "dataclasses", "math", "typing", "numpy"}
    assert not any(getattr(node, "level", 0) for node in ast.walk(tree))


def test_default_steps_are_near_their_best():
    """The published step of a plain difference: 1e-8 is too small for it, 1e-3 too large."""
    A, x = case(6)

    def error(step):
        return relative_error(central_difference(lambda x: smooth(A, x), x, step),
                              smooth_gradient(A, x))

    best = error(EPS ** (1 / 3))
    assert best <= 1e-9 and error(1e-8) > 10 * best and error(1e-3) > 100 * best


def test_the_table_in_full():
    table = GradientTable([Row("U0", "complex", 1.25e-15, 1e-13, (2, 1), 0.5, -0.25),
                           Row("bias", "central", 3e-8, 1e-9, (), -1.5, 2.0)])
    assert str(table).splitlines() == [
        "tensor  method   error    bound         worst at  gradient                oracle",
        "U0      complex  1.2e-15  1e-13  ok     [2, 1]    +5.000000000000000e-01  -2.500000000000000e-01",
        "bias    central  3.0e-08  1e-09  WRONG  []        -1.500000000000000e+00  +2.000000000000000e+00"]
    assert str(GradientTable([Row(" x", "m", 1.0, 2.0, (0,), 0.0, 1.0)])).splitlines()[1].startswith(" x")


def test_taylor_order_follows_its_seed():
    A, x = case(8)
    default, zero, one = (taylor_order(lambda x: smooth(A, x), x, smooth_gradient(A, x), **options)
                          for options in ({}, {"seed": 0}, {"seed": 1}))
    assert default == zero != one


def test_a_tensor_without_a_name_is_called_tensor():
    with pytest.raises(ValueError, match="^tensor: "):
        relative_error(np.zeros(2), np.zeros(3))


# Three verdicts, and misuse

def small_networks():
    """Right gradients, some of them small compared with the loss."""
    for seed in range(30):
        rng = np.random.default_rng(seed)
        A, x = rng.normal(size=(3, 4)), rng.normal(size=4)
        scale = 10.0 ** rng.integers(0, 6)
        yield (lambda x, A=A, scale=scale: scale * 1.7 + np.sum(np.tanh(A @ x) ** 2)), x, (
            2 * A.T @ (np.tanh(A @ x) * (1 - np.tanh(A @ x) ** 2)))


def test_a_right_gradient_is_never_wrong_and_a_method_that_cannot_tell_says_so():
    verdicts = []
    for f, x, gradient in small_networks():
        table = check_gradients(f, {"x": x}, {"x": gradient})
        table.assert_ok()
        verdicts += [row.verdict for row in table if row.method == "central"]
    assert set(verdicts) == {"ok", "cannot tell"}


@pytest.mark.parametrize("size", [1e-2, 1e-4, 1e-6])
def test_a_wrong_gradient_is_wrong_where_the_rounding_is_smaller(size):
    for f, x, gradient in small_networks():
        table = check_gradients(f, {"x": x}, {"x": gradient * (1 + size * np.arange(4))})
        assert not table.ok
        for row in table:
            assert row.verdict == "WRONG" or row.method == "central" and row.rounding > size / 10


def test_cannot_tell_alone_is_not_ok():
    f, x, gradient = max(small_networks(), key=lambda network: network[0](np.ones(4)))
    table = check_gradients(f, {"x": x}, {"x": gradient}, methods=["central"])
    assert table[0].verdict == "cannot tell" and table[0].ok and not table.ok
    assert "ask another method" in str(table)
    with pytest.raises(AssertionError, match="1 of 1 are not ok"):
        table.assert_ok()


@pytest.mark.parametrize("scale", [1.0, 1e8])
def test_noise_is_the_size_of_the_rounding_errors(scale):
    """Of a function whose rounding errors are made by hand, of standard deviation 1e-9."""
    rng = np.random.default_rng(3)

    def f(x):
        return scale * (np.sin(x).sum() + 1e-9 * rng.standard_normal())

    found = [gradcheck.noise(f, np.ones(3), seed) / scale for seed in range(20)]
    assert 0.3e-9 <= np.median(found) <= 3e-9 and np.max(found) <= 1e-8
    assert gradcheck.noise(lambda x: 2.0 * x.sum(), np.ones(3)) <= 64 * EPS


def test_a_function_that_keeps_state_is_named():
    calls = []

    def stateful(x):
        calls.append(1)
        return (x ** 2).sum() * len(calls)

    with pytest.raises(ValueError, match="gave 1.0 and then 2.0 for the same arguments: it keeps state"):
        check_gradients(stateful, {"x": np.ones(1)}, {"x": 2 * np.ones(1)})


@pytest.mark.parametrize("function, x, gradient, message", [
    (lambda x: x[0] ** 2, [1.0, 2.0], [2.0, 0.0], "x: need a float64 array, not list"),
    (lambda x: (x ** 2).sum(), np.ones(2, "f4"), np.ones(2, "f4"), "x: need a float64 array, not float32"),
    (lambda x: (x ** 2).sum(), np.ones(2), np.ones(3), r"x: float64 \(2,\), but its gradient float64 \(3,\)"),
    (lambda x: x ** 2, np.ones(2), np.ones(2), r"x \(central\): f must be a real scalar"),
    (lambda x: float((x.real ** 2).sum()), np.ones(2), 2 * np.ones(2),
     r"x \(complex\): f of complex x must be"),
    (lambda x: (0 * x).sum(), np.ones(2), np.zeros(2),
     r"x \(central\): the reference is zero everywhere.*pass zeros=\['x'\]"),
    (lambda x: (x ** 2).sum(), np.ones(2), np.array([2, np.nan]),
     r"x \(central\): gradient: the value at \(1,\)"),
])
def test_every_refusal_names_the_tensor(function, x, gradient, message):
    with pytest.raises(ValueError, match=f"^{message}"):
        check_gradients(function, {"x": x}, {"x": gradient})


def test_rounding_is_asked_for_only_where_a_difference_is_beyond_its_bound():
    function, arguments, gradients = two_tensors()
    for row in check_gradients(function, arguments, gradients, METHODS):
        assert row.ok and row.rounding == 0
    for row in check_gradients(function, arguments, {n: 2 * g for n, g in gradients.items()}, METHODS):
        assert row.verdict == "WRONG" and (row.rounding > 0) == (row.method == "central")


def test_a_table_that_cannot_tell_says_what_to_ask():
    row = Row("x", "central", 2e-9, 1e-9, (0,), 1.0, 1.5, rounding=3e-9)
    assert row.verdict == "cannot tell"
    assert str(GradientTable([row])).splitlines() == [
        "tensor  method   error    bound               worst at  gradient                oracle",
        "x       central  2.0e-09  1e-09  cannot tell  [0]       +1.000000000000000e+00  "
        "+1.500000000000000e+00",
        "cannot tell: the error is within the rounding of f; ask another method (complex)"]


def test_what_is_said_of_a_function_that_keeps_state():
    values = iter([1.0, 2.0])
    with pytest.raises(ValueError) as error:
        check_gradients(lambda x: next(values), {"x": np.ones(1)}, {"x": np.ones(1)})
    assert str(error.value) == (
        "the function gave 1.0 and then 2.0 for the same arguments: it keeps state between calls or draws "
        "random numbers; reset the state or the seed inside it")
    with pytest.raises(ValueError, match=r"^x \(central\): gradient: the reference at \(0,\) is nan$"):
        check_gradients(lambda x: np.nan, {"x": np.ones(1)}, {"x": np.ones(1)})         # twice the same


def test_the_rounding_is_six_times_the_noise_over_the_step():
    A, x = case(9)
    found = {}
    for seed, options in ((0, {}), (5, {"seed": 5})):
        wrong = {"x": 2 * smooth_gradient(A, x)}
        row, = check_gradients(lambda x: smooth(A, x), {"x": x}, wrong, ["central"], **options)
        noise = gradcheck.noise(lambda x: smooth(A, x), x, seed)
        scale = abs(richardson(lambda x: smooth(A, x), x)).max()
        found[seed] = row.rounding
        assert abs(row.rounding / (6 * noise * gradcheck.RICHARDSON_NOISE / gradcheck.RICHARDSON_STEP / scale)
                   - 1) <= 1e-12
    assert found[0] != found[5]


@pytest.mark.parametrize("x", [np.array([0.5, -0.25]), np.array([0.5, -8.0]), np.ones((2, 3)), np.zeros(0)])
@pytest.mark.parametrize("seed, options", [(0, {}), (5, {"seed": 5})])
def test_the_points_at_which_noise_is_measured(x, seed, options):
    points = []
    gradcheck.noise(lambda y: points.append(y.copy()) or 1.0, x, **options)
    v = np.random.default_rng(seed).standard_normal(x.shape)
    step = 2.0 ** -26 * max(1, 1, *abs(x.reshape(-1)))
    np.testing.assert_array_equal(points, [x + n * step * v for n in range(8)])


def test_noise_is_the_largest_of_its_estimates():
    """Differences of order 3 to 6 of the eight values, each over its standard deviation for errors of one."""
    rng, largest = np.random.default_rng(1), set()
    for _ in range(100):
        values = rng.standard_normal(8)
        if rng.random() < 0.3:
            values = values.cumsum().cumsum()
        estimates = {k: math.sqrt(np.mean(np.diff(values, k) ** 2) / math.comb(2 * k, k))
                     for k in range(3, 7)}
        found = iter(values)
        assert gradcheck.noise(lambda x: next(found), np.ones(1)) == pytest.approx(
            max(estimates.values()), rel=1e-12)
        largest.add(max(estimates, key=estimates.__getitem__))
    assert largest == {3, 4, 5, 6}
    assert gradcheck.noise(lambda x: -3.0, np.ones(1)) == 3 * EPS
