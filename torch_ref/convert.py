"""Weights between this project and torch, both ways.

The order of the gates is the same, so W, U and the rest are copied as they are. Only the bias differs:
torch adds two, bias_ih + bias_hh; here there is one b, their sum. To torch, b becomes bias_ih.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from scratch_lstm import PoemModel
from scratch_lstm.poems.vocabulary import Vocabulary
from scratch_lstm.training import checkpoint

from .model import PoemNet
from .regularised import RegularisedNet

TENSORS = {"W": "weight_ih", "U": "weight_hh", "b": "bias_ih"}


def check_plain(lstm: nn.LSTM) -> None:
    """Raise ValueError for an LSTM that this project does not have; batch_first and dropout do not matter."""
    if not isinstance(lstm, nn.LSTM):
        raise ValueError(f"need a torch.nn.LSTM, not {type(lstm).__name__}")
    if lstm.bidirectional:
        raise ValueError("a bidirectional LSTM is not supported: there is no second direction here")
    if lstm.proj_size:
        raise ValueError("proj_size is not supported: h has hidden_size entries here")
    if lstm.weight_ih_l0.dtype not in (torch.float32, torch.float64):
        raise ValueError(f"{lstm.weight_ih_l0.dtype} is not supported: convert the module to float32 first")


def lstm_parameters(lstm: nn.LSTM) -> dict[str, np.ndarray]:
    """W{l}, U{l}, b{l} of a torch LSTM, as new arrays: b is the sum of both biases, or zero.

    Raises ValueError for a bidirectional LSTM, projections, or a dtype other than float32 and float64.
    """
    check_plain(lstm)
    parameters: dict[str, np.ndarray] = {}
    for l in range(lstm.num_layers):
        W, U = (getattr(lstm, f"weight_{name}_l{l}").detach().cpu().numpy().copy() for name in ("ih", "hh"))
        b = np.zeros(len(W), W.dtype)
        if lstm.bias:
            for name in ("ih", "hh"):
                b += getattr(lstm, f"bias_{name}_l{l}").detach().cpu().numpy()
        parameters |= {f"W{l}": W, f"U{l}": U, f"b{l}": b}
    return parameters


def set_lstm(lstm: nn.LSTM, parameters: Mapping[str, np.ndarray]) -> None:
    """Write W{l}, U{l}, b{l} into a torch LSTM; the second bias becomes zero. Other names are ignored.

    Raises ValueError, before anything is written, for what lstm_parameters refuses, another number of
    layers, another shape, or bias=False with a b that is not zero.
    """
    check_plain(lstm)
    layers = sum(name[0] == "U" for name in parameters)
    if layers != lstm.num_layers:
        raise ValueError(f"parameters of {layers} layers do not fit an LSTM of {lstm.num_layers}")
    for l in range(layers):
        for name, theirs in TENSORS.items():
            array = np.asarray(parameters[f"{name}{l}"])
            if name == "b" and not lstm.bias:
                if array.any():
                    raise ValueError(f"b{l} is not zero, but the torch LSTM has bias=False")
                continue
            shape = tuple(getattr(lstm, f"{theirs}_l{l}").shape)
            if array.shape != shape:
                raise ValueError(f"{name}{l} has shape {array.shape}, torch's {theirs}_l{l} {shape}")
    with torch.no_grad():
        for l in range(layers):
            for name, theirs in TENSORS.items():
                if name != "b" or lstm.bias:
                    getattr(lstm, f"{theirs}_l{l}").copy_(torch.tensor(parameters[f"{name}{l}"]))
            if lstm.bias:
                getattr(lstm, f"bias_hh_l{l}").zero_()


def lstm_gradients(lstm: nn.LSTM) -> dict[str, np.ndarray]:
    """dW{l}, dU{l}, db{l} after backward(); both of torch's biases have the gradient of b.

    Raises ValueError before any backward(), and for what lstm_parameters refuses.
    """
    check_plain(lstm)
    gradients: dict[str, np.ndarray] = {}
    for l in range(lstm.num_layers):
        for name, theirs in TENSORS.items():
            if name == "b" and not lstm.bias:
                continue
            gradient = getattr(lstm, f"{theirs}_l{l}").grad
            if gradient is None:
                raise ValueError(f"{theirs}_l{l} has no gradient; call backward() first")
            gradients[f"{name}{l}"] = gradient.cpu().numpy().copy()
    return gradients


def to_torch(model: PoemModel) -> PoemNet | RegularisedNet:
    """A net with the weights of the model, in its dtype; a PoemNet if that has all the model's options."""
    host = {name: model.backend.to_host(p) for name, p in model.parameters.items()}
    net: PoemNet | RegularisedNet
    if model.tie_embedding or model.embedding_dropout or model.shared_masks:
        options: dict[str, Any] = {**model.sizes, **model.options}
        net = RegularisedNet(**options)
    else:
        net = PoemNet(**model.sizes, dropout=model.dropout)
    net = net.to(torch.tensor(host["embedding"]).dtype)
    with torch.no_grad():
        for theirs, name in ((net.embedding.weight, "embedding"), (net.fc.weight, "fc.weight"),
                             (net.fc.bias, "fc.bias")):
            if name in host:
                theirs.copy_(torch.tensor(host[name]))
    if isinstance(net, PoemNet):
        set_lstm(net.lstm, host)
    else:
        for l, layer in enumerate(net.lstms):
            set_lstm(layer, {f"{name}0": host[f"{name}{l}"] for name in TENSORS})
    return net


def from_torch(net: PoemNet | RegularisedNet, backend: str = "numpy") -> PoemModel:
    """A PoemModel with the weights of the net, in its dtype. Raises ValueError as lstm_parameters does."""
    if isinstance(net, PoemNet):
        arrays, H, L = lstm_parameters(net.lstm), net.lstm.hidden_size, net.lstm.num_layers
        options: dict[str, Any] = {"dropout": net.dropout.p}
    else:
        arrays = {f"{name[0]}{l}": array for l, layer in enumerate(net.lstms)
                  for name, array in lstm_parameters(layer).items()}
        H, L, options = net.lstms[0].hidden_size, len(net.lstms), net.options
    for name, tensor in (("embedding", net.embedding.weight), ("fc.weight", net.fc.weight),
                         ("fc.bias", net.fc.bias)):
        arrays[name] = tensor.detach().cpu().numpy()
    V, E = arrays["embedding"].shape
    model = PoemModel(V, E, H, L, backend=backend, dtype=arrays["embedding"].dtype, **options)
    for name, p in model.parameters.items():
        p[...] = model.backend.to_device(arrays[name])
    return model


def load(path: str | Path) -> tuple[PoemNet | RegularisedNet, Vocabulary]:
    """A model that was trained here, as a torch module, with its vocabulary. Raises InputError."""
    model, vocabulary = checkpoint.load(path)
    return to_torch(model), vocabulary


def save(path: str | Path, net: PoemNet | RegularisedNet, vocabulary: Vocabulary | Mapping[str, int]) -> None:
    """Write a torch module as a model file of this project. Raises InputError."""
    checkpoint.save(path, from_torch(net), vocabulary)
