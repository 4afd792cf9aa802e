"""The GPU kernels around the persistent loops, their own source run on the CPU: equal to NumPy's."""

import subprocess

import numpy as np
import pytest
from helpers.fake_cupy import compiler, device, within

from scratch_lstm import functional
from scratch_lstm.kernels import numpy_adam, numpy_philox, numpy_scatter
from scratch_lstm.optim import clip_grad_norm

needs_compiler = pytest.mark.skipif(compiler() is None, reason="no C++ compiler, or not Linux")
BOUND = {"float32": 1e-6, "float64": 1e-14}


def adam_case(dtype, size=700):
    rng = np.random.default_rng(1)
    return [rng.normal(size=size).astype(dtype) for _ in range(3)] + [rng.random(size).astype(dtype)]


@needs_compiler
@pytest.mark.parametrize("dtype", BOUND)
def test_adam_is_numpys(kernels, dtype):
    reference = adam_case(dtype)
    ours = [a.copy() for a in reference]
    for step in range(1, 4):
        constants = (3e-3, np.sqrt(1 - 0.999 ** step), 0.9, 0.999, 1e-8, 0.99)
        numpy_adam.update(*reference, *constants)
        kernels.adam.update(*device(*ours), *constants)
    for a, b in zip(ours, reference):
        assert within(2 * BOUND[dtype], a, b)


@needs_compiler
@pytest.mark.parametrize("max_norm", [1e-2, 1e9], ids=["clipped", "not clipped"])
@pytest.mark.parametrize("dtype", BOUND)
def test_clipping_adam_and_the_average_in_one_are_numpys_one_after_the_other(kernels, dtype, max_norm):
    """More numbers than all threads of a launch, so that each takes several."""
    p, g, m, v = adam_case(dtype, 300_000)
    average = p + np.asarray(1, dtype)
    ours = [a.copy() for a in (p, g, m, v, average)]
    constants = (3e-3, 0.1, 0.9, 0.999, 1e-8, 0.99)
    there = device(*ours)
    norm = kernels.adam.clip_and_update(*there[:4], max_norm, *constants, there[4], 0.25)
    expected = clip_grad_norm(g, max_norm)
    numpy_adam.update(p, g, m, v, *constants)
    average += (p - average) * np.asarray(0.25, dtype)
    assert abs(float(norm) - expected) <= 4 * BOUND[dtype] * expected and norm.dtype == dtype
    for a, b in zip(ours, (p, g, m, v, average)):
        assert within(4 * BOUND[dtype], a, b)
    kernels.adam.clip_and_update(*there[:4], max_norm, *constants, None, 0.25)
    assert within(4 * BOUND[dtype], ours[4], average)


@needs_compiler
def test_a_gradient_that_is_not_finite_is_seen_in_the_norm(kernels):
    for wrong in (np.nan, np.inf):
        p, g, m, v = adam_case("float32")
        g[600] = wrong
        assert not np.isfinite(float(kernels.adam.clip_and_update(
            *device(p, g, m, v), 1.0, 1e-3, 0.1, 0.9, 0.999, 1e-8, 1.0, None, 0.0)))


@needs_compiler
@pytest.mark.parametrize("dtype", BOUND)
@pytest.mark.parametrize("V", [1, 7, 256, 301])
def test_the_loss_is_numpys(kernels, dtype, V):
    rng = np.random.default_rng(2)
    logits, targets = (4 * rng.normal(size=(9, V))).astype(dtype), rng.integers(0, V, 9)
    if V > 1:
        logits[0, targets[0]] -= 300    # exp underflows; the loss must not
    loss, saved = functional.softmax_cross_entropy(logits, targets)
    dlogits = functional.softmax_cross_entropy_backward(saved, targets, 0.7)
    ours, our_saved = kernels.loss.softmax_cross_entropy(*device(logits.copy(), targets))
    assert abs(float(ours) - loss) <= BOUND[dtype] * max(loss, 1e-9)
    assert within(BOUND[dtype], kernels.loss.softmax_cross_entropy_backward(
        our_saved, *device(targets), 0.7).held, dlogits)
    buffer, = device(logits.copy())
    _, our_saved = kernels.loss.softmax_cross_entropy(buffer, *device(targets), out=buffer)
    again = kernels.loss.softmax_cross_entropy_backward(our_saved, *device(targets), 0.7, out=buffer)
    assert again is buffer and within(BOUND[dtype], buffer.held, dlogits)


@needs_compiler
def test_a_wrong_target_gives_nan_and_reads_nothing(kernels):
    for target in (-1, 7, 300_000_000, 2**40):
        loss, _ = kernels.loss.softmax_cross_entropy(*device(np.zeros((1, 7)), np.array([target])))
        assert np.isnan(float(loss))


