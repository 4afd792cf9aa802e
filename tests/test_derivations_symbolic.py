"""The formulas of pages 2, 3, 4 and 7 against computer algebra, and the source run on the same symbols.

SymPy writes the loss out as one expression of the parameters and differentiates it; it knows no formula
of the pages. Then every f(...), f'(...), tanh(...), sigma(...) in it is replaced by a letter of its own,
outermost first. What is left are polynomials with rational coefficients in the parameters and those
letters, and they are multiplied out and compared coefficient by coefficient: no rounding, no random
point, and for the simple network f may be any differentiable function.

The source runs on NumPy arrays of such expressions. So it is not a copy of the source that is proved here.
"""

import numpy as np
import pytest
import sympy

from scratch_lstm import lstm_textbook
from scratch_lstm import rnn_textbook as rnn


class df(sympy.Function):
    """f', of which nothing is known."""


class f(sympy.Function):
    """Any differentiable function."""

    def fdiff(self, argindex=1):
        return df(self.args[0])


class sigma(sympy.Function):
    """The logistic function: all that is used of it is sigma' = sigma (1 - sigma)."""

    def fdiff(self, argindex=1):
        return self * (1 - self)


def symbols(name, *shape):
    """An object array of independent symbols, x11, x12, ..."""
    array = np.empty(shape, object)
    for index in np.ndindex(shape):
        array[index] = sympy.Symbol(name + "".join(str(i + 1) for i in index))
    return array


def elementwise(function, array):
    result = np.empty(array.shape, object)
    for index in np.ndindex(array.shape):
        result[index] = function(array[index])
    return result


class Letters:
    """Gives each nonlinear value a letter: [name of an array: the array], the outermost values first."""

    def __init__(self, *rounds):
        self.rounds = [{value: sympy.Symbol(f"{name}_{n + 1}") for name, values in arrays.items()
                        for n, value in enumerate(values)} for arrays in rounds]

    def __call__(self, expression):
        expression = sympy.sympify(expression)
        for replacements in self.rounds:
            expression = expression.xreplace(replacements)
        assert not expression.atoms(sympy.Function)
        return expression


def difference(letters, formula, derivative):
    """The first entry at which the two are not the same polynomial, as text; "" if there is none."""
    formula, derivative = np.asarray(formula, object), np.asarray(derivative, object)
    assert formula.shape == derivative.shape and formula.size       # there must be something to compare
    pairs = [(letters(a), letters(b)) for a, b in zip(formula.flat, derivative.flat)]
    names = sorted(set().union(*(e.free_symbols for pair in pairs for e in pair)), key=str)
    polynomials = sympy.polys.rings.PolyRing(names, sympy.QQ)    # multiplies out much faster than expand()
    for index, pair in zip(np.ndindex(formula.shape), pairs):
        found, exact = map(polynomials.from_expr, pair)
        if found != exact:
            return (f"entry {[i + 1 for i in index]}, numbers counted from 1:\n"
                    f"the formula gives  {str(found)[:300]}\nSymPy's derivative {str(exact)[:300]}\n"
                    f"what is too much   {str(found - exact)[:300]}")
    return ""


class Compared:
    """What the two networks below share: comparing a formula with SymPy's derivative, in self.letters."""

    def same(self, formula, derivative):
        return difference(self.letters, formula, derivative) == ""

    def hold(self, formula, derivative):
        """True, or the failure with the entry that differs."""
        __tracebackhide__ = True
        text = difference(self.letters, formula, derivative)
        if text:
            pytest.fail(text)
        return True


def diff(scalar, by):
    return elementwise(lambda symbol: sympy.diff(scalar, symbol), by)


def column(array):
    return sympy.Matrix(list(array))


def flat(matrix):
    return np.array(matrix.tolist(), object).reshape(matrix.shape)


# The simple network: T = 3, H = 2, D = 2, every f

