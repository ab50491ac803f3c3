"""Faults between a controller and a robot, by the thousand and by a seed: is each of them caught?

Controller, network and robot run in one process on one clock that is passed in, so that hours of
faults take seconds and every one can be had again. The robot is three joints that are where they
were commanded to be; what counts is what it executed. Caught means: nobody crashed, and no command
that it executed exceeds a limit of position, velocity, acceleration or jerk.
"""

from __future__ import annotations

import heapq
import math
from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks import row
from exports.robots.base import Capabilities, Motion, Reading, Status
from exports.robots.conversation import Conversation
from exports.robots.execution_log import ExecutionLog
from exports.robots.messages import Body, Command, Header, Heartbeat, Reset, Stop
from exports.robots.sensor_noise import SensorNoise
from exports.robots.server import RobotServer
from exports.robots.wire import MOST_BYTES, encode
from ilrobot.control.contract_parts import Limits
from ilrobot.spec import Feature, Spec

FAULTS = 10_000
JOINTS, RATE, TIMEOUT = 3, 100.0, 0.1
LIMITS = Limits(
    ("absolute",) * JOINTS,
    (-1.0,) * JOINTS,
    (1.0,) * JOINTS,
    (1.0,) * JOINTS,
    (10.0,) * JOINTS,
    (500.0,) * JOINTS,
)
SPEC = Spec(
    observations=(Feature("observation.state", (JOINTS,)),),
    action=Feature("action", (JOINTS,)),
    rate=RATE,
    semantics="absolute",
)


class Joints:
    """The robot, see `exports.robots.base.Robot`; it remembers all that it executed."""

    def __init__(self) -> None:
        self.executed: list[NDArray[np.float64]] = []
        self.worst = [0.0] * 4
        """The greatest share of the limits that was used, of each derivative of the position."""

    def connect(self) -> Capabilities:
        """What it is."""
        return Capabilities("joints", SPEC, any_rate=False, time_limit=None)

    def reset(self, seed: int) -> Motion:
        """At rest, at zero."""
        self.judge()
        return Motion(np.zeros(JOINTS), np.zeros(JOINTS))

    def read(self, now: float) -> Reading:
        """Where it is."""
        there = self.executed[-1] if self.executed else np.zeros(JOINTS)
        return Reading({"observation.state": there.astype(np.float32)}, now)

    def write(self, command: NDArray[Any]) -> Status:
        """Be there."""
        self.executed.append(np.array(command, np.float64))
        return Status()

    def stop(self) -> None:
        """It stands where it is."""

    def close(self) -> None:
        """Nothing to free."""

    def judge(self) -> None:
        """Compare what was executed in this episode with the limits, and forget it."""
        if not self.executed:
            return
        # It stood at zero before: three ticks of that, so that the first jerk counts, too.
        values = np.vstack([np.zeros((3, JOINTS)), *self.executed])
        limits = (LIMITS.high, LIMITS.velocity, LIMITS.acceleration, LIMITS.jerk)
        for order, limit in enumerate(limits):
            self.worst[order] = max(self.worst[order], float(np.abs(values).max()) / limit[0])
            values = np.diff(values, axis=0) * RATE
        self.executed = []


class Network:
    """Both ends of a link, on a clock of its own; what is under way can be spoilt.

    Attributes:
        now: Seconds.
        spoil: What happens to a message to the robot: when each of its copies arrives, and as what.
    """

    def __init__(self, generator: np.random.Generator) -> None:
        self.now = 0.0
        self.spoil: Callable[[bytes], list[tuple[float, bytes]]] | None = None
        self.delay = 0.001
        self._count = 0
        self._under_way: dict[str, list[tuple[float, int, bytes]]] = {"robot": [], "controller": []}
        self._generator = generator

    def time(self) -> float:
        """The clock of both ends."""
        return self.now

    def throw(self, to: str, data: bytes, delay: float) -> None:
        """Have a message arrive."""
        self._count += 1
        heapq.heappush(self._under_way[to], (self.now + delay, self._count, data))

    def catch(self, at: str) -> bytes | None:
        """What has arrived."""
        queue = self._under_way[at]
        return heapq.heappop(queue)[2] if queue and queue[0][0] <= self.now else None


