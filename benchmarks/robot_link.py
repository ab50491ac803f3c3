"""A robot behind a socket on loopback: what a tick costs the controller, and how soon it is obeyed.

The robot is three joints without physics in a process of its own, at 1 kHz, so that what is
measured is messages, sockets and the server. The reference is the same robot in this process.
"""

from __future__ import annotations

import multiprocessing
import time
from multiprocessing.connection import Connection
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks import row
from benchmarks.robot_faults import JOINTS, SPEC, Joints
from exports.robots.base import Capabilities, Motion, Robot
from exports.robots.execution_log import ExecutionLog
from exports.robots.links import open_link
from exports.robots.sensor_noise import SensorNoise
from exports.robots.server import RobotServer
from exports.robots.socket_robot import SocketRobot
from ilrobot.control.clock import RealTimeClock

RATE = 1000.0
SECONDS = 3.0
LINKS = {"UDP": "udp://127.0.0.1:0", "ZeroMQ": "zmq+tcp://127.0.0.1:0"}


class FastJoints(Joints):
    """At 1 kHz, and with no memory of what it executed."""

    def connect(self) -> Capabilities:
        """What it is."""
        return Capabilities("joints", SPEC.with_rate(RATE), any_rate=False, time_limit=None)

    def reset(self, seed: int) -> Motion:
        """At rest, at zero."""
        return Motion(np.zeros(JOINTS), np.zeros(JOINTS))

    def write(self, command: NDArray[Any]) -> Any:
        """Be there."""
        status = super().write(command)
        del self.executed[:-1]
        return status


def run() -> list[dict[str, Any]]:
    """Rows of a tick here, by UDP and by ZeroMQ, and of the robot's own rate."""
    here = FastJoints()
    here.connect()
    here.reset(0)
    reference = _ticks(here)
    rows = [row("tick, in this process, p50", _micro(reference, 50), "µs")]
    for name, address in LINKS.items():
        ours, theirs = multiprocessing.Pipe()
        process = multiprocessing.get_context("spawn").Process(target=serve, args=(address, theirs))
        process.start()
        try:
            rows += _link(name, ours.recv())
            ours.send("end")
            ticks, late, seconds = ours.recv()
            error = abs(ticks / seconds / RATE - 1.0)
            rows.append(row(f"{name}: the robot's rate error at 1 kHz", 100 * error, "%"))
            rows.append(row(f"{name}: late ticks of the robot", late, f"of {ticks}"))
        finally:
            process.join(timeout=10)
            process.terminate()
    return rows


def _link(name: str, address: str) -> list[dict[str, Any]]:
    robot = SocketRobot(address)  # without limits a command is executed as it is
    robot.connect()
    robot.reset(0)
    ticks = _ticks(robot)
    ages = _obeyed(robot)
    robot.stop()
    robot.close()
    return [
        row(f"{name}: tick (read and write), p50", _micro(ticks, 50), "µs"),
        row(f"{name}: tick, p99", _micro(ticks, 99), "µs"),
        row(
            f"{name}: from a command to the observation that shows it, p50", _milli(ages, 50), "ms"
        ),
        row(f"{name}: the same, p99", _milli(ages, 99), "ms"),
    ]


def _ticks(robot: Robot) -> list[float]:
    """Seconds that reading and writing takes, of each tick."""
    clock, times = RealTimeClock(RATE), []
    command = np.zeros(JOINTS, np.float32)
    clock.start()
    for tick in range(int(SECONDS * RATE)):
        command[:] = 1e-5 * (tick % 100)
        started = time.perf_counter()
        robot.read(started)
        robot.write(command)
        times.append(time.perf_counter() - started)
        clock.wait()
    return times


def _obeyed(robot: Robot) -> list[float]:
    """Seconds from a command until an observation shows it; a period of the robot is among them."""
    times = []
    for turn in range(200):
        target = np.full(JOINTS, 1e-6 * (1 + turn % 2), np.float32)
        started = sent = time.perf_counter()
        robot.write(target)
        while robot.read(started).observation["observation.state"][0] != target[0]:
            time.sleep(5e-5)
            if time.perf_counter() - sent > 0.05:  # it was lost, or came when it was late
                robot.write(target)
                sent = time.perf_counter()
        times.append(time.perf_counter() - started)
    return times


def serve(address: str, pipe: Connection) -> None:
    """Serve until told to end; then say how many periods there were, how many late, in seconds."""
    link = open_link(address, listen=True)
    server = RobotServer(
        FastJoints(), link, timeout=0.1, log=ExecutionLog(None), noise=SensorNoise(0.0, 0)
    )
    pipe.send(link.address)
    started = time.perf_counter()
    server.run(pipe.poll)
    pipe.send((server.periods, server.late, time.perf_counter() - started))
    link.close()


def _micro(times: list[float], percent: float) -> float:
    return 1e6 * float(np.percentile(times, percent))


def _milli(times: list[float], percent: float) -> float:
    return 1e3 * float(np.percentile(times, percent))
