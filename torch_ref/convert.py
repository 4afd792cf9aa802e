"""Weights between this project and torch, both ways.

The gates stand in the same order, so W, U and the rest are copied as they are. Only the bias differs:
torch adds two, bias_ih + bias_hh; here there is one b, their sum. To torch, b goes into bias_ih.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from torch import nn

from scratch_lstm import PoemModel
from scratch_lstm.training import checkpoint

from .model import PoemNet


def lstm_parameters(lstm: nn.LSTM) -> dict[str, np.ndarray]:
    """W{l}, U{l}, b{l} of a torch LSTM, as fresh arrays; the two biases folded into one."""
    parameters: dict[str, np.ndarray] = {}
    for l in range(lstm.num_layers):
        tensor = {name: getattr(lstm, f"{name}_l{l}").detach().cpu().numpy()
                  for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")}
        parameters |= {f"W{l}": tensor["weight_ih"].copy(), f"U{l}": tensor["weight_hh"].copy(),
                       f"b{l}": tensor["bias_ih"] + tensor["bias_hh"]}
    return parameters


def set_lstm(lstm: nn.LSTM, parameters: Mapping[str, np.ndarray]) -> None:
    """Write W{l}, U{l}, b{l} into a torch LSTM; the second bias becomes zero."""
    with torch.no_grad():
        for l in range(lstm.num_layers):
            for name, theirs in (("W", "weight_ih"), ("U", "weight_hh"), ("b", "bias_ih")):
                getattr(lstm, f"{theirs}_l{l}").copy_(torch.tensor(parameters[f"{name}{l}"]))
            getattr(lstm, f"bias_hh_l{l}").zero_()


def lstm_gradients(lstm: nn.LSTM) -> dict[str, np.ndarray]:
    """dW{l}, dU{l}, db{l} after backward(); both of torch's biases have the gradient of b."""
    return {f"{name}{l}": getattr(lstm, f"{theirs}_l{l}").grad.cpu().numpy()
            for l in range(lstm.num_layers)
            for name, theirs in (("W", "weight_ih"), ("U", "weight_hh"), ("b", "bias_ih"))}


def to_torch(model: PoemModel) -> PoemNet:
    """A PoemNet with the weights of the model, in its dtype."""
    host = {name: model.backend.to_host(p) for name, p in model.parameters.items()}
    net = PoemNet(**model.sizes, dropout=model.dropout).to(torch.tensor(host["embedding"]).dtype)
    with torch.no_grad():
        for theirs, name in ((net.embedding.weight, "embedding"), (net.fc.weight, "fc.weight"),
                             (net.fc.bias, "fc.bias")):
            theirs.copy_(torch.tensor(host[name]))
    set_lstm(net.lstm, host)
    return net


def from_torch(net: PoemNet, backend: str = "numpy") -> PoemModel:
    """A PoemModel with the weights of the net, in its dtype."""
    tensors = {"embedding": net.embedding.weight, "fc.weight": net.fc.weight, "fc.bias": net.fc.bias}
    arrays = {name: tensor.detach().cpu().numpy() for name, tensor in tensors.items()}
    arrays |= lstm_parameters(net.lstm)
    V, E = arrays["embedding"].shape
    model = PoemModel(V, E, net.lstm.hidden_size, net.lstm.num_layers, net.dropout.p,
                      backend, arrays["embedding"].dtype)
    for name, p in model.parameters.items():
        p[...] = model.backend.to_device(arrays[name])
    return model


def load(path: str | Path) -> tuple[PoemNet, dict[str, int]]:
    """A model that was trained here, as a torch module, with its vocabulary. Raises InputError."""
    model, word_int_map, _ = checkpoint.load(path)
    return to_torch(model), word_int_map


def save(path: str | Path, net: PoemNet, word_int_map: dict[str, int], form: str | None = None,
         longest: int = 100) -> None:
    """Write a torch module as a model file of this project."""
    checkpoint.save(path, from_torch(net), word_int_map, form, longest)
