"""The control loop on a robot that misbehaves, in simulated time."""

import math
from dataclasses import replace

import numpy as np
import pytest

from exports.robots.base import Capabilities, Motion, Reading, Status
from exports.runtime.loop import ControlLoop
from exports.runtime.report import EpisodeReport
from exports.runtime.tick_layout import SCALARS
from ilrobot.actors import Actor, Decision, Event, LateAnswer, Source
from ilrobot.control.activation import Activation
from ilrobot.control.clock import SimulatedClock
from ilrobot.control.contract_guards import Workspace
from ilrobot.control.guard import Guard
from ilrobot.errors import WorkFailed
from tests.ilrobot.control.contracts import ABSOLUTE, ABSOLUTE_CONTRACT, DELTA_CONTRACT, RATE


class FakeRobot:
    """Measures what it was last told; `fault(tick)` may replace the measurement or its age."""

    def __init__(self, fault=lambda tick: {}, length=10):
        self._fault, self._length = fault, length
        self.written, self.stops, self.resets = [], 0, []

    def connect(self):
        return Capabilities("fake", ABSOLUTE, any_rate=True, time_limit=self._length)

    def reset(self, seed):
        self.resets.append(seed)
        self._tick = 0
        return Motion(np.zeros(2))

    def read(self, now):
        fault = self._fault(self._tick)
        self._tick += 1
        observation = {"observation.state": np.array(fault.get("state", [0, 0]), np.float32)}
        return Reading(observation, now - fault.get("age", 0.0))

    def write(self, command):
        if self._fault(self._tick - 1).get("breaks"):
            raise ConnectionError("cable cut")
        self.written.append(np.array(command))
        return Status(ended=self._tick >= self._length, success=self._tick >= self._length)

    def stop(self):
        self.stops += 1

    def close(self):
        pass


class Constant(Actor):
    """Always wants the same; counts its flushes."""

    def __init__(self, *action):
        self.action, self.flushes, self.asked = np.array(action, np.float32), 0, 0

    def act(self, observation, now):
        assert np.isfinite(observation["observation.state"]).all()
        self.asked += 1
        return Decision(self.action, Source.POLICY)

    def flush(self):
        self.flushes += 1


class LateClock(SimulatedClock):
    """Every third deadline has passed."""

    def wait(self):
        super().wait()
        return self._ticks % 3 == 0


def run(robot, actor, clock=None, seeds=(0,), stopped=lambda: False, max_ticks=100):
    guard = Guard(ABSOLUTE_CONTRACT)
    loop = ControlLoop(robot, actor, guard, clock or SimulatedClock(RATE), stopped=stopped)
    log = Kept()
    report = loop.run(seeds, max_ticks=max_ticks, log=log)
    report.rows = log.rows()
    return report


class Kept:
    """A log in memory."""

    def __init__(self):
        self._ticks = []

    def append(self, observation, command, wanted, source, *numbers):
        self._ticks.append(
            {
                "command": np.full(2, math.nan) if command is None else np.array(command),
                "wanted": np.full(2, math.nan) if wanted is None else np.array(wanted),
                "source": source,
                **dict(zip(NUMBERS, numbers, strict=True)),
            }
        )

    def rows(self):
        return {key: np.array([tick[key] for tick in self._ticks]) for key in self._ticks[0]}


NUMBERS = [name for name, _ in SCALARS if name not in ("source", "tick")]


def at(ticks, **fault):
    return lambda tick: fault if tick in ticks else {}


def flags(report):
    return [Activation(int(bits)) for bits in report.rows["activations"]]


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
    assert actor.flushes >= 2
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


def test_a_robot_that_breaks_is_still_told_to_stop():
    robot = FakeRobot(at({3}, breaks=True))
    with pytest.raises(ConnectionError):
        run(robot, Constant(0.1, 0.1))
    assert robot.stops == 1


def test_stopping_ends_the_episode_and_the_run():
    robot = FakeRobot()
    report = run(robot, Constant(0.1, 0.1), seeds=range(5), stopped=lambda: len(robot.written) >= 4)
    assert robot.resets == [0]
    assert len(robot.written) == 4
    assert robot.stops == 1
    assert not report.episodes[0].ended
    assert report.to_json()["success_rate"] is None


def test_an_episode_has_a_greatest_length():
    report = run(FakeRobot(length=50), Constant(0.1, 0.1), max_ticks=7)
    assert report.episodes[0].ticks == 7
    assert report.episodes[0].ended
    assert not report.episodes[0].success


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


class Failing(FakeRobot):
    """Fails at a tick of the second episode, or as it is to begin."""

    def __init__(self, at_tick):
        super().__init__()
        self._at_tick = at_tick

    def reset(self, seed):
        if self.resets and self._at_tick is None:
            raise WorkFailed("it has gone")
        return super().reset(seed)

    def read(self, now):
        if len(self.resets) == 2 and self._tick == self._at_tick:
            raise WorkFailed("it has gone")
        return super().read(now)


class Watching:
    """Keeps the reports."""

    def __init__(self):
        self.reports = []

    def begin(self, seed):
        pass

    def tick(self, record):
        pass

    def end(self, report):
        self.reports.append(report)


