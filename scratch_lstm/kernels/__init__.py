"""The parts that differ between NumPy, Numba and CuPy: cell, time loop, layer, loss, Adam, scatter-add.

One file a part and backend; protocols.py lists what each part must have. Read numpy_cell.py first.
NumPy's loss is functional.py, and its time loop is in lstm.py.
"""
