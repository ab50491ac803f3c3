"""Joint states as ROS 2 gives them, put together by name: its logic, without ROS."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

#: How a policy's element names a quantity of a joint; a bare joint name means its position.
_QUANTITIES = {"pos": "position", "vel": "velocity", "eff": "effort"}


def joint_and_quantity(element: str) -> tuple[str, str]:
    """``elbow.vel`` as ``("elbow", "velocity")``; a bare joint means its position."""
    joint, _, short = element.rpartition(".")
    return (joint, _QUANTITIES[short]) if joint and short in _QUANTITIES else (element, "position")


class JointStates:
    """The newest values of some elements, from messages that hold some joints each, in any order.

    Args:
        elements: What the policy reads, in its order: ``elbow`` or ``elbow.pos`` for a position,
            ``elbow.vel`` for a velocity, ``elbow.eff`` for an effort.
    """

    def __init__(self, elements: Sequence[str]) -> None:
        self._places = {joint_and_quantity(name): i for i, name in enumerate(elements)}
        self._elements = tuple(elements)
        self._values = np.full(len(elements), np.nan, np.float32)
        self._measured = np.full(len(elements), -math.inf)
        self.malformed = 0
        """Messages whose lists do not belong together; they are dropped."""

    def add(self, message: Any, measured: float) -> None:
        """A message has come; of an element that has a newer value already, that is kept.

        Args:
            message: With ``name``, ``position``, ``velocity``, ``effort`` as in
                ``sensor_msgs/JointState``: lists of the same length, or empty.
            measured: When it was measured, in seconds of the loop's clock.
        """
        names = list(message.name)
        columns = {quantity: list(getattr(message, quantity)) for quantity in _QUANTITIES.values()}
        if any(len(column) not in (0, len(names)) for column in columns.values()):
            self.malformed += 1
            return
        for index, name in enumerate(names):
            for quantity, column in columns.items():
                place = self._places.get((name, quantity))
                if column and place is not None and measured >= self._measured[place]:
                    self._values[place], self._measured[place] = column[index], measured

    @property
    def missing(self) -> list[str]:
        """The elements that no message held yet."""
        never = np.isinf(self._measured)
        return [name for name, is_missing in zip(self._elements, never, strict=True) if is_missing]

    @property
    def measured(self) -> float:
        """When the oldest of the values was measured, in seconds of the loop's clock."""
        return float(self._measured.min())

    @property
    def values(self) -> NDArray[np.float32]:
        """A copy of them, in the policy's order."""
        return self._values.copy()

    def positions(self, joints: Sequence[str]) -> NDArray[np.float32] | None:
        """Where these joints are (None: one of them is not among the elements)."""
        places = [self._places.get((joint, "position"), -1) for joint in joints]
        return None if -1 in places else self._values[places]
