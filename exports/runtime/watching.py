"""The loop of a policy that only thinks, while somebody else drives a robot that it can read."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from exports.robots.base import Robot
from exports.runtime.report import EpisodeReport, LoopReport
from exports.runtime.shadow import Disagreement, MeasuredCommand, Thinking
from exports.runtime.statistics import TickStatistics
from exports.runtime.tick_log import TickLog
from ilrobot.actors import Action, Actor, Observation, Source
from ilrobot.control.activation import Activation
from ilrobot.control.clock import Clock
from ilrobot.control.guard import Guard
from ilrobot.errors import WorkFailed


def watch(
    robot: Robot,
    policy: Actor,
    guard: Guard,
    clock: Clock,
    measured: MeasuredCommand,
    disagreement: Disagreement,
    *,
    max_ticks: int,
    log: TickLog | None = None,
    stopped: Callable[[], bool] = lambda: False,
) -> LoopReport:
    """Read a robot and think; nothing is ever sent to it.

    What the policy wanted is compared with where the robot was led by the next tick. The guard
    looks at observations only. Where robot or policy fails (`WorkFailed`) the report says so.

    Args:
        robot: Connected; it is neither reset nor stopped.
        policy: Thinks.
        guard: With the limits of the policy.
        clock: What paces it.
        measured: Tells the command from the next observation.
        disagreement: Counts.
        max_ticks: How long to watch.
        log: Where the ticks go: ``command`` is the measured one (None: nowhere).
        stopped: Asked before each tick; True ends it.
    """
    statistics = TickStatistics(clock.period)
    failure: str | None = None
    try:
        _watch(
            *(robot, policy, guard, clock, measured, disagreement, statistics),
            max_ticks=max_ticks,
            log=log,
            stopped=stopped,
        )
    except (WorkFailed, OSError) as error:
        failure = str(error) or type(error).__name__
    ended = failure is None and not stopped()
    episode = EpisodeReport(0, None, statistics.ticks, ended=ended, failure=failure)
    return LoopReport(
        1.0 / clock.period, statistics, guard.counts, [episode], outside=guard.outside
    )


def _watch(
    robot: Robot,
    policy: Actor,
    guard: Guard,
    clock: Clock,
    measured: MeasuredCommand,
    disagreement: Disagreement,
    statistics: TickStatistics,
    *,
    max_ticks: int,
    log: TickLog | None,
    stopped: Callable[[], bool],
) -> None:
    thinking = Thinking(policy)
    policy.reset(0)
    thinking.begin()
    guard.reset()
    if policy.thinks_ahead:
        first = robot.read(clock.now()).observation
        if all(np.isfinite(value).all() for value in first.values()):
            policy.prepare(first, stopped)
    before: Action | None = None
    newest_finite: Observation | None = None
    late = False
    clock.start()
    while statistics.ticks < max_ticks and not stopped():
        started = clock.now()
        reading = robot.read(started)
        read = clock.now()
        age = read - reading.measured
        command = measured(reading.observation)
        if before is not None and np.isfinite(command).all():
            disagreement.add(before, command)
        before = None
        if guard.admit(reading.observation, age, late, reading.measured):
            before = thinking(reading.observation, started)
            newest_finite = reading.observation
        else:
            # What is awaited comes all the same; the history has an observation of each tick.
            if Activation.OBSERVATION_NOT_FINITE not in guard.flags:
                newest_finite = reading.observation
            if newest_finite is not None:
                policy.observe(newest_finite)
        acted = clock.now()
        times = (age, read - started, acted - read, 0.0)
        statistics.add(started, *times, late)
        if log is not None:
            numbers = (started, 0, int(guard.flags), *times, late)
            log.append(reading.observation, command, before, Source.HUMAN, *numbers)
        late = clock.wait()
