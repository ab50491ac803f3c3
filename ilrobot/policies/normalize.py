"""Affine normalisation, as buffers so that it travels with the weights and into the export."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

Mode = Literal["standardize", "limits"]

#: Dimensions whose values span less than this are constant: they are shifted but not scaled.
CONSTANT_RANGE = 1e-4
#: A standard deviation below this share of the range counts as this share, so that a dimension
#: which moves only now and then stays within ±50 when it does.
LEAST_STD = 0.02


class Normalizer(nn.Module):
    """y = (x - offset) / scale per dimension.

    ``standardize`` gives mean 0 and standard deviation 1; ``limits`` maps least and greatest value
    to -1 and 1. `fit` also keeps the range of the data, in physical units.

    Args:
        size: Number of dimensions.
        mode: Which of the two.
    """

    offset: Tensor
    scale: Tensor
    low: Tensor
    high: Tensor

    def __init__(self, size: int, mode: Mode) -> None:
        super().__init__()
        self.mode = mode
        self.register_buffer("offset", torch.zeros(size))
        self.register_buffer("scale", torch.ones(size))
        self.register_buffer("low", torch.zeros(size))
        self.register_buffer("high", torch.zeros(size))

    def fit(self, values: NDArray[Any]) -> None:
        """Take offset and scale from data of shape (N, size)."""
        values = values.astype(np.float64)
        low, high = values.min(axis=0), values.max(axis=0)
        if self.mode == "limits":
            offset, scale = (low + high) / 2, (high - low) / 2
        else:
            offset = values.mean(axis=0)
            scale = np.maximum(values.std(axis=0), LEAST_STD * (high - low))
        scale = np.where(high - low < CONSTANT_RANGE, 1.0, scale)
        for buffer, value in (
            (self.offset, offset),
            (self.scale, scale),
            (self.low, low),
            (self.high, high),
        ):
            buffer.copy_(torch.from_numpy(value))

    def forward(self, values: Tensor) -> Tensor:
        """Physical to normalised, last axis `size`."""
        return (values - self.offset) / self.scale

    def inverse(self, normalized: Tensor) -> Tensor:
        """Normalised to physical."""
        return normalized * self.scale + self.offset
