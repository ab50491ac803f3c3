"""A Gaussian with a diagonal covariance that depends on the observation."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from ilrobot.policies.heads.head import Head, masked_mean
from ilrobot.policies.networks.network import Network

#: Bounds of the logarithm of the standard deviation, in normalised units. Without the lower one
#: the likelihood of data that can be fitted exactly has no maximum.
LOG_STD_BOUNDS = (-5.0, 2.0)


class GaussianHead(Head):
    """Negative log-likelihood per tick and element; acts by the mean.

    Args:
        network: Condition to (B, H, 2 A): the means and what bounds to the log standard deviations.
    """

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.network = network

    def distribution(self, condition: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and logarithm of the standard deviation, each of shape (B, H, A)."""
        mean, raw = self.network(condition).chunk(2, dim=2)
        low, high = LOG_STD_BOUNDS
        return mean, low + (high - low) / 2 * (torch.tanh(raw) + 1)

    def loss(self, condition: Tensor, actions: Tensor, mask: Tensor) -> Tensor:
        """See `Head`."""
        mean, log_std = self.distribution(condition)
        return masked_mean(gaussian_nll(actions, mean, log_std).mean(dim=2), mask)

    def forward(self, condition: Tensor, noise: Tensor | None = None) -> Tensor:
        """See `Head`."""
        return self.distribution(condition)[0]


def gaussian_nll(x: Tensor, mean: Tensor, log_std: Tensor) -> Tensor:
    """-log N(x; mean, exp(log_std)²), element by element."""
    return ((x - mean) * torch.exp(-log_std)).square() / 2 + log_std + math.log(2 * math.pi) / 2
