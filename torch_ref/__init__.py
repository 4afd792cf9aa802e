"""The same network in PyTorch: to be compared with, never imported by scratch_lstm."""
