"""Every gradient at every size and under every option: through LSTM, PoemModel and the training step.

The rows of helpers/every_size.py have every pair of values of every two factors, three times over, combined
in different ways. The reference is always the complex step through NumPy in complex128 with the same dropout
masks, on the same numbers. Run as a script,

    PYTHONPATH=. python tests/test_every_size.py

it prints how many rows there are, and the largest error by backend and dtype.
"""

import sys
from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest
from helpers import fake_cupy
from helpers.every_size import (
    LSTM_FACTORS,
    MODEL_FACTORS,
    STEP_FACTORS,
    all_pairs,
    covering,
    impossible,
    name_of,
    pairs_of,
)
from helpers.lstm_oracles import draw, layer_of, parts, single
from helpers.philox_backend import PhiloxBackend
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from scratch_lstm import PoemModel, get_backend
from scratch_lstm.backend import Backend
from scratch_lstm.check.observation import error as error_of
from scratch_lstm.gradcheck import complex_step
from scratch_lstm.kernels.compiled import fused_loss as numba_fused_loss
from scratch_lstm.kernels.compiled import loop as numba_loop
from scratch_lstm.poems.corpus import Corpus
from scratch_lstm.training.learner import DROPOUT, Learner, make_learner
from scratch_lstm.training.settings import Settings

BOUND = {"float32": 1e-5, "float64": 1e-13, "complex128": 1e-13}
HUGE = 1e9                                      # a clip that never acts


class Backends(dict):
    """name -> backend, made when it is first asked for; "cupy" is CuPy's kernels on the stand-in."""

    def __missing__(self, name):
        with pytest.MonkeyPatch.context() as patch:
            if name == "cupy":
                patch.setitem(sys.modules, "cupy", fake_cupy.make_module())
                fake_cupy.forget_the_kernels()
            self[name] = get_backend(name)
        if name == "cupy":
            fake_cupy.forget_the_kernels()
        return self[name]


@pytest.fixture(scope="session")
def backends():
    return Backends()


