"""A robot that watches its commands: it holds by itself where none comes, within its limits."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from exports.robots.base import Capabilities, Motion, Reading, Robot
from exports.robots.execution_log import ExecutionLog
from exports.robots.messages import State
from ilrobot.control.contract_check import MODES
from ilrobot.control.contract_guards import (
    HOLD,
    Workspace,
    problem_of_guards,
    problem_of_rotations,
)
from ilrobot.control.contract_parts import Limits
from ilrobot.control.limiter import CommandLimiter
from ilrobot.control.rotation_limiter import RotationLimiter, command_limiter


class WatchfulRobot:
    """Executes the newest command once a tick, and notices that there is none.

    With limits it executes nothing that exceeds them, whatever arrives or fails to: a tick without
    a new command repeats absolute targets and velocities and moves no further by delta commands;
    after the timeout it brakes and holds. Without limits it executes each command once and else
    stands still. The time of an episode begins with its first command.

    Args:
        robot: Connected; it is stepped once a tick.
        capabilities: What it said of itself.
        timeout: Seconds without a command after which it holds.
        log: Of what it executes.

    Attributes:
        state: What it does about its commands.
        success: Whether the task counts as done now (None: nobody judges).
        ticks: How many commands it has executed, its own among them.
        held: How often it has held because no command came in time.
    """

    def __init__(
        self, robot: Robot, capabilities: Capabilities, timeout: float, log: ExecutionLog
    ) -> None:
        self._robot, self._timeout, self._log = robot, timeout, log
        self._capabilities, self._spec = capabilities, capabilities.spec
        self._limiter: CommandLimiter | RotationLimiter | None = None
        self._is_bounded = False
        self._steps: NDArray[Any] = np.zeros(self._spec.action.size, np.bool_)
        self._wanted = np.zeros(self._spec.action.size)
        self._fresh = self._started = self._braking = False
        self._commanded_at = 0.0
        self._seq = 0
        self.state = State.ENDED
        self.success: bool | None = None
        self.ticks = self.held = 0

    def begin(
        self,
        episode: int,
        seed: int,
        limits: Limits | None,
        workspace: Workspace | None = None,
    ) -> Motion | None:
        """Begin an episode and hold until the first command.

        Args:
            episode: Its number, for the log.
            seed: See `Robot.reset`.
            limits: Those that it keeps by itself (None: the action is a choice, or not limited).
            workspace: With them, where the target may be (None: anywhere); where the target of a
                delta element is, the robot must say.

        Raises:
            ValueError: Limits or workspace are for another number of elements, or contradict
                themselves.
        """
        size = self._spec.action.size
        if limits is not None:
            _check(limits, size)
            if wrong := problem_of_rotations(limits, self._spec.action.rotations):
                raise ValueError(f"the contract {wrong}")
        if workspace is not None and (wrong := problem_of_guards(limits, workspace, HOLD, None)):
            raise ValueError(f"the contract {wrong}")
        rate, rotations = self._spec.rate, self._spec.action.rotations
        limiter = None if limits is None else command_limiter(limits, rate, workspace, rotations)
        motion = self._robot.reset(seed)
        if limiter is not None and motion is not None:
            limiter.reset(motion.command, motion.velocity, motion.pose)
        self._limiter, self._is_bounded = limiter, workspace is not None
        modes = ("absolute",) * size if limits is None else limits.mode
        self._steps = np.array([mode == "delta" for mode in modes])
        self._fresh = self._started = self._braking = False
        self._seq = 0
        self.state, self.success = State.HOLDING, None
        self._log.begin(episode, seed, self._capabilities, modes, limits)
        return motion

    def command(self, values: NDArray[Any], seq: int, now: float) -> None:
        """The newest command; it is executed at the next tick.

        Args:
            values: Flattened, in the action's units, finite.
            seq: For the log.
            now: Seconds of the robot's clock.
        """
        if self.state is not State.ENDED:
            self._wanted[:] = values
            self._fresh = self._started = True
            self._braking = False
            self._seq, self._commanded_at = seq, now
            self.state = State.MOVING

    def hold(self) -> None:
        """Brake and stay until the next command."""
        if self.state is State.MOVING:
            self.state, self._fresh, self._braking = State.HOLDING, False, True
            self._rest()

    def end(self) -> None:
        """Nobody ticks it any more: tell the robot to stop, if it still moves."""
        if self.braking or self.state is State.MOVING:
            self._braking = False
            self.state = State.ENDED
            self._robot.stop()

    def tick(self, now: float) -> None:
        """Execute for one period of the control rate.

        Args:
            now: Seconds of the robot's clock.
        """
        if self.state is State.ENDED or not self._started:
            return
        if self.state is State.MOVING and not now - self._commanded_at < self._timeout:
            self.held += 1
            self.hold()
        command = self._next(now)
        self._fresh = False
        if command is None:
            return
        self.ticks += 1
        self._log.tick(now, self.state, self._seq, command)
        status = self._robot.write(command.reshape(self._spec.action.shape))
        if status.success is not None:
            self.success = status.success
        if status.ended:
            self.state = State.ENDED
            self._robot.stop()
        elif self._braking:
            self._rest()

    @property
    def braking(self) -> bool:
        """Whether it is on the way to rest, and was not told to stop yet."""
        return self._braking and self.state is State.HOLDING

    @property
    def has_new_command(self) -> bool:
        """Whether a command has come since the last tick."""
        return self._fresh

    def ahead(self, pose: NDArray[Any]) -> NDArray[Any]:
        """Where the targets of delta elements will be once the newest command is executed.

        Args:
            pose: Where they are, see `Reading`.
        """
        if not self._fresh:
            return pose
        return pose + np.where(self._steps, self._wanted, 0.0).reshape(pose.shape)

    def read(self, now: float) -> Reading:
        """See `Robot.read`."""
        return self._robot.read(now)

    def _rest(self) -> None:
        """Tell the robot to stop once it has come to rest, which its own stop does at a stroke."""
        if self._limiter is None or not self._limiter.moving:
            self._braking = False
            self._robot.stop()

    def _next(self, now: float) -> NDArray[Any] | None:
        """What this tick executes (None: nothing)."""
        if self._limiter is None:
            return self._wanted if self._fresh else None
        if self._is_bounded and (pose := self._robot.read(now).pose) is not None:
            self._limiter.locate(pose)
        if self.state is State.HOLDING:
            return self._limiter.hold()
        wanted = self._wanted if self._fresh else np.where(self._steps, 0.0, self._wanted)
        command, _ = self._limiter.limit(wanted)
        return command


def _check(limits: Limits, size: int) -> None:
    for name, values in vars(limits).items():
        if len(values) != size:
            raise ValueError(f"{name} for {len(values)} elements; the action has {size}")
    if not set(limits.mode) <= set(MODES):
        raise ValueError(f"a mode is none of {', '.join(MODES)}")
    if any(low > high for low, high in zip(limits.low, limits.high, strict=True)):
        raise ValueError("a lower limit is above the upper one")
    if any(value < 0 for value in (*limits.velocity, *limits.acceleration, *limits.jerk)):
        raise ValueError("a limit of motion is negative")
