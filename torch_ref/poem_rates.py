"""Poems a second: many at a time here, against the course's way in torch."""

from __future__ import annotations

import time
from typing import Any

COUNT, LENGTH, ROUNDS = 1000, 24, 3
WAYS: dict[str, dict[str, Any]] = {
    "greedy": {}, "temperature 1": {"temperature": 1.0},
    "temperature 1, top-k 20": {"temperature": 1.0, "top_k": 20}}


def poems_per_second(threads: int, V: int = 2001) -> dict[str, float]:
    """Writing at the course's sizes: COUNT poems of LENGTH characters with the state carried, NumPy, the best
    of ROUNDS times; and the course's way, one by one and the whole prefix again for each character.
    Untrained, so that every poem is as long as the next."""
    import torch
    from threadpoolctl import threadpool_limits

    from scratch_lstm.model import PoemModel
    from scratch_lstm.poems.generate import generate
    from scratch_lstm.poems.vocabulary import END, START

    from .convert import to_torch
    model = PoemModel(V)
    model.parameters["fc.bias"][1] = -100              # END never comes
    words = {START: 0, END: 1} | {chr(0x4e00 + n): n + 2 for n in range(V - 2)}
    prompts = [chr(0x4e00 + n % (V - 2)) for n in range(COUNT)]
    rates = {}
    with threadpool_limits(1, user_api="blas"):
        for way, options in WAYS.items():
            seconds = []
            for _ in range(ROUNDS):
                began = time.perf_counter()
                generate(model, words, prompts, limit=LENGTH, threads=threads, **options)
                seconds.append(time.perf_counter() - began)
            rates[f"here, {COUNT:,} prompts, {way}"] = COUNT / min(seconds)
    torch.set_num_threads(threads)
    net = to_torch(model).eval()
    began, poems = time.perf_counter(), 10
    with torch.no_grad():
        for n in range(poems):
            prefix = [0, n % (V - 2) + 2]
            while len(prefix) < LENGTH + 1:
                logits, _ = net(torch.tensor([prefix]))
                prefix.append(int(logits[0, -1].argmax()))
    rates["torch, the course's way, greedy"] = poems / (time.perf_counter() - began)
    return rates
