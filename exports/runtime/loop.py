"""The control loop on a robot: read, check, act, limit, write, at absolute deadlines."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from exports.robots.base import Interruptible, Paced, Robot
from exports.runtime.coming_to_rest import come_to_rest
from exports.runtime.report import EpisodeReport, LoopReport
from exports.runtime.shadow import Disagreement
from exports.runtime.statistics import TickStatistics
from exports.runtime.tick_log import TickLog
from ilrobot.actors import Action, Actor, Decision, Event, LateAnswer, Observation, Source
from ilrobot.control.activation import Activation
from ilrobot.control.clock import Clock
from ilrobot.control.guard import Guard
from ilrobot.errors import WorkFailed

#: As a plain number: asking an IntFlag costs as much as a vector operation.
_FALLBACK = int(Activation.FALLBACK)
#: An arm that waits for its command for longer, in seconds, and for longer than a period, is at the
#: last one: braking would set it off again.
STILL_MOVES = 0.05


@dataclass(frozen=True, slots=True)
class TickRecord:
    """One tick, for whoever watches the loop.

    Attributes:
        observation: What was read.
        decision: The actor's (None: it was not asked, or had no answer).
        event: What a person declared (None: nothing).
        command: What was sent (None: nothing was); overwritten by the next tick.
        fallback: Whether the guard acted in the actor's place.
        ended: Whether the episode is over with it.
        success: Whether the task counted as done at it (None: nobody judges).
        observed: When the observation was measured, in seconds of the loop's clock.
        applied: When the command was sent.
        late: Whether it began after its deadline.
    """

    observation: Observation
    decision: Decision | None
    event: Event | None
    command: Action | None
    fallback: bool
    ended: bool
    success: bool | None
    observed: float
    applied: float
    late: bool


class Watcher(Protocol):
    """Sees what the loop does; it is called in the loop's own time."""

    def begin(self, seed: int) -> None:
        """An episode is to begin when this returns; the robot was not told to begin it yet."""

    def tick(self, record: TickRecord) -> None:
        """A tick is done."""

    def end(self, report: EpisodeReport) -> None:
        """The episode is over, and the robot has been stopped."""


