"""An LSTM that a reader can check by hand."""

from .backend import get_backend
from .gradcheck import check_gradients
from .lstm import LSTM
from .model import PoemModel
from .optim import Adam, clip_grad_norm

__all__ = ["LSTM", "PoemModel", "Adam", "check_gradients", "clip_grad_norm", "get_backend"]
__version__ = "0.1.0"
