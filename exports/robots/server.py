"""A robot behind a socket: it answers one controller, by the messages of docs/robots.md."""

from __future__ import annotations

import secrets
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np

from exports.robots import messages
from exports.robots.base import Motion, Robot, most_ticks
from exports.robots.execution_log import ExecutionLog
from exports.robots.fields import MOST_INTEGER, MessageError, Values
from exports.robots.links import Link
from exports.robots.messages import Command, Header, Heard, Hello, Reset, Stop
from exports.robots.peer_clock import ClockOffset
from exports.robots.sensor_noise import SensorNoise
from exports.robots.watchful import WatchfulRobot
from exports.robots.wire import MOST_BYTES, decode, encode, observation_bytes
from ilrobot.control.contract_guards import Workspace
from ilrobot.control.contract_parts import Limits
from ilrobot.errors import UserError
from ilrobot.spec import Spec

#: Seconds of silence after which another controller may drive.
DRIVES_FOR = 2.0
#: Messages read before the next tick is looked at, so that a flood does not stop the robot.
_AT_ONCE = 64


class RobotServer:
    """Runs a robot in real time and lets the first controller that resets it drive.

    Messages are read as they come. Once a period of its control rate, by absolute deadlines, it
    sends an observation; once a period it moves: as soon as a command is there, else at the end of
    the period without one. So a command takes effect when it arrives, be the clocks of both sides
    in step or not. What is malformed, old, late or foreign is dropped and counted.

    Args:
        robot: Not yet connected; closed by its owner.
        link: Where controllers reach it.
        timeout: Seconds without a command after which it holds by itself.
        log: Of what it executes.
        noise: Of its sensors.
        clock: Monotonic, in seconds.

    Raises:
        UserError: What the robot observes is too long for the link.

    Attributes:
        dropped: How many messages were dropped, by the reason.
        periods: How many there were of its control rate.
        late: Periods that ended more than another one late.
        episodes: How many were begun.
    """

    def __init__(
        self,
        robot: Robot,
        link: Link,
        *,
        timeout: float,
        log: ExecutionLog,
        noise: SensorNoise,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._link, self._clock, self._noise = link, clock, noise
        self.capabilities = robot.connect()
        self._spec = self.capabilities.spec
        _require_fit(link, self._spec)
        self._robot = WatchfulRobot(robot, self.capabilities, timeout, log)
        joints = self.capabilities.joints
        self._described = messages.Capabilities(
            name=self.capabilities.name,
            spec=self._spec.to_json(),
            # It ticks by its own clock: at another rate steps would be lost, or cut.
            any_rate=self.capabilities.any_rate and self._spec.semantics != "delta",
            time_limit=self.capabilities.time_limit,
            timeout=timeout,
            joints=None if joints is None else joints.to_json(),
        )
        dtype = np.dtype(self._spec.action.dtype)
        #: No element of a command is greater: it would be infinite where it is executed.
        self._most = float(np.finfo(dtype).max) if dtype.kind == "f" else MOST_INTEGER
        self._session, self._seq = 1 + secrets.randbelow(MOST_INTEGER), 0
        self._peer: Any = None
        self._driver: int | None = None
        self._heard = Heard(0, 0.0, 0.0)
        self._offset = ClockOffset()
        self._episode = 0
        self._motion: Motion | None = None
        self._deadline: float | None = None
        self._moved = False  # in this period
        self.dropped: Counter[str] = Counter()
        self.periods = self.late = 0
        self.episodes = 0

    @property
    def ticks(self) -> int:
        """How many commands were executed, its own among them."""
        return self._robot.ticks

    @property
    def held(self) -> int:
        """How often it has held by itself because no command came in time."""
        return self._robot.held

    def run(self, stopped: Callable[[], bool]) -> None:
        """Serve until told otherwise; the robot then comes to rest and is told to stop.

        Args:
            stopped: Asked at least ten times a second.
        """
        try:
            while not stopped():
                self._link.wait(min(self.step(), 0.1))
        finally:
            self._end()

    def _end(self) -> None:
        """Brake, a tick a period, with nobody heard; and stop, whatever fails."""
        period = 1.0 / self._spec.rate
        try:
            self._robot.hold()
            for _ in range(most_ticks(period)):
                if not self._robot.braking:
                    break
                time.sleep(period)
                self._robot.tick(self._clock())
        finally:
            self._robot.end()

    def step(self) -> float:
        """Read what has come and do what is due.

        Returns:
            Seconds until something is due again, be it zero.
        """
        self._read_messages()
        now = self._clock()
        period = 1.0 / self._spec.rate
        if self._deadline is None:
            self._deadline = now + period
        if now >= self._deadline:
            if not self._moved:
                self._robot.tick(now)
            self._moved = False
            self.periods += 1
            self._send_observation(now)
            self._deadline += period
            if self._clock() - self._deadline > period:
                self.late += 1
                self._deadline = self._clock()
            return 0.0
        if self._robot.has_new_command and not self._moved:
            self._robot.tick(now)
            self._moved = True
            return 0.0
        return self._deadline - now

    def _send_observation(self, now: float) -> None:
        # Before its first episode a robot may have measured nothing.
        if not self._episode or now - self._heard.received > DRIVES_FOR:
            return
        reading = self._robot.read(self._clock())
        values: dict[str, Values] = {
            feature.name: self._values(reading.observation[feature.name])
            for feature in self._spec.observations
        }
        self._send(
            self._peer,
            messages.Observation(
                episode=self._episode,
                measured=reading.measured,
                heard=self._heard,
                state=self._robot.state,
                success=self._robot.success,
                values=values,
                pose=None if reading.pose is None else _flat(self._robot.ahead(reading.pose)),
            ),
        )

    def _values(self, array: Any) -> Values:
        if array.dtype == np.uint8 and array.ndim == 3:
            return bytes(array.tobytes())
        return tuple(self._noise.on(array).ravel().tolist())

    def _read_messages(self) -> None:
        for _ in range(_AT_ONCE):
            arrived = self._link.receive()
            if arrived is None:
                return
            peer, data = arrived
            try:
                header, body = decode(data)
            except MessageError as error:
                self.dropped["malformed"] += 1
                if "version" in str(error):
                    self._send(peer, messages.Refusal(str(error)))
                continue
            self._handle(peer, header, body, self._clock())

    def _handle(self, peer: Any, header: Header, body: messages.Body, now: float) -> None:
        """Act on a message; `now` is when it came."""
        if isinstance(body, Hello):
            self._send(peer, self._described)
        elif header.session != self._driver and not isinstance(body, Reset):
            self.dropped["foreign"] += 1
            self._send(peer, messages.Refusal("no episode of this session was begun here"))
        elif header.session != self._driver and not self._may_drive(now):
            self.dropped["foreign"] += 1
            self._send(peer, messages.Refusal("another controller drives"))
        elif header.session == self._driver and header.seq <= self._heard.seq:
            self.dropped["old"] += 1
        else:
            if header.session != self._driver:
                self._driver, self._episode = header.session, 0
                self._offset.forget()
            self._peer = peer
            self._heard = Heard(header.seq, header.time, now)
            self._offset.add(header.time, now)
            self._obey(body, now)

    def _may_drive(self, now: float) -> bool:
        return self._driver is None or now - self._heard.received > DRIVES_FOR

    def _obey(self, body: messages.Body, now: float) -> None:
        if isinstance(body, Command):
            self._command(body, now)
        elif isinstance(body, Stop):
            if body.episode == self._episode:
                self._robot.hold()
                self._send_status()
        elif isinstance(body, Reset):
            if not body.episode:
                self._send(self._peer, messages.Refusal("episodes are counted from 1, not 0"))
            elif body.episode == self._episode or self._begin(body):
                self._send_status()

    def _command(self, body: Command, now: float) -> None:
        size = self._spec.action.size
        travelled = now - (self._heard.time - self._offset.least)
        if not self._episode or body.episode != self._episode:
            self.dropped["other episode"] += 1
        elif len(body.values) != size:
            self.dropped["misfit"] += 1
            self._send(
                self._peer,
                messages.Refusal(f"a command of {len(body.values)} elements; it takes {size}"),
            )
        elif max(map(abs, body.values), default=0.0) > self._most:
            self.dropped["misfit"] += 1
            self._send(self._peer, messages.Refusal(f"a command beyond {self._most:g}"))
        elif travelled > self._described.timeout:
            self.dropped["late"] += 1
        else:
            self._robot.command(np.array(body.values), self._heard.seq, now)

    def _begin(self, body: Reset) -> bool:
        """Whether the episode could be begun; the controller is told where it could not."""
        try:
            limits = None if body.limits is None else Limits.from_json(body.limits)
            box = None if body.workspace is None else Workspace.from_json(body.workspace)
            self._motion = self._robot.begin(body.episode, body.seed, limits, box)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            self._send(self._peer, messages.Refusal(f"the limits are damaged: {error}"[:200]))
            return False
        self._episode = body.episode
        self.episodes += 1
        return True

    def _send_status(self) -> None:
        motion = self._motion
        self._send(
            self._peer,
            messages.Status(
                episode=self._episode,
                state=self._robot.state,
                command=None if motion is None else _flat(motion.command),
                velocity=None
                if motion is None or motion.velocity is None
                else _flat(motion.velocity),
            ),
        )

    def _send(self, peer: Any, body: messages.Body) -> None:
        self._seq += 1
        header = Header(self._session, self._seq, self._clock())
        self._link.send(peer, encode(header, body))


def _require_fit(link: Link, spec: Spec) -> None:
    """Else the robot would fail once a controller drives."""
    length = observation_bytes(spec)
    if length > link.most_bytes:
        cure = "listen on zmq+tcp://" if link.most_bytes < MOST_BYTES else "take smaller pictures"
        raise UserError(
            f"{link.address}: an observation of {length:,} bytes does not fit a message here (at "
            f"most {link.most_bytes:,}); {cure}"
        )


def _flat(array: Any) -> tuple[float, ...]:
    return tuple(np.asarray(array, np.float64).ravel().tolist())
