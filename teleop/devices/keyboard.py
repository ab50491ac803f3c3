"""The keyboard as a pad: held keys push its sticks, so that the same mappings serve both."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pygame

from teleop.devices import sdl
from teleop.devices.base import STICK_AXES, Device, DeviceState
from teleop.devices.keys import BUTTON_KEYS, FINE, FINE_KEY, STICK_KEYS


def _code(key: str) -> int:
    """pygame's constant of a key: letters are K_a, the others K_SPACE."""
    code: int = getattr(pygame, f"K_{key if len(key) == 1 else key.upper()}")
    return code


_STICKS = {_code(key): does for key, does in STICK_KEYS.items()}
_FINE = _code(FINE_KEY)


class Keyboard(Device):
    """Keys held in the pygame window, which has to have the focus.

    It hears SDL's key events and needs a window to get any; see `teleop.window.Window`. Where
    another window takes the focus while keys are down, no hand has let go of them: they come up,
    and it is gone for one poll, so that this is nobody's handback.

    Args:
        keys: Key to button, as in `teleop.devices.keys`.
    """

    def __init__(self, keys: Mapping[str, str] = BUTTON_KEYS) -> None:
        sdl.start()
        self._buttons = {_code(key): does for key, does in keys.items()}
        self.name = "keyboard"
        self._down: set[int] = set()
        self._pressed: list[str] = []
        self._released: list[str] = []
        self._torn = False
        sdl.subscribe(self._hear)

    def poll(self, now: float) -> DeviceState:
        """Sticks pushed by the keys that are down, and every press since the poll before."""
        sdl.pump()
        torn, self._torn = self._torn, False
        down = set() if torn else self._down
        axes = dict.fromkeys(STICK_AXES, 0.0)
        for key in down & _STICKS.keys():
            axis, direction = _STICKS[key]
            axes[axis] += direction * (FINE if _FINE in down else 1.0)
        pressed, self._pressed = tuple(self._pressed), []
        released, self._released = tuple(self._released), []
        held = frozenset(self._buttons[key] for key in down & self._buttons.keys())
        return DeviceState(
            axes=axes,
            held=held,
            pressed=pressed,
            released=released,
            stamp=now,
            connected=not torn,
        )

    def close(self) -> None:
        """Stop listening."""
        sdl.unsubscribe(self._hear)

    def _hear(self, event: Any) -> None:
        if event.type == pygame.KEYDOWN and event.key not in self._down:
            self._down.add(event.key)
            if event.key in self._buttons:
                self._pressed.append(self._buttons[event.key])
        elif event.type == pygame.KEYUP and event.key in self._down:
            self._let_go(event.key)
        elif event.type == pygame.WINDOWFOCUSLOST:
            # The key may come up while another window has the focus, and nobody would tell.
            self._torn = self._torn or bool(self._down)
            for key in sorted(self._down):
                self._let_go(key)

    def _let_go(self, key: int) -> None:
        self._down.discard(key)
        if key in self._buttons:
            self._released.append(self._buttons[key])
