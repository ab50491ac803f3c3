"""Strangers, garbage and a bad network between a controller and its robot: neither fools it."""

import socket
import time
from dataclasses import replace

import numpy as np
import pytest

from exports.robots import messages
from exports.robots.base import Reading, Status
from exports.robots.impaired_link import ImpairedLink, Impairments
from exports.robots.messages import Command, Header, Reset
from exports.robots.socket_robot import SocketRobot
from exports.robots.wire import encode
from ilrobot.control.contract_guards import Workspace
from ilrobot.control.guard import Guard
from tests.exports.plant import LIMITS, Plant, Served
from tests.exports.raw_socket import Raw, until
from tests.ilrobot.control.contracts import DELTA, DELTA_CONTRACT


def test_old_and_duplicate_commands_do_not_count(served):
    raw = Raw(served.address)
    raw.begin()
    until(lambda: raw.say(Command(1, (0.0005, 0.0, 0.0))) or served.plant.written)
    newest = raw.seq
    raw.say(Command(1, (-0.9, -0.9, -0.9)), seq=newest)
    raw.say(Command(1, (-0.9, -0.9, -0.9)), seq=newest - 1)
    until(lambda: served.server.dropped["old"] >= 2)
    time.sleep(0.05)
    assert np.all(served.plant.joints >= 0)


def test_a_command_that_was_under_way_for_too_long_does_not_count(served):
    raw = Raw(served.address)
    raw.begin()
    raw.say(Command(1, (0.0, 0.0, 0.0)))
    raw.seq += 1
    late = Header(raw.session, raw.seq, time.perf_counter() - 1.0)
    raw.link.send(None, encode(late, Command(1, (-0.9, 0.0, 0.0))))
    until(lambda: served.server.dropped["late"] == 1)
    time.sleep(0.05)
    assert np.all(served.plant.joints == 0)


def test_commands_of_another_episode_or_session_or_size_do_not_count(served):
    raw = Raw(served.address)
    raw.begin()
    raw.say(Command(1, (0.0, 0.0, 0.0)))
    raw.say(Command(2, (0.9, 0.9, 0.9)))
    until(lambda: served.server.dropped["other episode"] == 1)
    stranger = Raw(served.address, session=78)
    until(lambda: stranger.say(Command(1, (0.9, 0.9, 0.9))) or served.server.dropped["foreign"])
    assert "no episode of this session" in stranger.hear(messages.Refusal).reason
    raw.say(Command(1, (0.9,)))
    assert raw.hear(messages.Refusal).reason == "a command of 1 elements; it takes 3"
    raw.say(Command(1, (0.0, 1e300, 0.0)))
    assert raw.hear(messages.Refusal).reason == "a command beyond 3.40282e+38"
    raw.say(Command(1, (float("nan"),) * 3))
    until(lambda: served.server.dropped["malformed"] == 1)
    assert np.all(served.plant.joints == 0)


def test_limits_that_are_none_are_refused(served):
    raw = Raw(served.address)
    damaged = {**LIMITS.to_json(), "low": ["x"]}
    until(lambda: raw.say(Reset(1, 5, damaged)) or (time.sleep(0.02), raw.link.receive())[1])
    raw.say(Reset(1, 5, {"mode": ["absolute"]}))
    assert "the limits are damaged" in raw.hear(messages.Refusal).reason
    assert served.plant.seeds == []


class Unmeasured(Plant):
    """Knows nothing before its first reset, as a simulator does."""

    def read(self, now):
        assert self.seeds, "read before it was reset"
        return super().read(now)


@pytest.mark.parametrize(
    ("reset", "reason"),
    [
        (Reset(0, 5, LIMITS.to_json()), "episodes are counted from 1, not 0"),
        (Reset(1, 5, {**LIMITS.to_json(), "low": [0.0]}), "the limits are damaged: low for 1"),
    ],
)
def test_a_first_reset_that_is_refused_leaves_the_robot_as_it_is(reset, reason):
    with Served(plant=Unmeasured()) as served:
        raw = Raw(served.address)
        raw.say(reset)
        assert reason in raw.hear(messages.Refusal).reason
        raw.say(Command(0, (0.9, 0.9, 0.9)))
        until(lambda: served.server.dropped["other episode"] == 1)
        before = served.server.periods
        until(lambda: served.server.periods > before + 3)
        raw.say(Reset(1, 5, LIMITS.to_json()))
        assert raw.hear(messages.Status).episode == 1
        assert raw.hear(messages.Observation).episode == 1
    assert served.plant.seeds == [5]
    assert np.all(served.plant.joints == 0)


def test_a_controller_of_another_version_is_told():
    with Served() as served:
        raw = Raw(served.address)
        data = encode(Header(1, 1, 0.0), messages.Hello()).replace(b"\xa1v\x01", b"\xa1v\x02")
        raw.link.send(None, data)
        assert "version 2 of messages; this side speaks 1" in raw.hear(messages.Refusal).reason


