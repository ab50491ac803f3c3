"""A SpaceMouse, by pyspacemouse: one cap that moves and turns in all six directions."""

from __future__ import annotations

import contextlib
import io
import threading
import time
from typing import Any

from ilrobot.errors import UserError
from teleop.devices.base import STICK_AXES, TILT_AXES, Device, DeviceState

#: Two buttons: what a hand on the cap needs most. The window's keys or the terminal do the rest.
TWO_BUTTONS = {"LEFT": "a", "RIGHT": "rightshoulder"}
#: The larger models.
MANY_BUTTONS = {
    "SHIFT": "rightshoulder",
    "CTRL": "a",
    "ALT": "lefttrigger",
    "ESC": "b",
    "BTN_1": "start",
    "BTN_2": "back",
    "BTN_3": "x",
    "BTN_4": "leftshoulder",
    "FIT": "y",
    "MENU": "rightstick",
}
#: Seconds without a sign of life from the reader after which the device counts as gone.
SILENCE = 0.25
_RULE = 'SUBSYSTEM=="hidraw", ATTRS{idVendor}=="046d|256f", TAG+="uaccess"'
_AXES = STICK_AXES + TILT_AXES


class SpaceMouse(Device):
    """The first SpaceMouse that is connected; pulled out it disengages, plugged in it goes on.

    It sends a report every few milliseconds into a queue that pyspacemouse reads one by one, so
    that a slow reader falls behind for ever. A thread reads them all and keeps the latest state;
    changes of buttons are queued. If the thread stops, for whatever reason, the device is gone.

    Raises:
        UserError: None is connected, or it cannot be read; the message says what to do.
    """

    def __init__(self) -> None:
        self._mouse: Any = _open()
        self.name = f"SpaceMouse ({self._mouse.name})"
        self._lock = threading.Lock()
        self._axes = dict.fromkeys(_AXES, 0.0)
        self._held: set[str] = set()
        self._lost: set[str] = set()
        self._pressed: list[str] = []
        self._released: list[str] = []
        self._heard = time.monotonic()
        self._closing = threading.Event()
        self._reader = threading.Thread(target=self._read, name="SpaceMouse", daemon=True)
        self._reader.start()

    def poll(self, now: float) -> DeviceState:
        """The latest state, and every press and release since the poll before."""
        with self._lock:
            # Not the loop's clock: a simulated one may run at any pace.
            connected = self._mouse is not None and time.monotonic() - self._heard < SILENCE
            if not connected:
                self._rest()
            pressed, self._pressed = tuple(self._pressed), []
            released, self._released = tuple(self._released), []
            return DeviceState(
                axes=dict(self._axes),
                held=frozenset(self._held),
                pressed=pressed,
                released=released,
                stamp=now,
                connected=connected,
            )

    def close(self) -> None:
        """Stop reading and let go of it."""
        self._closing.set()
        self._reader.join(timeout=2.0)

    def _read(self) -> None:
        while not self._closing.is_set():
            mouse = self._mouse
            try:
                self._listen(mouse)
            except (OSError, RuntimeError, _hid_exception()):
                with self._lock:
                    self._mouse = None
                    self._rest()
            finally:
                mouse.close()
            while self._mouse is None and not self._closing.wait(0.5):
                with contextlib.suppress(UserError):
                    found = _open()
                    with self._lock:
                        self._mouse, self._heard = found, time.monotonic()

    def _listen(self, mouse: Any) -> None:
        """Take report after report until it is closed or fails."""
        names = [mouse.get_button_name(i) for i in range(len(mouse.info.button_names))]
        known = TWO_BUTTONS if set(names) == set(TWO_BUTTONS) else MANY_BUTTONS
        buttons = [known.get(name) for name in names]
        taken = -1.0
        while not self._closing.is_set():
            report = mouse.read()
            self._heard = time.monotonic()
            if report.t == taken:  # there was none
                time.sleep(0.001)
                continue
            taken = report.t
            with self._lock:
                self._take(report, buttons)

    def _take(self, report: Any, buttons: list[str | None]) -> None:
        # x forward, y left, z up and turns about them, to sticks, whose y axes grow downwards.
        values = (
            -report.y,
            -report.x,
            -report.yaw,
            -report.z,
            report.roll,
            -report.pitch,
        )
        for axis, value in zip(_AXES, values, strict=True):
            self._axes[axis] = min(max(float(value), -1.0), 1.0)
        for button, down in zip(buttons, report.buttons, strict=True):
            if button is None:
                continue
            was_lost = button in self._lost
            self._lost.discard(button)
            if bool(down) == (button in self._held):
                continue
            if down:
                self._held.add(button)
                if not was_lost:
                    self._pressed.append(button)
            else:
                self._held.discard(button)
                self._released.append(button)

    def _rest(self) -> None:
        self._axes = dict.fromkeys(_AXES, 0.0)
        # One that is still down when it is heard of again has not been pressed anew.
        self._lost |= self._held
        self._released += sorted(self._held)
        self._held.clear()


def _open() -> Any:
    try:
        import pyspacemouse
    except ImportError as error:
        raise UserError(
            "--device spacemouse needs pyspacemouse; install it: pip install 'ilrobot[spacemouse]'"
        ) from error
    except OSError as error:
        raise _no_library() from error
    try:
        found = pyspacemouse.get_connected_devices()
    except RuntimeError as error:
        raise _no_library() from error
    if not found:
        raise UserError(
            "no SpaceMouse is connected; plug one in, or take --device gamepad or keyboard"
        )
    try:
        with contextlib.redirect_stdout(io.StringIO()):  # it prints what it has found
            return pyspacemouse.open(
                device=found[0], axis_convention=pyspacemouse.AxisConvention.ROS
            )
    except RuntimeError as error:
        raise UserError(
            f"{found[0]} is connected but may not be read; put this line into "
            f"/etc/udev/rules.d/70-spacemouse.rules and plug it in again: {_RULE}"
        ) from error


def _no_library() -> UserError:
    return UserError(
        "a SpaceMouse is read by the library hidapi, and there is none here; install it: "
        "sudo apt-get install libhidapi-hidraw0 (macOS: brew install hidapi)"
    )


def _hid_exception() -> type[Exception]:
    from easyhid import HIDException

    kind: type[Exception] = HIDException
    return kind
