"""A sum of vectors in one fixed order, however they are spread over workers.

Rounding makes a + (b + c) another number than (a + b) + c. So the order is fixed by a binary tree over the
numbers of the vectors alone: node [begin, end) is the sum of its two halves, and the left half is the largest
power of two below its size. A worker with neighbouring vectors can finish the nodes that lie within its
share; the nodes above them are the same additions wherever they are done.

    0   1   2   3   4   5        six vectors, the shares of two workers: 0 1 2 and 3 4 5
    [0,2)   [2,4)   [4,6)        worker 0 finishes [0,2) and has vector 2; worker 1 has 3 and [4,6)
    [   0,4    )
    [        0,6         )
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

Array = Any
Node = tuple[int, int]      # [begin, end)


def middle(node: Node) -> int:
    """Where a node of two or more vectors is cut."""
    begin, end = node
    return begin + (1 << (end - begin - 1).bit_length() - 1)


def share(count: int, worker: int, workers: int) -> Node:
    """Which of `count` vectors a worker has: neighbours, as many as the others have, or one fewer."""
    return count * worker // workers, count * (worker + 1) // workers


def nodes_within(node: Node, part: Node) -> Iterator[Node]:
    """The largest nodes below `node` that lie within `part`, from left to right."""
    (begin, end), (first, last) = node, part
    if first <= begin and end <= last:
        yield node
    elif begin < last and first < end:
        cut = middle(node)
        yield from nodes_within((begin, cut), part)
        yield from nodes_within((cut, end), part)


def add_up(node: Node, finished: dict[Node, Array]) -> Array:
    """The sum of a node from finished ones below it. Adds in place, into the leftmost of them."""
    if node in finished:
        return finished[node]
    begin, end = node
    cut = middle(node)
    total = add_up((begin, cut), finished)
    total += add_up((cut, end), finished)
    return total