def test_a_flood_of_garbage_neither_stops_nor_fools_the_robot(tmp_path):
    log = tmp_path / "log.jsonl"
    with Served(log=log) as served:
        robot = SocketRobot(served.address, LIMITS)
        robot.connect()
        robot.reset(0)
        generator = np.random.default_rng(0)
        host, _, port = served.address.removeprefix("udp://").rpartition(":")
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
            stranger.connect((host, int(port)))
            forged = encode(Header(5, 2**62, 0.0), Command(1, (0.9, 0.9, 0.9)))
            for number in range(10_000):
                size = 65_000 if number % 1000 == 0 else int(generator.integers(0, 200))
                stranger.send(forged if number % 10 == 0 else generator.bytes(size))
                if number % 100 == 0:
                    robot.read(0.0)
                    robot.write(np.full(3, 0.0001))
            for _ in range(5):
                robot.read(0.0)
                robot.write(np.full(3, 0.0001))
                time.sleep(0.01)
        until(
            lambda: (
                robot.write(np.full(3, 0.0001)),
                served.plant.joints[0] == np.float32(0.0001),
            )[-1]
        )
        assert served.server.dropped["malformed"] > 0
        assert served.server.dropped["foreign"] > 0
        assert max(float(np.max(joints)) for joints in served.plant.written) < 0.01
        assert robot.dropped.total() == 0  # the kernel lets nobody else in
        robot.close()


def test_garbage_over_zeromq_neither_stops_nor_fools_the_robot():
    with Served("zmq+tcp://127.0.0.1:0") as served:
        robot = SocketRobot(served.address, LIMITS)
        robot.connect()
        robot.reset(0)
        generator = np.random.default_rng(0)
        stranger = Raw(served.address, session=5)
        port = int(served.address.rpartition(":")[2])
        for number in range(1_000):
            if number % 10 == 0:
                stranger.say(Command(1, (0.9, 0.9, 0.9)))
            stranger.link.send(None, generator.bytes(int(generator.integers(0, 200))))
            if number % 100 == 0:
                # One that does not even speak ZeroMQ.
                with socket.create_connection(("127.0.0.1", port)) as plain:
                    plain.send(generator.bytes(1_000))
                robot.read(0.0)
                robot.write(np.full(3, 0.0001))
                time.sleep(0.01)
        until(
            lambda: (
                robot.write(np.full(3, 0.0001)),
                time.sleep(0.01),
                served.plant.joints[0] == np.float32(0.0001),
            )[-1]
        )
        assert served.server.dropped["malformed"] > 0
        assert served.server.dropped["foreign"] > 0
        assert max(float(np.max(joints)) for joints in served.plant.written) < 0.01
        stranger.link.close()
        robot.close()


def test_a_bad_network_is_survived_and_no_limit_exceeded():
    bad = Impairments(latency=0.01, jitter=0.03, loss=0.2, seed=3)
    with Served(wrap=lambda link: ImpairedLink(link, bad)) as served:
        robot = SocketRobot(served.address, LIMITS)
        robot.connect()
        robot.reset(0)
        ages = []
        for step in range(100):
            reading = robot.read(0.0)
            ages.append(time.perf_counter() - reading.measured)
            robot.write(np.full(3, 0.001 * step))
            time.sleep(0.01)
        assert min(ages) >= 0.01
        assert robot.dropped["old"] > 0  # some overtook others
        assert served.server.dropped["old"] > 0
        until(lambda: (robot.write(np.full(3, 0.1)), served.plant.joints[0] > 0.099)[1])
        steps = np.diff(np.array(served.plant.written), axis=0)
        assert np.abs(steps).max() <= 0.01 * (1 + 1e-4)
        robot.close()


class DeltaPlant(Plant):
    """Its first joint goes a step further with each command, and it says where that has led."""

    def __init__(self, **options):
        super().__init__(**options)
        self.spec = replace(DELTA, rate=100.0)
        self.place, self.farthest = 0.0, 0.0

    def reset(self, seed):
        self.place = self.farthest = 0.0
        return None

    def read(self, now):
        state = np.zeros(2, np.float32)
        return Reading({"observation.state": state}, now, np.array([self.place, np.nan]))

    def write(self, command):
        self.place += float(command[0])
        self.farthest = max(self.farthest, self.place)
        return Status()


@pytest.mark.parametrize("how", [Impairments(), Impairments(0.03, 0.02, 0.2, 0)])
def test_a_workspace_of_steps_is_kept_whatever_is_on_its_way(how):
    workspace = Workspace((-0.3, 0.0), (0.3, 1.0))
    contract = replace(DELTA_CONTRACT, spec=replace(DELTA, rate=100.0), workspace=workspace)
    with Served(plant=DeltaPlant(), wrap=lambda link: ImpairedLink(link, how)) as served:
        robot = SocketRobot(served.address, contract.limits, workspace)
        robot.connect()
        robot.reset(0)
        guard = Guard(contract)
        guard.reset(np.zeros(2))
        for _ in range(120):
            guard.locate(robot.read(0.0).pose)
            robot.write(guard.limit(np.array([0.02, 0.5])))
            time.sleep(0.01)
        assert not guard.workspace_unknown
        until(lambda: (robot.write(np.zeros(2)), robot.read(0.0).pose[0] == served.plant.place)[1])
        robot.close()
    assert served.plant.farthest <= 0.3 + 1e-9
    assert served.plant.farthest > 0.2
