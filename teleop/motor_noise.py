"""The two ways in which a hand misses: it trembles, and it strays."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

#: Physiological tremor of a hand, Hz.
TREMOR_BAND = (8.0, 12.0)


class Tremor:
    """Band-limited noise: sines of random frequency and phase within `TREMOR_BAND`.

    Args:
        generator: Draws frequencies and phases.
        axes: Independent signals.
        rms: Root mean square of each.
        sines: Sines in each.
    """

    def __init__(
        self, generator: np.random.Generator, axes: int, rms: float, sines: int = 6
    ) -> None:
        self._omega = 2.0 * math.pi * generator.uniform(*TREMOR_BAND, (axes, sines))
        self._phase = generator.uniform(0.0, 2.0 * math.pi, (axes, sines))
        self._amplitude = rms * math.sqrt(2.0 / sines)

    def at(self, now: float) -> NDArray[np.float64]:
        """Value (axes,) at a time in seconds."""
        waves: NDArray[np.float64] = np.sin(self._omega * now + self._phase)
        return self._amplitude * waves.sum(axis=1)


class Wander:
    """An Ornstein-Uhlenbeck process, sampled exactly: dx = -x/τ dt + σ √(2/τ) dW.

    Args:
        generator: Draws the steps.
        axes: Independent signals.
        rms: σ, the stationary root mean square.
        time: τ, the correlation time in seconds.
    """

    def __init__(self, generator: np.random.Generator, axes: int, rms: float, time: float) -> None:
        self._generator, self._rms, self._time = generator, rms, time
        self._value = rms * generator.standard_normal(axes)

    def advance(self, seconds: float) -> NDArray[np.float64]:
        """Value (axes,) after so many seconds more."""
        kept = math.exp(-seconds / self._time)
        fresh = self._rms * math.sqrt(1.0 - kept**2)
        self._value = kept * self._value + fresh * self._generator.standard_normal(self._value.size)
        return self._value
