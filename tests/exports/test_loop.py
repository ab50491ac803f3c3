"""The control loop tick by tick on a robot that misbehaves, in simulated time."""

import math
from dataclasses import replace

import numpy as np
import pytest

from exports.robots.base import Motion, Status
from exports.runtime.loop import ControlLoop
from ilrobot.actors import Actor, Decision, LateAnswer, Source
from ilrobot.control.activation import Activation
from ilrobot.control.clock import SimulatedClock
from ilrobot.control.contract_guards import Workspace
from ilrobot.control.guard import Guard
from tests.exports.looping import Constant, FakeRobot, LateClock, at, flags, run
from tests.ilrobot.control.contracts import DELTA_CONTRACT, RATE


def test_an_ordinary_run():
    robot = FakeRobot()
    report = run(robot, Constant(0.1, -0.1), seeds=(5, 6))
    assert robot.resets == [5, 6]
    assert [(e.seed, e.success, e.ticks) for e in report.episodes] == [(5, True, 10), (6, True, 10)]
    assert not any(report.activations.values())
    result = report.to_json()
    assert (result["success_rate"], result["episodes"], result["ticks"]) == (1.0, 2, 20)
    assert result["measured_rate"] == pytest.approx(RATE)
    assert result["period_error_ms"]["max"] == pytest.approx(0, abs=1e-9)
    assert robot.stops == 2


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_measurement_that_is_not_finite_never_reaches_the_policy(bad):
    robot, actor = FakeRobot(at({5, 6}, state=[0, bad])), Constant(0.1, 0.1)
    report = run(robot, actor)
    assert report.activations["observation_not_finite"] == 2
    assert report.activations["fallback"] == 2
    assert actor.flushes >= 1
    np.testing.assert_allclose(robot.written[5:7], 0.1)
    assert flags(report)[5] == Activation.OBSERVATION_NOT_FINITE | Activation.FALLBACK


def test_a_frozen_sensor_stops_the_arm():
    robot = FakeRobot(lambda tick: {"age": 0.1 * max(tick - 3, 0)}, length=20)
    report = run(robot, Constant(0.9, 0.9))
    stale = np.array([Activation.OBSERVATION_STALE in bits for bits in flags(report)])
    assert stale[6:].all()
    assert not stale[:5].any()
    assert np.ptp(np.array(robot.written)[-5:]) == 0
    assert report.rows["age"][10] > 0.3


@pytest.mark.parametrize("age", [math.inf, math.nan])
def test_what_was_never_measured_is_refused_and_the_run_goes_on(age):
    robot = FakeRobot(lambda tick: {"age": age if tick in (5, 6) else 0.01})
    report = run(robot, Constant(0.1, 0.1))
    assert report.activations["fallback"] == 2
    assert (len(robot.written), robot.stops) == (10, 1)
    assert report.to_json()["age_ms"]["max"] == pytest.approx(10.0)


def test_an_action_of_nan_is_never_written():
    robot = FakeRobot()
    report = run(robot, Constant(math.nan, 0.1))
    assert report.activations["action_not_finite"] == 10
    np.testing.assert_array_equal(robot.written, np.zeros((10, 2)))


def test_limits_hold_in_what_is_written():
    robot = FakeRobot(length=40)
    report = run(robot, Constant(10.0, -10.0))
    written = np.array([np.zeros(2), *robot.written])
    steps = np.diff(written, axis=0)
    assert np.abs(written).max() <= 1.0
    assert np.abs(steps).max() <= 0.5 + 1e-6
    assert np.abs(np.diff(steps, axis=0)).max() <= 0.2 + 1e-6
    assert report.activations["position_limited"] == 40
    np.testing.assert_array_equal(report.rows["command"], written[1:])


def test_late_ticks_are_counted():
    report = run(FakeRobot(), Constant(0.1, 0.1), clock=LateClock(RATE))
    assert report.to_json()["missed_deadlines"] == 3
    assert report.activations["deadline_missed"] == 3


def test_where_nothing_was_commanded_yet_the_robot_stops():
    class Unknown(FakeRobot):
        def reset(self, seed):
            super().reset(seed)

    robot = Unknown(at({0, 1}, state=[math.nan, 0]))
    report = run(robot, Constant(0.1, 0.1), max_ticks=4)
    assert np.isnan(report.rows["command"]).all(axis=1).tolist() == [True] * 2 + [False] * 2
    assert robot.stops == 3
    assert len(robot.written) == 2


class Remembering(Actor):
    """Remembers the observations of which its history is made."""

    def __init__(self):
        self.history = []

    def act(self, observation, now):
        self.observe(observation)
        return Decision(np.zeros(2, np.float32), Source.POLICY)

    def observe(self, observation):
        self.history.append(float(observation["observation.state"][0]))


def test_the_history_has_one_observation_per_tick_also_where_the_fallback_acts():
    faults = {
        3: {"state": [3, 0], "age": 1.0},  # stale
        5: {"state": [math.nan, 0]},
        6: {"state": [math.nan, 0], "age": 1.0},
    }
    robot = FakeRobot(lambda tick: faults.get(tick, {"state": [tick, 0]}), length=9)
    actor = Remembering()
    run(robot, actor)
    assert actor.history == [0, 1, 2, 3, 4, 4, 4, 7, 8]


