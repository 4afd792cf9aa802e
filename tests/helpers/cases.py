"""The one builder of random cases: named arrays with no zero in them.

Weights of about half the usual size keep gates and units from saturating: there sigma' and tanh' are
differences of nearly equal numbers, and no code can be exact to 1e-13 of them. Where a tensor has so few
entries that a sum could cancel by chance, all draws are positive: then every term of every gradient is
positive too, and a relative error means something.
"""

import numpy as np


def draw_arrays(seed, shapes, positive=False, dtype=float):
    """name -> array of that shape. W and U are divided by twice the root of their inputs, b by two."""
    rng = np.random.default_rng(seed)

    def draw(name, shape):
        array = rng.uniform(0.2, 1, shape) if positive else rng.standard_normal(shape)
        if np.dtype(dtype).kind == "c":
            array = array + 1j * rng.standard_normal(shape)
        inputs = {"W": shape[-1], "U": shape[-1], "b": 1}.get(name[0])
        return np.asarray(array if inputs is None else array / (2 * inputs ** 0.5), dtype)

    return {name: draw(name, shape) for name, shape in shapes.items()}
