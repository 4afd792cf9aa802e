"""The last layer and the loss in blocks of rows give what layers.Linear and functional.py give, one after the
other; faults at the edges of blocks are planted, and each must be seen."""

import numba
import numpy as np
import pytest
from test_numba_kernels import compiled_anew, within

from scratch_lstm import PoemModel, functional, get_backend
from scratch_lstm.backend import Workspace
from scratch_lstm.kernels.compiled import exp as numba_exp
from scratch_lstm.kernels.compiled import fused_loss as numba_fused_loss
from scratch_lstm.kernels.compiled import row_groups
from scratch_lstm.layers import Linear
from scratch_lstm.training.data_parallel import DataParallel

BOUND = {"float32": 3e-6, "float64": 1e-14}


def problem(N, V=7, H=5, dtype="float64", seed=0):
    """A linear layer with gradients that are not zero, h, targets."""
    rng = np.random.default_rng(seed)
    linear = Linear(H, V, get_backend("numba"), dtype, seed)
    for a in (*linear.parameters.values(), *linear.gradients.values()):
        a[...] = rng.normal(size=a.shape)
    return linear, rng.normal(size=(N, H)).astype(dtype), rng.integers(0, V, N)


def textbook(linear, h, targets, d_loss):
    """The loss, dh and both gradients."""
    backend = get_backend("numpy")
    logits = linear.forward(h)
    loss, saved = backend.loss.softmax_cross_entropy(logits, targets)
    dh = linear.backward(backend.loss.softmax_cross_entropy_backward(saved, targets, d_loss))
    return [loss, dh, *linear.gradients.values()]


def in_blocks(linear, h, targets, d_loss, module=numba_fused_loss):
    loss, dh = module.fused_loss(h, linear.parameters, linear.gradients, targets, d_loss, Workspace(np))
    return [loss, dh, *linear.gradients.values()]


@pytest.fixture(params=[True, False], ids=["tiles", "whole"])
def tiles(request, monkeypatch):
    """Whether products are cut into tiles, whatever the library of this machine."""
    monkeypatch.setattr(numba_fused_loss, "tiles_are_faster", lambda H, dtype: request.param)
    return request.param


@pytest.mark.parametrize("dtype", BOUND)
@pytest.mark.parametrize("N", [1, 2, 15, 64, 65, 271, 272, 273, 289, 544, 545, 800])
@pytest.mark.parametrize("V, H", [(7, 5), (1, 1), (3, 1), (50, 16), (64, 3), (65, 2), (130, 4)])
def test_it_is_the_textbook_form(tiles, N, V, H, dtype):
    expected = textbook(*problem(N, V, H, dtype), 0.3)
    found = in_blocks(*problem(N, V, H, dtype), 0.3)
    for a, b in zip(found, expected):
        assert within(BOUND[dtype], a, b)


@pytest.mark.parametrize("dtype", BOUND)
def test_without_d_loss_there_is_the_loss_alone(dtype):
    linear, h, targets = problem(545, dtype=dtype)
    before = [g.copy() for g in linear.gradients.values()]
    loss, dh, *gradients = in_blocks(linear, h, targets, None)
    assert dh is None and all(np.array_equal(a, b) for a, b in zip(gradients, before))
    assert loss == in_blocks(linear, h, targets, 1.0)[0]
    h[0, 0] = np.nan                                    # not even zeros are added: 0 * NaN is NaN
    assert all(np.array_equal(a, b) for a, b in zip(in_blocks(linear, h, targets, None)[2:], gradients))


def test_a_d_loss_of_zero_is_a_d_loss():
    linear, h, targets = problem(5)
    before = [g.copy() for g in linear.gradients.values()]
    _, dh, *gradients = in_blocks(linear, h, targets, 0.0)
    assert not dh.any() and all(np.array_equal(a, b) for a, b in zip(gradients, before))