class Simple(Compared):
    T, H, D = 3, 2, 2

    def __init__(self):
        self.x, self.h0 = symbols("x", self.T, self.D), symbols("p", self.H)
        self.W, self.U = symbols("w", self.H, self.D), symbols("u", self.H, self.H)
        self.b = symbols("b", self.H)
        self.e = symbols("e", self.T, self.H)      # added to z_k, so that d/de_k at e = 0 is d/dz_k
        self.r = symbols("r", self.T, self.H)      # L_t = <r_t, h_t>: any dL_t/dh_t
        self.arguments = (self.x, self.h0, self.W, self.U, self.b)
        self.h, self.z = [self.h0], []
        for k in range(self.T):
            self.z.append(self.U @ self.h[k] + self.W @ self.x[k] + self.b + self.e[k])
            self.h.append(elementwise(f, self.z[k]))
        self.losses = [self.r[t] @ self.h[t + 1] for t in range(self.T)]
        self.no_e = {symbol: 0 for symbol in self.e.flat}
        z = [self.at_no_e(value) for value in self.z]
        self.letters = Letters(*({f"f(z{k + 1})": elementwise(f, z[k]),
                                  f"f'(z{k + 1})": elementwise(df, z[k])} for k in reversed(range(self.T))))

    def at_no_e(self, array):
        return elementwise(lambda value: sympy.sympify(value).xreplace(self.no_e), np.asarray(array, object))

    def derivative(self, scalar, by):
        return self.at_no_e(diff(scalar, by))

    def slope(self, k):
        """diag(f'(z_k)), the step k counted from 0."""
        return sympy.diag(*(df(z.xreplace(self.no_e)) for z in self.z[k]))


@pytest.fixture(scope="module")
def net():
    return Simple()


@pytest.fixture(scope="module")
def by_formula(net):
    """delta_{t,k} as page 2 has it, columns; [t][k] counted from 0."""
    UT, delta = sympy.Matrix(net.U).T, [[None] * net.T for _ in range(net.T)]
    for t in range(net.T):
        delta[t][t] = net.slope(t) * column(net.r[t])
        for k in reversed(range(t)):
            delta[t][k] = net.slope(k) * UT * delta[t][k + 1]                         # (6.34)-(6.36)
    return delta


def previous(net, k):
    return column(net.at_no_e(net.h[k]))


def test_page_2_delta(net, by_formula):
    """(6.34)-(6.36): diag(f'(z_k)) U^T delta_{t,k+1} is dL_t/dz_k, and dL_t/dz_k = 0 for k > t."""
    for t in range(net.T):
        for k in range(net.T):
            exact = net.derivative(net.losses[t], net.e[k])
            assert net.hold(flat(by_formula[t][k])[:, 0], exact) if k <= t else not exact.any()


def test_page_2_each_loss(net, by_formula):
    """(6.31)-(6.33) by the trace and by the product, (6.37), (6.38): dL_t/dU for each t."""
    for t in range(net.T):
        exact = net.derivative(net.losses[t], net.U)
        by_trace, by_product, by_entry = (np.zeros((net.H, net.H), object) for _ in range(3))
        for i, j in np.ndindex(net.H, net.H):
            for k in range(t + 1):
                direct = sympy.zeros(net.H, 1)
                direct[i] = previous(net, k)[j]                                       # (6.33)
                by_trace[i, j] += (direct * by_formula[t][k].T).trace()               # (6.31)
                by_product[i, j] += (direct.T * by_formula[t][k])[0]                  # (6.32)
                by_entry[i, j] += by_formula[t][k][i] * previous(net, k)[j]           # (6.37)
        by_matrix = sum((by_formula[t][k] * previous(net, k).T for k in range(t + 1)),
                        sympy.zeros(net.H, net.H))                                    # (6.38)
        for formula in (by_trace, by_product, by_entry, flat(by_matrix)):
            assert net.hold(formula, exact)


def test_page_2_all_losses(net, by_formula):
    """(6.28)-(6.30), (6.39), (6.40), (6.41), and dL/dx_k, dL/dh_0: the double sums."""
    whole, T = sum(net.losses), range(net.T)
    pairs = [(t, k) for t in T for k in range(t + 1)]
    dU = sum((by_formula[t][k] * previous(net, k).T for t, k in pairs), sympy.zeros(net.H, net.H))
    dW = sum((by_formula[t][k] * column(net.x[k]).T for t, k in pairs), sympy.zeros(net.H, net.D))
    db = sum((by_formula[t][k] for t, k in pairs), sympy.zeros(net.H, 1))
    dh0 = sum((sympy.Matrix(net.U).T * by_formula[t][0] for t in T), sympy.zeros(net.H, 1))
    assert net.hold(flat(dU), net.derivative(whole, net.U))
    assert net.hold(flat(dW), net.derivative(whole, net.W))
    assert net.hold(flat(db)[:, 0], net.derivative(whole, net.b))
    assert net.hold(flat(dh0)[:, 0], net.derivative(whole, net.h0))
    for k in T:
        dx = sum((sympy.Matrix(net.W).T * by_formula[t][k] for t in T[k:]), sympy.zeros(net.D, 1))
        assert net.hold(flat(dx)[:, 0], net.derivative(whole, net.x[k]))


