"""What a signal makes of the C++ example, wherever it is on its way."""

from __future__ import annotations

import signal
import socket
import threading
import time

import numpy as np
import pytest

from exports.robots.messages import Hello, Stop
from exports.robots.wire import decode
from exports.runtime.tick_reading import read_ticks
from tests.exports.example_controller import RATE, controller, cosine_policy, ended, moving
from tests.exports.plant import Plant, Served

pytestmark = pytest.mark.usefixtures("cpp_library")


@pytest.fixture
def policy(tmp_path):
    return cosine_policy(tmp_path / "policy.onnx")


def test_sigterm_stops_the_robot(policy):
    with Served() as served:
        process = controller(policy, served.address)
        moving(served)
        process.send_signal(signal.SIGTERM)
        code, report, _ = ended(process)
    assert code == 143
    assert report["ticks"] > 0
    assert served.plant.stops > 0


@pytest.mark.parametrize(
    ("number", "times"), [(signal.SIGTERM, 1), (signal.SIGHUP, 2)], ids=["SIGTERM", "hangup"]
)
def test_what_ends_in_motion_comes_to_rest_within_the_limits_first(policy, tmp_path, number, times):
    """As the log of the commands shows, whatever the robot makes of its stop.

    A terminal that goes away sends SIGHUP by its shell, and once more when the shell is gone.
    """
    log = tmp_path / "run.ticks"
    with Served() as served:
        process = controller(policy, served.address, "--log", log)
        moving(served)
        for _ in range(times):
            process.send_signal(number)
            time.sleep(0.02)
        code, report, _ = ended(process)
    assert served.plant.stops > 0
    assert code == 128 + number
    ticks = read_ticks(log)
    assert ticks.closed
    assert len(ticks.rows) > report["ticks"]
    steps = np.diff(ticks.rows["command"], axis=0)
    assert (np.abs(steps[report["ticks"] - 2]) > 0).any()  # it moved when it was told to end
    assert (steps[-1] == 0).all()
    assert (np.abs(np.diff(steps, axis=0)) <= 10.0 / RATE**2 * (1 + 1e-9)).all()


def test_under_nohup_it_goes_on_without_its_terminal(policy):
    with Served(plant=Plant(time_limit=300)) as served:
        process = controller(policy, served.address, hangup="ignore")
        moving(served)
        process.send_signal(signal.SIGHUP)
        code, report, err = ended(process)
    assert (code, err) == (0, "")
    assert report["ended"]


def test_a_signal_ends_the_looking_for_a_robot(policy):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        silent.settimeout(30)
        process = controller(policy, f"127.0.0.1:{silent.getsockname()[1]}")
        assert isinstance(decode(silent.recv(65_536))[1], Hello)
        process.send_signal(signal.SIGINT)
        assert ended(process) == (130, None, "")


class Distant(Plant):
    """It is on its way to its start until it is told to arrive."""

    def __init__(self):
        super().__init__()
        self.leaves, self.arrives = threading.Event(), threading.Event()

    def reset(self, seed):
        self.leaves.set()
        assert self.arrives.wait(30)
        return super().reset(seed)


class Noting:
    """A link that notes what the robot is told."""

    def __init__(self, link):
        self._link, self.address, self.told = link, link.address, []

    def __getattr__(self, name):
        return getattr(self._link, name)

    def receive(self):
        arrived = self._link.receive()
        if arrived is not None:
            self.told.append(decode(arrived[1])[1])
        return arrived


def test_a_signal_on_the_way_to_the_start_stops_the_robot(policy):
    notes = []

    def noting(link):
        notes.append(Noting(link))
        return notes[0]

    with Served(plant=Distant(), wrap=noting) as served:
        process = controller(policy, served.address)
        assert served.plant.leaves.wait(30)
        process.send_signal(signal.SIGINT)
        assert ended(process) == (130, None, "")
        served.plant.arrives.set()
        until = time.monotonic() + 30
        while time.monotonic() < until and Stop(1) not in notes[0].told:
            time.sleep(0.01)
    assert Stop(1) in notes[0].told
    assert served.plant.written == []
