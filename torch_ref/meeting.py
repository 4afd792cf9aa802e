"""Where the processes of torchrun meet, also after a restart.

torchrun has one key-value store for all its restarts, and gloo writes into it at which address each worker
listens. After a restart a worker may read the address of one that has ended. So the workers first agree on
who is there, each by a number drawn for this one process, and then use keys that begin with that agreement.
"""

from __future__ import annotations

import hashlib
import os
import time
from datetime import timedelta
from typing import Any

import torch.distributed

dist: Any = torch.distributed
Store = Any                 # torch.distributed.Store
PAUSE = 0.02                # seconds between two looks at the store


def open_store(rank: int, size: int, timeout: timedelta) -> Store:
    """The store at MASTER_ADDR and MASTER_PORT: torchrun's, or, without one, worker 0's own."""
    own = os.environ.get("TORCHELASTIC_USE_AGENT_STORE") != "True" and rank == 0
    return dist.TCPStore(os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"]), size, own, timeout)


def meet(store: Store, rank: int, size: int, timeout: timedelta) -> Store:
    """The part of the store that only these `size` processes use. Raises RuntimeError after the timeout.

    Each writes its number. Worker 0 makes a list of those it finds; who finds itself in the list confirms it;
    when all have, worker 0 opens the meeting. An old list lacks the new workers, so nobody confirms it.
    """
    number, end = os.urandom(16).hex(), time.monotonic() + timeout.total_seconds()
    store.set(f"worker {rank}", number)
    while time.monotonic() < end:
        if rank == 0:
            _make_list(store, size)
        text = store.get("list").decode() if store.check(["list"]) else ""
        meeting = hashlib.sha256(text.encode()).hexdigest()
        if text.split()[rank:rank + 1] == [number]:
            store.set(f"{meeting} {rank}", "here")
            if rank == 0 and store.check([f"{meeting} {n}" for n in range(size)]):
                store.set(f"{meeting} open", "yes")
            if store.check([f"{meeting} open"]):
                return dist.PrefixStore(meeting, store)
        time.sleep(PAUSE)
    raise RuntimeError(f"after {timeout.total_seconds():.0f} s not all of {size} workers are there")


def _make_list(store: Store, size: int) -> None:
    names = [f"worker {n}" for n in range(size)]
    if store.check(names):
        store.set("list", " ".join(store.get(name).decode() for name in names))
