"""What a page may send: read strictly, because anybody who can reach the port may send anything."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from teleop.devices.base import BUTTONS, STICK_AXES, TOUCH, TRIGGER_AXES
from teleop.web.message import BadMessage, count, json_object

#: Longest message that is read, in bytes; a page's own stay below a quarter of it.
MAX_MESSAGE = 4096
#: Most presses or releases in one message.
_MAX_EDGES = 32

_RANGES = dict.fromkeys(STICK_AXES, (-1.0, 1.0)) | dict.fromkeys(TRIGGER_AXES, (0.0, 1.0))
_NAMES = frozenset((*BUTTONS, *TRIGGER_AXES, TOUCH))


@dataclass(frozen=True)
class Input:
    """Where the page's sticks stand; sent at 60 Hz as long as the page is seen.

    Attributes:
        sequence: Counts the page's inputs.
        time: When it was sent, in seconds of the page's own clock.
        axes: As in `teleop.devices.base.DeviceState`; likewise `held`, `pressed` and `released`.
        present: Whether the person has something in their hands: False on a hidden page,
            after a pad was unplugged, and once where another window comes while a key is down.
    """

    sequence: int
    time: float
    axes: Mapping[str, float]
    held: frozenset[str] = frozenset()
    pressed: tuple[str, ...] = ()
    released: tuple[str, ...] = ()
    present: bool = True


@dataclass(frozen=True)
class Take:
    """The person wants control."""


@dataclass(frozen=True)
class LetGo:
    """The person gives control away."""


@dataclass(frozen=True)
class Drawn:
    """The page has drawn a frame and is ready for the next."""

    frame: int


Message = Input | Take | LetGo | Drawn


def parse(text: str) -> Message:
    """A message of a page.

    Raises:
        BadMessage: Anything about it is not as it should be.
    """
    fields = json_object(text)
    kind = fields.pop("type", None)
    if kind == "input":
        return _input(fields)
    if kind == "take" and not fields:
        return Take()
    if kind == "let_go" and not fields:
        return LetGo()
    if kind == "drawn" and fields.keys() == {"frame"}:
        return Drawn(count(fields["frame"], "frame"))
    raise BadMessage("its type is unknown")


def _input(fields: dict[str, Any]) -> Input:
    known = ("sequence", "time", "axes", "held", "pressed", "released", "present")
    if fields.keys() != set(known):
        raise BadMessage(f"an input has the fields {', '.join(known)}")
    if not isinstance(fields["present"], bool):
        raise BadMessage("present is neither true nor false")
    axes = fields["axes"]
    if not isinstance(axes, dict) or axes.keys() - _RANGES.keys():
        raise BadMessage("axes are no object of known names")
    return Input(
        sequence=count(fields["sequence"], "sequence"),
        time=_number(fields["time"], "time", 0.0, 1e9),
        axes={name: _number(value, name, *_RANGES[name]) for name, value in axes.items()},
        held=frozenset(_names(fields["held"], "held")),
        pressed=_names(fields["pressed"], "pressed"),
        released=_names(fields["released"], "released"),
        present=fields["present"],
    )


def _number(value: Any, what: str, low: float, high: float) -> float:
    # A bool is an int; NaN is within no range; an int may be too long for a float.
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        raise BadMessage(f"{what} is no number from {low:g} to {high:g}")
    return float(value)


def _names(value: Any, what: str) -> tuple[str, ...]:
    if not isinstance(value, list) or len(value) > _MAX_EDGES:
        raise BadMessage(f"{what} is no list of at most {_MAX_EDGES} buttons")
    for name in value:
        if not isinstance(name, str) or name not in _NAMES:
            raise BadMessage(f"{what} names no button of a pad")
    return tuple(value)


class Freshness:
    """Tells messages that were held up on their way from those that come as they were sent.

    A stalled network delivers what it held in one burst, and what arrives then is old, although
    it has just arrived. The delay of a message, up to the unknown offset between both clocks, is
    its arrival less its sending time; the least of the delays seen so far stands for an unhindered
    message. It is let rise by `DRIFT` because two clocks never run alike.

    A way that has become longer for good is told from a burst by messages that go on arriving as
    evenly as they were sent: after `STEADY` of them their delay stands for an unhindered message.
    Till then they are refused, so that nobody steers on through the change unawares.
    """

    DRIFT = 1e-3
    """Seconds per second."""
    STEADY = 1.0
    """Seconds."""

    def __init__(self, limit: float) -> None:
        self._limit = limit
        self._least = math.inf
        self._arrival = 0.0
        self._excess = 0.0
        self._since: float | None = None
        self._low = self._high = 0.0

    def check(self, sent: float, arrived: float) -> bool:
        """Whether a message sent and arrived at these times, in seconds, is no older than usual."""
        delay = arrived - sent
        gap, self._arrival = max(arrived - self._arrival, 0.0), arrived
        self._least = min(delay, self._least + self.DRIFT * gap)
        if delay - self._least <= self._limit:
            self._since = None
        elif self._is_steady(delay, gap):
            self._least, self._since = self._low, None
        self._excess = delay - self._least
        return self._excess <= self._limit

    def late(self, now: float) -> float:
        """By how many seconds what arrives now comes later than usual (0: it does not, or none)."""
        heard = now - self._arrival <= self._limit
        return self._excess if heard and self._excess > self._limit else 0.0

    def _is_steady(self, delay: float, gap: float) -> bool:
        """Whether late messages have come evenly for long enough."""
        low, high = min(self._low, delay), max(self._high, delay)
        if self._since is None or gap > self._limit or high - low > self._limit:
            self._since, low, high = self._arrival, delay, delay
        self._low, self._high = low, high
        return self._arrival - self._since >= self.STEADY
