"""What differs between the workers of one run: worker 0 writes and prints, the others compute and read."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from ..errors import SharedError
from .progress import Progress
from .run_directory import ReadRun, RunDirectory
from .settings import Settings
from .workers import Workers

SHARDS = 8      # of a batch, for several workers


def run_of(path: Path, program: str, workers: Workers) -> RunDirectory:
    """The run's folder, which worker 0 writes and the others read."""
    return (RunDirectory if workers.rank == 0 else ReadRun)(path, program)


def progress_of(workers: Workers) -> Progress:
    """What is printed, by worker 0 alone."""
    return Progress() if workers.rank == 0 else Progress.silent()


def for_workers(settings: Settings, workers: Workers) -> Settings:
    """Settings with a fixed number of shards, if there are several workers. SharedError for too few."""
    if workers.size == 1:
        return settings
    if settings.backend == "torch":
        raise SharedError("--backend torch is for one process; leave it out under torchrun")
    shards = settings.shards or SHARDS
    if shards < workers.size:
        raise SharedError(f"--shards {shards}: fewer than the {workers.size} workers; give "
                          f"--shards {workers.size} or more")
    return replace(settings, shards=shards)
