"""Affine normalisation, as buffers so that it travels with the weights and into the export."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

Mode = Literal["standardize", "limits"]

#: Dimensions whose values span less than this are constant.
CONSTANT_RANGE = 1e-4
#: A standard deviation below this share of the range counts as this share, so that a dimension
#: which moves only now and then stays within ±50 when it does.
LEAST_STD = 0.02
#: Least scale of an observation, in its own unit (m, 1, px). What hardly moved in the training data
#: would otherwise be blown up by the first small deviation on the robot. The standard deviation of
#: 1e-2 that ACT takes as its least (Zhao et al. 2023).
LEAST_OBSERVATION_SCALE = 0.01


class Normalizer(nn.Module):
    """y = (x - offset) / scale per dimension.

    ``standardize`` gives mean 0 and standard deviation 1; ``limits`` maps least and greatest value
    to -1 and 1. `fit` also keeps the range of the data, in physical units.

    A constant dimension is shifted but not scaled, and `inverse` gives exactly the constant back:
    a robot that never rolled its wrist while it was taught does not roll it later.

    Args:
        size: Number of dimensions.
        mode: Which of the two.
        least_scale: No dimension is scaled by less than this, in physical units.
    """

    offset: Tensor
    scale: Tensor
    spread: Tensor
    low: Tensor
    high: Tensor

    def __init__(self, size: int, mode: Mode, *, least_scale: float = 0.0) -> None:
        super().__init__()
        self.mode = mode
        self._least_scale = least_scale
        self.register_buffer("offset", torch.zeros(size))
        self.register_buffer("scale", torch.ones(size))
        self.register_buffer("spread", torch.ones(size))
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
        constant = high - low < CONSTANT_RANGE
        offset = np.where(constant, (low + high) / 2, offset)
        scale = np.where(constant, 1.0, np.maximum(scale, self._least_scale))
        for buffer, value in (
            (self.offset, offset),
            (self.scale, scale),
            (self.spread, np.where(constant, 0.0, scale)),
            (self.low, low),
            (self.high, high),
        ):
            buffer.copy_(torch.from_numpy(value))

    def forward(self, values: Tensor) -> Tensor:
        """Physical to normalised, last axis `size`."""
        return (values - self.offset) / self.scale

    def inverse(self, normalized: Tensor) -> Tensor:
        """Normalised to physical."""
        return normalized * self.spread + self.offset
