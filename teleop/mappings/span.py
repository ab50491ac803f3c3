"""A stick from one end of its way to the other over the range of an element."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ilrobot.spec import Spec

Values = NDArray[np.float64]


def share(way: Values, full: Values) -> Values:
    """Parts of the full way of each element, 0 where an element has no way to go."""
    return np.divide(way, full, out=np.zeros_like(way), where=full > 0)


class Span:
    """Each half of the stick's way spans what lies on its side of where the element rests.

    A velocity rests at 0, or as near to it as its range allows: whoever lets go lets the robot come
    to rest. Anything else rests in the middle of its range.

    Args:
        spec: Of the task.
        low: Least value of each element, shape (elements,).
        high: Greatest value.
    """

    def __init__(self, spec: Spec, low: Values, high: Values) -> None:
        self.rest = 0.5 * (low + high)
        moving = list(spec.action.velocities)
        self.rest[moving] = np.clip(0.0, low, high)[moving]
        self._below, self._above = self.rest - low, high - self.rest

    def values(self, twist: Values) -> Values:
        """What the stick commands, each element of it within -1 and 1."""
        return np.asarray(self.rest + np.where(twist < 0, self._below, self._above) * twist)

    def twist(self, values: Values) -> Values:
        """Inverse of `values`; 0 where there is no way to go."""
        ahead = values - self.rest
        side = np.where(ahead < 0, self._below, self._above)
        return share(ahead, side)
