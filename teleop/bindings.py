"""Which axis and which button does what: from a device's state to a command, and back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from ilrobot.actors import Event
from teleop.devices.base import DeviceState
from teleop.shaping import Shaping

#: The six directions of a command; translations first, then rotations.
DIRECTIONS = ("x", "y", "z", "roll", "pitch", "yaw")
Six = tuple[float, float, float, float, float, float]
REST: Six = (0.0, 0.0, 0.0, 0.0, 0.0, 0.0)


@dataclass(frozen=True)
class TeleopCommand:
    """What a person commands at one poll, before it is known which task it is for.

    Attributes:
        twist: -1 … 1 for each of `DIRECTIONS`; 1 is as fast as the task allows.
        toggles: How often the gripper was toggled since the poll before.
        buttons: Buttons that were held, or pressed since the poll before: for discrete actions.
        engaged: The hold-to-engage button is down: the person wants control.
        event: What the person declares about the episode.
        stamp: When the device was polled, in seconds of the loop's clock.
        connected: Whether the device is there.
    """

    twist: Six = REST
    toggles: int = 0
    buttons: tuple[str, ...] = ()
    engaged: bool = False
    event: Event | None = None
    stamp: float = 0.0
    connected: bool = True


@dataclass(frozen=True)
class PadPose:
    """Where a device's axes stand and which of its buttons are down to give a command."""

    axes: dict[str, float] = field(default_factory=dict)
    held: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Stick:
    """The two directions that a stick steers; signs because SDL's y axis grows downwards.

    Attributes:
        axes: Names of its horizontal and vertical axis.
        directions: Index in `DIRECTIONS` steered by each of them (None: by neither).
        signs: Sign of each.
    """

    axes: tuple[str, str]
    directions: tuple[int | None, int | None]
    signs: tuple[float, float]


@dataclass(frozen=True)
class ButtonPair:
    """Two buttons that steer one direction at a fixed speed."""

    negative: str
    positive: str
    direction: int
    speed: float = 0.5


@dataclass(frozen=True)
class Bindings:
    """All bindings of a device; the names of axes and buttons are SDL's."""

    sticks: tuple[Stick, ...]
    pairs: tuple[ButtonPair, ...]
    toggles: tuple[str, ...]
    engage: str
    events: tuple[tuple[str, Event], ...]
    shaping: Shaping = field(default_factory=Shaping)

    def command(self, state: DeviceState) -> TeleopCommand:
        """What a device's state commands."""
        twist = [0.0] * len(DIRECTIONS)
        for stick in self.sticks:
            position = (state.axes.get(axis, 0.0) for axis in stick.axes)
            moved = self.shaping.shape(*position)
            for value, sign, direction in zip(moved, stick.signs, stick.directions, strict=True):
                if direction is not None:
                    twist[direction] += sign * value
        down = state.held | set(state.pressed)
        for pair in self.pairs:
            twist[pair.direction] += pair.speed * (
                (pair.positive in down) - (pair.negative in down)
            )
        events = [
            event for name in state.pressed for button, event in self.events if button == name
        ]
        return TeleopCommand(
            twist=_six([min(max(value, -1.0), 1.0) for value in twist]),
            toggles=sum(name in self.toggles for name in state.pressed),
            buttons=(*sorted(state.held), *state.pressed),
            engaged=state.connected and self.engage in state.held,
            event=events[-1] if events else None,
            stamp=state.stamp,
            connected=state.connected,
        )

    def pose(self, twist: Sequence[float]) -> PadPose:
        """How to hold the device for a twist: the inverse of `command`.

        Sticks reproduce it to the device's resolution, as far as the vector that one stick steers
        is not longer than 1; a pair of buttons gives the nearest of its three speeds.
        """
        axes: dict[str, float] = {}
        for stick in self.sticks:
            wanted = [
                0.0 if direction is None else sign * twist[direction]
                for sign, direction in zip(stick.signs, stick.directions, strict=True)
            ]
            axes |= zip(stick.axes, self.shaping.unshape(*wanted), strict=True)
        held = set()
        for pair in self.pairs:
            if abs(twist[pair.direction]) >= 0.5 * pair.speed:
                held.add(pair.positive if twist[pair.direction] > 0 else pair.negative)
        return PadPose(axes, frozenset(held))


_EVENTS = (
    ("start", Event.SUCCESS),
    ("y", Event.SUCCESS),
    ("back", Event.FAILURE),
    ("b", Event.FAILURE),
    ("x", Event.DISCARD),
)

#: Seen from behind the robot: left stick up is forward (+x) and left is left (+y), right stick up
#: is up (+z), its sideways motion turns about the vertical; the d-pad tilts.
END_EFFECTOR = Bindings(
    sticks=(
        Stick(("leftx", "lefty"), (1, 0), (-1.0, -1.0)),
        Stick(("rightx", "righty"), (5, 2), (-1.0, -1.0)),
    ),
    pairs=(ButtonPair("dpleft", "dpright", 3), ButtonPair("dpdown", "dpup", 4)),
    toggles=("a", "righttrigger"),
    engage="rightshoulder",
    events=_EVENTS,
)

#: For a picture from above with y downwards: stick right is +x, stick down is +y.
PICTURE = Bindings(
    sticks=(
        Stick(("leftx", "lefty"), (0, 1), (1.0, 1.0)),
        Stick(("rightx", "righty"), (2, 3), (1.0, 1.0)),
    ),
    pairs=(ButtonPair("dpleft", "dpright", 4), ButtonPair("dpup", "dpdown", 5)),
    toggles=(),
    engage="rightshoulder",
    events=_EVENTS,
)

#: For vectors that mean anything: right and up are positive.
VECTOR = replace(
    PICTURE,
    sticks=(
        Stick(("leftx", "lefty"), (0, 1), (1.0, -1.0)),
        Stick(("rightx", "righty"), (2, 3), (1.0, -1.0)),
    ),
    pairs=(ButtonPair("dpleft", "dpright", 4), ButtonPair("dpdown", "dpup", 5)),
)


def _six(values: list[float]) -> Six:
    x, y, z, roll, pitch, yaw = values
    return x, y, z, roll, pitch, yaw
