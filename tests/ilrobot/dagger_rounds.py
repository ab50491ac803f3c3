"""Small runs of DAgger for the tests, in a module that worker processes can import."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ilrobot.actors import Actor
from ilrobot.data.dataset import Dataset, DatasetRecorder
from ilrobot.data.episode import EpisodeInfo
from ilrobot.env import make_env
from ilrobot.gates.beta import BetaGate
from ilrobot.learners.behavioral_cloning import train
from ilrobot.learners.config import preset
from ilrobot.learners.interactive.dagger import describe_dagger, run_dagger
from ilrobot.learners.interactive.gate_network import OnSteps
from ilrobot.policies.loading import load_policy
from ilrobot.policies.policy import Policy
from ilrobot.rollout import rollout
from ilrobot.run_description import DaggerPlan, RoundSummary
from ilrobot.scripted_actor import ScriptedActor
from ilrobot.shared_control import SharedControl
from ilrobot.task_env import TaskEnv
from sims.experts import make_expert
from tests.forked import Forked

TASK = "ilrobot/PointPath-v0"
DEMONSTRATIONS = 4
ROUNDS, EPISODES, SEED = 2, 5, 10_000
PLAN = DaggerPlan(ROUNDS, EPISODES, SEED)


def kill_when_sealed(process: Forked, run: Path, episodes: int) -> None:
    """Kill a run of dagger once its dataset has so many episodes, and whatever else happens."""
    sealed = run / "dataset" / "data" / "chunk-000"
    deadline = time.monotonic() + 300
    try:
        while len(list(sealed.glob("*.parquet"))) < episodes:
            assert process.poll() is None, "it ended before it could be killed"
            assert time.monotonic() < deadline, f"it never had {episodes} episodes"
            time.sleep(0.01)
    finally:
        process.kill()
        process.wait()


def expert_of(env: TaskEnv) -> Actor:
    return ScriptedActor(make_expert(env.env), env)


@dataclass(frozen=True)
class Coin:
    """The task's expert under a coin; it may be slow, and its process may be killed.

    Attributes:
        task: Gymnasium id.
        options: Keyword arguments for the environment.
        pause: Seconds that each episode waits before it begins.
        dies_at: Seed of an episode at whose beginning the process is killed.
    """

    task: str = TASK
    options: Mapping[str, Any] = field(default_factory=dict)
    pause: float = 0.0
    dies_at: int | None = None

    def make_env(self) -> TaskEnv:
        return make_env(self.task, self.options)

    def prepare(self, number: int, dataset: Dataset, policy_run: Path, on_steps: OnSteps) -> None:
        pass

    @contextmanager
    def share_control(self, env: TaskEnv, policy_run: Path, number: int) -> Iterator[Actor]:
        novice = load_policy(policy_run).actor()
        yield SharedControl(novice, _Expert(expert_of(env), self), BetaGate(0.5**number))


class _Expert(Actor):
    """Waits, or dies, where an episode begins."""

    def __init__(self, expert: Actor, cast: Coin) -> None:
        self._expert, self._cast = expert, cast

    def reset(self, seed: int | None = None) -> None:
        if seed == self._cast.dies_at:
            os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(self._cast.pause)
        self._expert.reset(seed)

    def act(self, observation: Any, now: float) -> Any:
        return self._expert.act(observation, now)


def clone(folder: Path, cast: Coin) -> tuple[Path, Path]:
    """Demonstrations by the expert, and a policy that had a glance at them."""
    env = cast.make_env()
    env.reset(0)
    with DatasetRecorder(folder / "data", env.spec, state_size=env.state_size) as recorder:
        for seed in range(DEMONSTRATIONS):
            rollout(env, expert_of(env), seed=seed, recorder=recorder)
    data = Dataset.open(folder / "data")
    policy, training = preset("bc", data.spec)
    policy = replace(policy, width=32, blocks=1)
    train(data, policy, replace(training, steps=20, device="cpu"), folder / "bc")
    return folder / "data", folder / "bc"


def learn(
    cloned: tuple[Path, Path],
    output: Path,
    cast: Coin,
    *,
    plan: DaggerPlan = PLAN,
    workers: int = 1,
    warm: bool = False,
) -> list[RoundSummary]:
    """Run the rounds, or what is left of them."""
    env = cast.make_env()
    description = describe_dagger(env, *cloned, plan, {}, warm_start=warm)
    config = description.config

    def fit(data: Dataset, run: Path, initial: Policy | None) -> Policy:
        return train(data, config.policy, config.train, run, resume=True, initial=initial)

    return run_dagger(
        env=env,
        description=description,
        output=output,
        cast=cast,
        fit=fit,
        info=EpisodeInfo(cast.task, env.spec.rate),
        resume=True,
        workers=workers,
    )


def learn_slowly(cloned: tuple[Path, Path], output: Path, workers: int) -> None:
    """Rounds with slow episodes, to be killed."""
    learn(cloned, output, Coin(pause=0.2), workers=workers)
