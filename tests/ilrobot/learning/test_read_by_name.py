"""What a policy, a reward and a recording call by name is read so, whatever the task's order."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium import spaces

from ilrobot.actors import Actor, Decision, Source
from ilrobot.cli import _main
from ilrobot.cli.learners.adversarial import Gail
from ilrobot.data.dataset import Dataset, DatasetRecorder
from ilrobot.data.transitions import Transitions
from ilrobot.data.writing import write_episodes
from ilrobot.env import make_env
from ilrobot.learners.behavioral_cloning import train
from ilrobot.learners.config import preset
from ilrobot.observed import limited
from ilrobot.policies.loading import load_policy
from ilrobot.rewards.config import RewardConfig
from ilrobot.rewards.model import REWARD_FILE, RewardModel
from ilrobot.rollout import rollout
from tests.ilrobot.learner_tester import check_mistake

GOAL, HERE = "observation.goal", "observation.here"
TASK = "read_by_name/Way-v0"
SMALL = ("--task", TASK, "--copies", "2", "--rollout", "32", "--steps", "64", "--json")


class Way(gym.Env[dict[str, Any], np.ndarray]):
    """A point near 0 that shall go to one near 100; the goal comes first by its name."""

    observation_space = spaces.Dict(
        {name: spaces.Box(-np.inf, np.inf, (2,), np.float32) for name in ("goal", "here")}
    )
    action_space = spaces.Box(-1.0, 1.0, (2,), np.float32)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self._here = self.np_random.uniform(-1, 1, 2).astype(np.float32)
        self._goal = (100 + self.np_random.uniform(-1, 1, 2)).astype(np.float32)
        return self._seen(), {}

    def step(self, action):
        self._here = (self._here + 0.3 * np.asarray(action)).astype(np.float32)
        return self._seen(), float(self._here.sum()), False, False, {}

    def _seen(self):
        return {"goal": self._goal.copy(), "here": self._here.copy()}


gym.register(TASK, Way, max_episode_steps=16)


class Straight(Actor):
    """Always towards the goal."""

    def act(self, observation, now):
        way = np.clip(observation[GOAL] - observation[HERE], -1, 1).astype(np.float32)
        way[0] -= 0.1 * observation[HERE][1]
        return Decision(way, Source.DEMO, human_action=way)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Demonstrations as the task has them, in the other order, and of one observation alone."""
    folder = tmp_path_factory.mktemp("ordered")
    env = make_env(TASK)
    with DatasetRecorder(folder / "same", env.spec, state_size=env.state_size) as recorder:
        for seed in range(4):
            rollout(env, Straight(), seed=seed, recorder=recorder)
    env.close()
    shown = Dataset.open(folder / "same")
    assert shown.spec.observation_names == (GOAL, HERE)
    for name, names in (("turned", (HERE, GOAL)), ("part", (HERE,))):
        left_out = set(shown.spec.observation_names) - set(names)
        episodes = [shown.episode(number) for number in range(4)]
        episodes = [
            replace(e, columns={n: c for n, c in e.columns.items() if n not in left_out})
            for e in episodes
        ]
        write_episodes(folder / name, limited(shown.spec, names), episodes)
    return folder


def _train(folder: Path, learner: str, data: Path, *more: str) -> None:
    options = ["train", "--learner", learner, *SMALL, "--dataset", str(data), *more]
    assert _main([*options, "--output", str(folder)]) == 0


@pytest.mark.parametrize("learner", ["gail", "airl", "gcl"])
def test_turned_demonstrations_teach_the_same(learner: str, made: Path, tmp_path: Path):
    _train(tmp_path / "turned", learner, made / "turned")
    policy = load_policy(tmp_path / "turned")
    assert policy.spec.observation_names == (HERE, GOAL)
    reward = RewardModel.load(tmp_path / "turned" / REWARD_FILE)
    assert reward.spec.observation_names == (HERE, GOAL)
    means = reward.observation_norm.mean
    assert (means[:2].abs() < 20).all()  # of the point near 0, the expert's and the policy's
    assert (means[2:] > 80).all()


def test_what_was_not_demonstrated_is_not_read(made: Path, tmp_path: Path):
    _train(tmp_path / "run", "gail", made / "part")
    assert load_policy(tmp_path / "run").spec.observation_names == (HERE,)
    assert _main(["reward", str(tmp_path / "run"), "--episodes", "1"]) == 0