def test_page_2_a_dropped_sum_or_a_transpose_is_seen(net, by_formula):
    """The comparison can fail: the last loss alone, the last step alone, U in the place of U^T."""
    exact, last = net.derivative(sum(net.losses), net.U), net.T - 1
    one_loss = sum((by_formula[last][k] * previous(net, k).T for k in range(net.T)), sympy.zeros(2, 2))
    one_step = sum((by_formula[t][t] * previous(net, t).T for t in range(net.T)), sympy.zeros(2, 2))
    assert not net.same(flat(one_loss), exact) and not net.same(flat(one_step), exact)
    wrong = net.slope(0) * sympy.Matrix(net.U) * by_formula[1][1]
    assert not net.same(flat(wrong)[:, 0], net.derivative(net.losses[1], net.e[0]))


def test_page_3_total_derivative(net, by_formula):
    """dz_t/du_ij = d+z_t/du_ij + U diag(f'(z_{t-1})) dz_{t-1}/du_ij, unrolled, and (6.43)-(6.46)."""
    U = sympy.Matrix(net.U)
    for i, j in np.ndindex(net.H, net.H):
        total, dh = sympy.zeros(net.H, 1), sympy.zeros(net.H, 1)
        for t in range(net.T):
            direct = sympy.zeros(net.H, 1)
            direct[i] = previous(net, t)[j]
            total = direct + (U * net.slope(t - 1) * total if t else sympy.zeros(net.H, 1))
            dh = net.slope(t) * (direct + U * dh)                                     # (6.43)-(6.45)
            symbol = net.U[i, j]
            exact_z = net.at_no_e([sympy.diff(z, symbol) for z in net.z[t]])
            exact_h = net.at_no_e([sympy.diff(h, symbol) for h in net.h[t + 1]])
            assert net.hold(flat(total)[:, 0], exact_z)
            assert net.hold(flat(dh)[:, 0], exact_h)
            assert net.hold([(dh.T * column(net.r[t]))[0]],                           # (6.46)
                            [net.at_no_e(sympy.diff(net.losses[t], symbol)).item()])


def test_page_3_every_path_once(net, by_formula):
    """The sum of direct partials is the total; the longest chain is not; total partials count path k
    t - k + 1 times."""
    t, (i, j) = net.T - 1, (0, 1)
    U, symbol = sympy.Matrix(net.U), net.U[0, 1]
    exact = net.at_no_e([sympy.diff(net.losses[t], symbol)])
    directs = []
    for k in range(net.T):
        direct = sympy.zeros(net.H, 1)
        direct[i] = previous(net, k)[j]
        directs.append(direct)
    paths = [(directs[k].T * by_formula[t][k])[0] for k in range(net.T)]
    totals, total = [], sympy.zeros(net.H, 1)
    for k in range(net.T):
        total = directs[k] + (U * net.slope(k - 1) * total if k else sympy.zeros(net.H, 1))
        totals.append(total)
    counted_often = sum((totals[k].T * by_formula[t][k])[0] for k in range(net.T))
    assert net.hold([sum(paths)], exact)
    assert not net.same([paths[0]], exact)
    assert net.hold([counted_often], [sum((t - k + 1) * paths[k] for k in range(net.T))])
    assert not net.same([counted_often], exact)


