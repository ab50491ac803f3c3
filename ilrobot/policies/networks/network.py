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
        history: Observations of equal size that the condition begins with, oldest first.
        extra: Features of the condition after those: a latent, the step of a sampler (0: none).
    """

    condition: int
    horizon: int
    sample: int
    output: int
    history: int = 1
    extra: int = 0

    @property
    def observation(self) -> int:
        """Features of one observation of the history."""
        return (self.condition - self.extra) // self.history

    def split(self, condition: Tensor) -> tuple[Tensor, Tensor | None]:
        """The history, (B, history, observation), and what follows, (B, extra), or None."""
        end = self.history * self.observation
        history = condition[:, :end].unflatten(1, (self.history, self.observation))
        return history, condition[:, end:] if self.extra else None


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
