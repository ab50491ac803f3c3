"""A robot behind a socket: both ends in this process, over real UDP and ZeroMQ."""

import threading
import time
from contextlib import closing
from dataclasses import replace

import numpy as np
import pytest

from exports.robots import messages
from exports.robots.links import open_link
from exports.robots.messages import Capabilities, Header, Hello, Reset, Stop
from exports.robots.socket_robot import SocketRobot
from exports.robots.wire import decode, encode
from ilrobot.control.contract_joints import Joints
from ilrobot.errors import WorkFailed
from tests.exports.plant import LIMITS, Plant, Served
from tests.exports.raw_socket import Raw, until


@pytest.fixture
def robot(served):
    robot = SocketRobot(served.address, LIMITS)
    robot.connect()
    yield robot
    robot.close()


@pytest.mark.parametrize(("semantics", "any_rate"), [("absolute", True), ("delta", False)])
def test_a_robot_of_steps_runs_at_its_own_rate_behind_a_socket(semantics, any_rate):
    """It ticks by its own clock, whatever the robot within can do."""
    plant = Plant()
    plant.spec = replace(plant.spec, semantics=semantics)
    told = replace(plant.connect(), any_rate=True)
    plant.connect = lambda: told
    with Served(plant=plant) as served, closing(SocketRobot(served.address, LIMITS)) as robot:
        assert robot.connect().any_rate is any_rate


def test_an_episode(served, robot):
    motion = robot.reset(11)
    assert served.plant.seeds == [11]
    np.testing.assert_array_equal(motion.command, np.zeros(3))
    np.testing.assert_array_equal(motion.velocity, np.zeros(3))
    for step in range(30):
        reading = robot.read(0.0)
        assert set(reading.observation) == {"observation.state", "observation.images.eye"}
        assert reading.observation["observation.images.eye"].shape == (2, 2, 3)
        assert reading.measured <= time.perf_counter()
        status = robot.write(np.full(3, 0.002 * step, np.float32))
        assert not status.ended
        assert status.success is not True
        time.sleep(0.01)
    until(lambda: robot.read(0.0).observation["observation.state"][0] > 0.05)
    robot.stop()
    until(lambda: served.plant.stops >= 1)  # once it has braked
    before = len(served.plant.seeds)
    robot.reset(12)
    assert served.plant.seeds[before:] == [12]
    np.testing.assert_array_equal(robot.read(0.0).observation["observation.state"], 0.0)


def test_what_the_robot_is_arrives_whole(served, robot):
    capabilities = robot.connect()
    assert capabilities.spec == served.plant.spec
    assert capabilities.name == f"plant at {served.address}"
    assert not capabilities.any_rate
    assert capabilities.time_limit is None


def test_the_end_of_an_episode_is_told():
    with Served(plant=Plant(time_limit=5)) as served:
        robot = SocketRobot(served.address, LIMITS)
        robot.connect()
        robot.reset(0)
        statuses = []
        until(
            lambda: (
                robot.read(0.0),
                statuses.append(robot.write(np.zeros(3))),
                time.sleep(0.01),
                statuses[-1].ended,
            )[-1]
        )
        assert statuses[-1].success is True
        assert len(served.plant.written) == 5
        robot.stop()
        robot.reset(1)
        assert not robot.write(np.zeros(3)).ended
        robot.close()


def test_a_robot_that_does_not_know_what_it_holds():
    with Served(plant=Plant(knows=False)) as served:
        robot = SocketRobot(served.address, LIMITS)
        robot.connect()
        assert robot.reset(0) is None
        robot.close()


def test_it_holds_when_commands_cease_and_goes_on_with_the_next(served, robot):
    robot.reset(0)
    until(lambda: (robot.write(np.zeros(3)), served.plant.written)[-1])
    until(lambda: served.server.held >= 1)
    held = served.server.held
    # The controller is still there: its heartbeat keeps observations coming, not motion.
    for _ in range(20):
        robot.read(0.0)
        time.sleep(0.01)
    assert served.server.held == held
    until(lambda: (robot.write(np.full(3, 0.001)), served.plant.joints[0] > 0)[-1])
    until(lambda: served.server.held > held)


