"""What the control loop asks of a robot, be it simulated or bolted to a table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from numpy.typing import NDArray

from ilrobot.actors import Observation
from ilrobot.spec import Spec


@dataclass(frozen=True)
class Capabilities:
    """What a robot can do beside moving.

    Attributes:
        spec: What it measures and what it takes.
        judges_success: Whether `Status.success` means anything.
        time_limit: Ticks after which an episode ends (None: none of its own).
    """

    spec: Spec
    judges_success: bool
    time_limit: int | None


@dataclass(frozen=True)
class Reading:
    """A measurement.

    Attributes:
        observation: Column name to array of its feature's shape.
        measured: When it was measured, in seconds of the loop's clock.
    """

    observation: Observation
    measured: float


@dataclass(frozen=True)
class Status:
    """How the episode stands after a command.

    Attributes:
        ended: It is over.
        success: The task counts as done at this tick.
    """

    ended: bool = False
    success: bool = False


class Robot(Protocol):
    """A robot on which the policy's commands are executed.

    The loop calls, per episode, `reset`, then `read` and `write` in turns, one pair per tick.
    """

    def connect(self) -> Capabilities:
        """Reach the robot and learn what it is; it does not move.

        Raises:
            UserError: It cannot be reached.
        """

    def reset(self, seed: int) -> NDArray[Any] | None:
        """Bring it to the start of an episode.

        Args:
            seed: Fixes what a simulated robot draws at random.

        Returns:
            The command that it holds now, in the action's units, which the guard starts from;
            None where it does not know.
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
