"""What every head is: a loss, and a chunk of normalised actions."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn
from torch.nn import functional

#: Exponent of the focal loss.
_FOCUS = 2.0
#: Bounds within which logarithms and reciprocals stay finite.
_LEAST_LOG, _LEAST_SHARE = -60.0, 1e-12


class Head(nn.Module, ABC):
    """Between the encoded observations and a chunk of actions.

    Attributes:
        noise_shape: Shape of the standard normal noise that `forward` takes (None: it takes none).
        ticks: At how many of the newest ticks of a history it is taught.
        apart: Whether each layer with weights treats the samples of a batch apart, so that several
            heads can be one, see `StackedEnsemble`.
        parts: How many it is at once, each for its own part of the batch, one after the other; so
            must be whatever else a layer with weights is given.
    """

    noise_shape: tuple[int, ...] | None = None
    ticks: int = 1
    apart: bool = True
    parts: int = 1

    @property
    def steps(self) -> int | None:
        """How many steps it samples in (None: it does not sample in steps)."""
        return None

    def fit(self, actions: Tensor, mask: Tensor) -> None:
        """Take what it must know of the actions before it is trained; most heads need nothing.

        Args:
            actions: Normalised chunks to be trained on, shape (N, H, A).
            mask: Which of them count, shape (N, H) bool.
        """

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

        `noise` is standard normal of shape (B, *noise_shape) for heads that sample, else None.
        """


def masked_mean(errors: Tensor, mask: Tensor) -> Tensor:
    """Mean of each sample over the ticks that count: shapes (B, H) and (B, H) to (B,)."""
    weight = mask.to(errors.dtype)
    return torch.sum(errors * weight, dim=1) / torch.sum(weight, dim=1)


def focal_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """-(1 - p)² log p of each label's probability p: shapes (B, K) and (B,) to (B,).

    Lin et al. 2017, "Focal loss for dense object detection", eq. 4.
    """
    surprise = functional.cross_entropy(logits, labels, reduction="none")
    return (1 - torch.exp(-surprise)) ** _FOCUS * surprise


def focal_posterior(logits: Tensor) -> Tensor:
    """Logits of the probabilities that a network means which was trained by `focal_loss`.

    Where the labels are of probability p, the softmax q of what it learns is flatter than p, which
    is as 1 / ((1 - q)² / q - 2 (1 - q) log q). Charoenphakdee et al. 2021, "On focal loss for
    class-posterior probability estimation".

    Args:
        logits: Shape (B, K).

    Returns:
        Shape (B, K).
    """
    log_q = functional.log_softmax(logits, dim=1).clamp(min=_LEAST_LOG)
    others = -torch.expm1(log_q).clamp(max=-_LEAST_SHARE)
    slope = others**_FOCUS * torch.exp(-log_q) - _FOCUS * others ** (_FOCUS - 1) * log_q
    return -torch.log(slope)


def draw_choice(logits: Tensor, noise: Tensor | None) -> Tensor:
    """One choice per row by its probability, where Φ(noise) falls among the cumulated ones.

    Args:
        logits: Shape (B, K).
        noise: Standard normal, shape (B, 1).

    Returns:
        int64 of shape (B,).
    """
    if noise is None:
        raise ValueError("a head that draws needs noise of shape (B, 1)")
    share = (1 + torch.erf(noise / math.sqrt(2))) / 2
    passed = functional.softmax(logits, dim=1).cumsum(dim=1)[:, :-1] < share
    return passed.to(torch.int64).sum(dim=1)
