"""A robot that costs nothing: three joints that are where they were commanded to be.

``python -m tests.exports.plant ADDRESS LOG RATE`` serves one from a process of its own.
"""

import signal
import sys
import threading
import time
from pathlib import Path

import numpy as np

from exports.robots.base import Capabilities, Motion, Reading, Status
from exports.robots.execution_log import ExecutionLog
from exports.robots.links import open_link
from exports.robots.sensor_noise import SensorNoise
from exports.robots.server import RobotServer
from ilrobot.control.contract_parts import Limits
from ilrobot.spec import Feature, Spec

JOINTS = ("shoulder", "elbow", "wrist")
LIMITS = Limits(
    mode=("absolute",) * 3,
    low=(-1.0,) * 3,
    high=(1.0,) * 3,
    velocity=(1.0,) * 3,
    acceleration=(10.0,) * 3,
)
TIMEOUT = 0.1


def plant_spec(rate=100.0):
    return Spec(
        observations=(
            Feature("observation.state", (3,), names=JOINTS, units=("rad",) * 3),
            Feature("observation.images.eye", (2, 2, 3), dtype="uint8"),
        ),
        action=Feature("action", (3,), names=JOINTS, units=("rad",) * 3),
        rate=rate,
        semantics="absolute",
        controller="joint_position",
    )


class Plant:
    """Its episode ends at `time_limit` ticks, with success."""

    def __init__(self, rate=100.0, time_limit=None, knows=True):
        self.spec, self.time_limit, self.knows = plant_spec(rate), time_limit, knows
        self.joints = np.zeros(3, np.float32)
        self.written, self.seeds, self.stops = [], [], 0

    def connect(self):
        return Capabilities("plant", self.spec, any_rate=False, time_limit=self.time_limit)

    def reset(self, seed):
        self.seeds.append(seed)
        self.joints = np.zeros(3, np.float32)
        self.written = []
        return Motion(self.joints, np.zeros(3)) if self.knows else None

    def read(self, now):
        eye = np.full((2, 2, 3), len(self.written) % 256, np.uint8)
        return Reading({"observation.state": self.joints, "observation.images.eye": eye}, now)

    def write(self, command):
        self.joints = np.array(command, np.float32)
        self.written.append(self.joints)
        ended = self.time_limit is not None and len(self.written) >= self.time_limit
        return Status(ended=ended, success=ended)

    def stop(self):
        self.stops += 1

    def close(self):
        pass


class Served:
    """A plant behind a socket, in a thread of this process."""

    def __init__(
        self,
        address="udp://127.0.0.1:0",
        plant=None,
        log=None,
        wrap=lambda link: link,
        clock=time.perf_counter,
    ):
        self.plant = plant or Plant()
        self._link = open_link(address, listen=True)
        self.address = self._link.address
        self.server = RobotServer(
            self.plant,
            wrap(self._link),
            timeout=TIMEOUT,
            log=ExecutionLog(log),
            noise=SensorNoise(0.0, 0),
            clock=clock,
        )
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self.server.run, args=(self._ended.is_set,))

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self.fall_silent()
        self._link.close()

    def fall_silent(self):
        """Send and read nothing more, as a process that was killed."""
        self._ended.set()
        self._thread.join()


def serve(address, log, rate):
    """Serve until SIGTERM; the line that is printed is the address."""
    served = Served(address, Plant(rate), log)
    ended = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: ended.set())
    print(served.address, flush=True)
    served.server.run(ended.is_set)


if __name__ == "__main__":
    serve(sys.argv[1], Path(sys.argv[2]), float(sys.argv[3]))
