"""In how many processes copies of a task are stepped fastest."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from contextlib import closing

import numpy as np

from ilrobot.task_env import TaskEnv

#: What a process more costs, s: where it is asked at each tick two messages, and that the slower
#: one is waited for; where it plays a whole rollout a policy that travels there, and what it did.
_TICK, _ROLLOUT = 2e-4, 2e-3
#: Less at each tick is not worth a process's start and memory.
_LEAST = 5e-5
_TICKS = 20


def fastest_processes(
    make: Callable[[], TaskEnv], copies: int, most: int, *, ticks: int = 1
) -> int:
    """By the time that a step of one copy takes; a run is the same with any number.

    Args:
        make: Makes a copy.
        copies: How many there shall be.
        most: Processes, as many as there are cores.
        ticks: After how many the processes wait for each other: of a rollout, or one.
    """
    most = min(copies, most)
    return 1 if most == 1 else best_share(step_seconds(make), copies, most, ticks=ticks)


def best_share(seconds: float, copies: int, most: int, *, ticks: int = 1) -> int:
    """The number of processes with the shortest tick, where a step takes so long."""
    waiting = _TICK if ticks == 1 else max(_LEAST, _ROLLOUT / ticks)
    return min(
        range(1, most + 1), key=lambda n: math.ceil(copies / n) * seconds + (n - 1) * waiting
    )


def step_seconds(make: Callable[[], TaskEnv]) -> float:
    """Median time of a step of one copy; 0 where the task cannot be one of several copies."""
    with closing(make()) as env:
        action = env.spec.action
        if env.spec.choices is not None or action.low is None or action.high is None:
            return 0.0
        still = np.clip(np.zeros(action.size), action.low, action.high).reshape(action.shape)
        env.reset(0)
        spent = []
        for _ in range(_TICKS):
            began = time.perf_counter()
            step = env.step(still.astype(action.dtype))
            spent.append(time.perf_counter() - began)
            if step.terminated or step.truncated:
                env.reset(0)
        return float(np.median(spent))