def test_page_4_one_pass(net):
    """delta_k = f'(z_k) * (dL_k/dh_k + U^T delta_{k+1}) is dL/dz_k of the whole loss; one sum is enough."""
    whole, UT, zero = sum(net.losses), sympy.Matrix(net.U).T, sympy.zeros(net.H, 1)
    delta, dU, dW, db = zero, sympy.zeros(2, 2), sympy.zeros(2, 2), zero
    for k in reversed(range(net.T)):
        delta = net.slope(k) * (column(net.r[k]) + UT * delta)
        assert net.hold(flat(delta)[:, 0], net.derivative(whole, net.e[k]))
        dU, dW, db = dU + delta * previous(net, k).T, dW + delta * column(net.x[k]).T, db + delta
    assert net.hold(flat(dU), net.derivative(whole, net.U))
    assert net.hold(flat(dW), net.derivative(whole, net.W))
    assert net.hold(flat(db)[:, 0], net.derivative(whole, net.b))


def test_rnn_py_itself(net, monkeypatch):
    """rnn_textbook.py, run on symbols with an unknown f: forward, delta, product_form, gradients,
    input_gradients, rtrl. (6.34)-(6.47)."""
    monkeypatch.setitem(rnn.ACTIVATIONS, "any", (lambda z: elementwise(f, z), lambda z: elementwise(df, z)))
    states = rnn.forward(*net.arguments, "any")
    delta = rnn.delta(states, net.U, net.r)
    whole = sum(net.losses)
    for t in range(net.T):
        for k in range(net.T):
            exact = net.derivative(net.losses[t], net.e[k])
            assert net.hold(delta[t, k], exact)
            if k <= t:
                assert net.hold(rnn.product_form(states, net.U, net.r, t, k), exact)  # (6.47)
    for gradients in (rnn.gradients(delta, states, net.x), rnn.rtrl(*net.arguments, net.r, "any")):
        for found, by in zip(gradients, (net.W, net.U, net.b)):
            assert net.hold(found, net.derivative(whole, by))
    dx, dh0 = rnn.input_gradients(delta, net.W, net.U)
    assert net.hold(dx, net.derivative(whole, net.x)) and net.hold(dh0, net.derivative(whole, net.h0))


def test_page_5_additive_states():
    """(6.49): with h_t = h_{t-1} + psi(x_t), dL_t/dh_0 is dL_t/dh_t; (6.50): one factor is I + dpsi/dh."""
    x, h0, r = symbols("x", 3, 2), symbols("p", 2), symbols("r", 2)
    h = h0
    for x_t in x:
        h = h + elementwise(f, x_t)                                                   # (6.49)
    assert [sympy.expand(entry) for entry in diff(r @ h, h0)] == list(r)
    h, factor, u = h0, sympy.eye(2), symbols("u", 2, 2)
    for x_t in x[:2]:
        z = x_t + u @ h
        slope = sympy.diag(*(df(value) for value in z))
        factor = (sympy.eye(2) + slope * sympy.Matrix(u)) * factor
        h = h + elementwise(f, z)                                                     # (6.50)
    exact = np.array([diff(entry, h0) for entry in h])
    assert all(sympy.expand(a - b) == 0 for a, b in zip(flat(factor).flat, exact.flat))
    assert not all(sympy.expand(a - b) == 0 for a, b in zip(np.eye(2, dtype=object).flat, exact.flat))


# The LSTM: T = 2 with H = 2 and D = 1, and T = 3 with H = D = 1

