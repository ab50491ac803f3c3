"""The emergency stop in the control loop: it brakes, holds and ends, whatever would come next."""

import numpy as np

from exports.runtime.loop import ControlLoop
from ilrobot.control.activation import Activation
from ilrobot.control.clock import SimulatedClock
from ilrobot.control.emergency import EmergencyStop
from ilrobot.control.guard import Guard
from tests.exports.looping import Constant, FakeRobot, Kept
from tests.ilrobot.control.contracts import ABSOLUTE_CONTRACT, RATE


def run(robot, emergency, seeds):
    guard = Guard(ABSOLUTE_CONTRACT, emergency=emergency)
    loop = ControlLoop(
        robot, Constant(1.0, -1.0), guard, SimulatedClock(RATE), stopped=lambda: guard.has_stopped
    )
    log = Kept()
    report = loop.run(seeds, max_ticks=100, log=log)
    return report, log.rows()


def test_it_brakes_within_the_limits_and_no_episode_follows():
    emergency = EmergencyStop()

    def press(tick):
        if tick == 2:
            emergency.press("a test")
        return {}

    robot = FakeRobot(press, length=1000)
    report, rows = run(robot, emergency, seeds=(5, 6, 7))
    # Steps of 0.2 and 0.4, then 0.2 less a tick; what was braked is held while it ends.
    steps = np.diff(np.array([[0.0, 0.0], *robot.written])[:, 0])
    np.testing.assert_allclose(steps[:3], [0.2, 0.4, 0.2])
    np.testing.assert_allclose(steps[3:], 0.0, atol=1e-12)
    assert 5 <= len(steps) <= 7
    assert robot.resets == [5]
    assert robot.stops == 1
    stopped = [bool(Activation.EMERGENCY_STOP & int(bits)) for bits in rows["activations"]]
    assert stopped == [False, False] + [True] * (len(steps) - 2)
    assert report.episodes[0].ended is False


def test_pressed_as_the_robot_ends_its_episode_no_other_begins():
    """Nothing brings the commands to rest any more then."""
    emergency = EmergencyStop()

    def press(tick):
        if tick == 3:
            emergency.press("a test")
        return {}

    robot = FakeRobot(press, length=4)
    run(robot, emergency, seeds=(5, 6))
    assert robot.resets == [5]


def test_pressed_before_it_begins_nothing_moves():
    emergency = EmergencyStop()
    emergency.press("a test")
    robot = FakeRobot()
    guard = Guard(ABSOLUTE_CONTRACT, emergency=emergency)
    loop = ControlLoop(
        robot, Constant(1.0, 1.0), guard, SimulatedClock(RATE), stopped=lambda: guard.has_stopped
    )
    report = loop.run((1, 2), max_ticks=100)
    assert (robot.resets, robot.written, report.episodes) == ([], [], [])
