"""A pad made of software, which SDL takes for a real one.

What moves it, a simulated person or a test, so goes through the very code that reads real pads.
"""

from __future__ import annotations

import ctypes
import itertools
import sys
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pygame

from ilrobot.errors import UserError
from teleop.devices import sdl
from teleop.devices.base import AXES, BUTTONS, TRIGGER_AXES

#: What pads are called, with a number for each in its process.
NAME = "ilrobot virtual pad"

_GAMECONTROLLER = 1
_counter = itertools.count(1)
_Rumble = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_uint16, ctypes.c_uint16)


class _Description(ctypes.Structure):
    """SDL_VirtualJoystickDesc of SDL 2.24 and later (SDL_joystick.h)."""

    _fields_ = (
        *((name, ctypes.c_uint16) for name in ("version", "type", "axes", "buttons", "hats")),
        *((name, ctypes.c_uint16) for name in ("vendor", "product", "padding")),
        ("button_mask", ctypes.c_uint32),
        ("axis_mask", ctypes.c_uint32),
        ("name", ctypes.c_char_p),
        *((name, ctypes.c_void_p) for name in ("userdata", "update", "player", "rumble")),
        *((name, ctypes.c_void_p) for name in ("rumble_triggers", "set_led", "send_effect")),
    )


class VirtualGamepad:
    """A virtual SDL controller with two sticks, two triggers and fifteen named buttons.

    It is unplugged when it is closed, when nobody holds it any more, and when the program ends: SDL
    would else call back what is no longer there.

    Args:
        name: What SDL shall call it; must differ from other pads' names if `Gamepad` is to find
            this one (None: a name of its own).

    Raises:
        UserError: This machine's SDL cannot make one.
    """

    def __init__(self, name: str | None = None) -> None:
        sdl.start()
        self.name = name or f"{NAME} {next(_counter)}"
        self._sdl = _library()
        self._joystick = ctypes.c_void_p()
        self._instance = -1
        self.held: frozenset[str] = frozenset()
        """Buttons that are down."""
        self.rumbles: list[tuple[float, float]] = []
        """Strengths of the slow and the fast motor, 0 … 1, in the order of SDL's calls."""
        self._unplug: Callable[[], object] = lambda: None
        self.attach()

    @property
    def attached(self) -> bool:
        """Whether it is plugged in."""
        return self._instance >= 0

    def attach(self) -> None:
        """Plug it in, everything at rest."""
        if self.attached:
            return
        name, on_rumble = self.name.encode(), _noting(self.rumbles)
        description = _Description(
            version=1,
            type=_GAMECONTROLLER,
            axes=len(AXES),
            buttons=len(BUTTONS),
            name=name,
            button_mask=(1 << len(BUTTONS)) - 1,
            axis_mask=(1 << len(AXES)) - 1,
            rumble=ctypes.cast(on_rumble, ctypes.c_void_p),
        )
        index = self._sdl.SDL_JoystickAttachVirtualEx(ctypes.byref(description))
        if index < 0:
            raise UserError(f"SDL cannot make a virtual gamepad: {pygame.get_error()}")
        self._joystick = ctypes.c_void_p(self._sdl.SDL_JoystickOpen(index))
        self._instance = self._sdl.SDL_JoystickInstanceID(self._joystick)
        # SDL keeps bare pointers to the name and the function, so that they must outlive the pad.
        self._unplug = weakref.finalize(
            self, _detach, self._sdl, self._joystick, self._instance, (name, on_rumble)
        )
        self.held = frozenset()
        for axis in AXES:
            self.set_axis(axis, 0.0)

    def detach(self) -> None:
        """Unplug it."""
        self._unplug()
        self._instance = -1

    def set_axis(self, axis: str, value: float) -> None:
        """Move a stick's axis to -1 … 1 or a trigger to 0 … 1; SDL keeps 16 bits of it."""
        # SDL's joystick has triggers at -32768 … 32767; its controller makes 0 … 32767 of them.
        raw = round(value * 65535.0) - 32768 if axis in TRIGGER_AXES else round(value * 32767.0)
        raw = min(max(raw, -32768), 32767)
        self._sdl.SDL_JoystickSetVirtualAxis(self._joystick, AXES.index(axis), ctypes.c_int16(raw))
        self._sdl.SDL_JoystickUpdate()

    def press(self, button: str) -> None:
        """Press a button and keep it down."""
        self._set_button(button, 1)
        self.held |= {button}

    def release(self, button: str) -> None:
        """Let a button go."""
        self._set_button(button, 0)
        self.held -= {button}

    def tap(self, button: str) -> None:
        """Press and let go at once."""
        self.press(button)
        self.release(button)

    def close(self) -> None:
        """Unplug it."""
        self.detach()

    def _set_button(self, button: str, down: int) -> None:
        self._sdl.SDL_JoystickSetVirtualButton(self._joystick, BUTTONS.index(button), down)
        # SDL compares states only when it updates: a press and a release in between would vanish.
        self._sdl.SDL_JoystickUpdate()


def _noting(rumbles: list[tuple[float, float]]) -> Any:
    """What SDL calls to have it rumble; it knows the list and not the pad, so that it can go."""

    def rumble(_: int | None, slow: int, fast: int) -> int:
        rumbles.append((slow / 65535.0, fast / 65535.0))
        return 0

    return _Rumble(rumble)


def _detach(library: ctypes.CDLL, joystick: ctypes.c_void_p, instance: int, kept: object) -> None:
    """Unplug a pad, if SDL was not stopped since, and let go of what SDL needed until then."""
    for index in range(library.SDL_NumJoysticks()):
        if library.SDL_JoystickGetDeviceInstanceID(index) == instance:
            library.SDL_JoystickDetachVirtual(index)
            library.SDL_JoystickClose(joystick)
            return


def _library() -> ctypes.CDLL:
    """The very SDL that pygame has loaded; a second copy would have queues of its own."""
    library = ctypes.CDLL(str(_library_path()))
    library.SDL_JoystickOpen.restype = ctypes.c_void_p
    return library


def _library_path() -> Path:
    if sys.platform == "linux":
        for line in Path("/proc/self/maps").read_text().splitlines():
            path = Path(line.split(maxsplit=5)[-1])
            if path.name.startswith(("libSDL2-2", "libSDL2.so")):
                return path
    else:
        folder = Path(pygame.__file__).parent
        for pattern in ("SDL2.dll", ".dylibs/libSDL2-2*.dylib"):
            for path in folder.glob(pattern):
                return path
    raise UserError("pygame's SDL library was not found; reinstall it: pip install pygame")
