import math

import torch_ref.benchmark as benchmark


def test_a_race_on_small_sizes(monkeypatch):
    monkeypatch.setattr(benchmark, "ROUNDS", 2)
    monkeypatch.setattr(benchmark, "PAUSE", 0.0)
    names = ["numpy", "numba", "torch", "torch fused", "floor"]
    results = benchmark.race(names, benchmark.Size(H=4, B=2, T=3, E=4, V=9), threads=1)
    assert list(results) == names
    for name, result in results.items():
        assert 0 < result["low"] <= result["step"] <= result["high"] and math.isfinite(result["memory"])
        assert name == "floor" or result["forward"] > 0


def test_the_machine_is_named():
    named = benchmark.machine()
    assert {"processor", "numpy", "blas", "torch"} <= named.keys() and all(named.values())