@pytest.mark.parametrize("N", [*range(1, 40), 271, 272, 273, 400, 544, 545, 800, 3200, 10_001])
def test_blocks_are_about_equal(tiles, N):
    n, words = numba_fused_loss.sizes_of_a_block(N, 2001, 128, "float32")
    largest = row_groups.TILE if tiles else numba_fused_loss.BLOCK
    blocks = -(-N // n)
    assert 1 <= n <= min(N, largest) and blocks == -(-N // largest)
    assert n == N or n % 16 == 0 and N - (blocks - 1) * n > n - 16 * blocks
    assert words == (row_groups.TILE if tiles else 2001)


def test_tiles_are_asked_for_with_the_hidden_size_and_the_dtype(monkeypatch):
    asked = []
    monkeypatch.setattr(numba_fused_loss, "tiles_are_faster", lambda *given: asked.append(given))
    in_blocks(*problem(3, H=5, dtype="float32"), 1.0)
    assert asked == [(5, np.dtype("float32"))]          # None would be equal to float64


@pytest.mark.parametrize("dtype", BOUND)
def test_each_prediction_is_shifted_by_its_own_maximum(dtype):
    """Logits 1,000 apart from one prediction to the next: with one maximum for a block others underflow."""
    def far_apart():
        linear, h, targets = problem(40, 5, 2, dtype)
        linear.parameters["weight"][:, 1] = 1
        h[:, 1] = 1000 * np.random.default_rng(1).integers(-3, 4, 40)
        return linear, h, targets

    for a, b in zip(in_blocks(*far_apart(), 1.0), textbook(*far_apart(), 1.0)):
        assert within(100 * BOUND[dtype], a, b)         # logits of 3,000 have three digits fewer


def test_nan_in_nan_out():
    linear, h, targets = problem(3)
    h[1, 2] = np.nan
    assert np.isnan(in_blocks(linear, h, targets, 1.0)[0])


@pytest.mark.parametrize("target", [-1, 7, 100_000])
def test_a_target_out_of_range_reads_no_foreign_memory(target):
    linear, h, targets = problem(3)
    targets[2] = target
    with pytest.raises(ValueError, match=rf"^target {target} is not in \[0, 7\)$"):
        in_blocks(linear, h, targets, 1.0)


@numba.njit(error_model="numpy")
def exps(x, out):
    for k in range(len(x)):
        out[k] = numba_exp.exp(x[k])


@pytest.mark.parametrize("dtype, least, bound", [("float32", -87, 2e-7), ("float64", -708, 3e-16)])
def test_exp_over_its_whole_range(dtype, least, bound):
    x = np.concatenate([np.linspace(least, 0, 100_001), -10.0 ** np.arange(-30, 0)]).astype(dtype)
    out = np.empty_like(x)
    exps(x, out)
    exact = np.exp(x.astype(np.longdouble))
    assert np.max(np.abs(out / exact - 1)) <= bound and out[100_000] == 1
    exps(np.array([2 * least, -np.inf, np.nan], dtype), ends := np.empty(3, dtype))
    assert ends[0] == ends[1] == out[0] and np.isnan(ends[2])


# Faults, above all at the edges of blocks: each must differ from the textbook form

FAULTS = [
    ("fused_loss", "range(0, len(h), block)", "range(0, len(h) - block + 1, block)"),  # no last block
    ("fused_loss", "range(0, len(h), block)", "range(0, min(len(h), block), block)"),  # the first only
    ("fused_loss", "targets[begin:begin + block]", "targets[:block]"),
    ("fused_loss", "dh[begin:begin + block], logits", "dh[len(h) - n:], logits"),
    ("fused_loss", "scalar((d_loss or 0) / N)", "scalar((d_loss or 0) / n)"),  # mean of a block
    ("fused_loss", "scalar((d_loss or 0) / N)", "scalar(1 / N)"),
    ("fused_loss", "scalar(loss / N)", "scalar(loss / n)"),
    ("fused_loss", "dbias[v] += total", "dbias[v] = total"),  # of one block
    ("fused_loss", "total += word[k]", "total = word[k]"),
    ("fused_loss", "word[k] *= factors[k]", "word[k] *= factors[0]"),
    ("fused_loss", "logits[target[k], k] -= sums[k]", "logits[target[k], k] -= 1"),
    ("fused_loss", "logits[target[k], k] -= sums[k]", "logits[target[0], k] -= sums[k]"),
    ("fused_loss", "largest[k] - logits[target[k], k]", "-logits[target[k], k]"),
    ("fused_loss", "largest[k] = max(largest[k], word[k])", "largest[k] = 0"),
    ("fused_loss", "add_product_in_groups(dweight, logits, some,",
     "product_in_groups(logits, some, dweight,"),
    ("fused_loss", "add_product_in_groups(dweight, logits, some,",
     "add_product_in_groups(dweight, logits, np.ascontiguousarray(h[:n]),"),
    ("fused_loss", "np.ascontiguousarray(some.T)", "np.ascontiguousarray(h[:n].T)"),
    ("fused_loss", "word[k] += b", "word[k] += bias[0]"),
]


@pytest.fixture
def small_blocks(monkeypatch):
    """Three blocks of a batch of eight: 3, 3 and 2 rows; seven words in products of 3, 3 and 1."""
    return lambda module: monkeypatch.setattr(module, "sizes_of_a_block", lambda N, V, H, dtype: (3, 3))


def difference(module):
    """From the textbook form, the largest over the loss and the gradients, for small logits and for large
    ones: of large ones each sum of exponentials is 1, small ones need no shift."""
    differences = []
    for scale in (1, 300):
        results = []
        for compute in (textbook, lambda *given: in_blocks(*given, module)):
            linear, h, targets = problem(8)
            results.append(compute(linear, scale * h, targets, 0.3))
        differences += [np.max(np.abs(a - b)) for a, b in zip(*results)]
    return float(np.max(differences))                  # NaN stays NaN


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("name, old, new", FAULTS, ids=[f"{new} for {old}" for _, old, new in FAULTS])
def test_a_fault_at_the_edges_of_blocks_is_caught(small_blocks, name, old, new):
    module = compiled_anew(name, old, new)
    small_blocks(module)
    assert not difference(module) <= 1e-6     # NaN counts as caught


def test_unchanged_it_is_not_caught(small_blocks):
    module = compiled_anew("fused_loss")
    small_blocks(module)
    assert difference(module) <= 1e-12


# PoemModel

SIZES = dict(vocabulary_size=11, embedding_size=5, hidden_size=6, num_layers=2)


def tokens(T=9, B=70):
    return np.random.default_rng(3).integers(0, SIZES["vocabulary_size"], (T + 1, B))


@pytest.mark.parametrize("tied", [False, True])
@pytest.mark.parametrize("dtype", ["float32", "float64", "complex128"])
@pytest.mark.parametrize("backend", ["numpy", "numba"])
def test_a_model_has_both_ways(backend, dtype, tied):
    """630 predictions: three blocks of 224 or fewer. complex128 and NumPy have the textbook form alone."""
    vectors = []
    for way in ("textbook", "fused"):
        model = PoemModel(**SIZES, dropout=0.3, backend=backend, dtype=dtype, tie_embedding=tied)
        model.seed_dropout(4)
        if way == "textbook":
            loss = model.loss(tokens())
            model.backward(0.4)
        else:
            loss = model.fused_loss(tokens(), 0.4)
        vectors.append([np.atleast_1d(loss), model.flat_gradients])
    blocks = backend == "numba" and dtype != "complex128"
    for a, b in zip(*vectors):
        assert within(BOUND.get(dtype, 1e-14), a, b) and (blocks or np.array_equal(a, b))


@pytest.mark.parametrize("backend", ["numpy", "numba"])
def test_backward_cannot_follow(backend):
    model = PoemModel(**SIZES, backend=backend)
    loss = model.loss(tokens())
    for d_loss in (None, 1.0):
        assert abs(model.fused_loss(tokens(), d_loss) - loss) <= 1e-6 * loss
        with pytest.raises(RuntimeError, match="^backward needs a loss just before it$"):
            model.backward()


def test_the_logits_are_never_whole(tiles):
    model = PoemModel(**SIZES, backend="numba")
    model.fused_loss(tokens(T=25, B=32), 1.0)
    sizes = {name: flat.size for (name, _), flat in model.workspace.flat.items()}
    assert sizes == {"logits": (64 if tiles else 272) * SIZES["vocabulary_size"]}


@pytest.mark.parametrize("dtype, bound", [("float32", 1e-6), ("float64", 1e-14)])
def test_one_thread_and_several_agree(dtype, bound):
    """Blocks end elsewhere in shards: equal to rounding. The same threads give the same bits."""
    results = {}
    for threads in (1, 2, 3):
        for run in range(2):
            shards = DataParallel(PoemModel(**SIZES, backend="numba", dtype=dtype), threads)
            loss = shards.loss_and_gradient(tokens())
            found = np.append(shards.models[0].flat_gradients, loss)
            assert run == 0 or np.array_equal(found, results[threads])
            results[threads] = found
    for threads in (2, 3):
        assert within(bound, results[threads], results[1])


class Textbook:
    """protocols.FusedLoss by its parts, which remembers that it ran."""

    def __init__(self):
        self.calls = []

    def fused_loss(self, h, parameters, gradients, targets, d_loss, workspace):
        self.calls.append(d_loss)
        linear = Linear(h.shape[1], len(parameters["bias"]), get_backend("numpy"), h.dtype, 0)
        linear.parameters, linear.gradients = parameters, gradients
        if d_loss is None:
            return functional.softmax_cross_entropy(linear.forward(h), targets)[0], None
        loss, dh, *_ = textbook(linear, h, targets, d_loss)
        return loss, dh


@pytest.mark.parametrize("dtype", ["float32", "float64", "complex128"])
def test_a_backend_may_have_the_last_layer_and_the_loss_as_one(dtype):
    """It is used for real numbers, and gives the same bits as one after the other."""
    backend, results = get_backend("numpy"), []
    backend.fused = fused = Textbook()
    for one in (backend, "numpy"):
        model = PoemModel(**SIZES, dropout=0.3, backend=one, dtype=dtype)
        losses = []
        for d_loss in (0.4, None, 0.7):
            model.seed_dropout(4)
            losses.append(model.fused_loss(tokens(B=3), d_loss))
        results.append([np.array(losses), model.flat_gradients])
    assert all(np.array_equal(a, b) for a, b in zip(*results))
    assert fused.calls == ([] if dtype == "complex128" else [0.4, None, 0.7])
