"""Recording two cameras in real time for minutes: dropped pictures, late ticks, memory.

`ilrobot bench soak --minutes 10`. Every third episode runs without a recorder, so that what the
recording costs is told apart from what drawing two cameras and a busy machine cost anyway.
"""

from __future__ import annotations

import os
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import row
from benchmarks.recording import Timed
from ilrobot.actors import Actor, Decision, Observation, Source
from ilrobot.control.clock import RealTimeClock
from ilrobot.data.dataset import Dataset, DatasetRecorder
from ilrobot.data.summary import repeated_pictures
from ilrobot.env import make_env
from ilrobot.rollout import rollout
from ilrobot.task_env import TaskEnv

TASK, CAMERAS, RATE = "ilrobot/PandaLift-v0", ("front", "wrist"), 30.0
MINUTES = 0.5
UNRECORDED = 3


class Waving(Actor):
    """Moves all the time and never lifts anything, so that each episode takes its full length."""

    def reset(self, seed: int | None = None) -> None:
        """Begin anew."""
        self._tick = 0

    def act(self, observation: Observation, now: float) -> Decision:
        """A slow circle in front of the arm, the gripper opening and closing."""
        self._tick += 1
        angle = 0.1 * self._tick
        action = np.zeros(7, dtype=np.float32)
        action[:3] = 0.01 * np.cos(angle), 0.01 * np.sin(angle), 0.003 * np.cos(2 * angle)
        action[6] = 0.5 + 0.5 * np.sin(0.3 * angle)
        return Decision(action, Source.DEMO)


def run(minutes: float = MINUTES) -> list[dict[str, Any]]:
    """Rows of what, value, unit, reference, ratio, goal, met.

    Args:
        minutes: How long is recorded; what is not comes on top.
    """
    env = make_env(TASK, {"cameras": CAMERAS}, rate=RATE)
    try:
        with tempfile.TemporaryDirectory() as folder:
            return _soak(env, Path(folder) / "recording", round(minutes * 60 * RATE))
    finally:
        env.close()


def _soak(env: TaskEnv, path: Path, wanted: int) -> list[dict[str, Any]]:
    actor, clock = Waving(), RealTimeClock(RATE)
    rollout(env, actor, seed=0, clock=clock)  # opens the GL and fills caches
    ticks, missed = [0, 0], [0, 0]
    memory: list[tuple[int, int]] = []
    began, load = time.perf_counter(), os.getloadavg()[0]
    with DatasetRecorder(path, env.spec, state_size=env.state_size) as recorder:
        timed = Timed(recorder)
        episode = 0
        while ticks[1] < wanted:
            episode += 1
            recorded = episode % UNRECORDED != 0
            result = rollout(
                env,
                actor,
                seed=episode,
                clock=clock,
                recorder=timed if recorded else None,
                max_steps=wanted - ticks[1],
            )
            ticks[recorded] += result.length
            missed[recorded] += result.missed_deadlines
            encoder = recorder.encoder_pid
            assert encoder is not None
            memory.append((_resident(os.getpid()), _resident(encoder)))
    data = Dataset.open(path)
    filmed = [sum(1 for _ in data.video(e, data.camera_keys[0])) for e in range(data.num_episodes)]
    if filmed != data.lengths.tolist():
        raise AssertionError("films and rows differ in length")
    late = [100 * m / max(t, 1) for m, t in zip(missed, ticks, strict=True)]
    settled = memory[len(memory) // 4]
    grown = [(now - then) / 2**20 for now, then in zip(memory[-1], settled, strict=True)]
    spent = time.perf_counter() - began
    what = (
        f"{len(CAMERAS)} cameras at {RATE:g} Hz, {ticks[1]} ticks in {data.num_episodes} episodes"
    )
    return [
        row(f"dropped pictures, {what}", repeated_pictures(data), "ticks", at_most=0),
        row("late ticks while recording (reference: while not)", late[1], "%",
            reference=late[0]),
        row("late ticks beyond those without recording", late[1] - late[0], "% points",
            at_most=1.0),
        row("append of a tick, median", 1e3 * statistics.median(timed.appends), "ms"),
        row("append of a tick, 99th percentile", 1e3 * np.quantile(timed.appends, 0.99), "ms"),
        row("sealing an episode with its films, median", 1e3 * statistics.median(timed.ends), "ms"),
        row("memory grown since the first quarter, loop", grown[0], "MiB", at_most=20),
        row("memory grown since the first quarter, encoder", grown[1], "MiB", at_most=20),
        row("load of the machine before (of others)", load, f"in {spent:.0f} s"),
    ]  # fmt: skip


def _resident(process: int) -> int:
    """Bytes of memory that a process holds."""
    pages = int(Path(f"/proc/{process}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")
