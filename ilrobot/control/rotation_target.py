"""One commanded rotation of `ilrobot.control.rotation_limiter`: where it is, and where it aims."""

from __future__ import annotations

import math
from typing import Any

from numpy.typing import NDArray

from ilrobot.control.activation import NOTHING, Activation
from ilrobot.control.contract_guards import Workspace
from ilrobot.control.contract_parts import Limits
from ilrobot.control.element import ROUNDING
from ilrobot.control.element_limits import element_limits
from ilrobot.control.turns import (
    Quaternion,
    Turn,
    between,
    equal_answers,
    in_unit,
    nearest,
    quaternion,
    turned,
)
from ilrobot.rotation_units import Rotation

UNKNOWN = (math.nan,) * 3


class RotationTarget:
    """One commanded rotation.

    Attributes:
        rotation: Which elements it is.
        wanted: Coordinates of what is aimed at (NaN: nothing is).

    Args:
        rotation: Likewise.
        limits: Of all elements, from the contract.
        rate: Control rate in Hz that the loop really runs at.
        workspace: Where the commanded target may be (None: anywhere).
    """

    def __init__(
        self, rotation: Rotation, limits: Limits, rate: float, workspace: Workspace | None
    ) -> None:
        self.rotation = rotation
        self._bounds = [element_limits(limits, i, rate, workspace) for i in rotation.elements]
        self.forget()
        self._at: Quaternion | None = None
        self._last: list[float] = []
        self._place: Turn = (0.0, 0.0, 0.0)

    def begin(self, held: NDArray[Any] | None) -> None:
        """Where it is now (None: not known)."""
        self._place = (0.0, 0.0, 0.0)
        self._at, self._last = None, []
        if held is not None:
            self._last = held[self.rotation.part].tolist()
            self._at = quaternion(self._last, self.rotation.unit)
            if self._at is None:
                raise ValueError(f"what the robot holds, {self._last}, is no rotation")

    def turns_per_second(self, velocity: NDArray[Any] | None, rate: float) -> Turn:
        """What leads here within a tick from where its elements came from, in rad/s."""
        if velocity is None or self._at is None:
            return 0.0, 0.0, 0.0
        rates = velocity[self.rotation.part].tolist()
        came = [value - step / rate for value, step in zip(self._last, rates, strict=True)]
        before = quaternion(came, self.rotation.unit)
        if before is None:
            raise ValueError(f"what the robot holds moves by {rates}, which is no turn")
        x, y, z = between(before, self._at)
        return x * rate, y * rate, z * rate

    def forget(self) -> None:
        """Aim at nothing."""
        self.wanted: Turn = UNKNOWN
        self._aim: tuple[Quaternion, list[float]] | None = None

    def aim(self, values: NDArray[Any]) -> Activation:
        """Aim at the rotation nearest to a wanted one that its position limits allow."""
        unit = self.rotation.unit
        self.forget()
        given: list[float] = values[self.rotation.part].tolist()
        goal = quaternion(given, unit)
        if goal is None:
            return Activation.ACTION_NOT_FINITE
        if unit != "rotvec":
            given = in_unit(goal, unit)
        given = nearest(given, self._last or given, unit)
        clipped, activation = self._clipped(given)
        if clipped is not None:
            given, goal = clipped, quaternion(clipped, unit)
            if goal is None:
                return Activation.ACTION_NOT_FINITE
            if unit != "rotvec":  # its limits are no reason to command what is no rotation
                given = nearest(in_unit(goal, unit), given, unit)
        x, y, z = (0.0, 0.0, 0.0) if self._at is None else between(self._at, goal)
        self.wanted = self._place[0] + x, self._place[1] + y, self._place[2] + z
        self._aim = goal, given
        return activation

    def go(self, place: list[float]) -> list[float]:
        """Go to these coordinates; the command that this is."""
        unit = self.rotation.unit
        if self._aim is not None and (self._at is None or place == list(self.wanted)):
            self._at, values = self._aim
            self._last = nearest(values, self._last or values, unit)
        elif place != list(self._place) and self._at is not None:
            ahead = [new - old for new, old in zip(place, self._place, strict=True)]
            self._at = turned(self._at, ahead)
            self._last = nearest(in_unit(self._at, unit), self._last, unit)
        self._place = place[0], place[1], place[2]
        return self._last

    def _clipped(self, values: list[float]) -> tuple[list[float] | None, Activation]:
        """Within the position limits, by the equal answer nearest to them (None: as it is)."""
        best, nearest_within, least = values, values, math.inf
        for answer in equal_answers(values, self.rotation.unit):
            within = [
                min(max(value, bounds.low), bounds.high)
                for value, bounds in zip(answer, self._bounds, strict=True)
            ]
            apart = 0.0
            for value, kept in zip(answer, within, strict=True):
                apart += (value - kept) * (value - kept)
            if apart < least:
                best, least, nearest_within = answer, apart, within
        if least == 0.0:
            return None, NOTHING
        activation = NOTHING
        for value, kept, bounds in zip(best, nearest_within, self._bounds, strict=True):
            if abs(value - kept) > ROUNDING:
                activation |= bounds.at_low if value < kept else bounds.at_high
        return nearest_within, activation
