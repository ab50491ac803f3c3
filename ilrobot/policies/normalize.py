"""Affine normalisation, as buffers so that it travels with the weights and into the export."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ilrobot.policies.config import Mode
from ilrobot.spec import Feature

#: What ``quantile`` maps to -1 and 1.
QUANTILES = (0.01, 0.99)

#: A dimension that spans less than this share of the greatest span among its kind is constant,
#: and so is one whose values differ by no more than rounding to float32 does.
CONSTANT_SHARE = 1e-4
_ROUNDING = 1e-6
#: A standard deviation or a span of quantiles below this share of the range counts as this share,
#: so that a dimension which moves only now and then stays within ±50 when it does.
LEAST_STD = 0.02
#: Least scale of an observation, as a share of the greatest span among its kind. What hardly moved
#: in the training data would otherwise be blown up by the first small deviation on the robot. ACT
#: takes 1e-2 as its least standard deviation (Zhao et al. 2023), for joints that move some 2 rad.
LEAST_OBSERVATION_SHARE = 0.005


def kinds(features: Sequence[Feature]) -> tuple[str, ...]:
    """What each dimension of some features may be compared with: its unit.

    Where none is stated, nothing else: a gripper in metres moves beside places in millimetres.
    Shares of the greatest span among a kind, unlike numbers of its unit, mean the same in metres
    and in millimetres.
    """
    return tuple(
        kind
        for f in features
        for kind in (f.units or tuple(f"{f.name}[{index}]" for index in range(f.size)))
    )


class Normalizer(nn.Module):
    """y = (x - offset) / scale per dimension.

    ``standardize`` gives mean 0 and standard deviation 1; ``limits`` maps least and greatest value
    to -1 and 1; ``quantile`` does so with the 1 % and the 99 % quantile, as openpi's `Normalize`,
    so that a few outliers do not squeeze all else. `fit` also keeps the range of the data, in
    physical units.

    What is small is decided by comparison with dimensions of the same kind (see `kinds`; plain
    numbers, of unit ``1``, span at least 2), so that a change of units changes no normalised value.
    A constant dimension is not blown up, and `inverse` gives exactly the constant back: a robot
    that never rolled its wrist while it was taught does not roll it later.

    Args:
        kinds: The kind of each dimension.
        mode: Which of the three.
        least_share: No dimension is scaled by less than this share of the greatest span among its
            kind.
    """

    offset: Tensor
    scale: Tensor
    spread: Tensor
    low: Tensor
    high: Tensor

    def __init__(self, kinds: Sequence[str], mode: Mode, *, least_share: float = 0.0) -> None:
        super().__init__()
        self.mode = mode
        self._kinds = tuple(kinds)
        self._least_share = least_share
        size = len(self._kinds)
        self.register_buffer("offset", torch.zeros(size))
        self.register_buffer("scale", torch.ones(size))
        self.register_buffer("spread", torch.ones(size))
        self.register_buffer("low", torch.zeros(size))
        self.register_buffer("high", torch.zeros(size))

    def fit(self, values: NDArray[Any], counted: NDArray[np.bool_] | None = None) -> None:
        """Take offset and scale from finite data.

        Args:
            values: Shape (N, size).
            counted: Which of them count, the same shape; of a dimension in which none does, all do
                (None: all).
        """
        values = values.astype(np.float64)
        if counted is not None:
            values[~counted & counted.any(axis=0)] = np.nan
        low, high = np.nanmin(values, axis=0), np.nanmax(values, axis=0)
        if self.mode == "limits":
            offset, scale = (low + high) / 2, (high - low) / 2
        elif self.mode == "quantile":
            first, last = np.nanquantile(values, QUANTILES, axis=0)
            offset = (first + last) / 2
            scale = (last - first) / 2
        else:
            offset, scale = np.nanmean(values, axis=0), np.nanstd(values, axis=0)
        self.adopt(offset, scale, low, high)

    def adopt(
        self,
        offset: NDArray[np.float64],
        scale: NDArray[np.float64],
        low: NDArray[np.float64],
        high: NDArray[np.float64],
    ) -> None:
        """Take offset and scale of data that lie within `low` and `high`, each of shape (size,)."""
        scale = np.maximum(scale, LEAST_STD * (high - low))
        span, size = self._spans(high - low), np.maximum(np.abs(low), np.abs(high))
        constant = high - low <= np.maximum(CONSTANT_SHARE * span, _ROUNDING * size)
        offset = np.where(constant, (low + high) / 2, offset)
        # A constant is scaled by what its kind spans; if nothing of its kind moved, by its size.
        known = np.where(span > _ROUNDING * size, span, np.where(size > 0, size, 1.0))
        scale = np.where(constant, known, np.maximum(scale, self._least_share * span))
        for buffer, value in (
            (self.offset, offset),
            (self.scale, scale),
            (self.spread, np.where(constant, 0.0, scale)),
            (self.low, low),
            (self.high, high),
        ):
            buffer.copy_(torch.from_numpy(value))

    @property
    def constant(self) -> list[bool]:
        """For each dimension whether it did not move in the data."""
        return (self.spread == 0).tolist()

    def _spans(self, ranges: NDArray[np.float64]) -> NDArray[np.float64]:
        """For each dimension the greatest range among its kind."""
        greatest = {"1": 2.0}  # -1 to 1, as cosines and signed shares do
        for kind, value in zip(self._kinds, ranges, strict=True):
            greatest[kind] = max(greatest.get(kind, 0.0), float(value))
        return np.array([greatest[kind] for kind in self._kinds])

    def forward(self, values: Tensor) -> Tensor:
        """Physical to normalised, last axis `size`."""
        return (values - self.offset) / self.scale

    def inverse(self, normalized: Tensor) -> Tensor:
        """Normalised to physical."""
        return normalized * self.spread + self.offset
