"""What a training step draws."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class Batch:
    """A batch of windows.

    Attributes:
        observations: Each observation's history, oldest first: shape (B, n_obs, *shape); of
            pictures uint8 and small, see `ilrobot.data.pictures`.
        actions: Labels from the newest observation on: (B, H, A) float, or (B, H) int64 where the
            action is one of some choices. Where more than that tick teaches, a chunk from each of
            the newest `ticks` of the history on, one after the other, oldest first: (B · ticks, H).
        mask: Which of them count, shape (B · ticks, H) bool; at least one in each chunk does.
        weight: Weight of each chunk in the loss, shape (B · ticks,).
        noise: What a sampler made the actions of, shape (B, *noise_shape) (None: nothing is known).
    """

    observations: dict[str, Tensor]
    actions: Tensor
    mask: Tensor
    weight: Tensor
    noise: Tensor | None = None

    @property
    def ticks(self) -> int:
        """At how many of its newest ticks each window teaches."""
        return len(self.mask) // len(next(iter(self.observations.values())))