def test_before_any_finite_observation_there_is_nothing_to_remember():
    actor = Remembering()
    run(FakeRobot(at({0, 1}, state=[math.nan, 0])), actor)
    assert len(actor.history) == 8


def test_a_robot_that_moves_is_not_jerked():
    class Moving(FakeRobot):
        def reset(self, seed):
            super().reset(seed)
            return Motion(np.array([0.0, 0.0]), np.array([4.0, -4.0]))

    robot = Moving()
    run(robot, Constant(0.0, 0.0))
    # 0.4 a tick at first, 0.2 less with each: the target passes 0 and comes back.
    np.testing.assert_allclose(np.array(robot.written)[:3], [[0.2, -0.2]] * 2 + [[0, 0]], atol=1e-6)


def test_where_nobody_judges_there_is_no_success_to_count():
    class Silent(FakeRobot):
        def write(self, command):
            return Status(ended=super().write(command).ended)

    result = run(Silent(), Constant(0.1, 0.1)).to_json()
    assert (result["episodes"], result["judged"], result["successes"]) == (1, 0, None)
    assert result["success_rate"] is None
    assert result["episode_results"][0]["success"] is None


class Thinking(Constant):
    """Has an answer at every third tick only, and one before the first if it is asked for."""

    thinks_ahead = True

    def __init__(self, *action):
        super().__init__(*action)
        self.prepared, self.ticks = [], 0

    def prepare(self, observation, stopped):
        self.prepared.append(observation)

    def act(self, observation, now):
        self.ticks += 1
        if self.ticks % 3:
            raise LateAnswer
        return Decision(self.action, Source.POLICY, policy_action=self.action)


def test_where_the_actor_has_no_answer_the_fallback_acts():
    robot, actor = FakeRobot(), Thinking(0.1, 0.1)
    report = run(robot, actor)
    assert len(actor.prepared) == 1
    without = np.array([Activation.PLAN_RUN_OUT in bits for bits in flags(report)])
    assert without.tolist() == [tick % 3 != 2 for tick in range(9)]
    assert report.activations["plan_run_out"] == report.activations["fallback"] == 6
    assert actor.flushes == 0  # it is at work on the next one
    np.testing.assert_array_equal(np.isnan(report.rows["wanted"]).all(axis=1), without)
    np.testing.assert_array_equal(robot.written[:2], np.zeros((2, 2)))
    np.testing.assert_allclose(robot.written[2:], 0.1)


def test_nobody_thinks_ahead_about_what_is_not_finite():
    actor = Thinking(0.1, 0.1)
    run(FakeRobot(at({0}, state=[math.nan, 0])), actor)
    assert actor.prepared == []


def test_who_acted_is_logged():
    class Hand(Constant):
        def act(self, observation, now):
            self.asked += 1
            human = self.asked > 5
            wanted = np.array([0.2, 0.0], np.float32)
            return Decision(self.action, Source.HUMAN if human else Source.POLICY, wanted)

    report = run(FakeRobot(at({8}, state=[math.nan, 0])), Hand(0.1, 0.0))
    assert report.rows["source"].tolist() == ["policy"] * 5 + ["human"] * 3 + [None, "human"]
    np.testing.assert_allclose(report.rows["wanted"][0], [0.2, 0.0])


class Leashed(FakeRobot):
    """Says at every tick that its target has not moved."""

    def read(self, now):
        reading = super().read(now)
        return replace(reading, pose=np.array([0.95, math.nan]))


def test_a_workspace_that_cannot_be_kept_is_reported():
    contract = replace(DELTA_CONTRACT, workspace=Workspace((-1.0, 0.0), (1.0, 1.0)))
    guard = Guard(contract)
    loop = ControlLoop(FakeRobot(), Constant(0.1, 0.5), guard, SimulatedClock(RATE))
    assert loop.run((0,), max_ticks=3).to_json()["workspace_unknown"]


def test_where_a_robot_says_that_its_target_is_the_workspace_holds():
    contract = replace(DELTA_CONTRACT, workspace=Workspace((-1.0, 0.0), (1.0, 1.0)))
    robot = Leashed()
    loop = ControlLoop(robot, Constant(0.1, 0.5), Guard(contract), SimulatedClock(RATE))
    report = loop.run((0,), max_ticks=10)
    assert max(command[0] for command in robot.written) <= 0.05 + 1e-9
    # At the first tick the acceleration limit is the narrower one.
    assert report.activations["workspace_limited"] == 9


def test_what_a_driver_calls_its_own_stays_its_own():
    class Mine(FakeRobot):
        stopped = False

        @property
        def period(self):
            return 3.0

    robot = Mine()
    report = run(robot, Constant(0.1, 0.0))
    assert report.episodes[0].ended
    assert robot.stopped is False


def test_a_refused_tick_drops_what_was_planned_of_a_robot_that_moves_and_nothing_else():
    class Holds(Constant):
        def act(self, observation, now):
            return Decision(self.action, Source.PAUSED)

    waits = Holds(0.0, 0.0)
    run(FakeRobot(at({5, 6}, age=9.0)), waits)
    assert waits.flushes == 0  # what is on its way begins where the robot still is
    acts = Constant(0.9, 0.0)
    run(FakeRobot(at({3, 4}, age=9.0)), acts)
    assert acts.flushes == 2  # at the second it still brakes
