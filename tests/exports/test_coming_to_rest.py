"""An episode that ends in motion, also by a failure, comes to rest within the limits."""

import math
from dataclasses import replace

import numpy as np
import pytest

from exports.robots.lerobot_robot import LerobotRobot
from exports.runtime.loop import ControlLoop
from exports.runtime.tick_layout import layout
from exports.runtime.tick_log import TickLog
from exports.runtime.tick_reading import read_ticks
from ilrobot.control.clock import SimulatedClock
from ilrobot.control.guard import Guard
from ilrobot.errors import WorkFailed
from tests.exports.looping import Constant, FakeRobot, at, run
from tests.exports.test_lerobot_robot import Arm
from tests.ilrobot.control.contracts import ABSOLUTE, ABSOLUTE_CONTRACT, RATE


class FailsToRead(FakeRobot):
    """From a tick on nothing is measured any more."""

    def __init__(self, error, at_tick=4):
        super().__init__(length=100)
        self._error, self._at_tick = error, at_tick

    def read(self, now):
        if self._tick == self._at_tick:
            raise self._error
        return super().read(now)


class Raises(Constant):
    """Fails at its fifth action, as an inference thread that died."""

    def act(self, observation, now):
        if self.asked == 4:
            raise WorkFailed("the policy failed")
        return super().act(observation, now)


class FullDisk:
    """A watcher that fails once a command was sent."""

    def begin(self, seed):
        self.ticks = 0

    def tick(self, record):
        self.ticks += 1
        if self.ticks == 4:
            raise WorkFailed("no room")

    def end(self, report):
        pass


def assert_at_rest_within_the_limits(robot):
    # What the robot is at when it is told to stop: the last position, again and again.
    written = np.array([np.zeros(2), *robot.written, *[robot.written[-1]] * 3])
    steps = np.diff(written, axis=0)
    assert np.abs(steps).max() > 0.3  # it was in motion
    assert np.abs(steps).max() <= 0.5 + 1e-6
    assert np.abs(np.diff(steps, axis=0)).max() <= 0.2 + 1e-6
    assert robot.stops == 1


def loop_of(robot, actor, watchers=()):
    return ControlLoop(
        *(robot, actor, Guard(ABSOLUTE_CONTRACT), SimulatedClock(RATE)), watchers=watchers
    )


@pytest.mark.parametrize(
    ("robot", "actor", "watchers", "why"),
    [
        (FailsToRead(WorkFailed("the bus is silent")), Constant(1.0, -1.0), (), "the bus is"),
        (FakeRobot(length=100), Raises(1.0, -1.0), (), "the policy failed"),
        (FakeRobot(length=100), Constant(1.0, -1.0), (FullDisk(),), "no room"),
    ],
)
def test_what_fails_in_motion_comes_to_rest_within_the_limits(robot, actor, watchers, why):
    report = loop_of(robot, actor, watchers).run((0, 1), max_ticks=50)
    assert why in report.failure
    assert report.activations["coming_to_rest"] >= 2
    assert_at_rest_within_the_limits(robot)


def test_so_it_does_where_the_failure_is_a_defect_which_is_told_all_the_same():
    robot = FailsToRead(KeyError("observation.state"))
    with pytest.raises(KeyError):
        run(robot, Constant(1.0, -1.0))
    assert_at_rest_within_the_limits(robot)


@pytest.mark.parametrize(("periods", "brakes"), [(0.9, True), (1.1, False)])
def test_an_arm_that_waited_for_its_command_meanwhile_is_not_set_off_again(periods, brakes):
    class Clock(SimulatedClock):
        lost = 0.0

        def now(self):
            return super().now() + self.lost

    class SlowToFail(FailsToRead):
        def read(self, now):
            if self._tick == self._at_tick:
                clock.lost += periods / RATE
            return super().read(now)

    clock, robot = Clock(RATE), SlowToFail(WorkFailed("the bus is silent"))
    loop = ControlLoop(robot, Constant(1.0, -1.0), Guard(ABSOLUTE_CONTRACT), clock)
    assert loop.run((0,), max_ticks=50).failure == "the bus is silent"
    assert (len(robot.written) > 4) == brakes
    assert robot.stops == 1


