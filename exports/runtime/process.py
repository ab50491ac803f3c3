"""What makes a process fit for a control loop: a quiet collector, and signals that only ask."""

from __future__ import annotations

import contextlib
import gc
import signal
import sys
from collections.abc import Iterator
from types import FrameType

from ilrobot.endings import ending_signals, ignore_more


@contextlib.contextmanager
def quiet_collector() -> Iterator[None]:
    """No garbage collection inside: a full one pauses for 135 ms over two million objects."""
    enabled = gc.isenabled()
    gc.collect()
    gc.freeze()
    gc.disable()
    try:
        yield
    finally:
        gc.unfreeze()
        if enabled:
            gc.enable()


class StopSignals:
    """While entered, SIGINT, SIGTERM and SIGHUP are remembered instead of ending the process.

    A second one ends it in the usual way, for a loop that no longer listens; a second
    SIGHUP does not.

    Attributes:
        received: The first signal that came (None: none yet).
    """

    def __init__(self) -> None:
        self.received: signal.Signals | None = None
        self._before: dict[signal.Signals, signal._HANDLER] = {}

    def __enter__(self) -> StopSignals:
        for number in ending_signals():
            self._before[number] = signal.signal(number, self._remember)
        return self

    def __exit__(self, *_: object) -> None:
        self._restore()

    def __bool__(self) -> bool:
        return self.received is not None

    @property
    def exit_code(self) -> int:
        """128 + signal, as a shell reports it; 0 without one."""
        return 0 if self.received is None else 128 + self.received

    def _remember(self, number: int, _: FrameType | None) -> None:
        self.received = signal.Signals(number)
        self._restore()
        ignore_more(number)

    def _restore(self) -> None:
        while self._before:
            number, handler = self._before.popitem()
            signal.signal(number, handler)


def torch_imported() -> bool:
    """Whether torch was loaded into this process."""
    return "torch" in sys.modules
