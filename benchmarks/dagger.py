"""What a round of DAgger costs beyond its rollouts and its training; what a second process saves.

Rollouts alone are the same episodes of the same policy run again without a recording; training is
the time in the optimiser's loop that ``run.json`` states. All else is overhead: recording, sealing,
hashing, loading, making windows, starting and describing the run.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from benchmarks import row
from ilrobot.actors import Actor
from ilrobot.data.dataset import Dataset, DatasetRecorder
from ilrobot.data.episode import EpisodeInfo
from ilrobot.data.recordings import Recordings
from ilrobot.env import make_env
from ilrobot.gates.beta import BetaGate
from ilrobot.learners.behavioral_cloning import train
from ilrobot.learners.config import TrainConfig, preset
from ilrobot.learners.interactive.dagger import describe_dagger, run_dagger
from ilrobot.learners.interactive.gate_network import OnSteps
from ilrobot.policies.loading import load_policy
from ilrobot.policies.policy import Policy
from ilrobot.rollout import rollout
from ilrobot.run import Run
from ilrobot.run_description import DaggerPlan
from ilrobot.scripted_actor import ScriptedActor
from ilrobot.shared_control import SharedControl
from ilrobot.task_env import TaskEnv
from sims.experts import make_expert

TASK = "ilrobot/PandaPush-v0"
DEMONSTRATIONS = 30
#: The second round is measured: what is paid once is paid by then.
PLAN = DaggerPlan(rounds=2, episodes=10, seed=10_000)
STEPS = 3_000


class Coin:
    """The task's expert under a coin; it notes when each round begins."""

    def __init__(self) -> None:
        self.began: dict[int, float] = {}

    def make_env(self) -> TaskEnv:
        """The world."""
        return make_env(TASK)

    def prepare(self, number: int, dataset: Dataset, policy_run: Path, on_steps: OnSteps) -> None:
        """A coin needs nothing fitted."""
        self.began[number] = time.perf_counter()

    @contextmanager
    def share_control(self, env: TaskEnv, policy_run: Path, number: int) -> Iterator[Actor]:
        """Each decides half of the steps."""
        expert = ScriptedActor(make_expert(env.env), env)
        yield SharedControl(load_policy(policy_run).actor(), expert, BetaGate(0.5))


def run() -> list[dict[str, Any]]:
    """Rows of a round's overhead and of its collection by one and by two processes."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        _record(place / "data")
        data = Dataset.open(place / "data")
        policy, training = preset("bc", data.spec)
        train(data, policy, training.with_steps(200), place / "bc")
        whole, _ = _learn(place, "whole", 1, training.with_steps(STEPS))
        needed = _rollouts(place / "whole") + _training(place / "whole")
        few = training.with_steps(20)
        alone = _learn(place, "alone", 1, few)[1]
        together = _learn(place, "together", 2, few)[1]
    episodes = f"{TASK}, {PLAN.episodes} episodes"
    return [
        row(
            f"a round beyond rollouts and training ({episodes}, {STEPS:,} steps), share of them",
            whole / needed - 1,
            "1",
            at_most=0.05,
        ),
        row(f"collecting {episodes}, with 1 process", alone, "s"),
        row("  the same with 2 processes", together, "s", reference=alone),
    ]


def _record(path: Path) -> None:
    env = make_env(TASK)
    env.reset(0)
    expert = ScriptedActor(make_expert(env.env), env)
    with DatasetRecorder(path, env.spec, state_size=env.state_size) as recorder:
        for seed in range(DEMONSTRATIONS):
            rollout(env, expert, seed=seed, recorder=recorder)
    env.close()


def _learn(place: Path, name: str, workers: int, training: TrainConfig) -> tuple[float, float]:
    """Seconds of the second round, and of its collection."""
    cast, env = Coin(), make_env(TASK)
    description = describe_dagger(env, place / "data", place / "bc", PLAN, {})
    config = replace(description.config, train=training)
    collected: list[float] = []

    def fit(data: Recordings, run: Path, initial: Policy | None) -> Policy:
        return train(data, config.policy, config.train, run, resume=True, initial=initial)

    run_dagger(
        env=env,
        description=replace(description, config=config),
        output=place / name,
        cast=cast,
        fit=fit,
        info=EpisodeInfo(env.spec.task, env.spec.rate),
        workers=workers,
        on_episode=lambda *_: collected.append(time.perf_counter()),
    )
    ended = time.perf_counter()
    env.close()
    return ended - cast.began[2], collected[-1] - cast.began[2]


def _rollouts(run: Path) -> float:
    """Seconds that the episodes of the second round take alone."""
    env = make_env(TASK)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    with Coin().share_control(env, run / "round-1", 2) as actor:
        began = time.perf_counter()
        for seed in PLAN.seeds(2):
            rollout(env, actor, seed=seed)
        seconds = time.perf_counter() - began
    torch.set_num_threads(threads)
    env.close()
    return seconds


def _training(run: Path) -> float:
    return Run.read(run / "round-2").description.seconds
