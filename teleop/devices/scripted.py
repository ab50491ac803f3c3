"""A device that a script moves: for tests and studies."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from teleop.devices.base import Device, DeviceState, Feedback


class Scripted(Device):
    """States at their times, or a function of time; edges follow from what is held.

    Args:
        script: States in the order of their `stamp`, each of which holds from then on, or a
            function from the loop's clock in seconds to the state. What `pressed` and `released`
            of a state name counts too: taps that are shorter than a poll. When the clock goes
            back, the script begins anew.
        name: What a person would call it.
    """

    def __init__(
        self,
        script: Sequence[DeviceState] | Callable[[float], DeviceState],
        name: str = "script",
    ) -> None:
        self.name = name
        self.felt: list[Feedback] = []
        """Every feedback so far."""
        self._script = script
        self._state: DeviceState
        self._next: int
        self._begin()

    def poll(self, now: float) -> DeviceState:
        """The state at this time, with the edges of all that passed since the poll before."""
        if now < self._state.stamp:
            self._begin()
        pressed: list[str] = []
        released: list[str] = []
        for state in self._due(now):
            before = self._state.held
            pressed += sorted(state.held - before) + list(state.pressed)
            released += sorted(before - state.held) + list(state.released)
            self._state = state
        self._state = replace(
            self._state, pressed=tuple(pressed), released=tuple(released), stamp=now
        )
        return self._state

    def feedback(self, feedback: Feedback) -> None:
        """Remember it."""
        self.felt.append(feedback)

    def close(self) -> None:
        """Nothing is held."""

    def _begin(self) -> None:
        self._state = DeviceState(stamp=float("-inf"))
        self._next = 0

    def _due(self, now: float) -> list[DeviceState]:
        if callable(self._script):
            return [self._script(now)]
        begun = self._next
        while self._next < len(self._script) and self._script[self._next].stamp <= now:
            self._next += 1
        return list(self._script[begun : self._next])
