"""Discrete actions kept inside their range."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ilrobot.control.activation import NOTHING, Activation


class ChoiceLimiter:
    """`CommandLimiter` for one of `choices` discrete actions: only the range counts."""

    def __init__(self, choices: int) -> None:
        self._choices = choices
        self._command = np.zeros((), dtype=np.int64)

    def reset(
        self,
        present: NDArray[Any] | None = None,
        velocity: NDArray[Any] | None = None,
        pose: NDArray[Any] | None = None,
    ) -> None:
        """Begin; before the first action, hold means `present`, or action 0.

        Raises:
            ValueError: `present` is no finite number.
        """
        if present is not None and not np.isfinite(present).all():
            raise ValueError("the choice that the robot holds is not a finite number")
        self._command[()] = 0 if present is None else present

    def locate(self, pose: NDArray[Any]) -> None:
        """A choice has no place."""

    @property
    def moving(self) -> bool:
        """Never: what a choice moves is not known."""
        return False

    def limit(self, action: NDArray[Any]) -> tuple[NDArray[np.int64], Activation]:
        """The action, or the nearest that exists."""
        value = action.item()
        if not math.isfinite(value):
            return self._command, Activation.ACTION_NOT_FINITE
        allowed = min(max(int(value), 0), self._choices - 1)
        self._command[()] = allowed
        return self._command, Activation.POSITION_LIMITED if allowed != value else NOTHING

    def hold(self) -> NDArray[np.int64]:
        """The last action again; whoever knows a better one for standing still commands it."""
        return self._command
