"""What a contract says of the guards beside its limits: the workspace, and when to fall back."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ilrobot.control.contract_parts import Limits, floats
from ilrobot.rotation_units import Rotation

#: Brake and stay; let the velocity decay; go to a pose (see `ilrobot.control.limiter`).
HOLD, DAMP, RETREAT = "hold", "damp", "retreat"
FALLBACKS = (HOLD, DAMP, RETREAT)
#: Of the corner of a quaternion's limits that is farthest from zero; 1 but for rounding.
_LEAST_SQUARE = 0.99


@dataclass(frozen=True)
class Workspace:
    """Where the commanded target may be, per action element; of a delta, the sum of its commands.

    Attributes:
        low: Least position, in the action's units (-inf: not limited).
        high: Greatest position (inf: not limited).
    """

    low: tuple[float, ...]
    high: tuple[float, ...]

    def to_json(self) -> dict[str, Any]:
        """Plain JSON; what is not limited becomes null."""
        return {
            key: [x if math.isfinite(x) else None for x in values]
            for key, values in vars(self).items()
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Workspace:
        """Inverse of `to_json`; raises as `Limits.from_json` does."""
        return cls(floats(data["low"], -math.inf), floats(data["high"], math.inf))


def pose_from_json(values: Any) -> tuple[float, ...] | None:
    """A position for each action element, NaN where it is null; None for null."""
    if values is None:
        return None
    return tuple(math.nan if x is None else floats([x])[0] for x in values)


def pose_to_json(pose: tuple[float, ...] | None) -> list[float | None] | None:
    """Inverse of `pose_from_json`."""
    return None if pose is None else [None if math.isnan(x) else x for x in pose]


@dataclass(frozen=True)
class FallbackAfter:
    """How long what is only a warning at first may go on before the fallback acts.

    Attributes:
        out_of_range: Seconds of observations outside the training range, without a break (None:
            for ever).
        frozen: Seconds of measurements that do not change in any bit while the commanded target
            moves (None: for ever, as with a simulated robot that is blocked).
        late: Missed deadlines without a break (None: any number).
        calling: Seconds of calls for help without a break (None: for ever), see
            `ilrobot.control.signals`.
    """

    out_of_range: float | None = None
    frozen: float | None = None
    late: int | None = None
    calling: float | None = None

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> FallbackAfter:
        """From its fields; one that is missing is None.

        Raises:
            TypeError: A value is of another type.
            ValueError: It is not positive.
        """
        for key, value in data.items():
            if value is not None and not (math.isfinite(value) and value > 0):
                raise ValueError(f"fallback_after.{key} is {value}, which is not positive")
        late = data.get("late")
        return cls(
            out_of_range=data.get("out_of_range"),
            frozen=data.get("frozen"),
            late=None if late is None else int(late),
            calling=data.get("calling"),
        )


#: Of older files: what is a warning stays one.
NEVER = FallbackAfter()


def problem_of_rotations(limits: Limits, rotations: Sequence[Rotation]) -> str | None:
    """What the limits of their elements make impossible, as "the contract" goes on."""
    for rotation in rotations:
        modes = set(limits.mode[rotation.part])
        if len(modes) > 1:
            return (
                f"has elements of both modes in the rotation from action element {rotation.start}"
            )
        if modes == {"delta"} and rotation.unit != "rotvec":
            return (
                f"commands steps by a quaternion from action element {rotation.start} on, which "
                "zeros do not hold; command rotation vectors"
            )
        sides = zip(limits.low[rotation.part], limits.high[rotation.part], strict=True)
        farthest = [max(abs(low), abs(high)) for low, high in sides]
        greatest = sum(side * side for side in farthest)
        if rotation.unit != "rotvec" and greatest < _LEAST_SQUARE:
            return (
                f"has limits of the quaternion from action element {rotation.start} on that no "
                "quaternion of length 1 keeps"
            )
    return None


def problem_of_guards(
    limits: Limits | None,
    workspace: Workspace | None,
    fallback: str,
    retreat: tuple[float, ...] | None,
) -> str | None:
    """What contradicts itself in what a contract says of the guards, as "the contract" goes on."""
    if fallback not in FALLBACKS:
        return f"has the unknown fallback '{fallback}'"
    if limits is None:
        if workspace is not None or fallback != HOLD:
            return "has a workspace or a fallback other than 'hold' for discrete actions"
        return None
    size = len(limits.mode)
    if fallback == RETREAT and retreat is None:
        return "falls back to 'retreat' and states no pose"
    if retreat is not None and len(retreat) != size:
        return f"has {len(retreat)} values of 'retreat' for {size} action elements"
    if not all(value > 0 for value in limits.jerk):
        return "has a limit of jerk that is not a positive number"
    if workspace is None:
        return None
    for key, values in vars(workspace).items():
        if len(values) != size:
            return f"has {len(values)} values of 'workspace.{key}' for {size} action elements"
    for i, mode in enumerate(limits.mode):
        low, high = workspace.low[i], workspace.high[i]
        if mode == "absolute":
            low, high = max(low, limits.low[i]), min(high, limits.high[i])
        if not low <= high:
            return f"has a workspace without room for action element {i}"
    return None
