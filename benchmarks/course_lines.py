"""Train on the course's 12,842 quatrains with a fixed split, and print the held-out loss of each epoch.

    python benchmarks/course_lines.py FILE --recipe best --seed 0 --out runs/NAME

FILE has one poem a line. Held out are the first 642 of numpy.random.default_rng(0).permutation(12842),
whatever the seed, so the figures of several seeds and of other programs are of the same poems.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_limits

from scratch_lstm.poems.corpus import Corpus
from scratch_lstm.training import commands, run_config
from scratch_lstm.training.progress import Progress
from scratch_lstm.training.run_directory import RunDirectory
from scratch_lstm.training.settings import RECIPES, Settings
from scratch_lstm.training.trainer import Trainer
from train_poems import FACTORIES

HELD_OUT = 642


class FixedSplit(Corpus):
    """A corpus whose held-out poems are the first HELD_OUT of a fixed permutation."""

    def split(self, held_out: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
        order = np.random.default_rng(0).permutation(len(self.poems))
        return np.sort(order[HELD_OUT:]), np.sort(order[:HELD_OUT])


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("file", type=Path)
    parser.add_argument("--recipe", choices=RECIPES, default="best")
    parser.add_argument("--set", nargs="*", default=[], metavar="NAME=VALUE", help="other settings, as JSON")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    changed = {name: json.loads(value) for name, _, value in (entry.partition("=") for entry in args.set)}
    settings = Settings(**{"backend": "numba", **RECIPES[args.recipe], "seed": args.seed, **changed})
    corpus, run, progress = FixedSplit.load(args.file), RunDirectory(args.out), Progress()
    learner, began = commands.build_learner(settings, corpus, FACTORIES), time.perf_counter()
    with threadpool_limits(1, user_api="blas"), run.lock(new=True):
        run.write_config(run_config.of(settings, corpus))
        trainer = Trainer(settings, corpus, learner, run, progress, "")
        trainer.run()
    parameters = sum(p.size for p in learner.model.parameters.values())
    print(json.dumps({"recipe": args.recipe, "seed": args.seed, "best": trainer.position.best_loss,
                      "epoch": trainer.position.best_epoch, "parameters": parameters,
                      "seconds": round(time.perf_counter() - began)}))


if __name__ == "__main__":
    main()
