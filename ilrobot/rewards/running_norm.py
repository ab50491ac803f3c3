"""Normalisation by the mean and variance of everything seen so far, while more is seen."""

from __future__ import annotations

import torch
from torch import Tensor, nn

#: What is further from the mean, in standard deviations, counts as this far.
CLIP = 10.0
_LEAST_VARIANCE = 1e-8
#: A deviation below this share of the mean is rounding of float64.
_ROUNDING = 1e-12


class RunningNorm(nn.Module):
    """y = clip((x - mean) / std, ±10) per element, over all rows that `update` was given.

    Batches are merged exactly (Chan, Golub and LeVeque 1979, "Updating formulae and a pairwise
    algorithm for computing sample variances"), in float64. Before the first update y = clip(x). Of
    what never moved y is 0, wherever it goes later: nothing was learnt of that.
    """

    mean: Tensor
    variance: Tensor
    count: Tensor

    def __init__(self, size: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(size, dtype=torch.float64))
        self.register_buffer("variance", torch.ones(size, dtype=torch.float64))
        self.register_buffer("count", torch.zeros((), dtype=torch.float64))

    def update(self, rows: Tensor) -> None:
        """Take in rows of shape (N, size)."""
        if not len(rows):
            return
        rows = rows.detach().double()
        mean, variance = rows.mean(dim=0), rows.var(dim=0, unbiased=False)
        known, new = self.count, float(len(rows))
        total = known + new
        apart = mean - self.mean
        merged = known * self.variance + new * variance + apart.square() * known * new / total
        self.variance.copy_(merged / total)
        self.mean.add_(apart * new / total)
        self.count.copy_(total)

    def forward(self, rows: Tensor) -> Tensor:
        """Shape (N, size) to the same, in the dtype of the rows."""
        scale = self.variance.clamp_min(_LEAST_VARIANCE).sqrt().to(rows.dtype)
        moved = (self.variance > (_ROUNDING * self.mean).square()).to(rows.dtype)
        return ((rows - self.mean.to(rows.dtype)) / scale).clamp(-CLIP, CLIP) * moved
