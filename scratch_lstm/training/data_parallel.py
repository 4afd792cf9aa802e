"""One batch on several threads: a sum over examples may be taken in parts.

The mean loss of a batch is sum_s (B_s / B) loss_s over its shards s of B_s poems, and its gradient is the
same sum of gradients. So each thread takes a shard through a replica of the model, which shares the
parameters and has gradients of its own; then the gradients are added up. NumPy and the compiled kernels
release the interpreter's lock inside, so the threads do work at the same time. The matrix library uses one
thread in each: its own threads spin while they wait, and everything slows down once another program needs a
core.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from ..backend import Array
from ..model import PoemModel


class DataParallel:
    """loss and gradient of `model` on whole batches, computed by `threads` threads."""

    def __init__(self, model: PoemModel, threads: int) -> None:
        self.models = [model] + [model.replica() for _ in range(threads - 1)]
        self.pool = ThreadPoolExecutor(threads) if threads > 1 else None

    def loss_and_gradient(self, tokens: Array, seed: tuple[int, ...] | None = None) -> Array:
        """tokens (T+1, B). Sets the model's gradient; returns the loss, still on the device.

        seed: of the dropout masks; each shard adds its number to it, so that its masks are its own.
        """
        B = tokens.shape[1]
        ends = [B * n // len(self.models) for n in range(len(self.models) + 1)]
        shards = [tokens[:, begin:end] for begin, end in zip(ends, ends[1:]) if begin < end]

        def work(number: int) -> Array:
            model, shard = self.models[number], shards[number]
            model.training = True
            if seed is not None:
                model.seed_dropout(*seed, number)
            model.zero_gradients()
            weight = shard.shape[1] / B
            loss = model.loss(shard)
            model.backward(weight)
            return loss * weight if weight < 1 else loss

        losses = list((self.pool.map if self.pool else map)(work, range(len(shards))))
        for model in self.models[1:len(shards)]:
            self.models[0].flat_gradients += model.flat_gradients
        return sum(losses[1:], losses[0])
