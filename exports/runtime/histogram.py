"""Percentiles of any number of times in constant memory."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

#: Times are told apart from here, in seconds; shorter ones count as one kind.
SHORTEST = 1e-7
_LONGEST = 1e4
#: Each bin is this much wider than the one before it.
GROWTH = 1.01
_PERCENTILES = {"p50": 0.5, "p99": 0.99, "p99.9": 0.999}


class TimeHistogram:
    """A count of times in bins of equal relative width.

    A percentile is right within 1 %, which is `GROWTH`; count, mean and greatest time are exact.
    The idea is that of Tene's HdrHistogram: a run of days takes no more memory than one of seconds.
    """

    def __init__(self) -> None:
        self._edges = SHORTEST * GROWTH ** np.arange(
            math.ceil(math.log(_LONGEST / SHORTEST) / math.log(GROWTH)) + 1
        )
        self._counts = np.zeros(len(self._edges) + 1, dtype=np.int64)
        self._least, self._greatest, self._sum = math.inf, -math.inf, 0.0

    def add(self, seconds: NDArray[np.floating]) -> None:
        """Count some times.

        Args:
            seconds: Any shape, not negative.
        """
        if not seconds.size:
            return
        bins = np.searchsorted(self._edges, seconds.ravel(), side="right")
        self._counts += np.bincount(bins, minlength=len(self._counts))
        self._least = min(self._least, float(seconds.min()))
        self._greatest = max(self._greatest, float(seconds.max()))
        self._sum += float(seconds.sum(dtype=np.float64))

    @property
    def count(self) -> int:
        """How many times were added."""
        return int(self._counts.sum())

    @property
    def mean(self) -> float | None:
        """Mean in seconds (None: nothing was added)."""
        return self._sum / self.count if self.count else None

    def percentile(self, share: float) -> float | None:
        """The time that this share of all times does not exceed, in seconds.

        Args:
            share: In (0, 1].
        """
        if not self.count:
            return None
        bin = int(np.searchsorted(np.cumsum(self._counts), share * self.count))
        low = self._edges[bin - 1] if bin > 0 else 0.0
        high = self._edges[bin] if bin < len(self._edges) else self._greatest
        middle = math.sqrt(low * high)
        return min(max(middle, self._least), self._greatest)

    def to_json(self) -> dict[str, float | None]:
        """p50, p99, p99.9 and max in milliseconds (None: nothing was added)."""
        values = {name: self.percentile(share) for name, share in _PERCENTILES.items()}
        values["max"] = self._greatest if self.count else None
        return {name: None if value is None else 1e3 * value for name, value in values.items()}
