"""What arrives from a device in a person's hands, live: axes as bars, buttons and what they do."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from ilrobot.errors import UserError

if TYPE_CHECKING:
    from ilrobot.control.clock import Clock
    from teleop.bindings import Bindings, TeleopCommand
    from teleop.devices.base import Device, DeviceState

Watched = Literal["gamepad", "keyboard", "spacemouse"]

#: Polls per second; the bars are drawn less often.
RATE = 100.0
_DRAWN = 10
_HALF = 10


@dataclass
class Heard:
    """All that came.

    Attributes:
        pressed: Button to how often it was pressed.
        released: Likewise.
        low: Axis to its least position.
        high: Axis to its greatest position.
        lost: How often the device went away.
    """

    pressed: Counter[str] = field(default_factory=Counter)
    released: Counter[str] = field(default_factory=Counter)
    low: dict[str, float] = field(default_factory=dict)
    high: dict[str, float] = field(default_factory=dict)
    lost: int = 0
    _connected: bool = True

    def take(self, state: DeviceState) -> None:
        """Add what one poll brought."""
        self.pressed.update(state.pressed)
        self.released.update(state.released)
        for axis, value in state.axes.items():
            self.low[axis] = min(value, self.low.get(axis, value))
            self.high[axis] = max(value, self.high.get(axis, value))
        self.lost += self._connected and not state.connected
        self._connected = state.connected


@contextlib.contextmanager
def opened(kind: Watched, bindings: Bindings) -> Iterator[Device]:
    """The device, closed at the end; the keyboard's is a window, or the terminal without one.

    Raises:
        UserError: It is not there, or cannot be read; the message says what to do.
    """
    from teleop.devices import sdl, terminal
    from teleop.devices.gamepad import Gamepad
    from teleop.devices.keyboard import Keyboard
    from teleop.devices.spacemouse import SpaceMouse

    with contextlib.ExitStack() as stack:
        device: Device
        if kind == "gamepad":
            pad = Gamepad()
            stack.callback(pad.close)
            if not pad.connected:
                raise _no_pad()
            device = pad
        elif kind == "spacemouse":
            device = SpaceMouse()
            stack.callback(device.close)
        elif sdl.start_display():
            from teleop.window import Window

            stack.callback(Window("ilrobot doctor: press keys here", "the keyboard").close)
            device = Keyboard(dict(bindings.keys))
            stack.callback(device.close)
        else:
            device = terminal.Terminal(bindings)
            stack.callback(device.close)
        yield device


def watch(
    device: Device,
    bindings: Bindings,
    clock: Clock,
    seconds: float | None,
    console: Console | None = None,
) -> Heard:
    """Show what arrives until Ctrl-C.

    Args:
        device: What is polled.
        bindings: What its buttons and axes do.
        clock: Paces the polls.
        seconds: Stop after so long (None: only at Ctrl-C).
        console: Where it is shown (None: stdout).
    """
    console = console or Console(highlight=False)
    heard, speed = Heard(), 1.0
    clock.start()
    begun, polls = clock.now(), 0
    with (
        contextlib.suppress(KeyboardInterrupt),
        Live(console=console, auto_refresh=False, transient=True) as live,
    ):
        while seconds is None or clock.now() - begun < seconds:
            now = clock.now()
            state = device.poll(now)
            heard.take(state)
            command = bindings.command(state, speed)
            speed = command.speed
            for button in state.pressed:
                live.console.print(f"{now - begun:7.2f} s  {button}: {_does(bindings, button)}")
            if polls % int(RATE / _DRAWN) == 0:
                live.update(_picture(device, state, command, bindings, heard), refresh=True)
            polls += 1
            clock.wait()
    console.print(_summary(device, bindings, heard))
    return heard


def as_json(heard: Heard, device: Device) -> dict[str, Any]:
    """The same as plain JSON."""
    return {
        "device": device.name,
        "pressed": dict(heard.pressed),
        "released": dict(heard.released),
        "axes": {axis: [heard.low[axis], heard.high[axis]] for axis in heard.low},
        "lost": heard.lost,
    }


def bindings_for_an_arm(path: Path | None) -> Bindings:
    """Those of an arm with a gripper, the task that uses most of them, changed by a file."""
    from teleop.bindings import END_EFFECTOR
    from teleop.bindings_file import read_bindings

    return END_EFFECTOR if path is None else read_bindings(path).change(END_EFFECTOR)


def _no_pad() -> UserError:
    from ilrobot.cli.diagnosis.devices import check_pads
    from ilrobot.cli.diagnosis.packages import installed_packages

    finding = check_pads(installed_packages())[0]
    return UserError(f"no gamepad to listen to ({finding.detail}); {finding.advice}")


def _does(bindings: Bindings, button: str) -> str:
    from teleop.bindings import DIRECTIONS

    uses = [str(control) for name, control in bindings.controls if name == button]
    uses += [
        f"{sign}{DIRECTIONS[pair.direction]}"
        for pair in bindings.pairs
        for name, sign in ((pair.negative, "−"), (pair.positive, "+"))
        if name == button
    ]
    return ", ".join(uses) or "nothing"


def _steers(bindings: Bindings, axis: str) -> str:
    from teleop.bindings import DIRECTIONS

    for stick in (*bindings.sticks, bindings.tilt):
        for name, direction, sign in zip(stick.axes, stick.directions, stick.signs, strict=True):
            if name == axis and direction is not None:
                return f"{'+' if sign > 0 else '−'}{DIRECTIONS[direction]}"
    return _does(bindings, axis)


def _bar(value: float) -> Text:
    """-1 … 1 from the middle to either side."""
    cells = round(min(max(value, -1.0), 1.0) * _HALF)
    left, right = max(-cells, 0), max(cells, 0)
    text = " " * (_HALF - left) + "█" * left + "│" + "█" * right + " " * (_HALF - right)
    return Text(text, style="cyan" if cells else "dim")


def _picture(
    device: Device, state: DeviceState, command: TeleopCommand, bindings: Bindings, heard: Heard
) -> RenderableType:
    from teleop.bindings import DIRECTIONS

    axes = Table.grid(padding=(0, 2))
    for axis, value in state.axes.items():
        axes.add_row(axis, _bar(value), f"{value:+.2f}", _steers(bindings, axis))
    buttons = Table.grid(padding=(0, 2))
    for button in dict.fromkeys((*(name for name, _ in bindings.controls), *heard.pressed)):
        down = button in state.held
        count = f"{heard.pressed[button]}×" if heard.pressed[button] else ""
        style = "bold green" if down else ""
        buttons.add_row(
            Text("●" if down else "○", style), Text(button, style), _does(bindings, button), count
        )
    twist = "  ".join(
        f"{name} {value:+.2f}" for name, value in zip(DIRECTIONS, command.twist, strict=True)
    )
    engaged = "engaged" if command.engaged else "not engaged"
    first = (
        Text(f"{device.name}   {engaged}   speed {command.speed:g}")
        if state.connected
        else Text(f"{device.name} is unplugged", style="bold red")
    )
    return Group(first, Text(f"command  {twist}"), axes, buttons)


def _summary(device: Device, bindings: Bindings, heard: Heard) -> str:
    moved = [
        f"{axis} {heard.low[axis]:+.2f} … {heard.high[axis]:+.2f}"
        for axis in heard.low
        if heard.low[axis] != heard.high[axis]
    ]
    pressed = [f"{button} {count}×" for button, count in heard.pressed.items()]
    lost = f"; unplugged {heard.lost}×" if heard.lost else ""
    return f"{device.name}: {', '.join(moved + pressed) or 'nothing arrived'}{lost}"
