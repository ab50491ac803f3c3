"""Commands with rotations kept inside limits: as turns, which never jump.

The numbers of a rotation jump where it does not (rotation vectors at half a turn, between q and
-q), and three numbers always must somewhere. So of a rotation the limiter of numbers is given three
coordinates that do not: with R_{t-1} what was commanded last and y_{t-1} its coordinates, those of
a wanted rotation W are

    y_{t-1} + log(W R_{t-1}^T),

by the shorter way round. It answers y_t, and commanded is R_t = exp(y_t - y_{t-1}) R_{t-1}, or W
itself where it was let through. So the limits of velocity, acceleration and jerk of a rotation are
those of its angular velocity about the axes x, y and z of the frame that it is commanded in, in
rad/s, rad/s² and rad/s³, whatever its unit: they stand at the elements of a rotation vector, and at
those of a quaternion but its real part, whose own do not count.

Position limits and the workspace bound what is aimed at: a wanted rotation is clipped into them by
that of its equal answers that lies nearest to them. On the way from one such rotation to another,
and while it brakes, a target may be outside.

Commanded is, of all equal answers, the one nearest to the last command.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ilrobot.control.activation import NOTHING, Activation
from ilrobot.control.contract_guards import Workspace
from ilrobot.control.contract_parts import Limits
from ilrobot.control.limiter import CommandLimiter
from ilrobot.control.rotation_target import UNKNOWN, RotationTarget
from ilrobot.rotation_units import Rotation


def command_limiter(
    limits: Limits, rate: float, workspace: Workspace | None, rotations: Sequence[Rotation]
) -> CommandLimiter | RotationLimiter:
    """What limits continuous commands of which these elements are rotations.

    A rotation that is a step is a small turn, limited as the three numbers that it has.
    """
    targets = [rotation for rotation in rotations if limits.mode[rotation.start] == "absolute"]
    if not targets:
        return CommandLimiter(limits, rate, workspace)
    return RotationLimiter(limits, rate, workspace, targets)


class RotationLimiter:
    """A `CommandLimiter` of the coordinates above; its methods are described there.

    Args:
        limits: Per element, from the contract.
        rate: Control rate in Hz that the loop really runs at.
        workspace: Where the commanded target may be (None: anywhere).
        rotations: Those of absolute commands.
    """

    def __init__(
        self,
        limits: Limits,
        rate: float,
        workspace: Workspace | None,
        rotations: Sequence[Rotation],
    ) -> None:
        size = len(limits.mode)
        turning = set(chain.from_iterable(rotation.elements for rotation in rotations))
        self._plain = [index for index in range(size) if index not in turning]
        self._rate = rate
        self._targets = [
            RotationTarget(rotation, limits, rate, workspace) for rotation in rotations
        ]
        anywhere = [((-math.inf,) * 3, (math.inf,) * 3)] * len(rotations)
        low, high = zip(*anywhere, strict=True)

        def within(bounds: Limits | Workspace) -> dict[str, tuple[float, ...]]:
            return {
                "low": tuple(self._coordinates(np.array(bounds.low), low).tolist()),
                "high": tuple(self._coordinates(np.array(bounds.high), high).tolist()),
            }

        def motion(values: tuple[float, ...]) -> tuple[float, ...]:
            turns = [values[rotation.axes] for rotation in rotations]
            return tuple(self._coordinates(np.array(values), turns).tolist())

        self._limiter = CommandLimiter(
            Limits(
                mode=(*(limits.mode[i] for i in self._plain), *["absolute"] * (3 * len(rotations))),
                **within(limits),
                velocity=motion(limits.velocity),
                acceleration=motion(limits.acceleration),
                jerk=motion(limits.jerk),
            ),
            rate,
            None if workspace is None else Workspace(**within(workspace)),
        )
        self._command = np.zeros(size)

    def reset(
        self,
        present: NDArray[Any] | None = None,
        velocity: NDArray[Any] | None = None,
        pose: NDArray[Any] | None = None,
    ) -> None:
        """See `CommandLimiter.reset`; the velocity is that of the elements, in their units.

        Raises:
            ValueError: What it holds, or how fast that moves, is no finite number, or no rotation.
        """
        held = None if present is None else np.ravel(present)
        moving = None if velocity is None else np.ravel(velocity)
        for target in self._targets:
            target.begin(held)
        turns = [target.turns_per_second(moving, self._rate) for target in self._targets]
        still = [(0.0,) * 3] * len(turns)
        self._limiter.reset(
            None if held is None else self._coordinates(held, still),
            None if moving is None else self._coordinates(moving, turns),
            None if pose is None else self._places(pose),
        )

    def locate(self, pose: NDArray[Any]) -> None:
        """See `CommandLimiter.locate`; a rotation is no delta."""
        self._limiter.locate(self._places(pose))

    @property
    def moving(self) -> bool:
        """Whether the commanded target moved at the last tick, or began or ceased to."""
        return self._limiter.moving

    @property
    def workspace_unknown(self) -> bool:
        """Whether a workspace cannot be kept, because nobody said where the target is."""
        return self._limiter.workspace_unknown

    def limit(self, action: NDArray[Any]) -> tuple[NDArray[np.float64], Activation]:
        """See `CommandLimiter.limit`; what is no rotation counts as not finite."""
        values, clipped = np.ravel(action), NOTHING
        for target in self._targets:
            clipped |= target.aim(values)
        if Activation.ACTION_NOT_FINITE in clipped:
            return self._command, clipped
        wanted = self._coordinates(values, [target.wanted for target in self._targets])
        command, limited = self._limiter.limit(wanted)
        if Activation.ACTION_NOT_FINITE in limited:
            return self._command, limited
        return self._send(command), clipped | limited

    def hold(self) -> NDArray[np.float64] | None:
        """See `CommandLimiter.hold`."""
        self._forget()
        return self._sent(self._limiter.hold())

    def damp(self) -> NDArray[np.float64] | None:
        """See `CommandLimiter.damp`."""
        self._forget()
        return self._sent(self._limiter.damp())

    def retreat(self, pose: NDArray[Any]) -> NDArray[np.float64] | None:
        """See `CommandLimiter.retreat`; a rotation of which an element is NaN holds."""
        for target in self._targets:
            target.aim(pose)
        turns = [target.wanted for target in self._targets]
        return self._sent(self._limiter.retreat(self._coordinates(pose, turns)))

    def _coordinates(
        self, values: NDArray[Any], turns: Iterable[Sequence[float]]
    ) -> NDArray[np.float64]:
        """The elements that are no rotation, and then three numbers for each that is one."""
        return np.concatenate([values[self._plain], *turns])

    def _places(self, pose: NDArray[Any]) -> NDArray[np.float64]:
        return self._coordinates(np.ravel(pose), [UNKNOWN] * len(self._targets))

    def _forget(self) -> None:
        for target in self._targets:
            target.forget()

    def _sent(self, command: NDArray[np.float64] | None) -> NDArray[np.float64] | None:
        return None if command is None else self._send(command)

    def _send(self, command: NDArray[np.float64]) -> NDArray[np.float64]:
        """The command that coordinates mean, which is from now on the last one."""
        first = len(self._plain)
        self._command[self._plain] = command[:first]
        for target in self._targets:
            self._command[target.rotation.part] = target.go(command[first : first + 3].tolist())
            first += 3
        return self._command
