"""One device to steer with, and the buttons of others beside it."""

from __future__ import annotations

from dataclasses import replace

from teleop.devices.base import Device, DeviceState, Feedback


class Together(Device):
    """A device whose person also has a keyboard: what has no button on it, has a key.

    Args:
        steering: Its axes count, and whether it is connected.
        others: Only their buttons count. Where one is gone with buttons that were down, no hand has
            let go of them: so is the whole, at that poll.
    """

    def __init__(self, steering: Device, *others: Device) -> None:
        self._steering, self._others = steering, others
        self.name = steering.name

    def poll(self, now: float) -> DeviceState:
        """The steering device's state with everybody's buttons."""
        state = self._steering.poll(now)
        self.name = self._steering.name
        for other in (device.poll(now) for device in self._others):
            state = replace(
                state,
                held=state.held | other.held,
                pressed=state.pressed + other.pressed,
                released=state.released + other.released,
                connected=state.connected and (other.connected or not other.released),
            )
        return state

    def feedback(self, feedback: Feedback) -> None:
        """To each."""
        for device in (self._steering, *self._others):
            device.feedback(feedback)

    def close(self) -> None:
        """Let go of each."""
        for device in (self._steering, *self._others):
            device.close()
