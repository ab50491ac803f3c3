"""What happens on a robot becomes an episode as a rollout would have recorded it."""

from __future__ import annotations

import math

import numpy as np
import pytest

from exports.recording import RobotRecording
from exports.runtime.loop import ControlLoop
from ilrobot.actors import Actor, Decision, Event, Source
from ilrobot.control.clock import SimulatedClock
from ilrobot.control.guard import Guard
from ilrobot.data.episode import EpisodeInfo, Judge, MemoryRecorder, Outcome
from ilrobot.gates.human import HumanGate
from ilrobot.shared_control import SharedControl
from tests.exports.looping import Constant, FakeRobot, at
from tests.ilrobot.control.contracts import ABSOLUTE, ABSOLUTE_CONTRACT, RATE


class Hand(Actor):
    """Takes hold at some ticks, and may declare something at one."""

    attends = True

    def __init__(self, *held, declares=None):
        self._held, self._declares = set(held), declares or {}

    def reset(self, seed=None):
        self._tick, self.saves, self.engaged = -1, 0, False

    def act(self, observation, now):
        self._tick += 1
        self.engaged = self._tick in self._held
        action = np.array([-0.1, -0.1], np.float32)
        return Decision(
            action,
            Source.HUMAN,
            human_action=action if self.engaged else None,
            event=self._declares.get(self._tick),
            input_time=now - 0.001,
        )

    def saved(self):
        self.saves += 1


def record(hand, robot=None, seeds=(4,), policy=None):
    recorder = MemoryRecorder(ABSOLUTE)
    policy = policy or Wanting(0.1, 0.1)
    actor = SharedControl(policy, hand, HumanGate(lambda: hand.engaged))
    info = EpisodeInfo("carry", RATE, operator="test")
    recording = RobotRecording(recorder, actor, ABSOLUTE, info)
    loop = ControlLoop(
        *(robot or FakeRobot(), actor, Guard(ABSOLUTE_CONTRACT), SimulatedClock(RATE)),
        watchers=[recording],
    )
    report = loop.run(seeds, max_ticks=100)
    return recorder.episodes, report


class Wanting(Constant):
    """Says what it wants."""

    def act(self, observation, now):
        decision = super().act(observation, now)
        return Decision(decision.action, Source.POLICY, policy_action=decision.action)


def test_takeovers_are_recorded_as_in_a_rollout():
    hand = Hand(3, 4, 7)
    (episode,), _ = record(hand)
    columns, info = episode.columns, episode.info
    sources = ["policy"] * 3 + ["human"] * 2 + ["policy"] * 2 + ["human"] + ["policy"] * 2
    assert [str(source) for source in columns["control.source"]] == sources
    human = np.array([source == "human" for source in sources])
    np.testing.assert_array_equal(columns["intervention"], human)
    assert columns["control.intervention_id"].tolist() == [-1, -1, -1, 0, 0, -1, -1, 1, -1, -1]
    np.testing.assert_allclose(columns["control.human_action"][human], -0.1)
    assert np.isnan(columns["control.human_action"][~human]).all()
    np.testing.assert_allclose(columns["control.policy_action"], 0.1)
    assert columns["next.done"].tolist() == [False] * 9 + [True]
    assert not columns["control.discarded"].any()
    np.testing.assert_allclose(columns["time.observed"], np.arange(10) / RATE)
    assert (info.task, info.seed, info.operator) == ("carry", 4, "test")
    assert (info.outcome, info.judge) == (Outcome.SUCCESS, Judge.ENVIRONMENT)
    assert info.control.takeovers == 2
    assert hand.saves == 1


def test_the_action_is_what_was_sent_behind_the_guards():
    robot = FakeRobot()
    (episode,), _ = record(Hand(), robot, policy=Wanting(9.0, 9.0))
    np.testing.assert_array_equal(episode.columns["action"], np.float32(robot.written))
    assert episode.columns["action"].max() <= 1.0
    np.testing.assert_allclose(episode.columns["control.policy_action"], 9.0)


def test_an_observation_is_recorded_with_the_time_at_which_it_was_measured():
    (episode,), _ = record(Hand(), FakeRobot(fault=lambda tick: {"age": 0.25 / RATE}))
    np.testing.assert_allclose(
        episode.columns["time.observed"], (np.arange(10) - 0.25) / RATE, rtol=1e-9
    )


def test_where_the_guard_acts_the_tick_is_nobodys():
    (episode,), _ = record(Hand(*range(10)), FakeRobot(at({5}, state=[math.nan, 0])))
    columns = episode.columns
    assert str(columns["control.source"][5]) == "paused"
    assert np.isnan(columns["control.human_action"][5]).all()
    assert np.isfinite(columns["observation.state"]).all()
    assert len(episode) == 10


@pytest.mark.parametrize(
    ("event", "outcome"),
    [
        (Event.SUCCESS, Outcome.SUCCESS),
        (Event.FAILURE, Outcome.FAILURE),
        (Event.DISCARD, Outcome.DISCARDED),
    ],
)
def test_what_a_person_declares_ends_the_episode(event, outcome):
    hand = Hand(declares={6: event})
    (episode,), report = record(hand)
    assert len(episode) == 7
    assert episode.columns["next.done"].tolist() == [False] * 6 + [True]
    assert (episode.info.outcome, episode.info.judge) == (outcome, Judge.PERSON)
    assert report.episodes[0].success is (event is Event.SUCCESS)
    assert hand.saves == (event is not Event.DISCARD)


def test_each_episode_has_its_seed():
    episodes, _ = record(Hand(2), seeds=(4, 5))
    assert [episode.info.seed for episode in episodes] == [4, 5]
    assert [len(episode) for episode in episodes] == [10, 10]


def test_an_episode_that_is_stopped_counts_as_unfinished():
    recorder, actor, ticks = MemoryRecorder(ABSOLUTE), Wanting(0.1, 0.1), iter(range(100))
    recording = RobotRecording(recorder, actor, ABSOLUTE, EpisodeInfo("carry", RATE))
    loop = ControlLoop(
        *(FakeRobot(), actor, Guard(ABSOLUTE_CONTRACT), SimulatedClock(RATE)),
        watchers=[recording],
        stopped=lambda: next(ticks) > 16,  # asked three times an episode and once a tick
    )
    loop.run((4, 5), max_ticks=100)
    assert recording.outcomes == [Outcome.SUCCESS, Outcome.UNFINISHED]
