"""One table of sizes and options that every gradient check goes through: all pairs of values of all factors.

Faults are where two options meet: a batch of one and dropout, more threads than poems. `covering(factors)`
gives few rows in which every pair of values of every two factors occurs together. test_every_size.py uses it.
"""

import itertools

import numpy as np

SUBSETS = ["h", "h_n", "c_n", "h h_n", "h c_n", "h_n c_n", "h h_n c_n"]     # what the loss uses
SIZES = {"T": [1, 2, 5], "B": [1, 2, 5], "H": [1, 2, 5], "L": [1, 2, 3]}
# output: the last layer's size; None: H
LSTM_FACTORS = {**SIZES, "D": [1, 2, 3], "output": [None, 1, 3], "dropout": [0.0, 0.4],
                "shared": [False, True], "state": ["given", "none"], "uses": SUBSETS,
                "backend": ["numpy", "numba", "cupy"], "dtype": ["float32", "float64", "complex128"]}
MODEL_OPTIONS = {"V": [1, 2, 7], "E": [1, 2, 3], "dropout": [0.0, 0.4], "embedding_dropout": [0.0, 0.3],
                 "tied": [False, True], "shared": [False, True]}
# way: loss and backward, or fused_loss
MODEL_FACTORS = {**SIZES, **MODEL_OPTIONS, "way": ["textbook", "fused"],
                 "backend": ["numpy", "numba", "cupy"], "dtype": ["float32", "float64"]}
# a batch has `extra` poems more than threads: fewer, as many, one more, several more
STEP_FACTORS = {"T": [1, 2, 5], "H": [1, 2, 5], "L": [1, 2, 3], **MODEL_OPTIONS,
                "shards": [0, 1, 2, 4], "threads": [1, 2, 3], "extra": [-1, 0, 1, 4], "clip": ["off", "on"],
                "backend": ["numpy", "numba", "cupy"], "dtype": ["float32", "float64"]}


def impossible(row: dict) -> bool:
    """What does not exist: complex kernels on a GPU, no poems, threads that share a batch but for Numba."""
    return (row.get("backend") == "cupy" and row.get("dtype") == "complex128"
            or row.get("threads", 1) + row.get("extra", 0) < 1
            or row.get("threads", 1) > 1 and row.get("backend") in ("numpy", "cupy"))


def pairs_of(row: dict) -> set:
    return set(itertools.combinations(sorted(row.items()), 2))


def all_pairs(factors: dict) -> set:
    """Every possible pair of values of two different factors."""
    pairs = set()
    for (one, values), (other, others) in itertools.combinations(sorted(factors.items()), 2):
        pairs |= {((one, a), (other, b)) for a in values for b in others
                  if not impossible({one: a, other: b})}
    return pairs


def covering(factors: dict, seed: int = 0, tries: int = 40) -> list[dict]:
    """Rows that together have every possible pair: greedily, the best of some random rows for each."""
    rng = np.random.default_rng(seed)
    left, rows = all_pairs(factors), []
    while left:
        wanted = sorted(left, key=repr)[int(rng.integers(len(left)))]
        best: dict = {}
        for _ in range(tries):
            row = {name: values[int(rng.integers(len(values)))] for name, values in factors.items()}
            row |= dict(wanted)
            if not impossible(row) and (not best or len(pairs_of(row) & left) > len(pairs_of(best) & left)):
                best = row
        if not best:
            continue
        left -= pairs_of(best)
        rows.append(best)
    return rows


def name_of(row: dict) -> str:
    return "-".join(f"{name}={value}" for name, value in row.items()).replace(" ", "+")
