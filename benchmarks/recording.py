"""What recording to disk costs the control loop per step: the same episodes with and without."""

from __future__ import annotations

import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import row
from ilrobot.actors import Actor, Decision, Observation, Source
from ilrobot.data.dataset import DatasetRecorder
from ilrobot.data.episode import EpisodeInfo, Frame, Judge, Outcome
from ilrobot.env import make_env
from ilrobot.rollout import rollout

TASK = "ilrobot/PandaLift-v0"
EPISODES, STEPS = 5, 200


class Still(Actor):
    """Wants to stay where it is: the cost of choosing is no part of this."""

    def __init__(self, size: int) -> None:
        self._action = np.zeros(size, dtype=np.float32)

    def act(self, observation: Observation, now: float) -> Decision:
        """Stay."""
        return Decision(self._action, Source.DEMO)


class Timed:
    """A recorder that takes the time of each `append` and of each `end`."""

    def __init__(self, recorder: DatasetRecorder) -> None:
        self._recorder = recorder
        self.appends: list[float] = []
        self.ends: list[float] = []

    def begin(self, info: EpisodeInfo) -> None:
        """Open an episode."""
        self._recorder.begin(info)

    def append(self, frame: Frame) -> None:
        """Keep one tick."""
        began = time.perf_counter()
        self._recorder.append(frame)
        self.appends.append(time.perf_counter() - began)

    def end(self, outcome: Outcome, judge: Judge) -> None:
        """Seal the episode."""
        began = time.perf_counter()
        self._recorder.end(outcome, judge)
        self.ends.append(time.perf_counter() - began)


def run() -> list[dict[str, Any]]:
    env = make_env(TASK)
    actor = Still(env.spec.action.size)
    bare: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "recording"
        with DatasetRecorder(path, env.spec, state_size=env.state_size) as recorder:
            timed = Timed(recorder)
            for seed in range(EPISODES):
                began = time.perf_counter()
                result = rollout(env, actor, seed=seed, max_steps=STEPS)
                bare.append((time.perf_counter() - began) / result.length)
                rollout(env, actor, seed=seed, max_steps=STEPS, recorder=timed)
    env.close()
    step = statistics.median(bare) * 1e3
    median = statistics.median(timed.appends) * 1e3
    slow = float(np.quantile(timed.appends, 0.99)) * 1e3
    return [
        row(f"append, median ({TASK}; reference: a whole step without)", median, "ms/step",
            reference=step, at_most=0.2),
        row("append, 99th percentile", slow, "ms/step", reference=step, at_most=0.2),
        row("sealing an episode, between episodes", statistics.median(timed.ends) * 1e3, "ms"),
    ]  # fmt: skip