def test_an_age_is_that_of_the_measurement_and_grows_while_none_comes(served, robot):
    robot.reset(0)
    ages = []
    for _ in range(30):
        reading = robot.read(0.0)
        ages.append(time.perf_counter() - reading.measured)
        time.sleep(0.01)
    assert 0 <= min(ages) < 0.5
    served.fall_silent()
    robot.read(0.0)
    last = robot.read(0.0)
    time.sleep(0.05)
    assert robot.read(0.0).measured == last.measured


def test_the_clocks_need_not_agree():
    with Served(clock=lambda: time.perf_counter() + 1e5) as served:
        robot = SocketRobot(served.address, LIMITS)
        robot.connect()
        robot.reset(0)
        for _ in range(20):
            robot.write(np.zeros(3))
            time.sleep(0.01)
            age = time.perf_counter() - robot.read(0.0).measured
            assert -0.05 < age < 1.0  # the clocks are compared within half of a way there and back
        robot.close()


def test_a_second_controller_is_refused_until_the_first_has_gone(served, robot, monkeypatch):
    robot.reset(0)
    other = SocketRobot(served.address, LIMITS)
    other.connect()
    monkeypatch.setattr("exports.robots.socket_robot._REFUSES_FOR", 0.1)
    raw = Raw(served.address)
    until(
        lambda: (robot.read(0.0), raw.say(Reset(1, 1, None)), served.server.dropped["foreign"])[2]
    )
    assert raw.hear(messages.Refusal).reason == "another controller drives"
    # From here on the first one says nothing.
    monkeypatch.setattr("exports.robots.server.DRIVES_FOR", 0.05)
    time.sleep(0.1)
    other.reset(5)
    assert served.plant.seeds == [0, 5]
    other.close()


def test_one_that_is_refused_says_so(served, robot, monkeypatch):
    monkeypatch.setattr("exports.robots.socket_robot._REFUSES_FOR", 0.1)
    robot.reset(0)
    other = SocketRobot(served.address, LIMITS)
    other.connect()
    with pytest.raises(WorkFailed, match="begins no episode: another controller drives"):
        other.reset(0)
    other.close()
    assert served.plant.seeds == [0]


def test_the_joints_of_a_robot_arrive(monkeypatch):
    plant = Plant()
    joints = Joints(("a", "b"), ("rad", "m"), (0.1, 0.2), (4.0, 5.0), (1.0, 2.0))
    stated = replace(plant.connect(), joints=joints)
    monkeypatch.setattr(plant, "connect", lambda: stated)
    with Served(plant=plant) as served:
        robot = SocketRobot(served.address, LIMITS)
        assert robot.connect().joints == joints
        robot.close()


def test_what_ends_a_run_ends_the_way_to_the_start_and_the_robot_is_told():
    """The robot answers what it is, and is then on its way for longer than anybody waits."""
    heard, over = [], threading.Event()

    def robot_on_its_way(link):
        while not over.is_set():
            link.wait(0.02)
            while (arrived := link.receive()) is not None:
                peer, data = arrived
                _, body = decode(data)
                heard.append(type(body))
                if isinstance(body, Hello):
                    described = Capabilities("arm", Plant().spec.to_json(), False, None, 0.2)
                    link.send(peer, encode(Header(9, len(heard), time.monotonic()), described))

    with closing(open_link("udp://127.0.0.1:0", listen=True)) as link:
        thread = threading.Thread(target=robot_on_its_way, args=(link,))
        thread.start()
        try:
            with closing(SocketRobot(link.address, LIMITS)) as robot:
                robot.connect()
                robot.heed(lambda: Reset in heard)
                assert robot.reset(0) is None
                robot.stop()
                until(lambda: Stop in heard)
        finally:
            over.set()
            thread.join()
