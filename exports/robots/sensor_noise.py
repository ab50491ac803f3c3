"""Noise on what a simulated robot measures."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


class SensorNoise:
    """Adds normally distributed noise to observations of floating point; pictures stay as they are.

    Args:
        sigma: Its standard deviation, in the unit of each element; 0 for none.
        seed: Of the draws.
    """

    def __init__(self, sigma: float, seed: int) -> None:
        self._sigma = sigma
        self._generator = np.random.default_rng(seed)

    def on(self, array: NDArray[Any]) -> NDArray[Any]:
        """A measurement with its noise."""
        if self._sigma == 0.0 or not np.issubdtype(array.dtype, np.floating):
            return array
        return array + self._generator.normal(0.0, self._sigma, array.shape)
