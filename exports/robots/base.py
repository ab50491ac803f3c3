"""What the control loop asks of a robot, be it simulated or bolted to a table."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from numpy.typing import NDArray

from ilrobot.actors import Observation
from ilrobot.control.contract_joints import Joints
from ilrobot.spec import Spec

#: Longest that a robot brakes for when it ends in motion, s; one that may not brake is told to stop
#: then.
REST_WITHIN = 5.0


def most_ticks(period: float) -> int:
    """How many ticks coming to rest may take, of a period in seconds."""
    return math.ceil(REST_WITHIN / period)


@dataclass(frozen=True)
class Capabilities:
    """What a robot can do beside moving.

    Attributes:
        name: What it is, for a person to read.
        spec: What it measures and what it takes.
        any_rate: Whether it takes commands at any rate; else at `spec.rate` only.
        time_limit: Ticks after which an episode ends (None: none of its own).
        led: Whether it can be read while somebody else leads it, without `reset`.
        joints: Of the arm behind its commands (None: it states nothing of them).
    """

    name: str
    spec: Spec
    any_rate: bool
    time_limit: int | None
    led: bool = False
    joints: Joints | None = None


@dataclass(frozen=True)
class Motion:
    """What the robot is doing as an episode begins; the guard's limits start from it.

    Attributes:
        command: The command that it holds, shape of the action, in its units.
        velocity: How fast the commanded target moves, in those units per second; for a delta
            command its displacement per second (None: at rest), for a commanded velocity how fast
            that changes.
        pose: Where the target of each delta element is, in the coordinates of the contract's
            workspace, which cannot be kept otherwise (NaN, or None for all: not known).
    """

    command: NDArray[Any]
    velocity: NDArray[Any] | None = None
    pose: NDArray[Any] | None = None


@dataclass(frozen=True)
class Reading:
    """A measurement.

    Attributes:
        observation: Column name to array of its feature's shape; not written to afterwards, since
            a history may keep it.
        measured: When it was measured, in seconds of the loop's clock.
        pose: Where the target of each delta element is now, as in `Motion` (None: not known, and
            summed up from there).
    """

    observation: Observation
    measured: float
    pose: NDArray[Any] | None = None


@dataclass(frozen=True)
class Status:
    """How the episode stands after a command.

    Attributes:
        ended: It is over.
        success: Whether the task counts as done at this tick (None: nobody judges).
    """

    ended: bool = False
    success: bool | None = None


class Robot(Protocol):
    """A robot on which the policy's commands are executed.

    The loop calls, per episode, `reset`, then `read` and `write` in turns, one pair per tick. A
    robot that cannot do what it is asked raises `WorkFailed` with a line for a person, or what
    Python raises where a cable is cut (`OSError`): the run ends then, with its report.
    """

    def connect(self) -> Capabilities:
        """Reach the robot and learn what it is; it does not move.

        Raises:
            UserError: It cannot be reached.
        """

    def reset(self, seed: int) -> Motion | None:
        """Bring it to the start of an episode.

        Args:
            seed: Fixes what a simulated robot draws at random.

        Returns:
            What it is doing then, from which the guard starts; None where it does not know.
        """

    def read(self, now: float) -> Reading:
        """The newest measurement.

        Args:
            now: The time of the loop's clock, in seconds.
        """

    def write(self, command: NDArray[Any]) -> Status:
        """Send the command for this tick.

        Args:
            command: Shape of the action, in its units; overwritten after the call.
        """

    def stop(self) -> None:
        """Hold still, now. May be called at any time, twice, or after a failure."""

    def close(self) -> None:
        """Let go of it."""


@runtime_checkable
class Interruptible(Protocol):
    """A robot whose `reset` may take its time, since a real one has to go to its start."""

    def heed(self, stopped: Callable[[], bool]) -> None:
        """Learn from whoever runs it when nobody waits for a `reset` any longer.

        Args:
            stopped: To be asked meanwhile; where it is true `reset` returns at once, and nothing of
                what it returns counts.
        """


@runtime_checkable
class Paced(Protocol):
    """A robot that is to know how far apart its commands are."""

    def pace(self, period: float) -> None:
        """Learn it from whoever runs the robot.

        Args:
            period: Seconds from one command to the next.
        """
