"""What every head is: a loss, and a chunk of normalised actions."""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn


class Head(nn.Module, ABC):
    """Between the encoded observations and a chunk of actions."""

    @abstractmethod
    def loss(self, condition: Tensor, actions: Tensor, mask: Tensor) -> Tensor:
        """The loss of each sample.

        Args:
            condition: Encoded observations, shape (B, C).
            actions: Normalised labels, shape (B, H, A), or (B, H) int64 for choices.
            mask: Which of them count, shape (B, H) bool.

        Returns:
            Shape (B,).
        """

    @abstractmethod
    def forward(self, condition: Tensor, noise: Tensor | None = None) -> Tensor:
        """The chunk to act by, normalised, shape (B, H, A), or (B, H) int64 for choices.

        `noise` is standard normal of shape (B, H, A) for heads that sample, else None.
        """


def masked_mean(errors: Tensor, mask: Tensor) -> Tensor:
    """Mean of each sample over the ticks that count: shapes (B, H) and (B, H) to (B,)."""
    weight = mask.to(errors.dtype)
    return torch.sum(errors * weight, dim=1) / torch.sum(weight, dim=1)
