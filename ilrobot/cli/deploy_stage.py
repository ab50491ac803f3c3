"""What a person sees while a robot runs: its cameras, who acts, and what to press."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from teleop.bindings import Control
from teleop.help import help_line
from teleop.live import READY, state_of

if TYPE_CHECKING:
    from exports.runtime.loop import TickRecord
    from exports.runtime.report import EpisodeReport
    from ilrobot.actors import Decision, Observation
    from ilrobot.spec import Spec
    from teleop.actor import TeleopActor
    from teleop.display import Display, Pictures

#: Shown at most so often, s: the loop's time is the robot's.
_EVERY = 0.05
_NO_CAMERA = np.full((240, 320, 3), 40, np.uint8)


class RobotStage:
    """A `Watcher` that shows the loop, and waits for the person before each episode.

    Args:
        display: Where it is shown.
        hand: The person's.
        spec: Of the robot.
        wanted: How many episodes there shall be.
        recording: Whether frames are kept.
    """

    def __init__(
        self, display: Display, hand: TeleopActor, spec: Spec, wanted: int, *, recording: bool
    ) -> None:
        self._display, self._hand, self._spec = display, hand, spec
        self._wanted, self._recording = wanted, recording
        bindings = hand.mapping.bindings
        self._help = help_line(bindings, keyboard=hand.device.name == "keyboard")
        self._ready = READY.union(bindings.buttons(Control.SUCCESS))
        self._stop, self._stop_pressed = set(bindings.buttons(Control.REWIND)), False
        self._episode, self._missed, self._shown = 0, 0, 0.0
        self.closed = False
        """Whether the person has closed the display, which ends the run."""
        self.stopped: Callable[[], bool] = lambda: False
        """Asked while it waits; True ends the waiting."""

    @property
    def stops(self) -> bool:
        """Whether the person presses the button that takes back elsewhere: a robot stops."""
        return self._hand.rewinding or self._stop_pressed

    def begin(self, seed: int) -> None:
        """Wait until the person is ready; the robot stands still."""
        self._episode, self._missed = self._episode + 1, 0
        device = self._hand.device
        # What was pressed while nobody asked does not begin an episode.
        device.poll(time.perf_counter())
        while not (self.closed or self.stopped()):
            state = device.poll(time.perf_counter())
            self._show(None, {}, state.connected)
            self._stop_pressed = bool(self._stop & {*state.held, *state.pressed})
            if self._ready & set(state.pressed):
                return
            time.sleep(0.02)

    def tick(self, record: TickRecord) -> None:
        """Show where the robot is, from time to time."""
        self._missed += record.late
        if record.ended or record.applied - self._shown >= _EVERY:
            self._shown = record.applied
            self._show(record.decision, record.observation, self._hand.connected)

    def end(self, report: EpisodeReport) -> None:
        """The next one waits for the person."""

    def _show(self, decision: Decision | None, observation: Observation, connected: bool) -> None:
        pictures: Pictures = {
            camera.name: observation[camera.name]
            for camera in self._spec.cameras
            if camera.name in observation
        } or {"": _NO_CAMERA}
        state = state_of(
            self._hand,
            decision,
            task=self._spec.task,
            episode=self._episode,
            episodes=self._wanted,
            recording=self._recording and decision is not None,
            rate=self._spec.rate,
            missed=self._missed,
            connected=connected,
            help=self._help,
        )
        try:
            self._display.show(pictures, state)
        except KeyboardInterrupt:  # the display's word for having been closed
            self.closed = True