class Gated(Compared):
    """Beside z_k, h_k and c_k also get a small addition, whose derivative at 0 is dL_t/dh_k and dL_t/dc_k."""

    def __init__(self, T, H, D):
        self.T, self.H, self.D, self.known = T, H, D, {}
        self.x, self.h0, self.c0 = symbols("x", T, D), symbols("p", H), symbols("s", H)
        self.W, self.U, self.b = symbols("w", 4 * H, D), symbols("u", 4 * H, H), symbols("b", 4 * H)
        self.e, self.to_h, self.to_c = symbols("e", T, 4 * H), symbols("m", T, H), symbols("n", T, H)
        self.r, self.q = symbols("r", T, H), symbols("q", H)    # dL_t/dh_t, and L_T's own dL_T/dc_T
        self.h, self.c, self.gates, rounds = [self.h0], [self.c0], [], []
        for k in range(T):
            z = self.U @ self.h[k] + self.W @ self.x[k] + self.b + self.e[k]
            z_i, z_f, z_g, z_o = np.split(z, 4)
            i, f_, o = (elementwise(sigma, part) for part in (z_i, z_f, z_o))
            g = elementwise(sympy.tanh, z_g)
            c = f_ * self.c[k] + i * g + self.to_c[k]                                 # (6.51)
            tanh_c = elementwise(sympy.tanh, c)
            self.gates.append((i, f_, g, o))
            self.c.append(c)
            self.h.append(o * tanh_c + self.to_h[k])                                  # (6.52)
            gates = dict(zip((f"{name}{k + 1}" for name in "ifgo"), (i, f_, g, o)))
            rounds[:0] = [{f"tanh(c{k + 1})": tanh_c}, gates]
        self.losses = [self.r[t] @ self.h[t + 1] for t in range(T)]
        self.losses[-1] += self.q @ self.c[-1]
        self.zeros = {symbol: 0 for array in (self.e, self.to_h, self.to_c) for symbol in array.flat}
        self.letters = Letters(*({name: self.plain(array) for name, array in arrays.items()}
                                 for arrays in rounds))
        # the same values in letters, for the formulas: i, f, g, o and tanh c; then h and c as polynomials
        self.G = [tuple(self.in_letters(gate) for gate in gates) for gates in self.gates]
        self.tanh_C = [self.in_letters(elementwise(sympy.tanh, c)) for c in self.c[1:]]
        self.Hs, self.C = ([self.in_letters(v) for v in values] for values in (self.h, self.c))

    def in_letters(self, array):
        return elementwise(self.letters, self.plain(array))

    def plain(self, array):
        return elementwise(lambda v: sympy.sympify(v).xreplace(self.zeros), np.asarray(array, object))

    def derivative(self, scalar, by):
        """Made once for each pair: several tests ask for the same one."""
        key = (scalar, *by.flat)
        if key not in self.known:
            self.known[key] = self.in_letters(diff(scalar, by))
        return self.known[key]

    def back(self, k, dh, dc_next):
        """Page 7's step: from dL_t/dh_k and what comes along the cell, delta_{t,k} and dL_t/dc_k."""
        (i, f_, g, o), tanh_c, c_prev = self.G[k], self.tanh_C[k], self.C[k]
        dc = dc_next + dh * o * (1 - tanh_c ** 2)
        return np.concatenate([dc * g * i * (1 - i), dc * c_prev * f_ * (1 - f_),
                               dc * i * (1 - g ** 2), dh * tanh_c * o * (1 - o)]), dc

    def delta(self):
        """Page 7's recursion: dL_t/dz_k, dL_t/dh_k, dL_t/dc_k as dictionaries of (t, k), k from 0."""
        delta, dh, dc = {}, {}, {}
        for t in range(self.T):
            dh[t, t], dc_next = self.r[t], self.q if t == self.T - 1 else 0 * self.q
            for k in reversed(range(t + 1)):
                if k < t:
                    dh[t, k], dc_next = self.U.T @ delta[t, k + 1], dc[t, k + 1] * self.G[k + 1][1]
                delta[t, k], dc[t, k] = self.back(k, dh[t, k], dc_next)
        return delta, dh, dc


@pytest.fixture(scope="module", params=[(2, 2, 1), (3, 1, 1)], ids=["T2-H2-D1", "T3-H1-D1"])
def cell(request):
    return Gated(*request.param)


def test_page_7_delta(cell):
    """Both paths and all four gates: delta_{t,k} = dL_t/dz_k, dL_t/dh_k, dL_t/dc_k, each for k <= t."""
    delta, dh, dc = cell.delta()
    for t, k in delta:
        assert cell.hold(delta[t, k], cell.derivative(cell.losses[t], cell.e[k]))
        assert cell.hold(dh[t, k], cell.derivative(cell.losses[t], cell.to_h[k]))
        assert cell.hold(dc[t, k], cell.derivative(cell.losses[t], cell.to_c[k]))


