"""Which mistake did I make? Takes a hand-written LSTM or RNN and names its mistake.

From a shell: python -m scratch_lstm.check my_lstm.py. From a notebook: check(forward, backward).
"""

from .notebook import check

__all__ = ["check"]
