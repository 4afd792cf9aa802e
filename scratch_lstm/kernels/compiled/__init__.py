"""The parts that Numba compiles: backend.py puts them together, jit.py keeps the compiled code."""
