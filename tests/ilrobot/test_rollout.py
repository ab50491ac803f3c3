"""The one loop: what it records, how it judges, what a person's word does."""

import gymnasium as gym
import numpy as np
import pytest

from ilrobot.actors import Actor, Decision, Event, Source
from ilrobot.data.episode import Judge, MemoryRecorder, Outcome
from ilrobot.env import make_env
from ilrobot.rollout import rollout
from ilrobot.task_env import TaskEnv


class Script(Actor):
    """Plays a list of (source, event) with the action 1."""

    def __init__(self, *plan):
        self.plan = plan

    def reset(self, seed=None):
        self.tick = 0

    def act(self, observation, now):
        source, event = self.plan[min(self.tick, len(self.plan) - 1)]
        self.tick += 1
        return Decision(np.array(self.tick % 2), source, event=event)


def _record(*plan, max_steps=None):
    env = make_env("CartPole-v1")
    recorder = MemoryRecorder(env.spec)
    result = rollout(env, Script(*plan), seed=7, recorder=recorder, max_steps=max_steps)
    return result, recorder.episodes[0]


def test_interventions_are_counted_and_numbered():
    policy, human = (Source.POLICY, None), (Source.HUMAN, None)
    blend = (Source.BLEND, None)
    result, episode = _record(
        policy, human, human, blend, policy, policy, human, policy, max_steps=8
    )
    columns = episode.columns
    assert columns["control.intervention_id"].tolist() == [-1, 0, 0, -1, -1, -1, 1, -1]
    assert columns["intervention"].tolist() == [False, True, True] + 3 * [False] + [True, False]
    assert columns["control.source"].tolist()[:4] == ["policy", "human", "human", "blend"]
    assert (result.interventions, result.human_steps) == (2, 3)
    assert np.isnan(columns["control.human_action"]).all()


@pytest.mark.parametrize(
    ("event", "outcome"),
    [
        (Event.SUCCESS, Outcome.SUCCESS),
        (Event.FAILURE, Outcome.FAILURE),
        (Event.DISCARD, Outcome.DISCARDED),
    ],
)
def test_a_persons_word_ends_the_episode_and_counts(event, outcome):
    result, episode = _record((Source.DEMO, None), (Source.DEMO, None), (Source.DEMO, event))
    assert (result.length, result.outcome) == (3, outcome)
    assert (episode.info.outcome, episode.info.judge) == (outcome, Judge.PERSON)
    assert episode.columns["next.done"].tolist() == [False, False, True]


def test_it_is_known_whether_the_task_ended_an_episode_or_something_else():
    fallen, episode = _record((Source.POLICY, None))  # alternating forces, until the pole falls
    assert episode.columns["next.terminated"].tolist() == [False] * (fallen.length - 1) + [True]
    _, cut = _record((Source.POLICY, None), max_steps=5)
    assert cut.columns["next.done"][-1]
    assert not cut.columns["next.terminated"].any()


def test_an_episode_that_nobody_judges_has_an_unknown_outcome():
    result, episode = _record((Source.POLICY, None), max_steps=5)
    assert (result.outcome, episode.info.judge) == (Outcome.UNKNOWN, Judge.NOBODY)


def test_simulated_time_is_exact_and_observation_comes_before_the_action():
    env = make_env("CartPole-v1")
    first = env.reset(seed=7)["observation.state"]
    _, episode = _record((Source.POLICY, None), max_steps=4)
    assert episode.columns["time.observed"] == pytest.approx([0, 0.02, 0.04, 0.06])
    assert np.array_equal(episode.columns["observation.state"][0], first)


class Counting(gym.Env):
    """Hands out the very arrays that its next step changes."""

    observation_space = gym.spaces.Dict(
        {
            "state": gym.spaces.Box(0, 100, (1,), np.float32),
            "ticks": gym.spaces.Box(0, 255, (2,), np.uint8),
        }
    )
    action_space = gym.spaces.Box(0, 100, (1,), np.float32)
    metadata = {"render_fps": 10}  # noqa: RUF012

    def __init__(self):
        self._given = {"state": np.zeros(1, np.float32), "ticks": np.zeros(2, np.uint8)}

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        for array in self._given.values():
            array[:] = 0
        return self._given, {}

    def step(self, action):
        for array in self._given.values():
            array += 1
        return self._given, 0.0, bool(self._given["state"][0] >= 5), False, {}


class Repeating(Actor):
    """Does what it sees."""

    def act(self, observation, now):
        return Decision(observation["observation.state"].copy(), Source.DEMO)


def test_an_environment_that_changes_the_arrays_it_gave_is_recorded_as_it_was_seen():
    env = TaskEnv(Counting(), "toy/Counting-v0", {})
    recorder = MemoryRecorder(env.spec)
    rollout(env, Repeating(), seed=0, recorder=recorder)
    columns = recorder.episodes[0].columns
    assert columns["action"].ravel().tolist() == [0, 1, 2, 3, 4]
    assert columns["observation.state"].ravel().tolist() == [0, 1, 2, 3, 4]
    assert columns["observation.ticks"][:, 1].tolist() == [0, 1, 2, 3, 4]
