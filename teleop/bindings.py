"""Which axis and which button does what: from a device's state to a command, and back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum

from ilrobot.actors import Event
from teleop.devices.base import TILT_AXES, TOUCH, DeviceState, Pose
from teleop.devices.keys import BUTTON_KEYS
from teleop.shaping import Shaping

#: The six directions of a command; translations first, then rotations.
DIRECTIONS = ("x", "y", "z", "roll", "pitch", "yaw")
Six = tuple[float, float, float, float, float, float]
REST: Six = (0.0, 0.0, 0.0, 0.0, 0.0, 0.0)


class Control(StrEnum):
    """What a person can do beside steering; the same on pad, keys and page."""

    SUCCESS = "success"
    FAILURE = "failure"
    DISCARD = "discard"
    """Throw the episode away and record it again."""
    PAUSE = "pause"
    """Hold the robot until it is pressed again."""
    REWIND = "rewind"
    """Step back through the episode, as long as it is held."""
    NEXT_CAMERA = "next_camera"
    GRIPPER = "gripper"
    SPEED = "speed"
    """The next of `Bindings.speeds`."""
    FRAME = "frame"
    """Steer in the frame of the base, the camera or the tool, in turns."""
    ENGAGE = "engage"
    """Take control, as long as it is held."""


_EVENTS = {
    Control.SUCCESS: Event.SUCCESS,
    Control.FAILURE: Event.FAILURE,
    Control.DISCARD: Event.DISCARD,
}


@dataclass(frozen=True)
class TeleopCommand:
    """What a person commands at one poll, before it is known which task it is for.

    Attributes:
        twist: -1 … 1 for each of `DIRECTIONS`; 1 is as fast as the task allows. `speed` is in it.
        pose: Where a tracked device is, in its own frame; `speed` is not in it.
        speed: Share of full speed that the person has chosen.
        controls: What was pressed since the poll before, in order.
        held_controls: What is held down.
        toggles: How often the gripper was toggled since the poll before.
        held_buttons: Buttons that are down: for discrete actions.
        pressed_buttons: Those that were pressed since the poll before, in order.
        engaged: The hold-to-engage button is down, or a stick touched: the person wants control.
        touched: A thumb is on a stick that knows it.
        event: What the person declares about the episode.
        stamp: When the device was polled, in seconds of the loop's clock.
        connected: Whether the device is there.
    """

    twist: Six = REST
    pose: Pose | None = None
    speed: float = 1.0
    controls: tuple[Control, ...] = ()
    held_controls: frozenset[Control] = frozenset()
    toggles: int = 0
    held_buttons: frozenset[str] = frozenset()
    pressed_buttons: tuple[str, ...] = ()
    engaged: bool = False
    touched: bool = False
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
    """All bindings of a device; the names of axes and buttons are SDL's.

    Attributes:
        sticks: Of a pad.
        pairs: Buttons that steer too.
        tilt: The third stick, of devices that have one.
        controls: Button and what it does; several buttons may do the same.
        keys: Key and the button that it is; for every keyboard.
        speeds: Shares of full speed, in the order in which they follow each other.
        shaping: How every stick feels.
    """

    sticks: tuple[Stick, ...]
    pairs: tuple[ButtonPair, ...]
    tilt: Stick
    controls: tuple[tuple[str, Control], ...]
    keys: tuple[tuple[str, str], ...] = tuple(BUTTON_KEYS.items())
    speeds: tuple[float, ...] = (1.0, 0.5, 0.25)
    shaping: Shaping = field(default_factory=Shaping)

    def command(self, state: DeviceState, speed: float = 1.0) -> TeleopCommand:
        """What a device's state commands.

        Args:
            state: What it reports.
            speed: The speed of the command before; presses of `Control.SPEED` go on from there.
        """
        bound = dict(self.controls)
        controls = tuple(bound[name] for name in state.pressed if name in bound)
        for _ in range(controls.count(Control.SPEED)):
            speed = self.speed_after(speed)
        held = frozenset(bound[name] for name in state.held if name in bound)
        events = [_EVENTS[control] for control in controls if control in _EVENTS]
        return TeleopCommand(
            twist=_six([min(max(speed * value, -1.0), 1.0) for value in self._twist(state)]),
            pose=state.pose,
            speed=speed,
            controls=controls,
            held_controls=held if state.connected else frozenset(),
            toggles=controls.count(Control.GRIPPER),
            held_buttons=state.held,
            pressed_buttons=state.pressed,
            engaged=state.connected and (Control.ENGAGE in held or TOUCH in state.held),
            touched=state.connected and TOUCH in state.held,
            event=events[-1] if events else None,
            stamp=state.stamp,
            connected=state.connected,
        )

    def speed_after(self, speed: float) -> float:
        """The speed that follows; the first one after a speed that is not among them."""
        following = dict(zip(self.speeds, (*self.speeds[1:], self.speeds[0]), strict=True))
        return following.get(speed, self.speeds[0])

    def buttons(self, control: Control) -> tuple[str, ...]:
        """The buttons that do something; the first one is the one to tell a person of."""
        return tuple(button for button, does in self.controls if does is control)

    def typed_keys(self) -> dict[str, str]:
        """Key to button where keys are only ever struck: none that steers, none that takes over."""
        steering = {button for pair in self.pairs for button in (pair.negative, pair.positive)}
        needs_holding = steering | set(self.buttons(Control.ENGAGE))
        return {key: button for key, button in self.keys if button not in needs_holding}

    def _twist(self, state: DeviceState) -> list[float]:
        twist = [0.0] * len(DIRECTIONS)
        for stick in (*self.sticks, self.tilt):
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
        return twist

    def pose(self, twist: Sequence[float]) -> PadPose:
        """How to hold a pad for a twist: the inverse of `command` at full speed.

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


