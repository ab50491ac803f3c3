"""Who steers: the one place where the pages' thread and the control loop meet.

Any number of pages watch; one of them has the seat. The control loop reads what the last message
from there said, and never waits.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from enum import StrEnum

from teleop.browser.messages import Freshness, Input
from teleop.devices.base import DeviceState, Feedback

#: Seconds without a message after which the person counts as gone, and the robot holds.
SILENCE = 0.15
#: Seconds without a message of somebody at the page after which somebody else may take its seat.
ABANDONED = 1.0
#: Most presses that wait for the next poll; the oldest go first.
MAX_WAITING = 64

NOBODY = "nobody is in control on the page"


class Standing(StrEnum):
    """How things are with the seat."""

    FREE = "free"
    TAKEN = "taken"
    ABANDONED = "abandoned"
    """Taken, but nobody has been at its page for so long that others may take it."""


class Seat:
    """The one seat at the controls; every method may be called from any thread.

    Args:
        clock: Seconds, monotonic.
    """

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._holder: object | None = None
        self._trouble = NOBODY
        self._sequence = 0
        self._feedback = dict.fromkeys(Feedback, 0)
        self._latest: Input | None = None
        self._arrived = self._present = 0.0
        self._gone = self._returns = False
        self._freshness = Freshness(SILENCE)
        self._pressed: deque[str] = deque(maxlen=MAX_WAITING)
        self._released: deque[str] = deque(maxlen=MAX_WAITING)

    def take(self, page: object) -> bool:
        """Sit down, if the seat is free or abandoned; whether `page` has it now."""
        with self._lock:
            if self._standing() is Standing.TAKEN:
                return self._holder is page
            self._holder = page
            self._trouble = ""
            self._empty()
            return True

    def leave(self, page: object, why: str) -> None:
        """Get up; nothing happens if somebody else sits there."""
        with self._lock:
            if self._holder is page:
                self._holder = None
                self._trouble = why
                self._empty()

    def put(self, page: object, message: Input) -> None:
        """What the page's sticks say; only of the page that has the seat, and only if fresh."""
        with self._lock:
            now = self._clock()
            if self._holder is not page:
                return
            if not message.present and (self._latest is None or self._latest.present):
                # However late this is, and whatever comes before the next poll.
                self._gone = True
                self._pressed.clear()
                self._released.clear()
            if not self._freshness.check(message.time, now):
                return
            self._latest, self._arrived = message, now
            if message.present:
                self._present = now
            self._pressed.extend(message.pressed)
            self._released.extend(message.released)

    def poll(self, now: float) -> DeviceState:
        """What the person commands; `now`, of the loop's clock, becomes its stamp.

        A page that is silent, hidden or without its pad is not connected: axes rest, nothing is
        held, and what was pressed before is forgotten. One that was so since the poll before is not
        connected for this one, and what was pressed after that waits for the next; as it does for
        one more, so that it is told from what was down all along.
        """
        with self._lock:
            latest = self._latest
            gone, self._gone = self._gone, False
            returns, self._returns = self._returns, False
            if gone and latest is not None and latest.present:
                self._returns = True
                return DeviceState(stamp=now, connected=False)
            if returns and self._pressed and latest is not None and self._is_heard(latest):
                held = latest.held - {*self._pressed}
                return DeviceState(axes=latest.axes, held=held, stamp=now)
            pressed, released = tuple(self._pressed), tuple(self._released)
            self._pressed.clear()
            self._released.clear()
            if latest is None or not self._is_heard(latest):
                self._returns = True
                return DeviceState(stamp=now, connected=False)
            self._sequence = latest.sequence
            return DeviceState(
                axes=latest.axes, held=latest.held, pressed=pressed, released=released, stamp=now
            )

    def standing(self, page: object) -> tuple[bool, Standing]:
        """Whether `page` has the seat, and how things are with it."""
        with self._lock:
            return self._holder is page, self._standing()

    @property
    def trouble(self) -> str:
        """Why nobody steers, in a few words (empty: somebody does)."""
        with self._lock:
            if self._holder is None:
                return self._trouble
            if self._latest is not None and not self._latest.present:
                return "the page is hidden, or its pad is unplugged"
            if self._silent_for() <= SILENCE:
                return ""
            late = self._freshness.late(self._clock())
            if late:
                return f"the page is heard {late:.1f} s late: the robot holds until that is steady"
            return "the page is silent"

    @property
    def sequence(self) -> int:
        """The `Input.sequence` that the last poll read."""
        with self._lock:
            return self._sequence

    @property
    def feedback_counts(self) -> dict[str, int]:
        """How often each feedback was given: a page that missed a frame still sees that."""
        with self._lock:
            return {str(kind): count for kind, count in self._feedback.items()}

    def give_feedback(self, feedback: Feedback) -> None:
        """Let the page flash."""
        with self._lock:
            self._feedback[feedback] += 1

    def _empty(self) -> None:
        """For a new holder: what the one before said counts no more."""
        self._latest, self._arrived = None, self._clock()
        self._present, self._gone = self._arrived, False
        self._freshness = Freshness(SILENCE)
        self._pressed.clear()
        self._released.clear()

    def _is_heard(self, latest: Input) -> bool:
        return latest.present and self._silent_for() <= SILENCE

    def _silent_for(self) -> float:
        return self._clock() - self._arrived

    def _standing(self) -> Standing:
        if self._holder is None:
            return Standing.FREE
        away = self._clock() - self._present
        return Standing.ABANDONED if away > ABANDONED else Standing.TAKEN
