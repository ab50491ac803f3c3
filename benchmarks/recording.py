"""What recording to disk costs: a step with and without, sealing as the dataset grows, reading."""

from __future__ import annotations

import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import row
from ilrobot.actors import Actor, Decision, Observation, Source
from ilrobot.data.dataset import Dataset, DatasetRecorder
from ilrobot.data.episode import EpisodeInfo, Frame, Judge, Outcome, frame_columns
from ilrobot.data.summary import repeated_pictures
from ilrobot.env import make_env
from ilrobot.gates.log import GateLog
from ilrobot.rollout import rollout
from ilrobot.spec import Feature, Spec
from ilrobot.task_env import TaskEnv

TASK = "ilrobot/PandaLift-v0"
EPISODES, STEPS = 5, 200

#: Sealed episodes at which sealing is timed, their length, and how many a median is taken over.
SEALED, SHORT, AROUND = (1, 100, 600, 2000), 20, 25


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

    def rewind(self, to_frame: int) -> None:
        """Discard ticks."""
        self._recorder.rewind(to_frame)

    def end(self, outcome: Outcome, judge: Judge, control: GateLog | None = None) -> None:
        """Seal the episode."""
        began = time.perf_counter()
        self._recorder.end(outcome, judge, control)
        self.ends.append(time.perf_counter() - began)


class Kept:
    """A recorder that keeps the frames of one episode, to be recorded over and over."""

    def __init__(self) -> None:
        self.frames: list[Frame] = []

    def begin(self, info: EpisodeInfo) -> None:
        """Nothing to do."""

    def append(self, frame: Frame) -> None:
        """Keep one tick."""
        self.frames.append(frame)

    def rewind(self, to_frame: int) -> None:
        """Forget ticks."""
        del self.frames[to_frame:]

    def end(self, outcome: Outcome, judge: Judge, control: GateLog | None = None) -> None:
        """Nothing to do."""


def run() -> list[dict[str, Any]]:
    """Rows of recording a step, with cameras too, and of sealing in a long recording."""
    env = make_env(TASK)
    try:
        return [*_steps(env), *_filmed(), *_growth(env)]
    finally:
        env.close()


def _steps(env: TaskEnv) -> list[dict[str, Any]]:
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
    step = statistics.median(bare) * 1e3
    median = statistics.median(timed.appends) * 1e3
    slow = float(np.quantile(timed.appends, 0.99)) * 1e3
    return [
        row(f"append, median ({TASK}; reference: a whole step without)", median, "ms/step",
            reference=step, at_most=0.2),
        row("append, 99th percentile", slow, "ms/step", reference=step, at_most=0.2),
        row(f"sealing {STEPS} steps, between episodes", statistics.median(timed.ends) * 1e3, "ms"),
    ]  # fmt: skip


def _filmed() -> list[dict[str, Any]]:
    """Ticks with two cameras, at a pace that the encoder keeps up with."""
    names = ("observation.images.front", "observation.images.wrist")
    cameras = tuple(Feature(name, (240, 320, 3), "uint8") for name in names)
    spec = Spec((Feature("observation.state", (10,)), *cameras), Feature("action", (7,)), 30.0)
    frame: dict[str, Any] = {
        column.name: "demo" if column.dtype == "string" else np.zeros(column.shape, column.dtype)
        for column in frame_columns(spec)
    }
    rng = np.random.default_rng(0)
    pictures = rng.integers(0, 255, (20, *cameras[0].shape), dtype=np.uint8)
    pictures[:, ::2] = pictures[:1, :1]
    room, copied = np.empty((2, *cameras[0].shape), np.uint8), []
    with tempfile.TemporaryDirectory() as folder:
        with DatasetRecorder(Path(folder) / "recording", spec) as recorder:
            timed = Timed(recorder)
            timed.begin(EpisodeInfo("cameras", spec.rate))
            for tick in range(STEPS):
                shown = pictures[tick % 20], pictures[(tick + 7) % 20]
                began = time.perf_counter()
                for place, picture in zip(room, shown, strict=True):
                    np.copyto(place, picture)
                copied.append(time.perf_counter() - began)
                timed.append({**frame, **dict(zip(names, shown, strict=True))})
                time.sleep(0.03)
            timed.end(Outcome.UNKNOWN, Judge.NOBODY)
        dropped = repeated_pictures(Dataset.open(Path(folder) / "recording"))
    copy = statistics.median(copied) * 1e3
    return [
        row("append with two cameras 320×240, median beyond the copy (reference: the copy)",
            statistics.median(timed.appends) * 1e3 - copy, "ms/step", reference=copy, at_most=0.2),
        row("pictures dropped", dropped, "ticks", at_most=0),
    ]  # fmt: skip


def _growth(env: TaskEnv) -> list[dict[str, Any]]:
    """One short episode sealed again and again; then one column of all of them read, and all."""
    kept = Kept()
    rollout(env, Still(env.spec.action.size), seed=0, max_steps=SHORT, recorder=kept)
    info = EpisodeInfo(TASK, env.spec.rate)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "recording"
        with DatasetRecorder(path, env.spec, state_size=env.state_size) as recorder:
            timed = Timed(recorder)
            for _ in range(SEALED[-1]):
                timed.begin(info)
                for frame in kept.frames:
                    timed.append(frame)
                timed.end(Outcome.UNKNOWN, Judge.NOBODY)
        seconds = {}
        for what, read in {
            "opening": lambda data: data.num_frames,
            "one column": lambda data: data.column("action"),
            "all columns": lambda data: data.content_hash,
        }.items():
            began = time.perf_counter()
            read(Dataset.open(path))
            seconds[what] = time.perf_counter() - began
    # The median of an episode and those before it: a seal waits for the disk.
    cost = {n: statistics.median(timed.ends[max(0, n - AROUND) : n]) * 1e3 for n in SEALED}
    first = statistics.median(timed.ends[:AROUND]) * 1e3
    return [
        *(
            row(f"sealing episode {n} (reference: the first {AROUND})", value,
                "ms", reference=first, at_most=1.5, of="ratio")
            for n, value in cost.items()
        ),
        row(f"opening {SEALED[-1]} episodes", seconds["opening"], "s"),
        row("opening and reading one column (reference: all)", seconds["one column"], "s",
            reference=seconds["all columns"], at_most=0.75, of="ratio"),
    ]  # fmt: skip
