"""The lab's network in PyTorch: nn.Embedding, nn.LSTM, nn.Linear."""

from __future__ import annotations

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

    def forward(self, tokens: Tensor, state: tuple[Tensor, Tensor] | None = None
                ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        h, state = self.lstm(self.embedding(tokens), state)
        return self.fc(self.dropout(h)), state

    def loss(self, tokens: Tensor) -> Tensor:
        """tokens (B, T+1) -> the mean cross-entropy of each next word, from a zero state."""
        logits, _ = self(tokens[:, :-1])
        return nn.functional.cross_entropy(logits.flatten(0, 1), tokens[:, 1:].flatten())


def keep_one_bias(lstm: nn.LSTM) -> None:
    """Hold torch's second bias at zero and out of the optimiser: then it trains what NNDL has, one b.

    With both trained, each gets the gradient of b, and Adam moves their sum twice as far.
    """
    for name, parameter in lstm.named_parameters():
        if name.startswith("bias_hh"):
            parameter.requires_grad_(False)
            torch.nn.init.zeros_(parameter)
