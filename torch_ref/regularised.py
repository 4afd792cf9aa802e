"""The lab's network in PyTorch with what this project adds to it: one matrix for the embedding and the linear
layer, dropout on the embedding, masks that all time steps share. Each layer is an nn.LSTM of its own.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

States = Sequence[tuple[Tensor, Tensor]]      # (h, c) of each layer, each (1, B, H_l)


class RegularisedNet(nn.Module):
    """tokens (B, T) -> logits (B, T, V) and the state of each layer."""

    def __init__(self, vocabulary_size: int, embedding_size: int, hidden_size: int, num_layers: int,
                 dropout: float = 0.0, tie_embedding: bool = False, embedding_dropout: float = 0.0,
                 shared_masks: bool = False) -> None:
        super().__init__()
        self.options = {"dropout": dropout, "tie_embedding": tie_embedding,
                        "embedding_dropout": embedding_dropout, "shared_masks": shared_masks}
        self.rates, self.shared_masks = [embedding_dropout] + [dropout] * num_layers, shared_masks
        self.embedding = nn.Embedding(vocabulary_size, embedding_size)
        sizes = [embedding_size] + [hidden_size] * num_layers
        if tie_embedding:
            sizes[-1] = embedding_size
        self.lstms = [nn.LSTM(D, H, batch_first=True) for D, H in zip(sizes, sizes[1:])]
        self.layers = nn.ModuleList(self.lstms)
        self.fc = nn.Linear(sizes[-1], vocabulary_size)
        if tie_embedding:
            self.fc.weight = self.embedding.weight

    def forward(self, tokens: Tensor, states: States | None = None,
                masks: Sequence[Tensor | None] | None = None) -> tuple[Tensor, States]:
        """masks: dropout masks (B, T or 1, n) of the embedding and of each layer, instead of torch's own."""
        masks = masks or [None] * len(self.rates)
        x, finals = self._drop(self.embedding(tokens), self.rates[0], masks[0]), []
        for l, layer in enumerate(self.layers):
            h, final = layer(x, states[l] if states else None)
            x = self._drop(h, self.rates[l + 1], masks[l + 1])
            finals.append(final)
        return self.fc(x), finals

    def _drop(self, x: Tensor, rate: float, mask: Tensor | None) -> Tensor:
        if mask is None:
            shape = x[:, :1] if self.shared_masks else x
            mask = nn.functional.dropout(torch.ones_like(shape), rate, self.training)
        return x * mask

    def loss(self, tokens: Tensor, masks: Sequence[Tensor | None] | None = None) -> Tensor:
        """tokens (B, T+1) -> the mean cross-entropy of each next word, from a zero state."""
        logits, _ = self(tokens[:, :-1], masks=masks)
        return nn.functional.cross_entropy(logits.flatten(0, 1), tokens[:, 1:].flatten())
