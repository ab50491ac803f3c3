"""What happens on a robot, recorded as a rollout would record it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from exports.runtime.loop import TickRecord
from exports.runtime.report import EpisodeReport
from ilrobot.actors import Actor, Event, Observation, Source
from ilrobot.data.episode import EpisodeInfo, Outcome, Recorder
from ilrobot.frames import frame, judged
from ilrobot.spec import Spec


class RobotRecording:
    """Keeps the episodes of a control loop; a `Watcher` of it.

    ``action`` is what was sent, behind the guards. A tick at which the guard acted in the actor's
    place teaches nothing: its source is ``paused``. Where its observation is not finite the last
    one that was stands for it, and where nothing was sent there is no frame. A robot tells no
    reward: it is 0.

    Args:
        recorder: Where the frames go.
        actor: Told when an episode is safe; it says how control was shared.
        spec: What is recorded.
        info: What each episode shall know about itself; the seed is filled in.
    """

    def __init__(self, recorder: Recorder, actor: Actor, spec: Spec, info: EpisodeInfo) -> None:
        self._recorder, self._actor, self._spec, self._info = recorder, actor, spec, info
        self.outcomes: list[Outcome] = []
        """Of the episodes that were kept, one that was stopped among them."""

    def begin(self, seed: int) -> None:
        """Open an episode."""
        self._recorder.begin(replace(self._info, seed=seed, real_time=True))
        self._finite: Observation | None = None
        self._takeovers, self._was_human = 0, False
        self._declared: Event | None = None
        self._frames = 0

    def tick(self, record: TickRecord) -> None:
        """Keep a tick."""
        if all(np.isfinite(value).all() for value in record.observation.values()):
            self._finite = record.observation
        decision = record.decision
        self._declared = record.event or self._declared
        if decision is not None and record.fallback:
            decision = replace(decision, source=Source.PAUSED, human_action=None)
        if record.command is None or self._finite is None:
            return
        human = decision is not None and decision.source is Source.HUMAN
        self._takeovers += human and not self._was_human
        self._was_human = human
        self._frames += 1
        self._recorder.append(
            frame(
                self._finite,
                self._as_recorded(record.command),
                decision,
                reward=0.0,
                done=record.ended,
                success=bool(record.success),
                terminated=False,
                takeover=self._takeovers - 1 if human else -1,
                branch=0,
                observed=record.observed,
                applied=record.applied,
                missed=record.late,
            )
        )

    def end(self, report: EpisodeReport) -> None:
        """Seal the episode; one that was stopped is left open, and so becomes unfinished."""
        if not report.ended:
            if self._frames:
                self.outcomes.append(Outcome.UNFINISHED)
            return
        outcome, judge = judged(self._declared, report.success, terminated=False)
        self._recorder.end(outcome, judge, self._actor.control_log())
        if not self._frames:  # the recorder has dropped it
            return
        self.outcomes.append(outcome)
        if outcome is not Outcome.DISCARDED:
            self._actor.saved()

    def _as_recorded(self, command: NDArray[np.generic]) -> NDArray[np.generic]:
        return np.array(command, self._spec.action.dtype).reshape(self._spec.action.shape)
