"""How long predictions in the background take, in ticks and in seconds."""

from __future__ import annotations

from collections import deque
from typing import Any

from ilrobot.control.histogram import TimeHistogram

#: A delay is expected again for so many predictions, then forgotten.
REMEMBERED = 10


class DelayEstimate:
    """The greatest delay of the last few predictions, in ticks.

    Black et al. 2025, "Real-time execution of action chunking flow policies", algorithm 1, keep a
    buffer of delays and take its greatest, too.

    Args:
        least: It is never expected to be shorter.
    """

    def __init__(self, least: int) -> None:
        self._least = least
        self._delays: deque[int] = deque(maxlen=REMEMBERED)

    def after(self, delay: int) -> int:
        """What to expect after another prediction has taken this long."""
        self._delays.append(delay)
        return max(self._least, *self._delays)


class InferenceTally:
    """How predictions in the background went.

    Attributes:
        seconds: How long they took.
        dropped: Those that came too late to be executed, or not at all.
        run_out: Ticks for which no action was planned any more.
    """

    def __init__(self) -> None:
        self.seconds = TimeHistogram()
        self._delays: dict[int, int] = {}
        self.dropped = 0
        self.run_out = 0

    def count(self, seconds: float, delay: int) -> None:
        """Note a prediction that came so many ticks after it was asked for."""
        self.seconds.add(seconds)
        delay = min(delay, _LONGEST)
        self._delays[delay] = self._delays.get(delay, 0) + 1

    def to_json(self) -> dict[str, Any]:
        """Counts; ``inference_ms`` in milliseconds and ``delay_ticks`` as percentiles."""
        return {
            "chunks": self.seconds.count,
            "inference_ms": self.seconds.to_json(),
            "delay_ticks": {
                "p50": self._percentile(0.5),
                "p99": self._percentile(0.99),
                "max": max(self._delays, default=None),
            },
            "dropped": self.dropped,
            "run_out": self.run_out,
        }

    def _percentile(self, share: float) -> int | None:
        counted, wanted = 0, share * self.seconds.count
        for delay in sorted(self._delays):
            counted += self._delays[delay]
            if counted >= wanted:
                return delay
        return None


#: Delays in ticks are told apart up to here, so that counting them takes bounded memory.
_LONGEST = 1000
