"""Robots and actors for the control loop, and the loop in simulated time."""

import math

import numpy as np

from exports.robots.base import Capabilities, Motion, Reading, Status
from exports.runtime.loop import ControlLoop
from exports.runtime.tick_layout import SCALARS
from ilrobot.actors import Actor, Decision, Source
from ilrobot.control.activation import Activation
from ilrobot.control.clock import SimulatedClock
from ilrobot.control.guard import Guard
from tests.ilrobot.control.contracts import ABSOLUTE, ABSOLUTE_CONTRACT, RATE


class FakeRobot:
    """Measures what it was last told; `fault(tick)` may replace the measurement or its age."""

    def __init__(self, fault=lambda tick: {}, length=10):
        self._fault, self._length = fault, length
        self.written, self.stops, self.resets = [], 0, []

    def connect(self):
        return Capabilities("fake", ABSOLUTE, any_rate=True, time_limit=self._length)

    def reset(self, seed):
        self.resets.append(seed)
        self._tick = 0
        return Motion(np.zeros(2))

    def read(self, now):
        fault = self._fault(self._tick)
        self._tick += 1
        observation = {"observation.state": np.array(fault.get("state", [0, 0]), np.float32)}
        return Reading(observation, now - fault.get("age", 0.0))

    def write(self, command):
        if self._fault(self._tick - 1).get("breaks"):
            raise ConnectionError("cable cut")
        self.written.append(np.array(command))
        return Status(ended=self._tick >= self._length, success=self._tick >= self._length)

    def stop(self):
        self.stops += 1

    def close(self):
        pass


class Constant(Actor):
    """Always wants the same; counts its flushes."""

    def __init__(self, *action):
        self.action, self.flushes, self.asked = np.array(action, np.float32), 0, 0

    def act(self, observation, now):
        assert np.isfinite(observation["observation.state"]).all()
        self.asked += 1
        return Decision(self.action, Source.POLICY)

    def flush(self):
        self.flushes += 1


class LateClock(SimulatedClock):
    """Every third deadline has passed."""

    def wait(self):
        super().wait()
        return self._ticks % 3 == 0


def run(robot, actor, clock=None, seeds=(0,), stopped=lambda: False, max_ticks=100):
    guard = Guard(ABSOLUTE_CONTRACT)
    loop = ControlLoop(robot, actor, guard, clock or SimulatedClock(RATE), stopped=stopped)
    log = Kept()
    report = loop.run(seeds, max_ticks=max_ticks, log=log)
    report.rows = log.rows()
    return report


class Kept:
    """A log in memory."""

    def __init__(self):
        self._ticks = []

    def append(self, observation, command, wanted, source, *numbers):
        self._ticks.append(
            {
                "command": np.full(2, math.nan) if command is None else np.array(command),
                "wanted": np.full(2, math.nan) if wanted is None else np.array(wanted),
                "source": source,
                **dict(zip(NUMBERS, numbers, strict=True)),
            }
        )

    def rows(self):
        return {key: np.array([tick[key] for tick in self._ticks]) for key in self._ticks[0]}


NUMBERS = [name for name, _ in SCALARS if name not in ("source", "tick")]


def at(ticks, **fault):
    return lambda tick: fault if tick in ticks else {}


def flags(report):
    return [Activation(int(bits)) for bits in report.rows["activations"]]