def test_page_7_gradients(cell):
    """W, U, b, x, h_0, c_0 from delta, by the same double sums as in the simple network."""
    delta, _, dc = cell.delta()
    whole, first, f_1 = sum(cell.losses), range(cell.T), cell.G[0][1]
    dU = sum(np.outer(d, cell.Hs[k]) for (t, k), d in delta.items())
    dW = sum(np.outer(d, cell.x[k]) for (t, k), d in delta.items())
    assert cell.hold(dU, cell.derivative(whole, cell.U)) and cell.hold(dW, cell.derivative(whole, cell.W))
    assert cell.hold(sum(delta.values()), cell.derivative(whole, cell.b))
    assert cell.hold(sum(cell.U.T @ delta[t, 0] for t in first), cell.derivative(whole, cell.h0))
    assert cell.hold(sum(dc[t, 0] * f_1 for t in first), cell.derivative(whole, cell.c0))
    for k in first:
        assert cell.hold(sum(cell.W.T @ delta[t, k] for t in first[k:]), cell.derivative(whole, cell.x[k]))


def test_page_7_a_forgotten_path_is_seen(cell):
    """Without the path through c_{k+1}, without the one through h_k, without tanh': none is dL_t/dc_k."""
    delta, dh, dc = cell.delta()
    t, o, tanh_c = cell.T - 1, cell.G[0][3], cell.tanh_C[0]
    exact = cell.derivative(cell.losses[t], cell.to_c[0])
    dc_next, through_h = dc[t, 1] * cell.G[1][1], dh[t, 0] * o * (1 - tanh_c ** 2)
    assert cell.hold(dc_next + through_h, exact)
    for wrong in (dc_next, through_h, dc_next + dh[t, 0] * o):
        assert not cell.same(wrong, exact)


def test_page_4_one_pass_of_the_lstm(cell):
    """delta_k = sum over t >= k of delta_{t,k}, from one pass that adds dL_k/dh_k at step k."""
    delta, _, _ = cell.delta()
    dh, dc_next = 0 * cell.q, cell.q
    for k in reversed(range(cell.T)):
        dh = dh + cell.r[k]
        one, dc = cell.back(k, dh, dc_next)
        assert cell.hold(one, cell.derivative(sum(cell.losses), cell.e[k]))
        assert cell.hold(one, sum(delta[t, k] for t in range(k, cell.T)))
        dh, dc_next = cell.U.T @ one, dc * cell.G[k][1]
    assert cell.hold(dc_next, cell.derivative(sum(cell.losses), cell.c0))


class Symbolic:
    """numpy, but for tanh, which goes entry by entry into SymPy."""

    def __getattr__(self, name):
        return getattr(np, name)

    def tanh(self, array):
        return elementwise(sympy.tanh, array)


def test_lstm_textbook_py_itself(cell, monkeypatch):
    """(6.51)-(6.59): lstm_textbook.py on symbols: forward, backward, gradients, input_gradients, rtrl."""
    monkeypatch.setattr(lstm_textbook, "np", Symbolic())
    monkeypatch.setattr(lstm_textbook, "sigmoid", lambda z: elementwise(sigma, z))
    state, whole = (cell.h0, cell.c0), sum(cell.losses)
    states = lstm_textbook.forward(cell.x, state, cell.W, cell.U, cell.b)
    for found, exact in ((states.h[1:], cell.h[1:]), (states.c[1:], cell.c[1:])):
        assert cell.hold(found, cell.plain(np.array(exact, object)))
    delta, dL_dc = lstm_textbook.backward(states, cell.U, cell.r, cell.q)
    for t in range(cell.T):
        for k in range(t + 1):
            assert cell.hold(delta[t, k], cell.derivative(cell.losses[t], cell.e[k]))
            assert cell.hold(dL_dc[t, k + 1], cell.derivative(cell.losses[t], cell.to_c[k]))
    of_sums = lstm_textbook.gradients(delta, states, cell.x)
    of_rtrl = lstm_textbook.rtrl(cell.x, state, cell.W, cell.U, cell.b, cell.r, cell.q)
    for by_sum, by_rtrl, by in zip(of_sums, of_rtrl, (cell.W, cell.U, cell.b)):
        exact = cell.derivative(whole, by)
        assert cell.hold(by_sum, exact) and cell.hold(by_rtrl, exact)
    dx, (dh0, dc0) = lstm_textbook.input_gradients(delta, dL_dc, cell.W, cell.U)
    for found, by in ((dx, cell.x), (dh0, cell.h0), (dc0, cell.c0)):
        assert cell.hold(found, cell.derivative(whole, by))
