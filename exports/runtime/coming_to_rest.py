"""The end of an episode in motion: brake within the limits, then stop."""

from __future__ import annotations

import math

from exports.robots.base import Robot, most_ticks
from exports.runtime.tick_log import TickLog
from ilrobot.control.clock import Clock
from ilrobot.control.guard import Guard


def come_to_rest(
    robot: Robot, guard: Guard, clock: Clock, *, sent: bool, episode: int, log: TickLog | None
) -> None:
    """Brake within the limits, so that the robot's stop does not jerk an arm that moves.

    The robot is not read meanwhile: it may be the reading that failed.

    Args:
        robot: Told to stop afterwards, by the caller.
        guard: Knows how the commanded target moves.
        clock: That of the episode.
        sent: Whether a command was sent at this tick, so that the next one waits.
        episode: Its number, for the log.
        log: Where these ticks go (None: nowhere), without observations.
    """
    late = False
    for _ in range(most_ticks(clock.period)):
        if sent:
            late = clock.wait()
        sent = True
        started = clock.now()
        command = guard.brake()
        if command is None:
            return
        acted = clock.now()
        status = robot.write(command)
        written = clock.now()
        if log is not None:
            times = (math.nan, 0.0, acted - started, written - acted)
            log.append(None, command, None, None, started, episode, int(guard.flags), *times, late)
        if status.ended:
            return
