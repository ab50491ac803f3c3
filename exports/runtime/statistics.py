"""How well the control loop kept its time, counted tick by tick in constant memory."""

from __future__ import annotations

import math
from typing import Any

from ilrobot.control.histogram import TimeHistogram


class TickStatistics:
    """Times of the ticks of a run.

    Args:
        period: The nominal one, in seconds.
    """

    def __init__(self, period: float) -> None:
        self._period = period
        self._started: float | None = None
        self.ticks = 0
        self.late = 0
        """Ticks that began after their deadline."""
        self.periods = TimeHistogram()
        """From each tick's start to the next one's, within episodes."""
        self.period_errors = TimeHistogram()
        """|period - nominal period|."""
        self.ages, self.reads, self.acts, self.writes = (TimeHistogram() for _ in range(4))

    def begin_episode(self) -> None:
        """The next tick has none before it."""
        self._started = None

    def add(
        self, started: float, age: float, read: float, act: float, write: float, late: bool
    ) -> None:
        """Count a tick.

        Args:
            started: When it began, on the loop's clock.
            age: Of the observation when it was read; one that is not finite is not counted.
            read: How long reading took.
            act: How long guards and policy took.
            write: How long writing took.
            late: Whether it began after its deadline.
        """
        self.ticks += 1
        self.late += late
        if self._started is not None:
            period = started - self._started
            self.periods.add(period)
            self.period_errors.add(abs(period - self._period))
        self._started = started
        if math.isfinite(age):
            self.ages.add(age)
        self.reads.add(read)
        self.acts.add(act)
        self.writes.add(write)

    def to_json(self) -> dict[str, Any]:
        """Counts, the measured rate in Hz, and times in milliseconds."""
        mean = self.periods.mean
        return {
            "ticks": self.ticks,
            "measured_rate": 1.0 / mean if mean else None,
            "period_ms": self.periods.to_json(),
            "period_error_ms": self.period_errors.to_json(),
            "latency_ms": self.acts.to_json(),
            "read_ms": self.reads.to_json(),
            "write_ms": self.writes.to_json(),
            "age_ms": self.ages.to_json(),
            "missed_deadlines": self.late,
        }
