"""The control loop on a robot: read, check, act, limit, write, at absolute deadlines."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from exports.robots.base import Robot
from exports.runtime.tick_log import TickLog
from ilrobot.actors import Actor, Observation
from ilrobot.control.clock import Clock
from ilrobot.control.guard import Guard
from ilrobot.control.limiter import Activation


@dataclass(frozen=True)
class EpisodeReport:
    """What an episode on the robot came to.

    Attributes:
        seed: Seed of its reset.
        success: Whether the task counted as done at any tick (None: nobody judged).
        ticks: Its length.
        ended: Whether it ended by itself, and not because the loop was stopped.
    """

    seed: int
    success: bool | None
    ticks: int
    ended: bool


@dataclass
class LoopReport:
    """What a run of the loop came to.

    Attributes:
        rate: Nominal control rate in Hz.
        episodes: One report each, in order.
        log: The ticks and their statistics.
        activations: How many ticks each kind of guard activation happened at.
    """

    rate: float
    log: TickLog
    activations: dict[str, int] = field(default_factory=dict)
    episodes: list[EpisodeReport] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        """Times in milliseconds, except `period`, which is the nominal one in seconds."""
        log, finished = self.log, [episode for episode in self.episodes if episode.ended]
        judged = [episode.success for episode in finished if episode.success is not None]
        mean_period = log.periods.mean
        return {
            "rate": self.rate,
            "period": 1.0 / self.rate,
            "episodes": len(finished),
            "judged": len(judged),
            "successes": sum(judged) if judged else None,
            "success_rate": sum(judged) / len(judged) if judged else None,
            "episode_results": [vars(episode).copy() for episode in self.episodes],
            "ticks": len(log),
            "measured_rate": 1.0 / mean_period if mean_period else None,
            "period_error_ms": log.period_errors.to_json(),
            "latency_ms": log.times["act_time"].to_json(),
            "read_ms": log.times["read_time"].to_json(),
            "write_ms": log.times["write_time"].to_json(),
            "age_ms": log.times["age"].to_json(),
            "missed_deadlines": log.late,
            "guard": dict(self.activations),
        }


class ControlLoop:
    """Runs an actor on a robot.

    At every tick: read; the guard admits the observation or not; the actor acts; the guard limits
    the action; write. Where the guard says no, its fallback is written, and the actor sees the
    newest finite observation all the same, so that its history has one per tick; where there is
    nothing to fall back on, the robot is told to stop.

    Args:
        robot: Connected.
        actor: Whoever chooses the actions.
        guard: With the limits of the policy.
        clock: What paces it.
        stopped: Asked before each tick; True ends the run.
    """

    def __init__(
        self,
        robot: Robot,
        actor: Actor,
        guard: Guard,
        clock: Clock,
        *,
        stopped: Callable[[], bool] = lambda: False,
    ) -> None:
        self._robot, self._actor, self._guard, self._clock = robot, actor, guard, clock
        self._stopped = stopped

    def run(
        self,
        seeds: Iterable[int],
        *,
        max_ticks: int,
        log: TickLog,
        on_episode: Callable[[EpisodeReport], None] = lambda _: None,
    ) -> LoopReport:
        """Run an episode from each seed. However this ends, the robot is stopped.

        Args:
            seeds: Of the episodes.
            max_ticks: Greatest length of an episode.
            log: Where the ticks go.
            on_episode: Called after each episode.
        """
        report = LoopReport(1.0 / self._clock.period, log)
        for number, seed in enumerate(seeds):
            if self._stopped():
                break
            try:
                episode = self._episode(number, seed, max_ticks, log)
            finally:
                self._robot.stop()
                log.end_episode(self._clock.period)
            report.episodes.append(episode)
            on_episode(episode)
        report.activations = self._guard.counts
        return report

    def _episode(self, number: int, seed: int, max_ticks: int, log: TickLog) -> EpisodeReport:
        robot, actor, guard, clock = self._robot, self._actor, self._guard, self._clock
        start = robot.reset(seed)
        actor.reset(seed)
        if start is None:
            guard.reset()
        else:
            guard.reset(start.command, start.velocity)
        success: bool | None = None
        newest_finite: Observation | None = None
        ended = late = False
        ticks = 0
        clock.start()
        while ticks < max_ticks and not ended and not self._stopped():
            started = clock.now()
            reading = robot.read(started)
            read = clock.now()
            age = read - reading.measured
            admitted = guard.admit(reading.observation, age, late)
            if Activation.OBSERVATION_NOT_FINITE not in guard.flags:
                newest_finite = reading.observation
            if admitted:
                command = guard.limit(actor.act(reading.observation, started).action)
            else:
                command = guard.hold()
                actor.flush()
                if newest_finite is not None:
                    actor.observe(newest_finite)
            acted = clock.now()
            if command is None:
                robot.stop()
            else:
                status = robot.write(command)
                if status.success is not None:
                    success = bool(success or status.success)
                ended = status.ended
            log.append(
                *(number, started, age, read - started, acted - read, clock.now() - acted),
                *(late, int(guard.flags), np.nan if command is None else command),
            )
            ticks += 1
            if not ended:
                late = clock.wait()
        return EpisodeReport(seed, success, ticks, ended=ended or ticks >= max_ticks)
