"""A gamepad, read by SDL's controller API: names of axes and buttons are the same on every pad."""

from __future__ import annotations

from typing import Any, ClassVar

import pygame
from pygame._sdl2 import controller

from teleop.devices import sdl
from teleop.devices.base import AXES, BUTTONS, TRIGGER_AXES, DeviceState


class Gamepad:
    """One pad; unplugged it disengages and rests, plugged in again it goes on.

    Presses come from SDL's event queue, not from looking at the buttons, so that none is lost
    however seldom it is polled.

    Args:
        name: Take only a pad whose name contains this (None: the first pad that nobody has).
    """

    #: Pads that some `Gamepad` of this process holds, so that two never read the same one.
    _taken: ClassVar[set[int]] = set()

    def __init__(self, name: str | None = None) -> None:
        sdl.start()
        self._wanted = name
        self._pad: Any = None
        self._instance = -1
        self._axes = dict.fromkeys(AXES, 0.0)
        self._held: set[str] = set()
        self._pressed: list[str] = []
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
        return DeviceState(
            axes=dict(self._axes),
            held=frozenset(self._held),
            pressed=pressed,
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
            self._held.add(BUTTONS[event.button])
            self._pressed.append(BUTTONS[event.button])
        elif event.type == pygame.CONTROLLERBUTTONUP and event.button < len(BUTTONS):
            self._held.discard(BUTTONS[event.button])

    def _move(self, axis: str, value: float) -> None:
        self._axes[axis] = value
        if axis in TRIGGER_AXES:
            # A trigger is a button too, with a gap between down and up so that it cannot chatter.
            if value > 0.6 and axis not in self._held:
                self._held.add(axis)
                self._pressed.append(axis)
            elif value < 0.4:
                self._held.discard(axis)

    def _look_for_pad(self) -> None:
        if self.connected:
            return
        for index in range(pygame.joystick.get_count()):
            if not controller.is_controller(index):
                continue
            pad = controller.Controller(index)
            joystick = pad.as_joystick()
            # SDL keeps a controller's name by its model: two alike have the first one's.
            name, instance = joystick.get_name(), joystick.get_instance_id()
            if instance in self._taken or (self._wanted is not None and self._wanted not in name):
                continue
            self._pad, self._instance = pad, instance
            self._taken.add(instance)
            self.name = name
            # A pad that is plugged in with its stick held over reports no motion.
            self._axes = {axis: _unit(pad.get_axis(i)) for i, axis in enumerate(AXES)}
            return

    def _release(self) -> None:
        self._taken.discard(self._instance)
        self._pad, self._instance = None, -1
        self._axes = dict.fromkeys(AXES, 0.0)
        self._held.clear()


def connected_gamepads() -> list[str]:
    """Names of the pads that are plugged in."""
    sdl.start()
    sdl.pump()
    return [
        controller.name_forindex(index) or "gamepad"
        for index in range(pygame.joystick.get_count())
        if controller.is_controller(index)
    ]


def _unit(value: int) -> float:
    """SDL's int16 as -1 … 1."""
    return max(value / 32767.0, -1.0)
