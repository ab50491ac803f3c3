"""Clocks that are passed in: real time by absolute deadlines, simulated time as fast as it goes."""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    """Paces a loop at a fixed rate and tells its time."""

    period: float

    def start(self) -> None:
        """Begin: the first tick is now."""

    def now(self) -> float:
        """Seconds, monotonic."""

    def wait(self) -> bool:
        """Return at the next deadline; True if that deadline had already passed."""


class SimulatedClock:
    """Never waits: each tick takes exactly one period of simulated time."""

    def __init__(self, rate: float) -> None:
        self.period = 1.0 / rate
        self._ticks = 0

    def start(self) -> None:
        """Return to time zero."""
        self._ticks = 0

    def now(self) -> float:
        """Simulated seconds since `start`."""
        return self._ticks * self.period

    def wait(self) -> bool:
        """Advance by one period."""
        self._ticks += 1
        return False


#: The sleep of a general-purpose kernel overshoots by some 50 µs, of a busy one by more.
SPIN = 0.0005


class RealTimeClock:
    """Absolute deadlines, so that one late tick does not delay all that follow.

    Relative sleeping accumulates its overshoot (4 % at 500 Hz); a deadline does not. The last part
    of each wait spins, because the sleep of a general-purpose kernel overshoots by some 50 µs. A
    loop that falls a whole period behind takes the next deadline from now: it does not hurry
    through the missed ticks. So does one whose clock has jumped back, as after a suspended machine:
    it does not sleep for as long as the clock jumped.

    Args:
        rate: Ticks per second.
        spin: Seconds before the deadline at which sleeping ends and spinning begins. Use 0 under a
            real-time scheduler, where spinning can starve the kernel.
    """

    def __init__(self, rate: float, spin: float = SPIN) -> None:
        self.period = 1.0 / rate
        self._spin = spin
        self._deadline = 0.0

    def start(self) -> None:
        """Begin: the first deadline is one period from now."""
        self._deadline = time.perf_counter()

    def now(self) -> float:
        """Seconds of the machine's monotonic clock."""
        return time.perf_counter()

    def wait(self) -> bool:
        """Sleep, then spin, until the next deadline."""
        self._deadline += self.period
        remaining = self._deadline - time.perf_counter()
        if remaining <= 0:
            if remaining < -self.period:
                self._deadline = time.perf_counter()
            return True
        if remaining > self.period:
            self._deadline = time.perf_counter() + self.period
            remaining = self.period
        if remaining > self._spin:
            time.sleep(remaining - self._spin)
        while 0.0 < self._deadline - time.perf_counter() <= self.period:
            pass
        return False
