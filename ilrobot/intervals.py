"""95 % intervals: of shares, of means, and over several runs of the same method."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

#: 97.5 % quantiles of Student's t for 1 to 10 degrees of freedom.
_T = (12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228)


def wilson_interval(successes: int, episodes: int, z: float = 1.96) -> tuple[float, float]:
    """Score interval of a binomial proportion, 95 % by default.

    It keeps its coverage for few episodes and near 0 and 1, where the textbook p ± z·s does not.
    Wilson 1927, "Probable inference, the law of succession, and statistical inference", JASA 22.

    Args:
        successes: Number of successful episodes.
        episodes: Number of episodes, at least 1.
        z: Quantile of the standard normal distribution.

    Returns:
        Lower and upper bound within [0, 1].
    """
    if not 0 <= successes <= episodes or episodes < 1:
        raise ValueError(f"{successes} successes of {episodes} episodes make no proportion")
    rate = successes / episodes
    spread = 1 + z**2 / episodes
    centre = (rate + z**2 / (2 * episodes)) / spread
    half = z / spread * math.sqrt(rate * (1 - rate) / episodes + z**2 / (4 * episodes**2))
    return max(0.0, centre - half), min(1.0, centre + half)


def runs_interval(rates: Sequence[float], episodes: int) -> tuple[float, float]:
    """95 % interval of a success rate over runs of the same method.

    The wider of two, bound by bound: Student's t over the runs, which sees how runs differ, and
    Wilson's over all their episodes, which is not fooled where all runs came out alike.

    Args:
        rates: Success of each run, in [0, 1].
        episodes: Episodes that each was measured by.
    """
    total = episodes * len(rates)
    low, high = wilson_interval(round(sum(rates) * episodes), total)
    if len(rates) > 1:
        t_low, t_high = t_interval(rates)
        low, high = min(low, max(0.0, t_low)), max(high, min(1.0, t_high))
    return low, high


def apart(one: tuple[float, float], other: tuple[float, float]) -> bool:
    """Whether two intervals have no value in common, so that an order of the two is no chance."""
    return one[1] < other[0] or other[1] < one[0]


def t_interval(values: Sequence[float]) -> tuple[float, float]:
    """95 % interval of a mean by Student's t.

    Raises:
        ValueError: Of fewer than two values nobody knows how they spread.
    """
    if len(values) < 2:
        raise ValueError(f"an interval needs two values or more, not {len(values)}")
    mean, freedom = float(np.mean(values)), len(values) - 1
    half = t_quantile(freedom) * float(np.std(values, ddof=1)) / math.sqrt(len(values))
    return mean - half, mean + half


def t_quantile(freedom: int) -> float:
    """The 97.5 % quantile of Student's t.

    Beyond ten degrees of freedom it is its expansion in 1/n (Fisher and Cornish 1960).
    """
    if freedom <= len(_T):
        return _T[freedom - 1]
    z = 1.959964
    return z + (z**3 + z) / (4 * freedom) + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * freedom**2)
