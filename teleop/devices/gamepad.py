"""A gamepad, read by SDL's controller API: names of axes and buttons are the same on every pad."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pygame
from pygame._sdl2 import controller

from teleop.devices import sdl
from teleop.devices.base import AXES, BUTTONS, TRIGGER_AXES, Device, DeviceState, Feedback

#: Strength of the slow and the fast motor, 0 … 1, and milliseconds.
_RUMBLE = {
    Feedback.LEASH: (0.0, 0.5, 80),
    Feedback.TAKEOVER: (0.6, 0.6, 150),
    Feedback.CALL: (1.0, 1.0, 400),
    Feedback.SAVED: (0.8, 0.0, 300),
}

#: A stick that is not held rests nearer to its centre than this.
_STILL = 0.2


class Gamepad(Device):
    """One pad; unplugged it disengages and rests, plugged in again it goes on.

    A pad that was away between two polls is gone for one of them: what it held was let go of by no
    hand.

    Presses come from SDL's event queue, not from looking at the buttons, so that none is lost
    however seldom it is polled. Where there are several pads, one that lies still gives way to
    the one on which a button is pressed; so does one that is pulled out, but not before.

    Args:
        name: Take only a pad whose name contains this (None: any that nobody has).
    """

    def __init__(self, name: str | None = None) -> None:
        sdl.start()
        self._wanted = name
        self._pad: Any = None
        self._instance = -1
        # SDL tells nothing of a pad that is not open.
        self._spare: dict[int, tuple[Any, str]] = {}
        self._axes = dict.fromkeys(AXES, 0.0)
        self._held: set[str] = set()
        self._pressed: list[str] = []
        self._released: list[str] = []
        self._lost = False
        self.name = name or "gamepad"
        sdl.subscribe(self._hear)
        self._look_for_pad()

    @property
    def connected(self) -> bool:
        """Whether there is a pad at the other end."""
        return self._pad is not None

    def poll(self, now: float) -> DeviceState:
        """Axes and held buttons as they are, and every press since the poll before."""
        sdl.pump()
        pressed, self._pressed = tuple(self._pressed), []
        released, self._released = tuple(self._released), []
        lost, self._lost = self._lost or not self.connected, False
        return DeviceState(
            axes=dict.fromkeys(AXES, 0.0) if lost else dict(self._axes),
            held=frozenset() if lost else frozenset(self._held),
            pressed=pressed,
            released=released,
            stamp=now,
            connected=not lost,
        )

    def close(self) -> None:
        """Let go of the pad."""
        sdl.unsubscribe(self._hear)
        self._release()
        self._spare.clear()

    def feedback(self, feedback: Feedback) -> None:
        """Rumble, each feedback in its own way; a pad without motors stays still."""
        if self.connected:
            self._pad.rumble(*_RUMBLE[feedback])

    def _hear(self, event: Any) -> None:
        if event.type == pygame.CONTROLLERBUTTONDOWN:
            self._give_way_to(event.instance_id)
        if event.type == pygame.CONTROLLERDEVICEADDED:
            self._look_for_pad()
        elif event.type == pygame.CONTROLLERDEVICEREMOVED and event.instance_id in self._spare:
            del self._spare[event.instance_id]
        elif not self.connected or getattr(event, "instance_id", None) != self._instance:
            return
        elif event.type == pygame.CONTROLLERDEVICEREMOVED:
            self._release()
        elif event.type == pygame.CONTROLLERAXISMOTION:
            self._move(AXES[event.axis], _unit(event.value))
        elif event.type == pygame.CONTROLLERBUTTONDOWN and event.button < len(BUTTONS):
            self._press(BUTTONS[event.button])
        elif event.type == pygame.CONTROLLERBUTTONUP and event.button < len(BUTTONS):
            self._let_go(BUTTONS[event.button])

    def _move(self, axis: str, value: float) -> None:
        self._axes[axis] = value
        if axis in TRIGGER_AXES:
            # A trigger is a button too, with a gap between down and up so that it cannot chatter.
            if value > 0.6:
                self._press(axis)
            elif value < 0.4:
                self._let_go(axis)

    def _press(self, button: str) -> None:
        if button not in self._held:
            self._held.add(button)
            self._pressed.append(button)

    def _let_go(self, button: str) -> None:
        if button in self._held:
            self._held.discard(button)
            self._released.append(button)

    def _give_way_to(self, instance: int) -> None:
        """Take the other pad on which a button went down, unless this one is in use."""
        still = not self._held and all(abs(value) < _STILL for value in self._axes.values())
        if instance in self._spare and instance not in sdl.taken_pads and still:
            pad, name = self._spare.pop(instance)
            if self.connected:
                sdl.taken_pads.discard(self._instance)
                self._spare[self._instance] = (self._pad, self.name)
            self._take(pad, name, instance)

    def _look_for_pad(self) -> None:
        for pad, name, instance in _pads():
            if instance == self._instance or (
                self._wanted is not None and self._wanted not in name
            ):
                continue
            # What lay there already when the pad in use was pulled out waits for a press.
            if self.connected or instance in sdl.taken_pads or instance in self._spare:
                self._spare[instance] = (pad, name)
            else:
                self._take(pad, name, instance)

    def _take(self, pad: Any, name: str, instance: int) -> None:
        self._pad, self._instance, self.name = pad, instance, name
        sdl.taken_pads.add(instance)
        # A pad that is plugged in with its stick held over reports no motion.
        self._axes = {axis: _unit(pad.get_axis(i)) for i, axis in enumerate(AXES)}

    def _release(self) -> None:
        sdl.taken_pads.discard(self._instance)
        self._pad, self._instance, self._lost = None, -1, True
        self._axes = dict.fromkeys(AXES, 0.0)
        for button in sorted(self._held):
            self._let_go(button)


def connected_gamepads() -> list[str]:
    """Names of the pads that are plugged in."""
    sdl.start()
    sdl.pump()
    return [name for _, name, _ in _pads()]


def _pads() -> Iterator[tuple[Any, str, int]]:
    """Each pad with its name and SDL's instance number."""
    for index in range(pygame.joystick.get_count()):
        if controller.is_controller(index):
            pad = controller.Controller(index)
            # SDL keeps a controller's name by its model: two alike would have the first one's.
            joystick = pad.as_joystick()
            yield pad, joystick.get_name(), joystick.get_instance_id()


def _unit(value: int) -> float:
    """SDL's int16 as -1 … 1."""
    return max(value / 32767.0, -1.0)
