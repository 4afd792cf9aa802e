"""Workers as threads of this process: each lays its value on a table and waits until all have done so."""

import threading
from collections import defaultdict

import numpy as np

from scratch_lstm.errors import WorkerLost


class Meeting:
    def __init__(self, size):
        self.size, self.ended, self.changed = size, set(), threading.Condition()
        self.rounds = defaultdict(dict)                 # number of the exchange -> worker -> value


class Together:
    """As scratch_lstm.training.workers.Workers."""

    def __init__(self, rank, meeting):
        self.rank, self.size, self.meeting = rank, meeting.size, meeting
        self.exchanges = self.sent = 0                  # how many, and bytes

    def collect(self, value):
        meeting, values = self.meeting, self.meeting.rounds[self.exchanges]
        self.exchanges += 1
        with meeting.changed:
            values[self.rank] = value
            meeting.changed.notify_all()
            meeting.changed.wait_for(lambda: len(values) == self.size or meeting.ended - values.keys(), 60)
            if len(values) < self.size:
                raise WorkerLost("a worker has ended")
        return [values[rank] for rank in range(self.size)]

    def gather(self, vectors):
        self.sent += vectors.nbytes
        return np.stack(self.collect(vectors.copy()))

    def sum(self, vector):
        vectors = self.collect(vector.copy())
        vector[...] = sum(vectors[::-1])            # another order than the shards'

    def any(self, flag):
        return any(self.collect(flag))

    def first_on_machine(self, work):
        result = work() if self.rank == 0 else None
        self.any(False)
        return work() if result is None else result


def run_together(size, work):
    """The results of work(workers) in `size` threads, in the order of their numbers; an exception is one."""
    meeting, results = Meeting(size), [None] * size

    def one(rank):
        try:
            results[rank] = work(Together(rank, meeting))
        except BaseException as error:
            results[rank] = error
        with meeting.changed:
            meeting.ended.add(rank)
            meeting.changed.notify_all()

    threads = [threading.Thread(target=one, args=(rank,)) for rank in range(size)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results
