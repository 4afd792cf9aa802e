"""The sizes of the networks that the benchmark times, and how much arithmetic their products are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from scratch_lstm.training.settings import RECIPES


@dataclass(frozen=True)
class Size:
    """E embedding, H hidden, B batch, T steps; two layers, 2001 words. recipe: what the rest follows."""

    H: int = 128
    B: int = 32
    T: int = 25
    E: int = 100
    V: int = 2001
    recipe: str = "course"

    @property
    def options(self) -> dict[str, Any]:
        """The recipe's settings that a step depends on, besides the sizes."""
        return {name: value for name, value in RECIPES[self.recipe].items()
                if name in ("tie_embedding", "dropout", "embedding_dropout", "shared_masks", "weight_decay")}

    @property
    def top(self) -> int:
        """Size of the last layer."""
        return self.E if self.options.get("tie_embedding") else self.H

    @property
    def layers(self) -> list[tuple[int, int]]:
        """(D, H) of each layer."""
        return [(self.E, self.H), (self.H, self.top)]

    @property
    def flops(self) -> int:
        """Of the matrix products of a step: two for each entry of M N K, three products for each matrix (the
        forward one, the gradient of the weight, that of the input)."""
        weights = self.V * self.top + sum(4 * H * (D + H) for D, H in self.layers)
        return 2 * 3 * weights * self.T * self.B


COURSE = Size()
BEST = Size(E=RECIPES["best"]["embedding_size"], H=RECIPES["best"]["hidden_size"], recipe="best")
SIZES = {"course": [COURSE], "recipes": [COURSE, BEST],
         "all": [COURSE, Size(H=64), Size(H=256), Size(H=512), Size(B=8), Size(B=64), Size(B=128), Size(T=50),
                 Size(T=100)]}
