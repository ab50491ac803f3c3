"""Weighted means of actions with rotations: of those the mean of their quaternions.

Of equal answers each is taken by that q or -q which is nearest to the sum so far, and the sum is
scaled to length 1: Markley et al. 2007, "Averaging quaternions", eq. 12 for rotations that are near
each other, up to third order in how far they are apart.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ilrobot.control.turns import in_unit, quaternion
from ilrobot.rotation_units import Rotation


class RotationMeans:
    """Between actions and what may be averaged: elements that are no rotation, then quaternions.

    Attributes:
        width: Numbers of that, W.

    Args:
        size: Numbers of an action, A.
        rotations: Those of targets.
    """

    def __init__(self, size: int, rotations: Sequence[Rotation]) -> None:
        turning = set(chain.from_iterable(rotation.elements for rotation in rotations))
        self._plain = [index for index in range(size) if index not in turning]
        self._rotations = rotations
        self.width = len(self._plain) + 4 * len(rotations)
        self._action = np.zeros(size)

    def encode(self, actions: NDArray[Any], sums: NDArray[np.float64]) -> NDArray[np.float64]:
        """What is to be added to sums, shape (n, W); of what is no rotation NaN.

        Args:
            actions: Shape (n, A).
            sums: Of what is averaged so far, shape (n, W).
        """
        given = np.empty(sums.shape)
        first = len(self._plain)
        given[:, :first] = actions[:, self._plain]
        for rotation in self._rotations:
            part = slice(first, first + 4)
            rows, before = actions[:, rotation.part].tolist(), sums[:, part].tolist()
            for tick, (row, total) in enumerate(zip(rows, before, strict=True)):
                given[tick, part] = _along(row, total, rotation.unit)
            first += 4
        return given

    def decode(self, mean: NDArray[np.float64]) -> NDArray[np.float64]:
        """The action of a mean, (W,) to (A,), a buffer that the next call overwrites."""
        first = len(self._plain)
        self._action[self._plain] = mean[:first]
        for rotation in self._rotations:
            q = quaternion(mean[first : first + 4].tolist(), "quat_wxyz")
            self._action[rotation.part] = math.nan if q is None else in_unit(q, rotation.unit)
            first += 4
        return self._action


def _along(values: list[float], total: list[float], unit: str) -> Sequence[float]:
    q = quaternion(values, unit)
    if q is None:
        return (math.nan,) * 4
    along = (q[0] * total[0] + q[1] * total[1]) + (q[2] * total[2] + q[3] * total[3])
    return [-number for number in q] if along < 0.0 else q
