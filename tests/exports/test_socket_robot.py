"""A robot behind a socket: both ends in this process, over real UDP and ZeroMQ."""

import socket
import time
from dataclasses import replace

import numpy as np
import pytest

from exports.robots import messages
from exports.robots.base import Reading, Status
from exports.robots.impaired_link import ImpairedLink, Impairments
from exports.robots.links import is_address, open_link
from exports.robots.messages import Command, Header, Reset
from exports.robots.socket_robot import SocketRobot
from exports.robots.wire import decode, encode
from ilrobot.control.contract_guards import Workspace
from ilrobot.control.contract_joints import Joints
from ilrobot.control.guard import Guard
from ilrobot.errors import UserError, WorkFailed
from tests.exports.plant import LIMITS, Plant, Served
from tests.ilrobot.control.contracts import DELTA, DELTA_CONTRACT

ADDRESSES = ("udp://127.0.0.1:0", "zmq+tcp://127.0.0.1:0")


@pytest.fixture(params=ADDRESSES)
def served(request):
    with Served(request.param) as served:
        yield served


@pytest.fixture
def robot(served):
    robot = SocketRobot(served.address, LIMITS)
    robot.connect()
    yield robot
    robot.close()


def until(condition, seconds=30.0):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come to that"
        time.sleep(0.005)


class Raw:
    """Another program's socket: what it says is up to the test."""

    def __init__(self, address, session=77):
        self.link, self.session, self.seq = open_link(address, listen=False), session, 0

    def say(self, body, seq=None):
        self.seq = self.seq + 1 if seq is None else seq
        header = Header(self.session, self.seq, time.perf_counter())
        self.link.send(None, encode(header, body))

    def hear(self, kind):
        """The last of the messages of a kind that have come by the time that one is there."""
        found = []

        def heard():
            while (arrived := self.link.receive()) is not None:
                found.append(decode(arrived[1])[1])
            return any(isinstance(body, kind) for body in found)

        until(heard)
        return [body for body in found if isinstance(body, kind)][-1]

    def begin(self):
        # Over ZeroMQ what is said before the connection stands is lost.
        until(lambda: self.say(Reset(1, 5, LIMITS.to_json())) or self._begun())

    def _begun(self):
        time.sleep(0.02)
        arrived = self.link.receive()
        return arrived is not None and isinstance(decode(arrived[1])[1], messages.Status)


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
    assert served.plant.stops >= 1
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
            assert 0 <= age < 1.0
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


def test_the_joints_of_a_robot_arrive(monkeypatch):
    plant = Plant()
    joints = Joints(("a", "b"), ("rad", "m"), (0.1, 0.2), (4.0, 5.0), (1.0, 2.0))
    stated = replace(plant.connect(), joints=joints)
    monkeypatch.setattr(plant, "connect", lambda: stated)
    with Served(plant=plant) as served:
        robot = SocketRobot(served.address, LIMITS)
        assert robot.connect().joints == joints
        robot.close()


def test_nobody_there(monkeypatch):
    monkeypatch.setattr("exports.robots.socket_robot._ANSWERS_WITHIN", 0.2)
    with Served() as served:
        address = served.address
    robot = SocketRobot(address)
    with pytest.raises(UserError, match=f"no robot answers at {address}: look at the address"):
        robot.connect()
    robot.stop()
    robot.close()


@pytest.mark.parametrize(
    "address",
    ["udp://", "udp://host", "udp://:5", "udp://host:port", "udp://host:70000", "zmq+tcp://h:-1"],
)
def test_what_is_no_address(address):
    with pytest.raises(UserError, match="is no address"):
        open_link(address, listen=False)


def test_an_address_of_a_kind_that_is_not_known():
    assert is_address("http://robot:80")
    with pytest.raises(UserError, match=r"udp://HOST:PORT or zmq\+tcp://HOST:PORT"):
        open_link("http://robot:80", listen=False)


@pytest.mark.parametrize("address", ADDRESSES)
def test_an_address_that_is_taken(address):
    first = open_link(address, listen=True)
    with pytest.raises(UserError, match="cannot be listened on"):
        open_link(first.address, listen=True)
    first.close()


def test_a_host_that_is_not_there():
    with pytest.raises(UserError, match=r"robot.invalid:5: .*; look at the address"):
        open_link("udp://robot.invalid:5", listen=False)


def test_a_datagram_that_is_too_long_is_told():
    link = open_link("udp://127.0.0.1:9", listen=False)
    with pytest.raises(WorkFailed, match=r"does not fit a UDP datagram .*; use zmq\+tcp"):
        link.send(None, bytes(70_000))
    link.close()