class End:
    """One end, see `exports.robots.links.Link`."""

    def __init__(self, network: Network, here: str, there: str) -> None:
        self.address, self.most_bytes = here, MOST_BYTES
        self._network, self._here, self._there = network, here, there

    def receive(self) -> tuple[Any, bytes] | None:
        """See `Link`."""
        data = self._network.catch(self._here)
        return None if data is None else (self._there, data)

    def send(self, peer: Any, data: bytes) -> None:
        """See `Link`."""
        network = self._network
        copies = [(network.delay, data)]
        if self._here == "controller" and network.spoil is not None:
            copies = network.spoil(data)
            network.spoil = None
        for delay, copy in copies:
            network.throw(self._there, copy, delay)

    def wait(self, seconds: float) -> None:
        """See `Link`; nobody waits here."""

    def close(self) -> None:
        """See `Link`."""


class Campaign:
    """A controller that drives, and faults that befall what it says.

    Args:
        seed: Of the faults.

    Attributes:
        counts: How often each fault was made.
        joints: The robot.
        server: What serves it.
    """

    def __init__(self, seed: int) -> None:
        self._generator = np.random.default_rng(seed)
        self.network = Network(self._generator)
        self.joints = Joints()
        self.counts: Counter[str] = Counter()
        self.dropped: Counter[str] = Counter()
        self._episode = 0
        self._target = np.zeros(JOINTS)
        self._serve()
        self._controller()
        self._faults: dict[str, Callable[[], object]] = {
            "lost": lambda: self._spoil(lambda data: []),
            "late by up to 1 s": lambda: self._spoil(lambda data: [(self._draw(1.0), data)]),
            "twice": lambda: self._spoil(lambda data: [(0.001, data), (self._draw(0.3), data)]),
            "cut short": lambda: self._spoil(
                lambda data: [(0.001, data[: self._below(len(data))])]
            ),
            "a byte changed": lambda: self._spoil(lambda data: [(0.001, self._changed(data))]),
            "garbage": self._garbage,
            "a flood of 300": self._flood,
            "forged by another session": self._forged,
            "not finite": lambda: self._say(self._values(math.nan, math.inf)),
            "limits exceeded by 10 and more": lambda: self._say(self._values(10.0, -1e9, 1e300)),
            "of another size": lambda: self._say((0.5,) * self._below(9)),
            "of another episode": self._of_another_episode,
            "controller silent for up to 1 s": lambda: self._pass(self._draw(1.0)),
            "robot silent for up to 1 s": self._robot_hangs,
            "controller's clock set": self._set_clock,
            "controller killed and restarted": self._controller,
            "robot killed and restarted": self._restart,
            "damaged limits": self._damaged_limits,
            "stop": lambda: self._talk.send(Stop(self._episode)),
        }

    def run(self, faults: int) -> None:
        """Make so many faults, each at a tick of its own, some ticks apart."""
        names = sorted(self._faults)
        while self.counts.total() < faults:
            for _ in range(1 + self._below(20)):
                self._drive()
            name = names[self._below(len(names))]
            self.counts[name] += 1
            self._faults[name]()
        self._pass(1.0)
        self.joints.judge()

    def _drive(self) -> None:
        """A tick of a controller that wants to go far, and often beyond the limits."""
        self._target += self._generator.normal(0.0, 0.3, JOINTS)
        np.clip(self._target, -2.0, 2.0, out=self._target)
        self._say(tuple(self._target.tolist()))
        self._pass(1 / RATE)

    def _say(self, values: tuple[float, ...]) -> None:
        self._talk.send(Command(self._episode, values))

    def _pass(self, seconds: float) -> None:
        end = self.network.now + seconds
        while self.network.now < end:
            while self.server.step() == 0.0:
                pass
            self.network.now += 0.25 / RATE
        self._talk.hear(lambda body: None)

    def _spoil(self, how: Callable[[bytes], list[tuple[float, bytes]]]) -> None:
        self.network.spoil = how

    def _serve(self) -> None:
        self.server = RobotServer(
            self.joints,
            End(self.network, "robot", "controller"),
            timeout=TIMEOUT,
            log=ExecutionLog(None),
            noise=SensorNoise(0.0, 0),
            clock=self.network.time,
        )

    def _restart(self) -> None:
        self.joints.judge()
        self.dropped += self.server.dropped
        self._serve()
        self._reset()

    def _controller(self) -> None:
        self._offset, self._episode = 0.0, 0
        self._talk = Conversation(
            End(self.network, "controller", "robot"), lambda: self.network.now + self._offset
        )
        self._pass(2.1)  # until the one before counts as gone
        self._reset()

    def _reset(self) -> None:
        self._episode += 1
        self._target = np.zeros(JOINTS)
        self.network.spoil = None
        self._talk.agree()
        self._talk.send(Reset(self._episode, 0, LIMITS.to_json()))
        self._pass(2 / RATE)

    def _garbage(self) -> None:
        size = self._below(200)
        self.network.throw("robot", self._generator.bytes(size), self._draw(0.01))

    def _flood(self) -> None:
        for _ in range(300):
            self._garbage()

    def _forged(self) -> None:
        bodies: list[Body] = [Command(self._episode, (0.9,) * JOINTS), Heartbeat(), Stop(1)]
        header = Header(1 + self._below(1000), 2**62, self.network.now)
        self.network.throw("robot", encode(header, bodies[self._below(3)]), 0.001)

    def _of_another_episode(self) -> None:
        self._talk.send(Command(self._episode + 1 + self._below(3), (0.9,) * JOINTS))

    def _robot_hangs(self) -> None:
        for _ in range(self._below(100)):
            self._say(self._values(0.9, -0.9))
            self.network.now += 1 / RATE

    def _set_clock(self) -> None:
        self._offset += float(self._generator.normal(0.0, 10.0))

    def _damaged_limits(self) -> None:
        limits = LIMITS.to_json()
        key = sorted(limits)[self._below(len(limits))]
        # No word of jerk means that it is not limited, which is no damage.
        none: list[float] | None = None if key == "jerk" else []
        limits[key] = [None, none, ["x"] * JOINTS, [-1.0], {}, "abc"][self._below(6)]
        self._talk.send(Reset(self._episode + 1, 0, limits))
        self._pass(1 / RATE)
        self._reset()

    def _values(self, *choices: float) -> tuple[float, ...]:
        return tuple(float(x) for x in self._generator.choice(choices, JOINTS))

    def _changed(self, data: bytes) -> bytes:
        changed = bytearray(data)
        changed[self._below(len(data))] ^= 1 + self._below(255)
        return bytes(changed)

    def _draw(self, most: float) -> float:
        return float(self._generator.uniform(0.0, most))

    def _below(self, most: int) -> int:
        return int(self._generator.integers(0, most))


def run() -> list[dict[str, Any]]:
    """A row for each kind of fault, and one for each limit."""
    campaign = Campaign(seed=0)
    campaign.run(FAULTS)
    faults = [row(f"fault: {name}", n, "times") for name, n in sorted(campaign.counts.items())]
    names = ("position", "velocity", "acceleration", "jerk")
    shares = [
        row(f"greatest share of the {name} limit", share, "1", at_most=1.0 + 1e-6)
        for name, share in zip(names, campaign.joints.worst, strict=True)
    ]
    return [*faults, row("faults altogether", campaign.counts.total(), "times"), *shares]
