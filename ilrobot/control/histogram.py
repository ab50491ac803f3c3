"""Percentiles of any number of times in constant memory, one time after the other."""

from __future__ import annotations

import math
from itertools import accumulate

#: Times are told apart from here, in seconds; shorter ones count as one kind.
SHORTEST = 1e-7
_LONGEST = 1e4
#: Each bin is this much wider than the one before it.
GROWTH = 1.001
_BINS = math.ceil(math.log(_LONGEST / SHORTEST) / math.log(GROWTH)) + 1
_PER_BIN = 1.0 / math.log(GROWTH)
_PERCENTILES = {"p50": 0.5, "p99": 0.99, "p99.9": 0.999}


class TimeHistogram:
    """A count of times in bins of equal relative width.

    A percentile is right within 0.1 %, which is `GROWTH`; count, mean and greatest time are exact.
    The idea is that of Tene's HdrHistogram: a run of days takes no more memory than one of seconds.
    """

    def __init__(self) -> None:
        self._counts = [0] * (_BINS + 1)
        self._least, self._greatest, self._sum = math.inf, 0.0, 0.0
        self.count = 0
        """How many times were added."""

    def add(self, seconds: float) -> None:
        """Count a time.

        Args:
            seconds: Finite, not negative.
        """
        bin = 0
        if seconds >= SHORTEST:
            bin = min(1 + int(math.log(seconds / SHORTEST) * _PER_BIN), _BINS)
        self._counts[bin] += 1
        self.count += 1
        self._sum += seconds
        if seconds < self._least:
            self._least = seconds
        if seconds > self._greatest:
            self._greatest = seconds

    @property
    def mean(self) -> float | None:
        """Mean in seconds (None: nothing was added)."""
        return self._sum / self.count if self.count else None

    @property
    def greatest(self) -> float | None:
        """The longest in seconds (None: nothing was added)."""
        return self._greatest if self.count else None

    def percentile(self, share: float) -> float | None:
        """The time that this share of all times does not exceed, in seconds.

        Args:
            share: In (0, 1].
        """
        if not self.count:
            return None
        sums = enumerate(accumulate(self._counts))
        bin = next(index for index, sum in sums if sum >= share * self.count)
        low = SHORTEST * GROWTH ** (bin - 1) if bin > 0 else 0.0
        high = SHORTEST * GROWTH**bin if bin < _BINS else self._greatest
        return min(max(math.sqrt(low * high), self._least), self._greatest)

    def to_json(self) -> dict[str, float | None]:
        """p50, p99, p99.9 and max in milliseconds (None: nothing was added)."""
        values = {name: self.percentile(share) for name, share in _PERCENTILES.items()}
        values["max"] = self.greatest
        return {name: None if value is None else 1e3 * value for name, value in values.items()}
