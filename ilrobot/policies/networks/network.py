"""What every network is: a condition, and perhaps a sample, to a chunk of features."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

from torch import Tensor, nn


@dataclass(frozen=True)
class Sizes:
    """What a head asks of its network.

    Attributes:
        condition: Size of the condition vector.
        horizon: Ticks in a chunk.
        sample: Features per tick of the sample to be denoised (0: the head gives none).
        output: Features per tick of the output.
    """

    condition: int
    horizon: int
    sample: int
    output: int


class Network(nn.Module, ABC):
    """Predicts a chunk of features."""

    @abstractmethod
    def forward(self, condition: Tensor, sample: Tensor | None = None) -> Tensor:
        """Predict.

        Args:
            condition: Shape (B, sizes.condition).
            sample: Shape (B, sizes.horizon, sizes.sample); None where that size is 0.

        Returns:
            Shape (B, sizes.horizon, sizes.output).
        """
