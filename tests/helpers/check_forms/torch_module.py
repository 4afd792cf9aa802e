"""torch's own LSTM, to be checked like anyone else's."""

import torch

FORM = "torch"
MODULE = "Layer"


class Layer(torch.nn.LSTM):
    pass
