"""What happened at each tick of the control loop."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from exports.runtime.histogram import TimeHistogram

#: Ticks in a block of memory; an episode that is longer takes another.
BLOCK = 4096


def row_type(command_shape: tuple[int, ...]) -> np.dtype[Any]:
    """One tick: times in seconds, what the guard did, and the command.

    ``episode``; ``start``, when the tick began, on the loop's clock; ``age`` of the observation;
    ``read_time``, ``act_time`` (guards and policy, from observation to command) and
    ``write_time``; ``late``, whether its deadline had passed; ``activations``, bits of
    `ilrobot.control.limiter.Activation`; ``command``, what was sent (NaN: nothing was).
    """
    return np.dtype(
        [
            ("episode", np.int32),
            ("start", np.float64),
            ("age", np.float32),
            ("read_time", np.float32),
            ("act_time", np.float32),
            ("write_time", np.float32),
            ("late", np.bool_),
            ("activations", np.int32),
            ("command", np.float64, command_shape),
        ]
    )


class TickLog:
    """Keeps the ticks of the episode that runs, and statistics of all that have ended.

    Its memory does not grow with the number of episodes: an episode's ticks are handed on when it
    ends, while the robot stands still.

    Args:
        command_shape: Shape of the action.
        keep: Where the ticks of an episode go when it ends: an array of `row_type`, valid during
            the call (None: nowhere).
    """

    def __init__(
        self, command_shape: tuple[int, ...], keep: Callable[[NDArray[Any]], None] | None = None
    ) -> None:
        self._type = row_type(command_shape)
        self._keep = keep
        self._blocks: list[NDArray[Any]] = []
        self._begin_block()
        self._ended_ticks = 0
        self.late = 0
        """Ticks that began after their deadline, in the episodes that have ended."""
        self.times = {
            name: TimeHistogram() for name in ("age", "read_time", "act_time", "write_time")
        }
        """Of each time in a row, over the episodes that have ended."""
        self.periods = TimeHistogram()
        """From each tick's start to the next one's, within episodes."""
        self.period_errors = TimeHistogram()
        """|period - nominal period|."""

    def append(self, *values: Any) -> None:
        """Keep a tick: values in the order of `row_type`, ``command`` last."""
        if self._filled == BLOCK:
            self._begin_block()
        for column, value in zip(self._columns, values, strict=True):
            column[self._filled] = value
        self._filled += 1

    def end_episode(self, period: float) -> None:
        """Count the episode's ticks in the statistics and hand them on.

        Args:
            period: The nominal one, in seconds.
        """
        rows = self._rows()
        self._ended_ticks += len(rows)
        self.late += int(rows["late"].sum())
        for name, histogram in self.times.items():
            histogram.add(rows[name])
        periods = np.diff(rows["start"])
        self.periods.add(periods)
        self.period_errors.add(np.abs(periods - period))
        if self._keep is not None:
            self._keep(rows)
        self._blocks.clear()
        self._begin_block()

    def __len__(self) -> int:
        """Ticks of all episodes so far."""
        return self._ended_ticks + self._filled + BLOCK * (len(self._blocks) - 1)

    def _rows(self) -> NDArray[Any]:
        last = self._blocks[-1][: self._filled]
        return last if len(self._blocks) == 1 else np.concatenate([*self._blocks[:-1], last])

    def _begin_block(self) -> None:
        block = np.zeros(BLOCK, self._type)
        self._blocks.append(block)
        self._columns = [block[name] for name in self._type.names or ()]
        self._filled = 0
