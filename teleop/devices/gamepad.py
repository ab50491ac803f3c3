"""A gamepad, read by SDL's controller API: names of axes and buttons are the same on every pad."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pygame
from pygame._sdl2 import controller

from teleop.devices import sdl
from teleop.devices.base import AXES, BUTTONS, TRIGGER_AXES, Device, DeviceState


class Gamepad(Device):
    """One pad; unplugged it disengages and rests, plugged in again it goes on.

    Presses come from SDL's event queue, not from looking at the buttons, so that none is lost
    however seldom it is polled.

    Args:
        name: Take only a pad whose name contains this (None: the first pad that nobody has).
    """

    def __init__(self, name: str | None = None) -> None:
        sdl.start()
        self._wanted = name
        self._pad: Any = None
        self._instance = -1
        self._axes = dict.fromkeys(AXES, 0.0)
        self._held: set[str] = set()
        self._pressed: list[str] = []
        self._released: list[str] = []
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
        return DeviceState(
            axes=dict(self._axes),
            held=frozenset(self._held),
            pressed=pressed,
            released=released,
            stamp=now,
            connected=self.connected,
        )

    def close(self) -> None:
        """Let go of the pad."""
        sdl.unsubscribe(self._hear)
        self._release()

    def _hear(self, event: Any) -> None:
        if event.type == pygame.CONTROLLERDEVICEADDED:
            self._look_for_pad()
        elif not self.connected or getattr(event, "instance_id", None) != self._instance:
            return
        elif event.type == pygame.CONTROLLERDEVICEREMOVED:
            self._release()
            self._look_for_pad()
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

    def _look_for_pad(self) -> None:
        if self.connected:
            return
        for pad, name, instance in _pads():
            if instance in sdl.taken_pads or (
                self._wanted is not None and self._wanted not in name
            ):
                continue
            self._pad, self._instance = pad, instance
            sdl.taken_pads.add(instance)
            self.name = name
            # A pad that is plugged in with its stick held over reports no motion.
            self._axes = {axis: _unit(pad.get_axis(i)) for i, axis in enumerate(AXES)}
            return

    def _release(self) -> None:
        sdl.taken_pads.discard(self._instance)
        self._pad, self._instance = None, -1
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
