"""Contenders side by side: each in a process of its own, taking turns."""

from __future__ import annotations

import multiprocessing
import time
from contextlib import suppress
from typing import Any

import numpy as np

from scratch_lstm.errors import InputError

from .contenders import work
from .floor import FLOORS
from .sizes import Size

PAUSE = 0.15          # seconds between two turns: idle threads of a library spin for some time
ROUNDS = 7            # turns of each contender; the first turn is warm-up
Results = dict[str, dict[str, Any]]


def race(names: list[str], size: Size, threads: int) -> Results:
    """Contender -> its times in milliseconds, its memory in MiB, its floor and its time over that.

    step, forward: medians; step_low, step_high, forward_low, forward_high: 10 % and 90 % of the steps.
    over_floor: median, 10 % and 90 % of the turns' ratios, medians of turns that followed each other; floor:
    which; both only where there is one (floor.py). A floor has its gflops instead. Raises InputError where a
    contender's process fails.
    """
    context = multiprocessing.get_context("spawn")
    pipes, processes = {}, []
    for name in names:
        pipes[name], theirs = context.Pipe()
        processes.append(context.Process(target=work, args=(theirs, name, size, threads), daemon=True))
        processes[-1].start()
        theirs.close()      # so that its end is seen here
    turns: dict[tuple[str, str], list[list[float]]] = {}

    def ask(name: str, what: str) -> Any:
        with suppress(OSError):                 # its last answer, an error, is read in any case
            pipes[name].send(what)
        try:
            answer = pipes[name].recv()
        except (EOFError, OSError):
            raise InputError(f"{name}: its process ended before it answered") from None
        if isinstance(answer, InputError):
            raise answer
        return answer

    try:
        for turn in range(ROUNDS):
            for name in names:
                for what in ("step",) if name in FLOORS else ("step", "forward"):
                    answer = ask(name, what)
                    if turn:
                        turns.setdefault((name, what), []).append(answer)
                    time.sleep(PAUSE)
        memory = {name: ask(name, "memory") for name in names}
    finally:
        for pipe in pipes.values():
            pipe.close()                        # a process that waits for a turn ends
        for process in processes:
            process.join()
    return {name: summary(name, names, turns, size) | {"memory": memory[name]} for name in names}


def summary(name: str, names: list[str], turns: dict[tuple[str, str], list[list[float]]],
            size: Size) -> dict[str, Any]:
    """What `race` says of one contender, but for the memory."""
    result: dict[str, Any] = {}
    for what in ("step", "forward"):
        if (name, what) in turns:
            times = 1e3 * np.array(turns[name, what])
            result |= dict(zip((what, f"{what}_low", f"{what}_high"), spread(times)))
    if name in FLOORS:
        return result | {"gflops": size.flops / result["step"] / 1e6}

    def median(one: str) -> float:
        return float(np.median(turns[one, "step"]))

    floor = min((one for one in names if FLOORS.get(one) == name), key=median, default=None)
    if floor is not None:
        ratios = np.median(turns[name, "step"], axis=1) / np.median(turns[floor, "step"], axis=1)
        result |= {"floor": floor, "over_floor": spread(ratios)}
    return result


def spread(numbers: np.ndarray) -> list[float]:
    """Median, 10 % and 90 %."""
    return [float(number) for number in np.quantile(numbers, (0.5, 0.1, 0.9))]
