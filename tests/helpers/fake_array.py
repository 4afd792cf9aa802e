"""The arrays of the stand-in for CuPy: they contain NumPy arrays and refuse what CuPy's refuse, implicit
conversion to NumPy and mixing with NumPy arrays. Each operation that is a launch on a device counts as
one."""

from types import SimpleNamespace

import numpy as np
from helpers.fake_counts import counted, launched

FUNCTIONS = {}                      # of the module, by name: fake_cupy.py


def plain(value):
    """What NumPy may work on; a NumPy array together with a device array is a mistake."""
    if isinstance(value, ndarray):
        return value.held
    if isinstance(value, np.ndarray):
        raise TypeError("Unsupported type <class 'numpy.ndarray'>")
    if isinstance(value, (tuple, list)):
        return type(value)(map(plain, value))
    return value


def is_advanced(index):
    parts = index if isinstance(index, tuple) else (index,)
    return any(isinstance(part, ndarray) for part in parts)


class ndarray:
    """A device array."""

    def __init__(self, held):
        self.held = held

    def __array__(self, *args, **kwargs):
        raise TypeError("Implicit conversion to a NumPy array is not allowed. Please use `.get()`.")

    __array_ufunc__ = None

    def __array_function__(self, function, types, args, kwargs):
        """A function of NumPy that is given a device array: CuPy's of the same name, and as strict."""
        found = FUNCTIONS.get(function.__name__)
        return NotImplemented if found is None else found(*args, **kwargs)

    @property
    def data(self):
        return SimpleNamespace(ptr=self.held.ctypes.data)

    shape = property(lambda self: self.held.shape)
    flags = property(lambda self: self.held.flags)
    dtype = property(lambda self: self.held.dtype)
    size = property(lambda self: self.held.size)
    ndim = property(lambda self: self.held.ndim)
    T = property(lambda self: ndarray(self.held.T))
    real = property(lambda self: ndarray(self.held.real))

    def __len__(self):
        return len(self.held)

    def __float__(self):
        counted("synchronisations")
        return float(self.held)

    def __bool__(self):
        raise AssertionError("a branch on a device value synchronises unasked")

    __int__ = __index__ = __iter__ = __bool__

    def __getitem__(self, index):
        found = ndarray(self.held[plain(index)])
        if is_advanced(index):
            launched("gather", found.held, found.held)
        return found

    def __setitem__(self, index, value):
        self.held[plain(index)] = plain(value)
        launched("fill or copy", self.held[plain(index)], plain(value))

    def reshape(self, *shape):
        reshaped = self.held.reshape(*shape)
        if not np.shares_memory(reshaped, self.held):
            launched("copy", reshaped, self.held)
        return ndarray(reshaped)

    def transpose(self, *axes):
        return ndarray(self.held.transpose(*axes))

    def swapaxes(self, one, other):
        return ndarray(self.held.swapaxes(one, other))

    def copy(self):
        launched("copy", self.held, self.held)
        return ndarray(self.held.copy())

    def astype(self, dtype, copy=True):
        if not copy and self.dtype == dtype:
            return self
        launched("copy", self.held, self.held)
        return ndarray(self.held.astype(dtype))

    def take(self, indices, axis=None):
        return FUNCTIONS["take"](self, indices, axis)

    def sum(self, axis=None):
        launched("reduction", self.held)
        return ndarray(np.asarray(self.held.sum(axis=axis)))

    def max(self, axis=None, keepdims=False):
        launched("reduction", self.held)
        return ndarray(np.asarray(self.held.max(axis=axis, keepdims=keepdims)))


def _operator(name):
    def method(self, other):
        result = getattr(self.held, name)(plain(other))
        launched("product" if "matmul" in name else "elementwise", self.held, plain(other), result)
        if result is NotImplemented:
            return result
        return self if result is self.held else ndarray(np.asarray(result))
    setattr(ndarray, name, method)


for _name in ("add", "sub", "mul", "truediv", "matmul"):
    for _form in ("__{}__", "__r{}__", "__i{}__"):
        if (_name, _form) != ("matmul", "__i{}__"):
            _operator(_form.format(_name))
