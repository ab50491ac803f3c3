"""The keys of the terminal, where there is no window: for what is pressed, not for steering.

A terminal tells of characters, never that a key came up; so nothing here can engage, see
`teleop.bindings.Bindings.typed_keys`.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import select
import sys
import time
from collections.abc import Callable
from typing import Any

from ilrobot.errors import UserError
from teleop.bindings import END_EFFECTOR, Bindings
from teleop.devices.base import Device, DeviceState

#: What the keys without a letter send.
_SEQUENCES = {
    b"\x1b[3~": "delete",
    b"\r": "return",
    b"\n": "return",
    b"\x7f": "backspace",
    b"\b": "backspace",
    b" ": "space",
}
#: A terminal repeats a held key, after a first delay of 250 to 660 ms, some 30 times a second.
#: Until so many seconds after its first character, and after each further one, a key counts as
#: held, and the same character as no new press.
_FIRST, _HOLD = 0.7, 0.12


class Terminal(Device):
    """The terminal this process was started in; Ctrl-C works on, and the terminal is restored.

    Args:
        bindings: Which key is which button; what steers or takes over is not heard here.
        clock: In seconds; keys are repeated in real time, whatever the loop's clock does.

    Raises:
        UserError: There is no terminal, or another program has it.
    """

    def __init__(
        self, bindings: Bindings = END_EFFECTOR, clock: Callable[[], float] = time.monotonic
    ) -> None:
        if not usable():
            raise UserError("keys need a terminal in the foreground, and there is none here")
        import termios
        import tty

        self.name = "terminal"
        self._buttons, self._clock = bindings.typed_keys(), clock
        self._file = sys.stdin.fileno()
        self._before: list[Any] | None = termios.tcgetattr(self._file)
        self._rest = b""
        self._until: dict[str, float] = {}
        tty.setcbreak(self._file, termios.TCSANOW)
        # Also where an error ends the program before anybody closes this.
        atexit.register(self.close)

    def poll(self, now: float) -> DeviceState:
        """Every key that was struck since the poll before."""
        at = self._clock()
        released = tuple(button for button, until in self._until.items() if until <= at)
        for button in released:
            del self._until[button]
        pressed = []
        for key in self._struck():
            if key in self._buttons:
                button = self._buttons[key]
                is_new = button not in self._until
                if is_new:
                    pressed.append(button)
                self._until[button] = at + (_FIRST if is_new else _HOLD)
        return DeviceState(
            held=frozenset(self._until), pressed=tuple(pressed), released=released, stamp=now
        )

    def close(self) -> None:
        """Give the terminal back as it was."""
        if self._before is None:
            return
        import termios

        termios.tcsetattr(self._file, termios.TCSADRAIN, self._before)
        self._before = None
        atexit.unregister(self.close)

    def _struck(self) -> list[str]:
        if self._before is not None and select.select([self._file], [], [], 0.0)[0]:
            with contextlib.suppress(OSError):  # the terminal's window was closed
                self._rest += os.read(self._file, 4096)
        keys = []
        while self._rest:
            for sequence, key in _SEQUENCES.items():
                if self._rest.startswith(sequence):
                    keys.append(key)
                    self._rest = self._rest[len(sequence) :]
                    break
            else:
                if self._rest[:1] == b"\x1b":
                    self._rest = _after_escape(self._rest)
                else:
                    keys.append(chr(self._rest[0]).lower())
                    self._rest = self._rest[1:]
        return keys


def usable() -> bool:
    """Whether the standard input is a terminal that this process may set."""
    try:
        # A process in the background would be stopped if it touched the terminal.
        return sys.stdin.isatty() and os.tcgetpgrp(sys.stdin.fileno()) == os.getpgrp()
    except (AttributeError, OSError, ValueError):
        return False


def _after_escape(rest: bytes) -> bytes:
    """What follows a sequence that means nothing here: ESC, or ESC [ … letter."""
    if rest[1:2] not in (b"[", b"O"):
        return rest[1:]
    for i, byte in enumerate(rest[2:], start=2):
        if 0x40 <= byte <= 0x7E:
            return rest[i + 1 :]
    return b""