def test_a_robot_that_cannot_be_written_to_is_left_and_what_failed_first_is_told():
    class Dead(FailsToRead):
        def __init__(self):
            super().__init__(WorkFailed("the cable is cut"))

        def write(self, command):
            if self._tick == 4 and len(self.written) == 4:
                raise WorkFailed("nobody takes commands")
            return super().write(command)

        def stop(self):
            super().stop()
            raise WorkFailed("nobody stops either")

    robot = Dead()
    report = loop_of(robot, Constant(1.0, -1.0)).run((0, 1), max_ticks=50)
    assert report.failure == "the cable is cut"
    assert (len(robot.written), robot.stops) == (4, 1)


def test_a_robot_that_ended_is_not_commanded_where_something_fails_after_it():
    robot = FakeRobot(length=4)
    report = loop_of(robot, Constant(1.0, -1.0), (FullDisk(),)).run((0,), max_ticks=50)
    assert report.failure == "no room"
    assert len(robot.written) == 4


def test_the_ticks_that_brake_are_in_the_log_and_counted_apart(tmp_path):
    robot = FailsToRead(WorkFailed("the bus is silent"))
    kept = layout(ABSOLUTE, RATE, None, {})
    with TickLog(tmp_path / "run.ticks", kept, 100) as log:
        loop = loop_of(robot, Constant(1.0, -1.0))
        result = loop.run((0,), max_ticks=50, log=log).to_json()
    ticks = read_ticks(tmp_path / "run.ticks")
    braking = ticks.had("coming_to_rest")
    assert braking.tolist() == [False] * 4 + [True] * (len(robot.written) - 4)
    assert braking.sum() == result["guard"]["coming_to_rest"] > 0
    assert (result["ticks"], result["guard"]["fallback"]) == (4, 0)
    np.testing.assert_array_equal(ticks.rows["command"], robot.written)
    assert np.isnan(ticks.rows["observation.state"][braking]).all()
    assert {ticks.layout.sources[code] for code in ticks.rows["source"][braking]} == {"fallback"}
    np.testing.assert_allclose(np.diff(ticks.rows["start"][3:]), 1 / RATE)


def test_what_was_at_rest_is_sent_nothing_more():
    robot = FakeRobot(at(range(2, 50), state=[math.nan, 0.0]), length=100)
    report = run(robot, Constant(0.1, 0.1), max_ticks=20)
    assert len(robot.written) == 20
    assert report.activations["coming_to_rest"] == 0


@pytest.mark.parametrize("of", ["reading", "writing"])
def test_an_arm_of_lerobot_whose_bus_fails_is_braked_as_far_as_it_can_be_reached(of):
    names = ("x.pos", "y.pos")

    class Bus(Arm):
        """Follows at once; fails from the fifth tick on."""

        def __init__(self):
            super().__init__()
            self.observation_features = self.action_features = dict.fromkeys(names, float)
            self.measured = dict.fromkeys(names, 0.0)

        def get_observation(self):
            if of == "reading" and len(self.sent) >= 4:
                raise ConnectionError("no status packet")
            return super().get_observation()

        def send_action(self, action):
            if of == "writing" and len(self.sent) >= 4:
                raise ConnectionError("no status packet")
            self.measured = dict(action)
            return super().send_action(action)

    named = replace(ABSOLUTE, semantics="unknown")
    features = (replace(f, names=names, units=()) for f in (*named.observations, named.action))
    state, action = features
    spec = replace(named, observations=(state,), action=action)
    device, clock = Bus(), SimulatedClock(RATE)
    robot = LerobotRobot(device, spec, clock.now)
    robot.connect()
    guard = Guard(replace(ABSOLUTE_CONTRACT, spec=spec))
    report = ControlLoop(robot, Constant(1.0, -1.0), guard, clock).run((0, 1), max_ticks=50)
    assert report.failure.endswith("no status packet; look at it and deploy again")
    sent = np.array([[0.0, 0.0], *([a[name] for name in names] for a in device.sent)])
    if of == "writing":
        assert len(sent) == 5
        return
    still = np.concatenate([sent, sent[-1:], sent[-1:]])
    steps = np.diff(still, axis=0)
    assert np.abs(steps).max() > 0.3
    assert np.abs(np.diff(steps, axis=0)).max() <= 0.2 + 1e-6
