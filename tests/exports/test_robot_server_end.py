"""A robot process that is ended while its robot moves."""

import time

import numpy as np
import pytest

from exports.robots.execution_log import ExecutionLog
from exports.robots.messages import Command, Header, Reset
from exports.robots.sensor_noise import SensorNoise
from exports.robots.server import RobotServer
from exports.robots.wire import MOST_BYTES, encode
from ilrobot.control.contract_parts import Limits
from tests.exports.plant import Plant

DRIVES = Limits(("velocity",) * 3, (-0.1,) * 3, (0.1,) * 3, (0.1,) * 3, (1.0,) * 3)


class InProcess:
    """A link over which a controller begins an episode and drives on and on."""

    address, most_bytes = "in this process", MOST_BYTES

    def __init__(self, limits):
        self._waiting = [Reset(1, 0, None if limits is None else limits.to_json())]
        self._seq = 0

    def receive(self):
        if not self._waiting:
            return None
        self._seq += 1
        return "me", encode(Header(1, self._seq, time.perf_counter()), self._waiting.pop())

    def wait(self, seconds):
        self._waiting = [Command(1, (0.05, 0.0, -0.05))]
        time.sleep(seconds)

    def send(self, peer, data):
        pass

    def close(self):
        pass


class Base(Plant):
    """Goes on at the velocity that it was told last; notes what that was when told to stop."""

    def stop(self):
        super().stop()
        self.stopped_at = self.written[-1] if self.written else None


def ended(limits, *, fails=lambda ticks: False, stopped=lambda ticks: ticks >= 30):
    """The robot of a server that was ended, or failed, after so many ticks."""

    class Fails(Base):
        def write(self, command):
            if fails(len(self.written)):
                raise OSError("cable cut")
            return super().write(command)

    plant = Fails()
    server = RobotServer(
        *(plant, InProcess(limits)),
        timeout=1.0,
        log=ExecutionLog(None),
        noise=SensorNoise(0.0, 0),
    )
    if fails(1 << 20):
        with pytest.raises(OSError, match="cable cut"):
            server.run(lambda: False)
    else:
        server.run(lambda: stopped(len(plant.written)))
    return plant


def test_it_comes_to_rest_within_the_limits_and_is_told_to_stop():
    plant = ended(DRIVES)
    assert plant.stops == 1
    told = np.array(plant.written)
    np.testing.assert_allclose(told[29], [0.05, 0, -0.05], atol=1e-6)
    np.testing.assert_array_equal(plant.stopped_at, 0.0)
    assert np.abs(np.diff(told, axis=0)).max() <= 0.01 + 1e-6


def test_it_is_told_to_stop_where_nothing_says_how_to_brake():
    assert ended(None).stops == 1


def test_it_is_told_to_stop_after_a_failure():
    assert ended(DRIVES, fails=lambda ticks: ticks >= 30).stops == 1


def test_a_robot_that_never_moved_is_left_alone():
    assert ended(DRIVES, stopped=lambda ticks: True).stops == 0
