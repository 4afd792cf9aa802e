"""NumPy with the dropout masks that a GPU draws, so that the two can be compared with dropout on."""

from scratch_lstm.backend import Backend
from scratch_lstm.kernels import numpy_philox


class PhiloxBackend(Backend):
    def dropout_mask(self, rng, rate, shape, dtype):
        return numpy_philox.dropout_mask(rng, rate, shape, dtype)