@pytest.mark.parametrize("lost", [slice(3, 4), slice(None)], ids=["one", "all"])
def test_a_reward_is_shown_on_data_whose_own_are_not_all_known(
    lost: slice, made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    _train(tmp_path / "run", "gcl", made / "same")
    shown = Dataset.open(made / "same")
    episode = shown.episode(0)
    rewards = episode.columns["next.reward"].copy()
    rewards[lost] = np.nan
    episode = replace(episode, columns=episode.columns | {"next.reward": rewards})
    write_episodes(tmp_path / "data", shown.spec, [episode])
    options = ["reward", str(tmp_path / "run"), "--dataset", str(tmp_path / "data")]
    assert _main([*options, "--episodes", "0", "--json"]) == 0
    assert '"correlation": null' in capsys.readouterr().out


def test_no_copy_of_a_filmed_task_draws_pictures(made: Path, tmp_path: Path):
    shown = Dataset.open(made / "same")
    filmed = replace(shown.spec, task_options={"cameras": "wrist", "far": 2})
    write_episodes(tmp_path / "filmed", filmed, [shown.episode(0)])
    learner = Gail(dataset=tmp_path / "filmed", output=tmp_path / "run")
    assert learner.maker(None).options == {"far": 2}


def _cloned(made: Path, data: str) -> Path:
    run = made / f"bc-{data}"
    if not run.exists():
        dataset = Dataset.open(made / data)
        policy_config, train_config = preset("bc", dataset.spec)
        small = replace(policy_config, width=16, blocks=1)
        train(dataset, small, replace(train_config, steps=5, device="cpu"), run)
    return run


@pytest.mark.parametrize("data", ["turned", "part"])
def test_a_clone_of_them_is_improved_by_what_it_reads(
    data: str, made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    from ilrobot.learners.reinforcement.collecting import Collecting

    seen, played = [], Collecting._played

    def watched(self, *told, **more):
        made = played(self, *told, **more)
        seen.append(made.observations)
        return made

    monkeypatch.setattr(Collecting, "_played", watched)
    clone = _cloned(made, data)
    options = ["train", "--learner", "ppo", "--task", TASK, "--copies", "2", "--from", str(clone)]
    options += ["--rollout", "32", "--steps", "160", "--output", str(tmp_path / "run")]
    assert _main(options) == 0
    names = load_policy(clone).spec.observation_names
    assert all(rows.shape[2] == 2 * len(names) for rows in seen)
    assert all(np.abs(rows[..., :2]).max() < 20 for rows in seen)  # `here` comes first


def test_a_policy_that_reads_what_was_not_demonstrated_is_refused(
    made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    run = _cloned(made, "same")
    capsys.readouterr()
    options = ["train", "--learner", "gail", *SMALL, "--from", str(run)]
    options += ["--dataset", str(made / "part"), "--output", str(tmp_path / "run")]
    check_mistake(options, f"{made / 'part'}: does not hold '{GOAL}'", capsys)


class TestReward:
    """A learnt reward of observations in another order than the task's."""

    def _left(self, folder: Path, *names: str) -> RewardModel:
        env = make_env(TASK)
        torch.manual_seed(0)
        reward = RewardModel(limited(env.spec, names), RewardConfig("state", width=8))
        env.close()
        folder.mkdir()
        reward.save(folder / REWARD_FILE)
        return reward

    def test_it_judges_a_rollout_by_name(
        self, made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ):
        self._left(tmp_path / "reward", HERE)
        judged, of = [], RewardModel.of

        def watched(self, transitions, discount=None):
            judged.append(transitions.observations)
            return of(self, transitions, discount)

        monkeypatch.setattr(RewardModel, "of", watched)
        options = ["train", "--learner", "ppo", *SMALL, "--reward", str(tmp_path / "reward")]
        assert _main([*options, "--output", str(tmp_path / "run")]) == 0
        assert all(rows.shape == (32, 2) and np.abs(rows).max() < 20 for rows in judged)

    def test_a_policy_that_does_not_see_what_it_reads_is_refused(
        self, made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ):
        clone = _cloned(made, "part")
        capsys.readouterr()
        self._left(tmp_path / "reward", GOAL, HERE)
        options = ["train", "--learner", "ppo", "--task", TASK, "--from", str(clone)]
        options += ["--reward", str(tmp_path / "reward"), "--output", str(tmp_path / "run")]
        check_mistake(options, f"reads '{GOAL}', which the policy of --from does not", capsys)

    def test_recordings_are_read_by_name(self, made: Path):
        turned = Dataset.open(made / "turned")
        same = Dataset.open(made / "same")
        wanted = Transitions.of(same, rewards=False)
        found = Transitions.of(turned, rewards=False, reads=same.spec)
        assert np.array_equal(found.observations, wanted.observations)
        again = Transitions.of(turned, rewards=False).read_by(same.spec, turned.spec)
        assert np.array_equal(again.observations, wanted.observations)
        assert np.array_equal(again.next_observations, wanted.next_observations)
