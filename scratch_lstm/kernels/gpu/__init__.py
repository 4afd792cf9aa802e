"""The parts for an NVIDIA GPU: backend.py puts them together. The only folder that knows CuPy."""
