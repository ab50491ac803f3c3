"""Discrete actions: a distribution over the choices at each tick."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional

from ilrobot.policies.heads.head import Head, masked_mean
from ilrobot.policies.networks.network import Network


class CategoricalHead(Head):
    """Cross-entropy; acts by the likeliest choice.

    Args:
        network: Condition to logits of shape (B, H, choices).
    """

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.network = network

    def loss(self, condition: Tensor, actions: Tensor, mask: Tensor) -> Tensor:
        """See `Head`."""
        logits = self.network(condition).transpose(1, 2)
        return masked_mean(functional.cross_entropy(logits, actions, reduction="none"), mask)

    def forward(self, condition: Tensor, noise: Tensor | None = None) -> Tensor:
        """See `Head`."""
        return self.network(condition).argmax(dim=2)
