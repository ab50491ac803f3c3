"""When a hand on a device has control: while it holds a button, from press to press, by moving.

Each is a function of what was polled and of the clock that is passed in. A device that is unplugged
or silent never has control, and does not get it back by itself: a button that was down all along
must be pressed anew.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import Literal

from teleop.bindings import Control, TeleopCommand

EngageMode = Literal["hold", "toggle", "motion"]

#: A device that has not been heard of for so long is silent, s.
SILENCE = 0.15


class Engagement(ABC):
    """Says at each poll whether the person has control."""

    def __init__(self) -> None:
        self.engaged = False

    def reset(self) -> None:
        """Begin an episode, watching."""
        self.engaged = False

    def update(self, command: TeleopCommand, now: float) -> bool:
        """Whether the person has control, now that they command this.

        Args:
            command: What was polled.
            now: Seconds of the loop's clock.
        """
        present = is_present(command, now)
        self.engaged = present and self._wants(command, now)
        if not present:
            self._lost()
        return self.engaged

    @abstractmethod
    def _wants(self, command: TeleopCommand, now: float) -> bool:
        """Whether somebody whose device is there wants control."""

    def _lost(self) -> None:  # noqa: B027
        """The device is not there."""


class HoldToEngage(Engagement):
    """Control as long as the engage button is held: a dead man's switch."""

    def __init__(self) -> None:
        super().__init__()
        self._released = True

    def _wants(self, command: TeleopCommand, now: float) -> bool:
        self._released = self._released or not command.engaged
        return command.engaged and self._released

    def _lost(self) -> None:
        self._released = False


class ToggleToEngage(Engagement):
    """Each press of the engage button takes control or hands it back.

    A stick that knows the thumb on it is a dead man's switch all the same: control as long as it
    is touched.
    """

    def __init__(self) -> None:
        super().__init__()
        self._touched = False

    def _wants(self, command: TeleopCommand, now: float) -> bool:
        before, self._touched = self._touched, command.touched
        if command.touched:
            return self.engaged or not before
        engaged = self.engaged and not before
        return engaged != bool(command.controls.count(Control.ENGAGE) % 2)

    def _lost(self) -> None:
        # A thumb that was on the stick all along must come off first.
        self._touched = True


class MoveToEngage(Engagement):
    """Control while the hand moves; two thresholds and a delay keep it from fluttering.

    After a dropout the hand must be seen to rest before it can take control.

    Attributes:
        START: Share of full speed at which the hand takes control.
        STOP: Share below which it counts as resting.
        REST: Seconds of rest after which control is handed back.
        HAND_SPEED: Speed of a tracked device that counts as full, m/s.
    """

    START, STOP = 0.2, 0.05
    REST = 0.5
    HAND_SPEED = 0.25

    def __init__(self) -> None:
        super().__init__()
        self._moved = 0.0
        self._rested = True
        self._last: TeleopCommand | None = None

    def reset(self) -> None:
        """Begin an episode with the hand at rest."""
        super().reset()
        self._rested = True
        self._last = None

    def _wants(self, command: TeleopCommand, now: float) -> bool:
        speed = self._speed(command)
        share = max(math.sqrt(sum(value * value for value in command.twist)), speed or 0.0)
        self._rested = self._rested or (speed is not None and share < self.STOP)
        if not self._rested:
            return False
        if command.toggles or share >= (self.STOP if self.engaged else self.START):
            self._moved = now
            return True
        # A clock that jumps back must not keep a resting hand in control.
        return self.engaged and 0.0 <= now - self._moved < self.REST

    def _speed(self, command: TeleopCommand) -> float | None:
        """Of a tracked device, as a share of `HAND_SPEED` (None: not known yet)."""
        before, self._last = self._last, command
        if command.pose is None:
            return 0.0
        if before is None or before.pose is None or command.stamp <= before.stamp:
            return None
        moved = math.dist(command.pose.position, before.pose.position)
        return moved / (command.stamp - before.stamp) / self.HAND_SPEED

    def _lost(self) -> None:
        self._rested = False
        self._last = None


def is_present(command: TeleopCommand, now: float) -> bool:
    """Whether the device is there and has been heard of lately."""
    return command.connected and now - command.stamp <= SILENCE


def make_engagement(mode: EngageMode) -> Engagement:
    """The engagement of this name."""
    if mode == "hold":
        return HoldToEngage()
    return ToggleToEngage() if mode == "toggle" else MoveToEngage()
