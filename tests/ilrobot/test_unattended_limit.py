"""Attempts in a task that never ends end all the same where nobody watches."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import gymnasium as gym
import numpy as np
import pytest
from dagger_rounds import Coin

from ilrobot import task_env
from ilrobot.actors import Actor
from ilrobot.data.dataset import Dataset
from ilrobot.data.episode import EpisodeInfo, Outcome
from ilrobot.env import make_env
from ilrobot.learners.interactive.collect import Collector, Round
from ilrobot.learners.reinforcement.attempts import record_attempts
from ilrobot.learners.reinforcement.config import INITIAL_LOG_STD, SCRATCH
from ilrobot.policies.density import new_policy
from ilrobot.task_env import TaskEnv
from tests.ilrobot.learning import line_world
from tests.still import Still

LIMIT = 30
TASK = "line_world/Bounded-v0"


class Bounded(line_world.Line):
    """Nothing ends it."""

    def step(self, action):
        observation, reward, _, truncated, info = super().step(action)
        self.x = float(np.clip(self.x, -1.0, 1.0))
        return observation, reward, False, truncated, {**info, "is_success": False}


gym.register(TASK, Bounded)


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(task_env, "DEFAULT_TIME_LIMIT", LIMIT)


class Alone(Coin):
    """Nobody takes over."""

    @contextmanager
    def share_control(self, env: TaskEnv, policy_run: Path, number: int) -> Iterator[Actor]:
        yield Still()


def check(dataset: Dataset) -> None:
    assert dataset.lengths.tolist() == [LIMIT] * 2
    assert {info.outcome for info in dataset.infos} == {Outcome.TIMEOUT}


def test_what_a_policy_does_is_recorded_up_to_the_limit(tmp_path: Path) -> None:
    with closing(make_env(TASK)) as env:
        assert env.time_limit is None
        policy = new_policy(env.spec, SCRATCH, INITIAL_LOG_STD)
    folder = tmp_path / "data"
    check(record_attempts(policy, folder, lambda: make_env(TASK), seed=0, episodes=2))


def test_a_round_of_attempts_ends(tmp_path: Path) -> None:
    cast = Alone(TASK)
    with closing(cast.make_env()) as env, Collector(cast, env) as collector:
        round_ = Round(1, range(2), tmp_path, EpisodeInfo(TASK, env.spec.rate))
        collector.collect(tmp_path / "data", round_, set(), lambda kept: None)
    check(Dataset.open(tmp_path / "data"))


def test_a_limit_of_the_task_stands() -> None:
    with closing(make_env(line_world.TASK)) as env:
        assert env.unattended_limit is None