@needs_compiler
@pytest.mark.parametrize("dtype", BOUND)
@pytest.mark.parametrize("N, columns", [(1, 1), (5, 33), (70, 32), (40, 70)])
def test_the_sums_are_numpys(kernels, dtype, N, columns):
    rng = np.random.default_rng(3)
    values, total = rng.normal(size=(N, columns)).astype(dtype), rng.normal(size=columns).astype(dtype)
    rows, table = rng.integers(0, 6, N), rng.normal(size=(6, columns)).astype(dtype)
    ours, our_table, again = total.copy(), table.copy(), table.copy()
    kernels.products.add_column_sum(*device(ours, values))
    assert within(4 * BOUND[dtype], ours, total + values.sum(axis=0))
    order = np.argsort(rows, kind="stable")
    kernels.scatter.scatter_add(*device(our_table, rows, values, order))
    kernels.scatter.scatter_add(*device(again, rows, values))
    numpy_scatter.scatter_add(table, rows, values)
    assert within(4 * BOUND[dtype], our_table, table) and np.array_equal(our_table, again)


# Dropout

def test_philox_gives_the_numbers_of_its_authors():
    """The known answers that come with the paper's own code (Random123, kat_vectors, philox 4x32 10)."""
    known = [((0, 0, 0, 0), (0, 0), (0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8)),
             ((0xffffffff,) * 4, (0xffffffff,) * 2, (0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd)),
             ((0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344), (0xa4093822, 0x299f31d0),
              (0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1))]
    for counter, key, words in known:
        assert tuple(numpy_philox.philox(np.array([counter], np.uint64), key)[0]) == words


@needs_compiler
@pytest.mark.parametrize("dtype", BOUND)
@pytest.mark.parametrize("rate", [0.0, 0.2, 0.5, 0.999])
def test_the_masks_have_the_same_bits_on_both(kernels, dtype, rate):
    for shape in ((1, 1, 1), (3, 5, 7), (1, 30, 50), (2, 16, 64)):
        mask = kernels.dropout.dropout_mask(np.random.default_rng(9), rate, shape, dtype)
        expected = numpy_philox.dropout_mask(np.random.default_rng(9), rate, shape, dtype)
        assert np.array_equal(mask.held, expected) and mask.dtype == dtype


@pytest.mark.parametrize("rate", [0.1, 0.5, 0.9])
def test_the_masks_drop_their_share_and_are_independent(rate):
    """Counts of independent 0-1 draws, within 5.5 standard deviations, as in test_dropout.py."""
    rng = np.random.default_rng(1)
    one, other = (numpy_philox.dropout_mask(rng, rate, (40, 50, 60), "float32") == 0 for _ in range(2))
    for hits, p in ((one, rate), (one & other, rate ** 2), (one[:, :, 1:] & one[:, :, :-1], rate ** 2),
                    (one[1:] & one[:-1], rate ** 2)):
        assert abs(hits.mean() - p) <= 5.5 * np.sqrt(p * (1 - p) / hits.size)
    assert np.unique(numpy_philox.dropout_mask(rng, rate, (50, 60), "float64")).size == 2


# The checks are checked

ADAM, CLIPPED = (test_adam_is_numpys,), (
    test_clipping_adam_and_the_average_in_one_are_numpys_one_after_the_other, 1e-2)
LOSS, SUMS, MASKS = (test_the_loss_is_numpys, 301), (test_the_sums_are_numpys, 40, 70), (
    test_the_masks_have_the_same_bits_on_both, 0.5)


@needs_compiler
@pytest.mark.parametrize("check, old, new", [
    (ADAM, "one_minus_beta2 * g_i * g_i", "one_minus_beta2 * g_i"), (ADAM, "keep * p[i]", "p[i]"),
    (CLIPPED, "found + real(1e-6)", "found"), (CLIPPED, "g[i] * g[i]", "g[i]"),
    (CLIPPED, "g[i] * factor", "g[i]"),
    (CLIPPED, "share * (p_i", "share * (p[0]"), (CLIPPED, "i += gridDim.x * THREADS", "i += size"),
    (LOSS, "logits[row + v] - largest)", "logits[row + v])"), (LOSS, "(at_target - largest)", "at_target"),
    (LOSS, "v == target ? scale", "v == target ? real(1)"), (LOSS, "scale / sums[blockIdx.x]", "scale"),
    (LOSS, "part += e;", "part = e;"), (LOSS, "sum / N", "sum"),
    (SUMS, "n += THREADS / 32", "n += 1 + THREADS / 32"), (SUMS, "total[j] += sum", "total[j] = sum"),
    (SUMS, "rows[order[begin - 1]] == row", "false"), (SUMS, "if (rows[n] != row)", "if (false)"),
    (SUMS, "values[n * columns + j]", "values[place * columns + j]"),
    (MASKS, "round < 10", "round < 9"), (MASKS, "0xBB67AE85u", "0xBB67AE84u"),
    (MASKS, ">= threshold", "> scale"), (MASKS, "4ll * place", "3ll * place"),
])
def test_a_fault_in_a_raw_kernel_is_caught(kernels, monkeypatch, check, old, new):
    right, changed = kernels.raw_kernels.text, []

    def with_fault(file):
        changed.append(old in right(file))
        return right(file).replace(old, new)

    monkeypatch.setattr(kernels.raw_kernels, "text", with_fault)
    kernels.raw_kernels.kernel.cache_clear()
    test, *arguments = check
    with pytest.raises((AssertionError, subprocess.CalledProcessError)):
        test(kernels, "float64", *arguments)
    kernels.raw_kernels.kernel.cache_clear()
    assert any(changed)
