"""The page as a device."""

from __future__ import annotations

from teleop.browser.seat import Seat
from teleop.devices.base import Device, DeviceState, Feedback


class BrowserDevice(Device):
    """Sticks and buttons of whoever has the seat; a page that is gone counts as unplugged.

    Args:
        seat: Where the pages' messages arrive.
    """

    def __init__(self, seat: Seat) -> None:
        self.name = "browser"
        self._seat = seat

    def poll(self, now: float) -> DeviceState:
        """The newest that the page said, and every press since the poll before."""
        return self._seat.poll(now)

    def feedback(self, feedback: Feedback) -> None:
        """The page flashes, and a phone vibrates."""
        self._seat.give_feedback(feedback)

    def close(self) -> None:
        """Nothing to do: the pages belong to the server."""
