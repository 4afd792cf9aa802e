"""One batch in shards, on several threads and several workers: a sum over examples may be taken in parts.

The mean loss of a batch is sum_s (B_s / B) loss_s over its shards s of B_s poems, and its gradient is the
same sum of gradients. A thread takes a shard through a replica of the model, which shares the parameters and
has gradients of its own; a worker has some of the shards. The gradients are added in the shards' order
(ordered_sum.py), so that the result depends on the number of shards alone, to the last bit: not on which
thread or worker computed them, nor on how many there are.

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


class DataParallel:
    """loss and gradient of `model` on whole batches.

    shards: into so many parts a batch is cut, 0 for one a thread. in_order: whether several workers' sums are
    added in the shards' order; otherwise in the order that the network chooses, which sends less.
    """

    def __init__(self, model: PoemModel, threads: int, shards: int = 0, workers: Workers = ALONE,
                 in_order: bool = True) -> None:
        self.models = [model] + [model.replica() for _ in range(threads - 1)]
        self.shards, self.workers, self.in_order = shards or threads, workers, in_order
        self.pool = ThreadPoolExecutor(threads) if threads > 1 else None
        self.workspace = Workspace(model.backend.xp)
        self.masks: dict[int, list[Array | None]] = {}      # of the latest batch, by shard

    def loss_and_gradient(self, tokens: Array, seed: tuple[int, ...] | None = None) -> Array:
        """tokens (T+1, B), the whole batch. Sets the model's gradient; returns the loss, still on the device.

        seed: of the dropout masks; each shard adds its number to it, so that its masks are its own.
        """
        B, model = tokens.shape[1], self.models[0]
        self.masks.clear()
        ends = [B * n // self.shards for n in range(self.shards + 1)]
        parts = [(begin, end) for begin, end in zip(ends, ends[1:]) if begin < end]
        if len(parts) == self.workers.size == 1:
            return self._shard(model, tokens, 1.0, seed, 0)
        first, last = share(len(parts), self.workers.rank, self.workers.size)
        P = model.flat_gradients.size
        rows = self.workspace("rows", (last - first, P + 1), model.flat_gradients.dtype)   # gradient, loss

        def work(thread: int) -> None:
            for number in range(first + thread, last, len(self.models)):
                begin, end = parts[number]
                one, row = self.models[thread], rows[number - first]
                loss = self._shard(one, tokens[:, begin:end], (end - begin) / B, seed, number)
                row[:P], row[P] = one.flat_gradients, loss

        list((self.pool.map if self.pool else map)(work, range(len(self.models))))
        total = self._sum(rows, len(parts))
        model.flat_gradients[...] = total[:P]
        return total[P].copy()

    def _shard(self, model: PoemModel, tokens: Array, weight: float, seed: tuple[int, ...] | None,
               number: int) -> Array:
        """Sets the gradient of weight times the loss of a shard; returns that product."""
        model.training = True
        if seed is not None:
            model.seed_dropout(*seed, number)
        model.zero_gradients()
        loss = model.fused_loss(tokens, weight)
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