@pytest.mark.parametrize(("at_tick", "ticks"), [(None, 0), (4, 4)])
def test_where_the_robot_fails_the_run_ends_with_its_report(at_tick, ticks):
    robot, watcher = Failing(at_tick), Watching()
    loop = ControlLoop(
        *(robot, Constant(0.1, -0.1), Guard(ABSOLUTE_CONTRACT), SimulatedClock(RATE)),
        watchers=(watcher,),
    )
    told = []
    report = loop.run((5, 6, 7), max_ticks=100, on_episode=told.append)
    first, second = report.episodes
    assert (first.success, first.ended, first.failure) == (True, True, None)
    assert second == EpisodeReport(6, None, ticks, ended=False, failure="it has gone")
    assert told == watcher.reports == report.episodes
    assert robot.stops == 2
    said = report.to_json()
    assert (said["failure"], said["episodes"], said["judged"]) == ("it has gone", 1, 1)
    assert said["ticks"] == 10 + ticks


def test_where_an_episode_cannot_be_kept_the_run_ends_with_its_report():
    class Full(Watching):
        def end(self, report):
            raise WorkFailed("no room")

    loop = ControlLoop(
        *(FakeRobot(), Constant(0.1, -0.1), Guard(ABSOLUTE_CONTRACT), SimulatedClock(RATE)),
        watchers=(Full(),),
    )
    report = loop.run((5, 6), max_ticks=100)
    assert report.episodes == [EpisodeReport(5, True, 10, ended=True, failure="no room")]
    assert report.failure == "no room"


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


def test_a_robot_that_does_not_know_what_it_holds_is_not_moved():
    class Lost(FakeRobot):
        def reset(self, seed):
            super().reset(seed)
            return Motion(np.array([0.0, math.nan]))

    robot = Lost()
    report = ControlLoop(
        *(robot, Constant(0.1, 0.1), Guard(ABSOLUTE_CONTRACT), SimulatedClock(RATE))
    ).run((0, 1), max_ticks=10)
    assert "finite" in report.episodes[0].failure
    assert (robot.resets, robot.written, robot.stops) == ([0], [], 1)


@pytest.mark.parametrize("how", ["a signal", "its length", "a person"])
def test_what_ends_in_motion_comes_to_rest_within_the_limits(how):
    class Declares(Constant):
        def act(self, observation, now):
            decision = super().act(observation, now)
            return replace(decision, event=Event.SUCCESS) if self.asked == 3 else decision

    robot = FakeRobot(length=100)
    report = run(
        *(robot, Declares(1.0, -1.0) if how == "a person" else Constant(1.0, -1.0)),
        stopped=lambda: how == "a signal" and len(robot.written) >= 3,
        max_ticks=3 if how == "its length" else 50,
    )
    assert report.episodes[0].ticks == 3
    # What the robot is at when it is told to stop: the last position, again and again.
    written = np.array([np.zeros(2), *robot.written, *[robot.written[-1]] * 3])
    steps = np.diff(written, axis=0)
    assert np.abs(steps).max() <= 0.5 + 1e-6
    assert np.abs(np.diff(steps, axis=0)).max() <= 0.2 + 1e-6
    assert robot.stops == 1


class Waits:
    """A watcher that lets something happen while its person is not ready."""

    def __init__(self, happens):
        self._happens = happens

    def begin(self, seed):
        self._happens(seed)

    def tick(self, record):
        pass

    def end(self, report):
        pass


def waiting(robot, happens, stopped=lambda: False):
    return ControlLoop(
        *(robot, Constant(0.9, -0.9), Guard(ABSOLUTE_CONTRACT), SimulatedClock(RATE)),
        stopped=stopped,
        watchers=[Waits(happens)],
    )


def test_the_first_command_begins_where_the_arm_is_after_the_wait():
    robot = FakeRobot()
    robot.at = np.zeros(2)
    robot.reset = lambda seed: robot.resets.append(seed) or Motion(robot.at.copy())
    robot._tick = 0
    loop = waiting(robot, lambda seed: robot.at.__setitem__(slice(None), [0.9, -0.9]))
    loop.run((0,), max_ticks=3)
    np.testing.assert_allclose(robot.written, [[0.9, -0.9]] * 3, atol=1e-6)


def test_a_robot_is_neither_reset_nor_told_anything_where_the_wait_was_ended():
    """Where it was stopped last is not where it is now, if a person led it meanwhile."""
    robot, left = FakeRobot(length=4), []
    loop = waiting(robot, lambda seed: seed == 6 and left.append(seed), lambda: bool(left))
    report = loop.run((5, 6, 7), max_ticks=100)
    assert (robot.resets, robot.stops, len(robot.written)) == ([5], 1, 4)
    assert [(e.seed, e.ticks, e.ended) for e in report.episodes] == [(5, 4, True), (6, 0, False)]


def test_a_robot_that_has_ended_is_sent_nothing_more():
    robot = FakeRobot(length=3)
    run(robot, Constant(1.0, -1.0))
    assert len(robot.written) == 3