def in_two_groups(M, K, N, dtype):
    """In place of row_groups.rows_at_once: two products, the second one smaller, also of small matrices."""
    return -(-2 * M // 3)


@pytest.fixture(scope="module", autouse=True)
def grouped():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(numba_loop, "rows_at_once", in_two_groups)
        patch.setattr(numba_fused_loss, "sizes_of_a_block", in_two_blocks)
        yield


def in_two_blocks(N, V, H, dtype):
    """In place of numba_fused_loss.sizes_of_a_block: the second block is smaller, of two rows or more, and so
    is the second product of each."""
    return -(-2 * N // 3), -(-2 * V // 3)


def largest_error(found, gradient_at, arguments, dtype):
    """The largest error over all tensors. gradient_at(arguments) gives the exact gradients by name.

    A sum whose terms cancel by chance has few exact digits left, in any code. So where an error is beyond the
    bound, the arguments are moved in their last bits, to see how many units in the last place the exact
    gradient moves for one of theirs. Nine such units are allowed, or nine units of the network's largest
    gradient, if that is more than the bound.
    """
    exact, bound = gradient_at(arguments), BOUND[dtype]
    errors = {name: error_of(value, exact[name]) for name, value in found.items()}
    if max(errors.values()) > bound:
        rng, eps = np.random.default_rng(0), np.finfo(float).eps
        moved = gradient_at({name: a * (1 + eps * rng.choice([-2, 2], a.shape))
                             for name, a in arguments.items()})
        largest = {name: np.max(np.abs(gradient), initial=0.0) for name, gradient in exact.items()}
        for name, error in errors.items():
            condition = error_of(moved[name], exact[name]) / eps
            if largest[name]:
                condition = max(condition, max(largest.values()) / largest[name])
            errors[name] = error * bound / max(bound, 9 * np.finfo(dtype).eps * condition)
    return max(errors.values())


@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("name", "abc")
def test_nan_in_any_tensor_is_an_error(name, bad):
    exact = {name: np.arange(1.0, 4) for name in "abc"}
    found = {name: values.copy() for name, values in exact.items()}
    assert largest_error(found, lambda arguments: exact, {}, "float64") == 0
    found[name][1] = bad
    assert largest_error(found, lambda arguments: exact, {}, "float64") == np.inf


# LSTM

def lstm_case(row, seed):
    """arguments and upstream gradients in float64, rounded to the row's dtype first."""
    arguments, upstream = draw(seed, row["T"], row["B"], row["D"], row["H"], row["L"], output=row["output"])
    if row["dtype"] == "float32":
        arguments, upstream = single(arguments), single(upstream)
    if row["state"] == "none":
        arguments.pop("h_0"), arguments.pop("c_0")
    return arguments, {name: d if name in row["uses"].split() else None for name, d in upstream.items()}


def run_layer(row, arguments, backend):
    """A layer with the row's masks, after its forward; h, h_n, c_n."""
    to_device = backend.to_device
    layer = layer_of({name: to_device(a) if name[0] in "WUb" else a for name, a in arguments.items()},
                     backend, row["dropout"], mask_seed=7, shared_masks=row["shared"])
    state = None if row["state"] == "none" else tuple(
        parts(to_device(arguments[name]), layer.hidden_sizes) for name in ("h_0", "c_0"))
    h, (h_n, c_n) = layer.forward(to_device(arguments["x"]), state)
    return layer, {"h": h, "h_n": h_n, "c_n": c_n}


def lstm_error(row, backends, seed=0):
    """The largest error of a gradient of an LSTM with these sizes and options."""
    arguments, upstream = lstm_case(row, seed)
    backend = backends[row["backend"]]
    wide = PhiloxBackend() if row["backend"] == "cupy" else backends["numpy"]
    factor = 0.6 - 1.7j if row["dtype"] == "complex128" else 1     # gradients are linear: no conjugate
    given = {name: a + 0j if row["dtype"] == "complex128" else a for name, a in arguments.items()}
    before = [a.copy() for a in given.values()]
    layer, results = run_layer(row, given, backend)
    up = {}
    for (name, r), d in zip(results.items(), upstream.values()):
        r = joined(r, backend)
        d = backend.to_device(np.zeros_like(r) if d is None else np.asarray(factor * d, r.dtype))
        up[name] = d if name == "h" else parts(d, layer.hidden_sizes)
    needs_state = upstream["h_n"] is not None or upstream["c_n"] is not None
    dx, (dh_0, dc_0) = layer.backward(up["h"], (up["h_n"], up["c_n"]) if needs_state else None)
    found = {**layer.gradients, "x": dx} | ({} if row["state"] == "none" else {"h_0": dh_0, "c_0": dc_0})
    assert all(np.array_equal(a, b) for a, b in zip(before, given.values())), "an input was changed"
    returned = arrays_of(*results.values(), dx, dh_0, dc_0)
    assert_owned(returned, layer, arrays_of(*given.values(), *up.values()))

    def loss(arguments):
        _, results = run_layer(row, {n: a.astype(complex) for n, a in arguments.items()}, wide)
        return sum((joined(r, wide) * upstream[n]).sum()
                   for n, r in results.items() if upstream[n] is not None)

    def gradient_at(arguments):
        return {name: factor * complex_step(lambda value: loss({**arguments, name: value}), a)
                for name, a in arguments.items()}

    doubles = {name: a.astype("float64") for name, a in arguments.items()}
    on_host = {name: joined(gradient, backend) for name, gradient in found.items()}
    return largest_error(on_host, gradient_at, doubles, row["dtype"])


def joined(value, backend):
    """On the host; of a state of layers of two sizes, the layers side by side."""
    if isinstance(value, tuple):
        return np.concatenate([backend.to_host(part) for part in value], axis=1)
    return backend.to_host(value)


def arrays_of(*values):
    """All arrays, those in tuples too."""
    return [array for value in values for array in (value if isinstance(value, tuple) else [value])]


def assert_owned(results, layer, inputs):
    """What was returned shares no memory with a buffer, a parameter, an input, or another result."""
    inside = [a for workspace in (layer.scratch, *layer.own) for a in workspace.flat.values()]
    inside += [a for cache in layer.caches for a in cache] + [m for m in layer.masks if m is not None]
    inside += [*layer.parameters.values(), *layer.gradients.values(), *inputs]
    for n, result in enumerate(results):
        others = [a for a in inside + results[n + 1:] if type(a) is type(result)]   # host and device: never
        assert others and not any(bool(np.shares_memory(result, other)) for other in others)


# PoemModel

class FixedMasks(Backend):
    """NumPy in complex128, with dropout masks that are given instead of drawn."""

    def __init__(self, masks):
        self.masks, self.next = masks, 0

    def dropout_mask(self, rng, rate, shape, dtype):
        mask = self.masks[self.next % len(self.masks)]
        self.next += 1
        assert mask.shape == shape
        return mask


def masks_of(shards, backend):
    """The masks of a step in the order in which a model draws them; of several shards, side by side."""
    return [np.concatenate([backend.to_host(mask) for mask in layer], axis=1) for layer in zip(*shards)
            if layer[0] is not None]


def exact_gradients(model, tokens, masks):
    """A function of the parameters, by name, that gives the gradients of the mean loss of the whole batch, by
    the complex step, with these masks."""
    wide = PoemModel(**model.sizes, **model.options, backend=FixedMasks(masks), dtype="complex128")

    def gradient_at(parameters):
        def loss(flat):
            wide.flat_parameters[...] = flat
            return wide.loss(tokens)

        flat = np.concatenate([parameters[name].reshape(-1) for name in model.parameters])
        return by_name(model, complex_step(loss, flat))

    return gradient_at


def by_name(model, flat):
    """The parts of a flat vector, by the names of the parameters."""
    ends = np.cumsum([p.size for p in model.parameters.values()])
    return dict(zip(model.parameters, np.split(flat, ends[:-1])))


def doubles_of(model):
    """The parameters on the host in float64, by name."""
    return by_name(model, model.backend.to_host(model.flat_parameters).astype("float64"))


def set_weights(model, seed):
    """Random weights and biases; positive where a tensor is so small that a sum could cancel by chance."""
    rng, H, E = np.random.default_rng(seed), model.sizes["hidden_size"], model.sizes["embedding_size"]
    for p in model.parameters.values():
        values = rng.uniform(0.2, 1, p.shape) if min(H, E) <= 2 else rng.standard_normal(p.shape)
        p[...] = model.backend.to_device((values / 2).astype(p.dtype))


def model_of(row, backend):
    """A PoemModel with the row's sizes and options."""
    return PoemModel(row["V"], row["E"], row["H"], row["L"], row["dropout"], backend, row["dtype"],
                     tie_embedding=row["tied"], embedding_dropout=row["embedding_dropout"],
                     shared_masks=row["shared"])


def model_error(row, backends, seed=0):
    """The largest error of a gradient of a PoemModel with these sizes and options."""
    backend = backends[row["backend"]]
    model = model_of(row, backend)
    set_weights(model, seed)
    tokens = np.random.default_rng(seed).integers(0, row["V"], (row["T"] + 1, row["B"]))
    model.seed_dropout(5, seed)
    if row["way"] == "fused":
        model.fused_loss(backend.to_device(tokens), 1.0)
    else:
        model.loss(backend.to_device(tokens))
        model.backward()
    masks = masks_of([model.masks], backend)
    found = by_name(model, backend.to_host(model.flat_gradients))
    return largest_error(found, exact_gradients(model, tokens, masks), doubles_of(model), row["dtype"])


# The training step: what Adam receives

def received_gradient(learner, tokens, number):
    """The gradient that Adam receives in this step, on the host; the parameters do not move."""
    before = learner.model.flat_parameters.copy()
    learner.step(learner.model.backend.keep_corpus(tokens), number)
    learner.model.flat_parameters[...] = before
    return learner.model.backend.to_host(learner.optimizer.gradient).copy()


def step_error(learner, tokens, number):
    """The largest error of the gradient that Adam receives, clipping included."""
    model = learner.model
    found = by_name(model, received_gradient(learner, tokens, number))
    shards = [masks for _, masks in sorted(learner.data_parallel.masks.items())]
    gradient_at = exact_gradients(model, tokens, masks_of(shards, model.backend))

    def clipped_gradient_at(parameters):
        exact = gradient_at(parameters)
        norm = np.sqrt(sum(np.sum(gradient ** 2) for gradient in exact.values()))
        return {name: g * min(1.0, learner.settings.clip / (norm + 1e-6)) for name, g in exact.items()}

    return largest_error(found, clipped_gradient_at, doubles_of(model), learner.settings.dtype)


def step_error_of(row, backends, seed=0):
    config = Settings(backend=row["backend"], dtype=row["dtype"], threads=row["threads"],
                      shards=row["shards"], seed=seed,
                      clip=HUGE if row["clip"] == "off" else 1e-2)
    model = model_of(row, backends[row["backend"]])
    set_weights(model, seed)
    B = row["threads"] + row["extra"]
    tokens = np.random.default_rng(seed).integers(0, row["V"], (row["T"] + 1, B))
    return step_error(Learner(model, config), tokens, 3)


CHECKS = {"LSTM": (LSTM_FACTORS, lstm_error), "PoemModel": (MODEL_FACTORS, model_error),
          "training step": (STEP_FACTORS, step_error_of)}
ROWS = [(check, row) for check, (factors, _) in CHECKS.items() for seed in range(3)
        for row in covering(factors, seed)]


@pytest.mark.skipif(fake_cupy.compiler() is None, reason="no C++ compiler on this machine")
@pytest.mark.parametrize("check, row", ROWS, ids=[f"{n}-{check}-{name_of(row)}"
                                                  for n, (check, row) in enumerate(ROWS)])
def test_gradients(backends, check, row):
    assert CHECKS[check][1](row, backends) <= BOUND[row["dtype"]]


@pytest.mark.parametrize("check", CHECKS)
def test_the_rows_have_every_pair(check):
    factors = CHECKS[check][0]
    assert set().union(*(pairs_of(row) for name, row in ROWS if name == check)) >= all_pairs(factors)


@pytest.mark.skipif(fake_cupy.compiler() is None, reason="no C++ compiler on this machine")
@pytest.mark.parametrize("check", CHECKS)
@settings(max_examples=15)
@given(data=st.data(), seed=st.integers(0, 2**31))
def test_gradients_of_drawn_rows(backends, check, data, seed):
    factors, error = CHECKS[check]
    row = {name: data.draw(st.sampled_from([value for value in values if value != "float32"]), label=name)
           for name, values in factors.items()}                    # float32: in the rows above
    assume(not impossible(row))
    assert error(row, backends, seed) <= BOUND[row["dtype"]]


@pytest.mark.parametrize("backend, threads", [("numpy", 1), ("numba", 1), ("numba", 2), ("numba", 3)])
def test_every_batch_of_an_epoch(tmp_path, backend, threads):
    """Poems of three lengths; the last batch of a length is smaller, once it is one poem. One learner sees
    them all, one after another, so that nothing may be left over from a larger batch."""
    counts, rng = {3: 9, 5: 6, 2: 5}, np.random.default_rng(0)
    poems = ["".join(rng.choice(list("山水风月花"), length)) for length, n in counts.items() for _ in range(n)]
    (tmp_path / "poems.txt").write_text("\n".join(poems), encoding="utf-8")
    corpus = Corpus.load(tmp_path / "poems.txt")
    config = Settings(backend=backend, dtype="float64", embedding_size=3, hidden_size=5, dropout=0.4,
                      threads=threads, clip=HUGE)
    learner = make_learner(config, len(corpus.vocabulary))
    set_weights(learner.model, 1)
    batches = list(corpus.batches(np.arange(len(poems)), 4, np.random.default_rng(2)))
    assert sorted(batch.shape[1] for batch in batches) == [1, 1, 2, 4, 4, 4, 4]
    for number, batch in enumerate(batches):
        assert step_error(learner, batch, number) <= 1e-13, batch.shape


def test_a_step_draws_its_masks_from_its_number_alone():
    one, other = (make_learner(Settings(backend="numpy", dropout=0.5, hidden_size=5), 7) for _ in range(2))
    tokens = np.zeros((4, 3), int)
    one.step(tokens, 0)
    for learner in (one, other):
        learner.model.seed_dropout(0, DROPOUT, 1, 0)
        learner.model.loss(tokens)
    assert np.array_equal(one.model.mask, other.model.mask)


def report():
    """Print the number of rows and the largest errors."""
    numba_loop.rows_at_once, numba_fused_loss.sizes_of_a_block = in_two_groups, in_two_blocks
    backends, worst = Backends(), defaultdict(float)
    for check, row in ROWS:
        key = check, row["backend"], row["dtype"]
        worst[key] = max(worst[key], CHECKS[check][1](row, backends))
    for check, (factors, _) in CHECKS.items():
        count = sum(name == check for name, _ in ROWS)
        print(f"{check}: {count} rows, all {len(all_pairs(factors))} pairs of values of "
              f"{len(factors)} options")
        for (name, backend, dtype), error in sorted(worst.items()):
            if name == check:
                print(f"    {backend:6} {dtype:10} largest error {error:.1e}, bound {BOUND[dtype]:.0e}")
    return 0 if all(error <= BOUND[dtype] for (_, _, dtype), error in worst.items()) else 1


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parent))
    sys.exit(report())
