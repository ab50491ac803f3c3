"""Regression: the chunk itself is predicted."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

from ilrobot.policies.heads.head import Head, masked_mean
from ilrobot.policies.networks.network import Network


def squared(error: Tensor) -> Tensor:
    """e², whose minimiser is the mean of the labels."""
    return error.square()


def absolute(error: Tensor) -> Tensor:
    """|e|, whose minimiser is the median of the labels."""
    return error.abs()


def huber(error: Tensor) -> Tensor:
    """e²/2 up to |e| = 1 and |e| - 1/2 beyond (Huber 1964); errors in normalised units."""
    return functional.smooth_l1_loss(error, torch.zeros_like(error), reduction="none", beta=1.0)


def log_cosh(error: Tensor) -> Tensor:
    """log cosh e, smooth from e²/2 to |e| - log 2, in a form that does not overflow."""
    size = error.abs()
    return size + functional.softplus(-2 * size) - math.log(2)


ERROR_FUNCTIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "mse": squared,
    "l1": absolute,
    "huber": huber,
    "log-cosh": log_cosh,
}


class RegressionHead(Head):
    """Mean over the chunk of an error function of prediction minus label.

    Args:
        network: Condition to (B, H, A).
        error: Element-wise error function.
    """

    def __init__(self, network: Network, error: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.network = network
        self._error = error

    def loss(self, condition: Tensor, actions: Tensor, mask: Tensor) -> Tensor:
        """See `Head`."""
        return masked_mean(self._error(self.network(condition) - actions).mean(dim=2), mask)

    def forward(self, condition: Tensor, noise: Tensor | None = None) -> Tensor:
        """See `Head`."""
        chunk: Tensor = self.network(condition)
        return chunk
