"""The emergency stop: pressed from anywhere, latched until somebody releases it."""

from __future__ import annotations

import math
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path


class EmergencyStop:
    """A latch that the guard asks at every tick.

    It can be pressed by a signal, by a file that appears, by a button, and by whoever calls
    `press`. It stays pressed, through the ends of episodes, too, until `release`. It commands
    nothing by itself and cuts no power: it stands for no hardware stop.

    Args:
        file: Its appearing presses it, and so does its not being findable any more; it is looked
            for at a call of `pressed`, `EVERY` seconds after the last (None: there is none).
        button: Asked at every call of `pressed` whether a person holds it down (None: there is
            none).
        clock: Monotonic, in seconds.

    Attributes:
        reason: Who or what pressed it first (None: nobody).
    """

    #: Asking the file system costs more than all other guards together; up to 100 Hz it is asked at
    #: every tick.
    EVERY = 0.009

    def __init__(
        self,
        file: Path | None = None,
        button: Callable[[], bool] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._file, self._button, self._clock = file, button, clock
        self._look_at = -math.inf
        self.reason: str | None = None

    def press(self, reason: str) -> None:
        """Press it; a later press changes nothing."""
        if self.reason is None:
            self.reason = reason

    @contextmanager
    def listening(self, number: signal.Signals = signal.SIGUSR1) -> Iterator[None]:
        """While entered, a signal to this process presses it. Enter it in the main thread."""
        before = signal.signal(number, lambda *_: self.press(f"signal {number.name}"))
        try:
            yield
        finally:
            signal.signal(number, before)

    @property
    def pressed(self) -> bool:
        """Whether it is, or just was, pressed."""
        if self._file is not None and self.reason is None:
            now = self._clock()
            if now >= self._look_at:
                self._look_at = now + self.EVERY
                self._look_for(self._file)
        if self._button is not None and self._button():
            self.press("button")
        return self.reason is not None

    def _look_for(self, file: Path) -> None:
        try:
            if file.exists():
                self.press(f"file {file}")
            elif not file.parent.exists():
                self.press(f"file {file}, whose folder is gone")
        except OSError as error:  # nobody could press it any more
            self.press(f"file {file}, which cannot be looked for: {error.strerror}")

    def release(self) -> None:
        """Let it go; while the file is there it will be pressed again."""
        self.reason = None
        self._look_at = -math.inf
