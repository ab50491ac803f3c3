"""Faults of real processes: the robot is killed, restarted, absent; so is its controller."""

import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from exports.robots.execution_log import read_executed
from exports.robots.messages import State
from exports.robots.socket_robot import SocketRobot
from ilrobot.errors import WorkFailed
from tests.exhaustive import thinned
from tests.exports.plant import LIMITS

RATE = 200.0


class Process:
    """A plant served by a process of its own."""

    def __init__(self, log, address="udp://127.0.0.1:0"):
        command = [sys.executable, "-m", "tests.exports.plant", address, str(log), str(RATE)]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        self.address = self.process.stdout.readline().strip()

    def end(self, number=signal.SIGKILL):
        self.process.send_signal(number)
        self.process.wait(timeout=30)
        self.process.stdout.close()


@pytest.fixture
def log(tmp_path):
    return tmp_path / "log.jsonl"


@pytest.fixture
def process(log):
    process = Process(log)
    yield process
    if process.process.poll() is None:
        process.end()


@pytest.fixture
def robot(process):
    robot = SocketRobot(process.address, LIMITS)
    robot.connect()
    robot.reset(0)
    yield robot
    robot.close()


def drive(robot, ticks, speed=0.001):
    for tick in range(ticks):
        robot.read(0.0)
        robot.write(np.full(3, speed * tick, np.float32))
        time.sleep(1 / RATE)


def until_it_fails(robot, seconds=60.0):
    """Drive on as the loop would, until `read` ends the run; its line."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            robot.read(0.0)
        except WorkFailed as error:
            return str(error)
        robot.write(np.zeros(3, np.float32))
        time.sleep(1 / RATE)
    return "nothing failed"


def assert_within_limits(path):
    for executed in read_executed(path):
        assert np.all(np.abs(executed.command) <= 1 + 1e-6)
        assert np.all(np.abs(executed.velocity) <= LIMITS.velocity[0] * (1 + 1e-3))
        # A command is kept as float32: 6e-8 of it, twice divided by the period.
        assert np.all(np.abs(executed.acceleration) <= LIMITS.acceleration[0] + 4e-7 * RATE**2)


def test_a_robot_that_is_killed_ends_the_run_in_one_line(process, robot, log, monkeypatch):
    monkeypatch.setattr("exports.robots.socket_robot._LOST_AFTER", 0.3)
    drive(robot, 20)
    process.end()
    age = time.perf_counter() - robot.read(0.0).measured
    assert "has been silent for" in until_it_fails(robot)
    assert time.perf_counter() - robot._reading.measured > age  # no news was made up
    robot.stop()
    assert_within_limits(log)


def test_a_robot_that_is_restarted_ends_the_run_and_can_be_met_anew(
    process, robot, tmp_path, monkeypatch
):
    monkeypatch.setattr("exports.robots.socket_robot._LOST_AFTER", 60.0)  # it starts in less
    drive(robot, 20)
    process.end()
    again = Process(tmp_path / "again.jsonl", process.address)
    assert "was restarted in the middle of an episode" in until_it_fails(robot)
    robot.stop()
    robot.reset(1)
    drive(robot, 20)
    robot.stop()
    again.end(signal.SIGTERM)
    (executed,) = read_executed(tmp_path / "again.jsonl")
    assert len(executed.command) > 5  # nothing was executed before the reset
    assert_within_limits(tmp_path / "again.jsonl")


def test_a_robot_that_is_restarted_between_two_episodes_is_met_anew(process, robot, tmp_path):
    drive(robot, 5)
    robot.stop()
    time.sleep(0.3)  # what its old process goes on to say waits in the socket
    process.end()
    again = Process(tmp_path / "again.jsonl", process.address)
    robot.reset(1)
    drive(robot, 5)
    robot.stop()
    again.end(signal.SIGTERM)


def test_a_robot_that_is_gone_at_the_next_episode(process, robot, monkeypatch):
    monkeypatch.setattr("exports.robots.socket_robot._ANSWERS_WITHIN", 0.3)
    drive(robot, 5)
    robot.stop()
    process.end()
    with pytest.raises(WorkFailed, match="no robot answers"):  # it did when it was connected to
        robot.reset(1)


def test_a_robot_that_is_stopped_for_a_while_is_not_driven_by_what_queued_up(process, robot, log):
    drive(robot, 20)
    os.kill(process.process.pid, signal.SIGSTOP)
    for _ in range(60):  # 0.3 s of commands that nobody reads
        robot.read(0.0)
        robot.write(np.full(3, -0.9, np.float32))
        time.sleep(1 / RATE)
    os.kill(process.process.pid, signal.SIGCONT)
    drive(robot, 40)
    robot.stop()
    process.end(signal.SIGTERM)
    assert_within_limits(log)


CONTROLLER = """
import sys, time
import numpy as np
from exports.robots.socket_robot import SocketRobot
from tests.exports.plant import LIMITS
robot = SocketRobot(sys.argv[1], LIMITS)
robot.connect()
robot.reset(3)
print("driving", flush=True)
tick = 0
while True:
    robot.read(0.0)
    robot.write(np.full(3, 0.004 * tick, np.float32))  # on and on, at 0.8 of the greatest speed
    tick += 1
    time.sleep(1 / 200)
"""


@pytest.mark.parametrize(
    "number",
    thinned([signal.SIGKILL, signal.SIGTERM, signal.SIGSTOP], [signal.SIGKILL, signal.SIGSTOP]),
)
def test_a_controller_that_dies_leaves_a_robot_that_holds(process, log, number):
    controller = subprocess.Popen(
        [sys.executable, "-c", CONTROLLER, process.address], stdout=subprocess.PIPE, text=True
    )
    assert controller.stdout.readline() == "driving\n"
    time.sleep(0.2)
    controller.send_signal(number)
    end = time.monotonic() + 20
    while log.read_text().count('"holding"') < 100 and time.monotonic() < end:
        time.sleep(0.05)
    if number == signal.SIGSTOP:
        controller.kill()
    controller.wait(timeout=30)
    controller.stdout.close()
    process.end(signal.SIGTERM)
    (executed,) = read_executed(log)
    assert executed.state[-1] is State.HOLDING
    np.testing.assert_array_equal(executed.velocity[-1], 0.0)
    assert_within_limits(log)
