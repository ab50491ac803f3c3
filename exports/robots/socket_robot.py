"""A robot in another process or on another machine, behind the robot protocol."""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from exports.robots import messages
from exports.robots.base import Capabilities, Motion, Reading, Status
from exports.robots.conversation import Conversation
from exports.robots.fields import Values
from exports.robots.links import open_link
from exports.robots.messages import Body, Command, Heartbeat, Hello, Refusal, Reset, State, Stop
from exports.robots.peer_clock import ClockOffset
from ilrobot.control.contract_guards import Workspace
from ilrobot.control.contract_joints import Joints
from ilrobot.control.contract_parts import Limits
from ilrobot.errors import UserError, WorkFailed
from ilrobot.spec import Feature, Spec

#: Seconds for a robot to say what it is.
_ANSWERS_WITHIN = 3.0
#: Seconds for it to begin an episode: a real one has to go to its start.
_RESETS_WITHIN = 30.0
#: Seconds in which another controller may let go of it.
_REFUSES_FOR = 3.0
#: Seconds that a stop waits to be confirmed; the robot's own watch does the rest.
_STOPS_WITHIN = 0.1
#: Seconds without a message after which it counts as gone.
_LOST_AFTER = 2.0
#: Commands on their way to it at most, of which is known where they lead.
_MOST_SENT = 1000
#: Seconds without a message of ours after which it is told that we are there.
_HEARTBEAT_AFTER = 0.05


