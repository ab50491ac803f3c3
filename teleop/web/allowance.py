"""How often a page may speak."""

from __future__ import annotations

import time
from collections.abc import Callable


class Allowance:
    """A bucket that fills at a rate; a page that empties it is broken or hostile.

    Args:
        rate: Messages per second that may come for ever.
        burst: Messages that may come at once.
        clock: Seconds, monotonic.
    """

    def __init__(
        self, rate: float, burst: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._rate, self._burst, self._clock = rate, burst, clock
        self._left, self._spent = burst, clock()

    def spend(self) -> bool:
        """One message; whether there was still allowance for it."""
        now = self._clock()
        self._left = min(self._burst, self._left + self._rate * (now - self._spent)) - 1.0
        self._spent = now
        return self._left >= 0.0