class ControlLoop:
    """Runs an actor on a robot.

    At every tick: read; the guard admits the observation or not; the actor acts; the guard limits
    the action; write. Where the guard says no, its fallback is written, and the actor sees the
    newest finite observation all the same, so that its history has one per tick; so it is where the
    actor has no answer yet. Where there is nothing to fall back on, the robot is told to stop. What
    ends in motion, by a signal, a person, its length or a failure that shows at once, first comes
    to rest within the limits, as long as the robot takes commands. An actor that thinks ahead may
    do so from what is seen before the first tick. While that takes, or the robot goes to its start,
    a person and the emergency stop are heard.

    Args:
        robot: Connected.
        actor: Whoever chooses the actions.
        guard: With the limits of the policy.
        clock: What paces it.
        stopped: Asked before each tick; True ends the run.
        watchers: See each tick when it is done.
        disagreement: Counts how far what the policy wanted is from what is done (None: it acts).
    """

    def __init__(
        self,
        robot: Robot,
        actor: Actor,
        guard: Guard,
        clock: Clock,
        *,
        stopped: Callable[[], bool] = lambda: False,
        watchers: Sequence[Watcher] = (),
        disagreement: Disagreement | None = None,
    ) -> None:
        self._robot, self._actor, self._guard, self._clock = robot, actor, guard, clock
        self._stopped, self._watchers, self._disagreement = stopped, watchers, disagreement
        if isinstance(robot, Interruptible):
            robot.heed(self._interrupted)
        if isinstance(robot, Paced):
            robot.pace(clock.period)

    def run(
        self,
        seeds: Iterable[int],
        *,
        max_ticks: int,
        log: TickLog | None = None,
        on_episode: Callable[[EpisodeReport], None] = lambda _: None,
    ) -> LoopReport:
        """Run an episode from each seed. However one ends, the robot is stopped.

        Where robot, policy or a watcher fails (`WorkFailed`) the run ends, and the report says so.

        Args:
            seeds: Of the episodes.
            max_ticks: Greatest length of an episode.
            log: Where the ticks go (None: nowhere).
            on_episode: Called after each episode.
        """
        statistics = TickStatistics(self._clock.period)
        report = LoopReport(1.0 / self._clock.period, statistics)
        for number, seed in enumerate(seeds):
            if self._stopped() or self._guard.emergency:
                break
            before = statistics.ticks
            try:
                for watcher in self._watchers:
                    watcher.begin(seed)
                if self._stopped() or self._guard.emergency:
                    # An arm that was led meanwhile would go back to where it was told to stop.
                    episode = EpisodeReport(seed, None, 0, ended=False)
                else:
                    with self._stopped_afterwards():
                        episode = self._episode(number, seed, max_ticks, statistics, log)
            except (WorkFailed, OSError) as error:
                ticks = statistics.ticks - before
                failure = str(error) or type(error).__name__
                episode = EpisodeReport(seed, None, ticks, ended=False, failure=failure)
            try:
                for watcher in self._watchers:
                    watcher.end(episode)
            except WorkFailed as error:
                episode = replace(episode, failure=episode.failure or str(error))
            report.episodes.append(episode)
            on_episode(episode)
            if episode.failure is not None:
                break
        report.activations, report.outside = self._guard.counts, self._guard.outside
        report.workspace_unknown = self._guard.workspace_unknown
        return report

    @np.errstate(invalid="ignore", over="ignore")  # what is not finite is for the guard to find
    def _episode(
        self,
        number: int,
        seed: int,
        max_ticks: int,
        statistics: TickStatistics,
        log: TickLog | None,
    ) -> EpisodeReport:
        robot, actor, guard, clock = self._robot, self._actor, self._guard, self._clock
        start = robot.reset(seed)
        if self._stopped() or guard.emergency:
            return EpisodeReport(seed, None, 0, ended=False)
        actor.reset(seed)
        if start is None:
            guard.reset()
        else:
            try:
                guard.reset(start.command, start.velocity, start.pose)
            except ValueError as error:
                raise WorkFailed(f"no episode begins: {error}; look at the robot") from error
        if actor.thinks_ahead:
            first = robot.read(clock.now()).observation
            if all(np.isfinite(value).all() for value in first.values()):
                actor.prepare(first, self._interrupted)
        success: bool | None = None
        newest_finite: Observation | None = None
        ended = robot_ended = late = sent = planned = False
        ticks = 0
        statistics.begin_episode()
        clock.start()
        started = clock.now()
        try:
            while ticks < max_ticks and not ended and not self._stopped():
                started = clock.now()
                reading = robot.read(started)
                read = clock.now()
                age = read - reading.measured
                if reading.pose is not None:
                    guard.locate(reading.pose)
                decision: Decision | None = None
                event: Event | None = None
                told = (reading.observation, age, late, reading.measured)
                if guard.admit(*told, driven=actor.driven):
                    newest_finite = reading.observation
                    try:
                        decision = actor.act(reading.observation, started)
                    except LateAnswer:
                        command = guard.hold(Activation.PLAN_RUN_OUT)
                    else:
                        event = decision.event
                        command = guard.limit(decision.action, decision.calls_for_help)
                else:
                    event = actor.hear(started)
                    if planned or guard.moving:  # else what is asked for begins where it is
                        actor.flush()
                    planned = False
                    command = guard.hold()
                    if Activation.OBSERVATION_NOT_FINITE not in guard.flags:
                        newest_finite = reading.observation
                    if newest_finite is not None:
                        actor.observe(newest_finite)
                acted = clock.now()
                done: bool | None = None
                sent = True
                if command is None:
                    robot.stop()
                else:
                    status = robot.write(command)
                    done, ended = status.success, status.ended
                    robot_ended = ended
                    if done is not None:
                        success = bool(success or done)
                if event is not None:
                    ended, success = True, event is Event.SUCCESS
                elif decision is not None and decision.rewind:
                    actor.cannot_rewind()
                written = clock.now()
                times = (age, read - started, acted - read, written - acted)
                statistics.add(started, *times, late)
                wanted = None if decision is None else decision.policy_action
                if self._disagreement is not None and wanted is not None and command is not None:
                    self._disagreement.add(wanted, command)
                flags = int(guard.flags)
                fallback = flags & _FALLBACK != 0
                if log is not None:
                    log.append(
                        reading.observation,
                        command,
                        wanted,
                        None if decision is None or fallback else decision.source,
                        *(started, number, flags, *times, late),
                    )
                ticks += 1
                if self._watchers:
                    over = ended or ticks >= max_ticks
                    record = TickRecord(
                        *(reading.observation, decision, event, command, fallback, over, done),
                        *(reading.measured, acted, late),
                    )
                    for watcher in self._watchers:
                        watcher.tick(record)
                if fallback and decision is not None:
                    # The robot has not done what was planned, which may not be finite either.
                    actor.flush()
                    planned = False
                elif decision is not None:
                    planned = decision.source is not Source.PAUSED
                if not ended:
                    late = clock.wait()
                    sent = False
        except Exception:
            if not robot_ended and clock.now() - started <= max(clock.period, STILL_MOVES):
                # What failed first is told; whom no command reaches holds by its own heartbeat.
                with suppress(Exception):
                    come_to_rest(robot, guard, clock, sent=sent, episode=number, log=log)
            raise
        if not robot_ended:
            come_to_rest(robot, guard, clock, sent=sent, episode=number, log=log)
        return EpisodeReport(seed, success, ticks, ended=ended or ticks >= max_ticks)

    def _interrupted(self) -> bool:
        """Whether nobody is to wait any longer, by what the person says now, too."""
        self._actor.hear(self._clock.now())
        return self._stopped() or self._guard.emergency

    @contextmanager
    def _stopped_afterwards(self) -> Iterator[None]:
        """Tell the robot to stop, whatever happened; what failed first is told."""
        try:
            yield
        except BaseException:
            with suppress(WorkFailed, OSError):
                self._robot.stop()
            raise
        self._robot.stop()