class SocketRobot:
    """Speaks the messages of docs/robots.md; only `connect`, `reset` and, briefly, `stop` wait.

    A `reset` that is interrupted (`Interruptible`) begins no episode; `stop` tells the robot so.
    `read` gives the newest observation that has come, again and again where no newer one comes: its
    age is what tells the guard. A robot that is silent for two seconds, or whose process has been
    restarted in the middle of an episode, ends the run in one line.

    Args:
        address: ``udp://HOST:PORT`` or ``zmq+tcp://HOST:PORT``.
        limits: What the robot keeps by itself, where it has to brake without a command (None: the
            action is a choice).
        workspace: Likewise, where the commanded target may be (None: anywhere).
        clock: That of the loop, in seconds.
    """

    def __init__(
        self,
        address: str,
        limits: Limits | None = None,
        workspace: Workspace | None = None,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._address, self._clock = address, clock
        self._limits = None if limits is None else limits.to_json()
        self._workspace = None if workspace is None else workspace.to_json()
        self._talk: Conversation | None = None
        self._offset = ClockOffset()
        self._described: messages.Capabilities | None = None
        self._spec: Spec | None = None
        self._episode = 0
        self._status: messages.Status | None = None
        self._state = State.ENDED
        self._success: bool | None = None
        self._reading: Reading | None = None
        self._sent: deque[tuple[int, NDArray[np.float64]]] = deque(maxlen=_MOST_SENT)
        self._refused = ""
        self._stopped: Callable[[], bool] = lambda: False

    @property
    def dropped(self) -> Counter[str]:
        """How many messages of the robot were dropped, by the reason."""
        return self._connected.dropped

    def connect(self) -> Capabilities:
        """Ask the robot what it is.

        Raises:
            UserError: Nobody answers at this address, or in another version of the messages.
        """
        if self._talk is None:
            self._talk = Conversation(open_link(self._address, listen=False), self._clock)
        talk, self._described = self._talk, None
        talk.agree()
        if not talk.ask(Hello(), self._take, lambda: self._described is not None, _ANSWERS_WITHIN):
            why = talk.other_version or "look at the address, and whether the robot runs there"
            raise UserError(f"no robot answers at {self._address}: {why}")
        described = self._described
        assert described is not None
        try:
            self._spec = Spec.from_json(described.spec)
        except UserError as error:
            raise UserError(f"the robot at {self._address}: {error}") from error
        try:
            joints = None if described.joints is None else Joints.from_json(described.joints)
        except (KeyError, TypeError, ValueError) as error:
            raise UserError(
                f"the robot at {self._address} states joints that are none ({error})"
            ) from error
        return Capabilities(
            name=f"{described.name} at {self._address}",
            spec=self._spec,
            any_rate=described.any_rate,
            time_limit=described.time_limit,
            joints=joints,
        )

    def heed(self, stopped: Callable[[], bool]) -> None:
        """See `Interruptible`."""
        self._stopped = stopped

    def reset(self, seed: int) -> Motion | None:
        """Begin an episode; returns a quarter of a period after one of its observations came.

        So the loop that starts then reads each observation soon after it came, and not by chance
        just before. A robot that was restarted since the last episode is met anew.

        Raises:
            WorkFailed: Nobody answers any more, or another robot does; it refuses, or does not
                begin in time.
        """
        before = self._spec
        try:
            self.connect()
        except UserError as error:
            raise WorkFailed(f"no episode begins: {error}") from error
        assert self._spec is not None
        if self._spec != before:
            raise WorkFailed(f"another robot has taken the place of {self._address}; deploy again")
        talk = self._connected
        self._episode += 1
        self._status = self._reading = None
        self._success = None
        self._state = State.HOLDING  # or on its way to its start; `stop` is to reach it
        self._sent.clear()
        self._refused, began = "", self._clock()
        reset = Reset(self._episode, seed, self._limits, self._workspace)

        def begun() -> bool:
            refused = bool(self._refused) and self._clock() - began > _REFUSES_FOR
            known = self._status is not None and self._reading is not None
            return refused or known or self._stopped()

        talk.ask(reset, self._take, begun, _RESETS_WITHIN)
        if self._stopped():
            return None
        self._refused = "" if self._status is not None else self._refused
        status = self._status
        if status is None or self._reading is None:
            why = self._refused or f"it did not begin within {_RESETS_WITHIN:g} s"
            raise WorkFailed(f"the robot at {self._address} begins no episode: {why}")
        time.sleep(0.25 / self._spec.rate)
        if status.command is None:
            return None
        return Motion(self._action(status.command), self._optional_action(status.velocity))

    def read(self, now: float) -> Reading:
        """The newest observation that has come; old ones and garbage are dropped.

        Raises:
            WorkFailed: The robot is silent, was restarted, or is driven by another controller.
        """
        talk = self._connected
        talk.hear(self._take)
        if talk.restarted:
            self._fail("was restarted in the middle of an episode")
        if self._refused:
            self._fail(f"refuses: {self._refused}")
        now = self._clock()
        if now - talk.heard_at > _LOST_AFTER:
            self._fail(f"has been silent for {_LOST_AFTER:g} s")
        if now - talk.sent_at > _HEARTBEAT_AFTER:
            talk.send(Heartbeat())
        assert self._reading is not None, "reset() was not called"
        if self._reading.pose is None:
            return self._reading
        return replace(self._reading, pose=self._ahead(self._reading.pose))

    def write(self, command: NDArray[Any]) -> Status:
        """Send the command; the status is that of the newest observation."""
        values = np.array(command, np.float64).ravel()
        seq = self._connected.send(Command(self._episode, tuple(values.tolist())))
        self._sent.append((seq, values))
        return Status(ended=self._state is State.ENDED, success=self._success)

    def stop(self) -> None:
        """Tell it to brake and hold, and wait for its word for a tenth of a second at most.

        Where the robot cannot be reached it holds by itself, when its timeout has passed.
        """
        if self._talk is not None and self._episode and self._state is not State.ENDED:
            self._status = None
            stop = Stop(self._episode)
            self._talk.ask(stop, self._take, lambda: self._status is not None, _STOPS_WITHIN)

    def close(self) -> None:
        """Let go of the socket."""
        if self._talk is not None:
            self._talk.close()
            self._talk = None

    @property
    def _connected(self) -> Conversation:
        if self._talk is None:
            raise RuntimeError("connect() was not called")
        return self._talk

    def _fail(self, what: str) -> None:
        raise WorkFailed(
            f"the robot at {self._address} {what}; it holds by itself: look at it and deploy again"
        )

    def _take(self, body: Body) -> None:
        if isinstance(body, messages.Observation):
            if body.episode == self._episode:
                self._take_observation(body)
        elif isinstance(body, messages.Status):
            if body.episode == self._episode:
                self._status, self._state = body, body.state
        elif isinstance(body, messages.Capabilities):
            self._described = body
        elif isinstance(body, Refusal):
            self._refused = body.reason

    def _take_observation(self, body: messages.Observation) -> None:
        assert self._spec is not None
        try:
            observation = {f.name: _array(f, body.values[f.name]) for f in self._spec.observations}
        except (KeyError, ValueError, OverflowError):  # OverflowError: infinity for an integer
            self.dropped["misfit"] += 1
            return
        now = self._clock()
        self._offset.add(body.heard.time, body.heard.received)
        if body.measured + self._offset.least > now:  # from the future: a clock was set
            self._offset.forget()
            self._offset.add(body.heard.time, body.heard.received)
        measured = min(body.measured + self._offset.least, now)
        while self._sent and self._sent[0][0] <= body.heard.seq:
            self._sent.popleft()
        pose = body.pose
        if pose is not None and len(pose) != self._spec.action.size:
            pose = None
        self._reading = Reading(observation, measured, None if pose is None else np.array(pose))
        self._state, self._success = body.state, body.success

    def _ahead(self, pose: NDArray[Any]) -> NDArray[Any]:
        """Where the targets of delta elements will be once all that was sent is executed."""
        return sum((values for _, values in self._sent), pose)

    def _action(self, values: tuple[float, ...]) -> NDArray[Any]:
        assert self._spec is not None
        feature = self._spec.action
        if len(values) != feature.size:
            self._fail(f"holds a command of {len(values)} elements, not {feature.size}")
        return np.array(values, feature.dtype).reshape(feature.shape)

    def _optional_action(self, values: tuple[float, ...] | None) -> NDArray[Any] | None:
        return None if values is None else self._action(values)


def _array(feature: Feature, values: Values) -> NDArray[Any]:
    """The elements as an array of the feature's shape.

    Raises:
        ValueError: They are too few, too many, or no numbers of its type.
    """
    if isinstance(values, bytes):
        if feature.dtype != "uint8" or not feature.is_image:
            raise ValueError
        return np.frombuffer(values, np.uint8).reshape(feature.shape)
    with np.errstate(over="ignore"):
        return np.array(values, feature.dtype).reshape(feature.shape)