_ANYWHERE = (
    ("start", Control.SUCCESS),
    ("back", Control.FAILURE),
    ("x", Control.DISCARD),
    ("b", Control.PAUSE),
    ("y", Control.NEXT_CAMERA),
    ("lefttrigger", Control.REWIND),
    ("rightshoulder", Control.ENGAGE),
)
_SPEED = ("leftshoulder", Control.SPEED)

#: Seen from behind the robot: left stick up is forward (+x) and left is left (+y), right stick up
#: is up (+z), its sideways motion turns about the vertical; the d-pad tilts.
END_EFFECTOR = Bindings(
    sticks=(
        Stick(("leftx", "lefty"), (1, 0), (-1.0, -1.0)),
        Stick(("rightx", "righty"), (5, 2), (-1.0, -1.0)),
    ),
    pairs=(ButtonPair("dpleft", "dpright", 3), ButtonPair("dpdown", "dpup", 4)),
    tilt=Stick(TILT_AXES, (3, 4), (1.0, -1.0)),
    controls=(
        *_ANYWHERE,
        ("a", Control.GRIPPER),
        ("righttrigger", Control.GRIPPER),
        _SPEED,
        ("rightstick", Control.FRAME),
    ),
)

#: For a picture from above with y downwards: stick right is +x, stick down is +y.
PICTURE = Bindings(
    sticks=(
        Stick(("leftx", "lefty"), (0, 1), (1.0, 1.0)),
        Stick(("rightx", "righty"), (2, 3), (1.0, 1.0)),
    ),
    pairs=(ButtonPair("dpleft", "dpright", 4), ButtonPair("dpup", "dpdown", 5)),
    tilt=Stick(TILT_AXES, (4, 5), (1.0, 1.0)),
    controls=(*_ANYWHERE, _SPEED),
)

#: For vectors that mean anything: right and up are positive. Speed would mean nothing, and a task
#: with discrete actions needs the buttons.
VECTOR = replace(
    PICTURE,
    sticks=(
        Stick(("leftx", "lefty"), (0, 1), (1.0, -1.0)),
        Stick(("rightx", "righty"), (2, 3), (1.0, -1.0)),
    ),
    pairs=(ButtonPair("dpleft", "dpright", 4), ButtonPair("dpdown", "dpup", 5)),
    tilt=Stick(TILT_AXES, (4, 5), (1.0, -1.0)),
    controls=_ANYWHERE,
)


def _six(values: list[float]) -> Six:
    x, y, z, roll, pitch, yaw = values
    return x, y, z, roll, pitch, yaw
