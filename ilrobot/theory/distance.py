"""How far apart two sets of states are, each made of whole episodes.

    D² = 2 E|X - Y| - E|X - X'| - E|Y - Y'|

the energy distance of Székely and Rizzo 2013, "Energy statistics: a class of statistics based on
distances": 0 where the distributions are the same, and only there. It needs no bins and no density.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

States = Sequence[NDArray[np.floating]]

#: States of each side that are compared, and bootstrap samples.
_MOST_STATES, _RESAMPLES = 1_200, 400


@dataclass(frozen=True)
class Distance:
    """A distance with its 95 % interval."""

    value: float
    low: float
    high: float


def energy_distance(first: States, second: States, seed: int = 0) -> Distance:
    """D of two sets of episodes, in standard deviations of the first set.

    A sample drawn from a sample is further from another one than the sample itself: of the
    bootstrap's D² the interval keeps the spread, about the D² that was found.

    Args:
        first: Episodes of states, each (T, n); their spread is the unit of each dimension.
        second: Likewise.
        seed: Of the bootstrap, which draws whole episodes, since states of one are alike.

    Raises:
        ValueError: One of the sets is empty.
    """
    x, of_x = _thinned(first)
    y, of_y = _thinned(second)
    scale = x.std(axis=0)
    scale = np.where(scale > 1e-6 * np.maximum(1.0, np.abs(x).max(axis=0)), scale, 1.0)
    xy, xx, yy = _apart(x, y, scale), _apart(x, x, scale), _apart(y, y, scale)

    def squared(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
        a, b = a / a.sum(), b / b.sum()
        return max(0.0, float(2 * a @ xy @ b - a @ xx @ a - b @ yy @ b))

    found = squared(np.ones(len(x)), np.ones(len(y)))

    generator = np.random.default_rng(seed)
    drawn = []
    for _ in range(_RESAMPLES):
        a, b = (
            np.bincount(generator.integers(len(side), size=len(side)), minlength=len(side))
            for side in (first, second)
        )
        if a[of_x].any() and b[of_y].any():
            drawn.append(squared(a[of_x].astype(float), b[of_y].astype(float)))
    interval = np.quantile(drawn, [0.025, 0.975]) - np.mean(drawn) + found
    low, high = np.sqrt(np.maximum(interval, 0.0))
    return Distance(found**0.5, float(low), float(high))


def _thinned(episodes: States) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Some of the states, evenly, and the episode of each."""
    if not episodes:
        raise ValueError("no episodes")
    states = np.concatenate(list(episodes)).astype(np.float64)
    of = np.repeat(np.arange(len(episodes)), [len(episode) for episode in episodes])
    kept = np.unique(np.linspace(0, len(states) - 1, _MOST_STATES).round().astype(np.int64))
    return states[kept], of[kept]


def _apart(
    x: NDArray[np.float64], y: NDArray[np.float64], scale: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Euclidean distance of each pair."""
    squares = np.zeros((len(x), len(y)))
    for i in range(x.shape[1]):
        squares += ((x[:, None, i] - y[None, :, i]) / scale[i]) ** 2
    return np.sqrt(squares)
