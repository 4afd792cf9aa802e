"""Limits of the architectures, from the CUDA C++ programming guide ("technical specifications per compute
capability"), and the speed of three cards, from their makers' data sheets."""

from typing import NamedTuple

KIB = 1024


class Architecture(NamedTuple):
    shared_block: int           # bytes of shared memory that a block may ask for
    shared: int                 # bytes of a multiprocessor; from 8.0 on a block takes 1 KiB more
    threads: int                # of a multiprocessor
    blocks: int


ARCHITECTURES = {
    "75": Architecture(64 * KIB, 64 * KIB, 1024, 16), "80": Architecture(163 * KIB, 164 * KIB, 2048, 32),
    "86": Architecture(99 * KIB, 100 * KIB, 1536, 16), "90": Architecture(227 * KIB, 228 * KIB, 2048, 32),
    "100": Architecture(227 * KIB, 228 * KIB, 2048, 32), "120": Architecture(99 * KIB, 100 * KIB, 1536, 24)}


class Card(NamedTuple):
    name: str
    architecture: str
    multiprocessors: int
    clock: float                # GHz, boost
    cores: int                  # float32 units of a multiprocessor
    bandwidth: float            # GB/s of the memory


CARDS = [Card("RTX 3060", "86", 28, 1.78, 128, 360), Card("A100 SXM 40 GB", "80", 108, 1.41, 64, 1555),
         Card("H100 SXM", "90", 132, 1.98, 128, 3350)]


def occupancy(architecture, threads, registers, shared_bytes):
    """(blocks of a multiprocessor, the share of its threads that they are)."""
    limits = ARCHITECTURES[architecture]
    warps = -(-threads // 32)
    warp_registers = -(-registers * 32 // 256) * 256            # given out in pieces of 256
    # a quarter of the warps on each part
    by_registers = 65_536 // warp_registers // 4 * 4 // (-(-warps // 4) * 4)
    system = KIB if int(architecture) >= 80 else 0
    by_shared = limits.shared // max(1, shared_bytes + system)
    blocks = min(by_registers, by_shared, limits.threads // (warps * 32), limits.blocks)
    return blocks, blocks * warps * 32 / limits.threads
