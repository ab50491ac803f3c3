"""What happened at each tick, in arrays that are allocated before the loop begins."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ilrobot.errors import UserError

_COLUMNS: dict[str, Any] = {
    "episode": np.int32,
    "start": np.float64,
    "age": np.float32,
    "read_time": np.float32,
    "act_time": np.float32,
    "write_time": np.float32,
    "late": np.bool_,
    "activations": np.int32,
}


class TickLog:
    """A row per tick: times in seconds, what the guard did, and the command.

    ``episode``; ``start``, when the tick began, on the loop's clock; ``age`` of the observation;
    ``read_time``, ``act_time`` (guards and policy, from observation to command) and
    ``write_time``; ``late``, whether its deadline had passed; ``activations``, bits of
    `ilrobot.control.limiter.Activation`; ``command``, what was sent (NaN: nothing was).

    Args:
        capacity: How many ticks it holds; further ones are not kept.
        command_shape: Shape of the action.
    """

    def __init__(self, capacity: int, command_shape: tuple[int, ...]) -> None:
        self._columns: dict[str, NDArray[Any]] = {
            name: np.zeros(capacity, dtype) for name, dtype in _COLUMNS.items()
        }
        self._columns["command"] = np.full((capacity, *command_shape), np.nan)
        self._rows = tuple(self._columns.values())
        self._capacity = capacity
        self._length = 0

    def append(self, *values: Any) -> None:
        """Keep a tick: values in the order of the columns, ``command`` last."""
        if self._length < self._capacity:
            for column, value in zip(self._rows, values, strict=True):
                column[self._length] = value
            self._length += 1

    def __len__(self) -> int:
        return self._length

    def column(self, name: str) -> NDArray[Any]:
        """One column over the ticks so far."""
        return self._columns[name][: self._length]

    def periods(self) -> NDArray[np.float64]:
        """Seconds from each tick's start to the next one's, within episodes."""
        periods: NDArray[np.float64] = np.diff(self.column("start"))
        return periods[np.diff(self.column("episode")) == 0]

    def save(self, path: Path, **attributes: Any) -> None:
        """Write every column and these attributes as one .npz file.

        Raises:
            UserError: The place cannot be written to.
        """
        columns: dict[str, Any] = {name: self.column(name) for name in self._columns}
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("wb") as file:
                np.savez_compressed(file, **columns, **attributes)
        except OSError as error:
            raise UserError(f"cannot write {path}: {error.strerror}") from error


def percentiles(seconds: NDArray[Any]) -> dict[str, float | None]:
    """p50, p99, p99.9 and max of some times, in milliseconds (None: there are none)."""
    if not len(seconds):
        return {"p50": None, "p99": None, "p99.9": None, "max": None}
    p50, p99, p999 = np.percentile(seconds, (50, 99, 99.9))
    values = {"p50": p50, "p99": p99, "p99.9": p999, "max": seconds.max()}
    return {name: 1e3 * float(value) for name, value in values.items()}
