"""One batch in shards, on several threads and several workers: a sum over examples may be taken in parts.

The mean loss of a batch is sum_s (B_s / B) loss_s over its shards s of B_s poems, and its gradient is the
same sum of gradients. A thread takes a shard through a replica of the model, which shares the parameters and
has gradients of its own; a worker has some of the shards. The gradients are added in the shards' order
(ordered_sum.py), so that the result depends on the number of shards alone, to the last bit: not on which
thread or worker computed them, nor on how many there are. For a loss that is only measured the parts have
other sizes, because no gradient has to be added.

NumPy and the compiled kernels release the interpreter's lock inside, so the threads do work at the same time.
The matrix library uses one thread in each: its own threads spin while they wait, and everything slows down
once another program needs a core.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from ..backend import Array, Workspace
from ..model import PoemModel
from .ordered_sum import add_up, nodes_within, share
from .workers import ALONE, Workers

POEMS_AT_ONCE = 64      # that a thread reads: with more a poem takes no less time


class DataParallel:
    """loss and gradient of `model` on whole batches.

    shards: into so many parts a batch is cut, 0 for one a thread. in_order: whether several workers' sums are
    added in the shards' order; otherwise in the order that the network chooses, which sends less.
    """

    def __init__(self, model: PoemModel, threads: int, shards: int = 0, workers: Workers = ALONE,
                 in_order: bool = True) -> None:
        self.models = [model] + [model.replica() for _ in range(threads - 1)]
        self.readers = self.models                          # one a thread, of the model that `loss` measures
        self.shards, self.workers, self.in_order = shards or threads, workers, in_order
        self.fewest_parts = 1 if shards else threads        # of a loss that is measured
        self.pool = ThreadPoolExecutor(threads) if threads > 1 else None
        self.workspace = Workspace(model.backend.xp)
        self.masks: dict[int, list[Array | None]] = {}      # of the latest batch, by shard

    def loss_and_gradient(self, tokens: Array, seed: tuple[int, ...] | None = None) -> Array:
        """tokens (T+1, B), the whole batch. Sets the model's gradient; returns the loss, still on the device.

        seed: of the dropout masks; each shard adds its number to it, so that its masks are its own.
        """
        B, model = tokens.shape[1], self.models[0]
        self.masks.clear()
        parts = cut(B, self.shards)
        if len(parts) == self.workers.size == 1:
            return self._shard(model, tokens, parts[0], seed, 0)
        if len(parts) <= len(self.models) and self.workers.size == 1:
            return self._a_shard_each(tokens, parts, seed)
        first, last = share(len(parts), self.workers.rank, self.workers.size)
        P = model.flat_gradients.size
        rows = self.workspace("rows", (last - first, P + 1), model.flat_gradients.dtype)   # gradient, loss

        def work(thread: int) -> None:
            for number in range(first + thread, last, len(self.models)):
                one, row = self.models[thread], rows[number - first]
                loss = self._shard(one, tokens, parts[number], seed, number)
                row[:P], row[P] = one.flat_gradients, loss

        list((self.pool.map if self.pool else map)(work, range(len(self.models))))
        total = self._sum(rows, len(parts))
        model.flat_gradients[...] = total[:P]
        return total[P].copy()

    def _a_shard_each(self, tokens: Array, parts: list[tuple[int, int]],
                      seed: tuple[int, ...] | None) -> Array:
        """As loss_and_gradient, where every shard has a model of its own: gradients are added in place."""
        models = self.models[:len(parts)]
        losses = self.workspace("losses", (len(parts), 1), models[0].flat_gradients.dtype)

        def work(number: int) -> None:
            losses[number] = self._shard(models[number], tokens, parts[number], seed, number)

        list((self.pool.map if self.pool else map)(work, range(len(parts))))
        for vectors in (losses, [one.flat_gradients for one in models]):
            add_up((0, len(parts)), {(n, n + 1): vector for n, vector in enumerate(vectors)})
        return losses[0, 0].copy()                          # the leftmost has the sum

    def loss(self, tokens: Array, model: PoemModel) -> Array:
        """The loss of `model`, which need not be the one that learns, on tokens (T+1, B), without dropout.

        Its parts have POEMS_AT_ONCE poems at most. Unless the number of shards was given there is one for
        each thread at least, and the last bits depend on that.
        """
        if model is not self.readers[0]:
            self.readers = self.models if model is self.models[0] else [
                model, *(model.replica() for _ in self.models[1:])]
        B, readers = tokens.shape[1], self.readers
        parts = cut(B, max(-(-B // POEMS_AT_ONCE), self.fewest_parts))
        losses: list[Array] = [None] * len(parts)

        def work(thread: int) -> None:
            readers[thread].training = False
            for number in range(thread, len(parts), len(readers)):
                begin, end = parts[number]
                losses[number] = readers[thread].fused_loss(tokens[:, begin:end]) * ((end - begin) / B)

        list((self.pool.map if self.pool else map)(work, range(len(readers))))
        return sum(losses[1:], losses[0])

    def _shard(self, model: PoemModel, tokens: Array, part: tuple[int, int], seed: tuple[int, ...] | None,
               number: int) -> Array:
        """Sets the gradient of B_s / B times the loss of the shard tokens[:, begin:end]; returns that
        product."""
        (begin, end), B = part, tokens.shape[1]
        weight = (end - begin) / B
        model.training = True
        if seed is not None:
            model.seed_dropout(*seed, number)
        model.zero_gradients()
        loss = model.fused_loss(tokens[:, begin:end], weight)
        self.masks[number] = model.masks
        return loss * weight if weight < 1 else loss

    def _sum(self, rows: Array, count: int) -> Array:
        """The sum over all shards of all workers. rows (k, n): those of this one's shards."""
        root, size = (0, count), self.workers.size
        shares = [share(count, worker, size) for worker in range(size)]
        first, last = shares[self.workers.rank]
        leaves = {(n, n + 1): rows[n - first] for n in range(first, last)}
        nodes = [list(nodes_within(root, one)) for one in shares]
        mine = [add_up(node, leaves) for node in nodes[self.workers.rank]]
        if size == 1:
            return mine[0]
        if not self.in_order:
            total = self._zeros("total", (1, rows.shape[1]), rows)[0]
            for vector in mine:
                total += vector
            self.workers.sum(total)
            return total
        sent = self._zeros("sent", (max(map(len, nodes)), rows.shape[1]), rows)
        for place, vector in enumerate(mine):
            sent[place] = vector
        received = self.workers.gather(sent)
        finished = {node: received[worker][place] for worker, some in enumerate(nodes)
                    for place, node in enumerate(some)}
        return add_up(root, finished)

    def _zeros(self, name: str, shape: tuple[int, ...], like: Array) -> Array:
        zeros = self.workspace(name, shape, like.dtype)
        zeros[...] = 0
        return zeros


def cut(B: int, count: int) -> list[tuple[int, int]]:
    """[begin, end) of `count` parts of B poems, whose sizes differ by one at most; never of an empty part."""
    ends = [B * n // count for n in range(count + 1)]
    return [(begin, end) for begin, end in zip(ends, ends[1:]) if begin < end]
