"""Where a persistent time loop keeps U on a GPU, and how many sequences a block takes: the written rule.

U does not change over the time steps, so each thread of lstm_forward.cu and lstm_backward.cu keeps its H
entries of U as near as there is room: first in registers, then in shared memory, and the rest is read from
the L2 cache in each step.

    threads     4 H, rounded up to whole warps of 32; at most 1,024, so H is at most 256. Beyond that
                loop.py takes two launches a time step.
    registers   65,536 a multiprocessor, given to four warps at a time, at most 255 a thread. OTHER of
                them are left to everything else.
    shared      what one block may ask for on this card (99 KiB on sm_86, 227 on sm_90, 64 on sm_75), less
                the states of this step.
    sequences   1 a block while each block can have a multiprocessor of its own, then 2, then 4 (float64: 2).

Counts are multiples of 4, because the loops read four numbers at a time.
"""

from __future__ import annotations

from typing import NamedTuple

LARGEST = 256                      # H
REGISTERS = 65_536                 # of a multiprocessor, on every card from sm_75 on
OTHER = {4: {1: 44, 2: 52, 4: 76}, 8: {1: 60, 2: 68}}    # of them, by itemsize and sequences
WARP = 32
STATES = 2                         # rows of 4 H numbers of this step that a sequence has in shared memory


class Split(NamedTuple):
    """Entries of U a thread has in registers and in shared memory (the rest is in L2), and the launch."""

    registers: int
    shared: int
    sequences: int
    threads: int
    shared_bytes: int

    def defines(self, H: int) -> dict[str, int]:
        """What the CUDA text leaves open, besides the type of the numbers and the threads."""
        return {"H": H, "H4": round_up(H, 4), "SEQUENCES": self.sequences, "IN_REGISTERS": self.registers,
                "IN_SHARED": self.shared}


def round_up(number: int, step: int) -> int:
    return -(-number // step) * step


def sequences_in_block(B: int, multiprocessors: int, itemsize: int) -> int:
    """1, 2 or, of 4-byte numbers, 4."""
    return 1 if B <= multiprocessors else 2 if itemsize == 8 or B <= 2 * multiprocessors else 4


def split(H: int, itemsize: int, sequences: int, shared_limit: int) -> Split:
    """H hidden size, from 1 to LARGEST; itemsize 4 or 8; shared_limit: bytes of shared memory that a block
    may ask for."""
    threads, entries = round_up(4 * H, WARP), round_up(H, 4)
    for_U = min(255, REGISTERS // round_up(threads, 4 * WARP) // 8 * 8) - OTHER[itemsize][sequences]
    registers = min(entries, max(4, for_U * 4 // itemsize // 4 * 4))
    used = sequences * STATES * 4 * entries * itemsize
    row = 4 * H * itemsize
    shared = min(entries - registers, max(0, shared_limit - used) // row // 4 * 4)
    return Split(registers, shared, sequences, threads, used + shared * row)
