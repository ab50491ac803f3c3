"""How episodes and runs of the control loop begin and end, whatever fails or moves."""

import math
from dataclasses import replace

import numpy as np
import pytest

from exports.robots.base import Motion
from exports.runtime.loop import ControlLoop
from exports.runtime.report import EpisodeReport
from ilrobot.actors import Event
from ilrobot.control.clock import SimulatedClock
from ilrobot.control.guard import Guard
from ilrobot.errors import WorkFailed
from tests.exports.looping import Constant, FakeRobot, at, run
from tests.ilrobot.control.contracts import ABSOLUTE_CONTRACT, RATE


def test_a_robot_that_breaks_is_still_told_to_stop():
    robot = FakeRobot(at({3}, breaks=True))
    report = run(robot, Constant(0.1, 0.1), seeds=range(5))
    assert robot.stops == 1
    assert [(e.failure, e.ended, e.ticks) for e in report.episodes] == [("cable cut", False, 3)]


def test_what_failed_first_is_told_and_not_that_it_does_not_hear_stop_either():
    class Cut(FakeRobot):
        def stop(self):
            raise OSError("bad file descriptor")

    report = run(Cut(at({3}, breaks=True)), Constant(0.1, 0.1))
    assert report.episodes[0].failure == "cable cut"


def test_a_robot_whose_own_code_is_wrong_is_told_to_stop_and_its_maker_told_why():
    class Wrong(FakeRobot):
        def write(self, command):
            raise KeyError("elbow")

    robot = Wrong()
    with pytest.raises(KeyError, match="elbow"):
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
