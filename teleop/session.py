"""A recording session: episode after episode until there are enough."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from ilrobot.control.clock import Clock
from ilrobot.data.episode import UNCOUNTED, EpisodeInfo, Recorder
from ilrobot.rollout import EpisodeResult, TickListener, rollout
from ilrobot.task_env import TaskEnv
from teleop.actor import TeleopActor


@dataclass(frozen=True)
class Stage:
    """What a session does around its episodes; by default nothing, as in simulation.

    Attributes:
        clock: Paces the episodes (None: simulated time).
        before: Called before each episode with its number, counted from 1, and its seed; returns
            when the person is ready.
        tick: Called after each step.
        after: Called after each episode.
    """

    clock: Clock | None = None
    before: Callable[[int, int], None] | None = None
    tick: TickListener | None = None
    after: Callable[[EpisodeResult], None] | None = None


def record(
    env: TaskEnv,
    hand: TeleopActor,
    recorder: Recorder,
    seeds: Iterator[int],
    *,
    wanted: int,
    done: int = 0,
    info: EpisodeInfo,
    stage: Stage | None = None,
) -> None:
    """Record until `wanted` episodes are kept; discarded ones are recorded again.

    Args:
        env: The world.
        hand: The person.
        recorder: Where the episodes go.
        seeds: A fresh seed for each attempt.
        wanted: How many episodes there shall be.
        done: How many of them there are already.
        info: What each episode shall know about itself; the seed is filled in.
        stage: Clock, window and progress.
    """
    stage = stage or Stage()
    while done < wanted:
        seed = next(seeds)
        if stage.before is not None:
            stage.before(done + 1, seed)
        result = rollout(
            env,
            hand,
            seed=seed,
            clock=stage.clock,
            recorder=recorder,
            info=replace(info, seed=seed),
            on_tick=stage.tick,
        )
        done += result.outcome not in UNCOUNTED
        if stage.after is not None:
            stage.after(result)
