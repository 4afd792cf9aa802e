"""An estimate, from no measurement: how long a training step takes on three cards, from what it launches.

    PYTHONPATH=.:tests python benchmarks/gpu_roofline.py [--hidden-size 128] [--batch-size 32] [--steps 25]

The step runs on the stand-in for CuPy, which counts launches, bytes of arrays (each once) and floating-point
operations. A launch takes the longest of its operations at the card's peak, its bytes at the memory's speed,
and the least time of any launch. A time loop takes, on the multiprocessor of its block, the operations and
the reads of shared memory in each step: one beside the other in the low figure, one after the other with
LATENCY cycles in the high one. Python makes the next launches while the card works, so the longer of the two
counts.
"""

from __future__ import annotations

import argparse
import sys
from collections import defaultdict

import numpy as np
from helpers import fake_cupy
from helpers.cards import ARCHITECTURES, CARDS, Card
from helpers.fake_counts import LAUNCHES, Launch

from scratch_lstm.kernels.gpu.persistent_split import sequences_in_block, split

LOOPS = ("lstm_forward", "lstm_backward")
# assumptions, low and high
OF_PEAK = 0.7, 0.3                  # the share of the peak, and of the memory's speed, that a launch reaches
SHORTEST = 2e-6, 4e-6               # s on the card, of any launch
FROM_PYTHON = 5e-6, 15e-6           # s on the host, of any launch
LATENCY = 400                       # cycles of a time step: two barriers, two tanh, one after the other


def launches_of_a_step(H: int, B: int, T: int) -> list[Launch]:
    """Of the course's network, the second step, on the stand-in."""
    sys.modules["cupy"] = fake_cupy.make_module()
    from scratch_lstm.training.learner import make_learner
    from scratch_lstm.training.settings import Settings
    one = make_learner(Settings(backend="cupy", hidden_size=H), 2001)
    tokens = np.random.default_rng(0).integers(0, 2001, (T + 1, B))
    one.step(tokens, 0)
    LAUNCHES.clear()
    one.step(tokens, 1)
    return LAUNCHES[:]


def flop(launch: Launch) -> int:
    """Floating-point operations: of a product or a time loop, whose products are nearly all there is."""
    if launch.kind not in LOOPS:
        return launch.flop
    (_, H), (T, B, _) = launch.shapes[0], next(shape for shape in launch.shapes if len(shape) == 3)
    return T * B * 2 * 4 * H * H


def loop_seconds(launch: Launch, card: Card) -> tuple[float, float]:
    """Low and high, of a time loop."""
    (_, H), (T, B, _) = launch.shapes[0], next(shape for shape in launch.shapes if len(shape) == 3)
    sequences = sequences_in_block(B, card.multiprocessors, 4)
    one = split(H, 4, sequences, ARCHITECTURES[card.architecture].shared_block)
    waves = -(-(-(-B // sequences)) // card.multiprocessors)
    multiply = sequences * 4 * H * H / card.cores                      # cycles: one multiply-add a core
    warps, entries = one.threads / 32, H - one.registers - one.shared
    read = warps * (one.shared + sequences * H / 4)                    # cycles: 128 bytes of shared memory
    far = 4 * H * max(0, entries) * 4 / 64                             # cycles: 64 bytes of the L2 cache
    low, high = max(multiply, read, far), multiply + read + far + LATENCY
    return waves * T * low / (card.clock * 1e9), waves * T * high / (card.clock * 1e9)


def seconds(launch: Launch, card: Card, which: int) -> float:
    """On the card; which: 0 low, 1 high."""
    if launch.kind in LOOPS:
        return max(SHORTEST[which], loop_seconds(launch, card)[which])
    peak = card.multiprocessors * card.cores * 2 * card.clock * 1e9 * OF_PEAK[which]
    return max(SHORTEST[which], flop(launch) / peak, launch.bytes / (card.bandwidth * 1e9 * OF_PEAK[which]))


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--hidden-size", type=int, default=128)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--steps", type=int, default=25, help="T, of a poem")
    args = parser.parse_args()
    launches = launches_of_a_step(args.hidden_size, args.batch_size, args.steps)
    kinds = defaultdict(list)
    for launch in launches:
        kinds[launch.kind].append(launch)
    print("An estimate, not a measurement.\n")
    print("| kind | launches | MB | MFLOP |" + "".join(f" {card.name}, us |" for card in CARDS))
    print("|---|---|---|---|" + "---|" * len(CARDS))
    for kind, made in sorted(kinds.items()):
        spans = [[1e6 * sum(seconds(launch, card, which) for launch in made) for which in (0, 1)]
                 for card in CARDS]
        print(f"| {kind} | {len(made)} | {sum(launch.bytes for launch in made) / 1e6:.1f} | "
              f"{sum(map(flop, made)) / 1e6:.0f} |" + "".join(f" {a:.0f} to {b:.0f} |" for a, b in spans))
    on_card = [[sum(seconds(launch, card, which) for launch in launches) for which in (0, 1)]
               for card in CARDS]
    print(f"| all | {len(launches)} | {sum(launch.bytes for launch in launches) / 1e6:.1f} | "
          f"{sum(map(flop, launches)) / 1e6:.0f} |"
          + "".join(f" {1e6 * a:.0f} to {1e6 * b:.0f} |" for a, b in on_card))
    print(f"\nFrom Python: {1e3 * FROM_PYTHON[0] * len(launches):.2f} to "
          f"{1e3 * FROM_PYTHON[1] * len(launches):.2f} ms. A step, ms:")
    for card, spans in zip(CARDS, on_card):
        step = [1e3 * max(on, FROM_PYTHON[which] * len(launches)) for which, on in enumerate(spans)]
        print(f"    {card.name:16} {step[0]:.2f} to {step[1]:.2f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
