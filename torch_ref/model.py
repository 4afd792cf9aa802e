"""The lab's network in PyTorch: nn.Embedding, nn.LSTM, nn.Linear."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn


class PoemNet(nn.Module):
    """tokens (B, T) -> logits (B, T, V) and the state (h, c), each (L, B, H)."""

    def __init__(self, vocabulary_size: int, embedding_size: int = 100, hidden_size: int = 128,
                 num_layers: int = 2, dropout: float = 0.0) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocabulary_size, embedding_size)
        self.lstm = nn.LSTM(embedding_size, hidden_size, num_layers, batch_first=True,
                            dropout=dropout if num_layers > 1 else 0.0)
        self.dropout = nn.Dropout(dropout)
        self.fc = nn.Linear(hidden_size, vocabulary_size)

    def forward(self, tokens: Tensor, state: tuple[Tensor, Tensor] | None = None,
                masks: Sequence[Tensor | None] | None = None) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """masks: dropout masks (B, T, H), one for the output of each layer, instead of torch's own."""
        if masks is not None:
            return self._forward_with_masks(tokens, masks)
        h, state = self.lstm(self.embedding(tokens), state)
        return self.fc(self.dropout(h)), state

    def _forward_with_masks(self, tokens: Tensor,
                            masks: Sequence[Tensor | None]) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """nn.LSTM draws its masks inside; so here torch's kernel runs one layer at a time."""
        h, finals = self.embedding(tokens), []
        for weights, mask in zip(self.lstm.all_weights, masks, strict=True):
            zeros = h.new_zeros(1, len(h), self.lstm.hidden_size)
            tensors: list[Tensor] = list(weights)
            h, h_n, c_n = torch.lstm(h, (zeros, zeros), tensors, True, 1, 0.0, False, False, True)
            h = h if mask is None else h * mask
            finals.append((h_n, c_n))
        h_n, c_n = (torch.cat(part) for part in zip(*finals))
        return self.fc(h), (h_n, c_n)

    def loss(self, tokens: Tensor, masks: Sequence[Tensor | None] | None = None) -> Tensor:
        """tokens (B, T+1) -> the mean cross-entropy of each next word, from a zero state."""
        logits, _ = self(tokens[:, :-1], masks=masks)
        return nn.functional.cross_entropy(logits.flatten(0, 1), tokens[:, 1:].flatten())


def keep_one_bias(module: nn.Module) -> None:
    """Keep the second bias of each nn.LSTM at zero and out of the optimiser: then torch trains what NNDL has,
    one b.

    With both trained, each gets the gradient of b, and Adam moves their sum twice as far.
    """
    for name, parameter in module.named_parameters():
        if "bias_hh" in name:
            parameter.requires_grad_(False)
            torch.nn.init.zeros_(parameter)
