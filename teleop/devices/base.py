"""What a device reports: named axes and buttons, as on a pad, whichever device it is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

#: Sticks, in -1 … 1; to the right and down are positive, as SDL reports them.
STICK_AXES = ("leftx", "lefty", "rightx", "righty")
#: Triggers, in 0 (released) … 1 (pulled).
TRIGGER_AXES = ("lefttrigger", "righttrigger")
#: What a pad has.
AXES = STICK_AXES + TRIGGER_AXES
#: A third stick, in -1 … 1, of devices that tilt: to the right and towards the person.
TILT_AXES = ("tiltx", "tilty")

#: SDL's names of the buttons of a game controller, in SDL's order.
BUTTONS = (
    "a",
    "b",
    "x",
    "y",
    "back",
    "guide",
    "start",
    "leftstick",
    "rightstick",
    "leftshoulder",
    "rightshoulder",
    "dpup",
    "dpdown",
    "dpleft",
    "dpright",
)

#: Held while a thumb is on a stick that knows it, as a page's do: a dead man's switch in itself.
TOUCH = "touch"


class Feedback(StrEnum):
    """What a device lets its person feel or see at once."""

    LEASH = "leash"
    """The target is held back: it would run away from the robot."""
    TAKEOVER = "takeover"
    """Control has changed hands."""
    CALL = "call"
    """The robot asks for help."""
    SAVED = "saved"
    """The episode is safe on disk."""


@dataclass(frozen=True)
class Pose:
    """Where a tracked device is.

    Attributes:
        position: x, y, z in metres, in the device's own frame.
        quaternion: w, x, y, z, of length 1.
    """

    position: tuple[float, float, float]
    quaternion: tuple[float, float, float, float]


@dataclass(frozen=True)
class DeviceState:
    """What a device reports at one poll.

    Attributes:
        axes: Name to position; an axis that is not named rests at 0. See `AXES`, `TILT_AXES`.
        held: Buttons that are down at this poll; a trigger that is pulled counts as one.
        pressed: Buttons that went down since the poll before, in order; a tap that is shorter
            than a poll is here although it is no longer held.
        released: Buttons that went up since the poll before, in order.
        pose: Where the device is, if it is tracked in space.
        stamp: When it was polled, in seconds of the loop's clock.
        connected: Whether the device is there; if not, axes rest and nothing is held.
    """

    axes: Mapping[str, float] = field(default_factory=dict)
    held: frozenset[str] = frozenset()
    pressed: tuple[str, ...] = ()
    released: tuple[str, ...] = ()
    pose: Pose | None = None
    stamp: float = 0.0
    connected: bool = True


class Device(Protocol):
    """Something a person holds. Inherit from it for what most devices have not."""

    name: str
    """What it is, as a person would say it."""

    def poll(self, now: float) -> DeviceState:
        """What it reports; `now` is the loop's clock in seconds. Takes the presses with it."""

    def close(self) -> None:
        """Let go of it."""

    def feedback(self, feedback: Feedback) -> None:
        """Tell the person, by rumbling or flashing; a device that can do neither does nothing."""
        return None
