"""The one builder of random cases: named arrays with no zero in them.

Weights of about half the usual size keep gates and units from saturating: there sigma' and tanh' are
differences of nearly equal numbers, and no code can be exact to 1e-13 of them. Where a tensor has so few
entries that a sum could cancel by chance, all draws are positive: then every term of every gradient is
positive too, and a relative error means something. Below: what is asked of any textbook code.
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


def read_only_and_strided(array):
    """The same numbers, not next to each other in memory, and not to be written."""
    wide = np.full(tuple(2 * n for n in array.shape), np.nan)
    view = wide[tuple(slice(1, None, 2) for _ in array.shape)]
    view[...] = array
    view.flags.writeable = False
    return view


def derivative_error(loss, arguments, gradients):
    """Relative error of <gradients, v> against L(p + e v) - L(p - e v) = 2 e <gradient, v> in C, for one
    complex direction v through all arguments; two steps e give the fourth order."""
    v = {name: (1 + 0.5j) * np.cos(np.arange(array.size)).reshape(array.shape)
         for name, array in arguments.items()}
    along = 0
    for weight, e in ((4 / 3, 1e-4), (-1 / 3, 2e-4)):
        ends = [loss(**{n: a + sign * e * v[n] for n, a in arguments.items()}) for sign in (1, -1)]
        along += weight * (ends[0] - ends[1]) / (2 * e)
    inner = sum(np.sum(gradients[name] * v[name]) for name in v)
    return abs(inner - along) / abs(along)
