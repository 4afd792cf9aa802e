"""The parts that differ between NumPy, Numba and CuPy: cell, time loop, layer, loss, Adam, scatter-add.

protocols.py lists what each part must have. NumPy's are here, and are the ones to read: begin with
numpy_cell.py. Those that Numba compiles are in compiled/, those for a GPU in gpu/.
"""
