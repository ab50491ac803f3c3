"""The keyboard as a pad: held keys push its sticks, so that the same mappings serve both."""

from __future__ import annotations

from typing import Any

import pygame

from teleop.devices import sdl
from teleop.devices.base import STICK_AXES, DeviceState

#: Key to stick axis and direction.
STICK_KEYS: dict[int, tuple[str, float]] = {
    pygame.K_a: ("leftx", -1.0),
    pygame.K_d: ("leftx", 1.0),
    pygame.K_w: ("lefty", -1.0),
    pygame.K_s: ("lefty", 1.0),
    pygame.K_j: ("rightx", -1.0),
    pygame.K_l: ("rightx", 1.0),
    pygame.K_i: ("righty", -1.0),
    pygame.K_k: ("righty", 1.0),
}
#: Key to button.
BUTTON_KEYS: dict[int, str] = {
    pygame.K_LEFT: "dpleft",
    pygame.K_RIGHT: "dpright",
    pygame.K_UP: "dpup",
    pygame.K_DOWN: "dpdown",
    pygame.K_SPACE: "a",
    pygame.K_RETURN: "start",
    pygame.K_BACKSPACE: "back",
    pygame.K_DELETE: "x",
    pygame.K_LSHIFT: "rightshoulder",
}
#: Held for fine motion.
FINE_KEY = pygame.K_c
FINE = 0.4
HELP = "WASD IJKL arrows steer · C fine · Space gripper · Shift take over"


class Keyboard:
    """Keys held in the pygame window, which has to have the focus.

    It hears SDL's key events and needs a window to get any; see `teleop.window.Window`.
    """

    def __init__(self) -> None:
        sdl.start()
        self.name = "keyboard"
        self._down: set[int] = set()
        self._pressed: list[str] = []
        sdl.subscribe(self._hear)

    def poll(self, now: float) -> DeviceState:
        """Sticks pushed by the keys that are down, and every press since the poll before."""
        sdl.pump()
        axes = dict.fromkeys(STICK_AXES, 0.0)
        for key in self._down & STICK_KEYS.keys():
            axis, direction = STICK_KEYS[key]
            axes[axis] += direction * (FINE if FINE_KEY in self._down else 1.0)
        pressed, self._pressed = tuple(self._pressed), []
        held = frozenset(BUTTON_KEYS[key] for key in self._down & BUTTON_KEYS.keys())
        return DeviceState(axes=axes, held=held, pressed=pressed, stamp=now)

    def close(self) -> None:
        """Stop listening."""
        sdl.unsubscribe(self._hear)

    def _hear(self, event: Any) -> None:
        if event.type == pygame.KEYDOWN and event.key not in self._down:
            self._down.add(event.key)
            if event.key in BUTTON_KEYS:
                self._pressed.append(BUTTON_KEYS[event.key])
        elif event.type == pygame.KEYUP:
            self._down.discard(event.key)
        elif event.type == pygame.WINDOWFOCUSLOST:
            # The key may come up while another window has the focus, and nobody would tell.
            self._down.clear()
