"""Stopping between two steps, so that what is kept is whole."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ilrobot.endings import ending_signals, ignore_more
from ilrobot.errors import Terminated, WorkFailed


class Stop:
    """What a signal asked for, until the step under way is done."""

    def __init__(self) -> None:
        self._reason: KeyboardInterrupt | None = None

    def is_set(self) -> bool:
        """Whether one has come."""
        return self._reason is not None

    def check(self) -> None:
        """Stop here if one has come."""
        if self._reason is not None:
            raise self._reason

    def on_signal(self, number: int, frame: Any) -> None:
        """Remember the first; a second one interrupts at once."""
        self.check()
        ignore_more(number)
        self._reason = KeyboardInterrupt() if number == signal.SIGINT else Terminated(number)


@contextmanager
def stop_signals() -> Iterator[Stop]:
    """Ctrl-C, SIGTERM and SIGHUP are remembered, so that a step ends whole and is saved.

    Work that fails once one has come was ended by it: SIGTERM to a whole group of processes (GNU
    `timeout`, slurm) ends a pool's workers before the step is done.
    """
    stop = Stop()
    if threading.current_thread() is not threading.main_thread():
        yield stop  # only the main thread may handle signals
        return
    before = {n: signal.signal(n, stop.on_signal) for n in ending_signals()}
    try:
        yield stop
    except WorkFailed:
        stop.check()
        raise
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
