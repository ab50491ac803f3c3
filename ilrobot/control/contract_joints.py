"""The arm behind a task's controller, as far as the task states it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ilrobot.control.contract_parts import floats
from ilrobot.errors import UserError

#: Gains that differ by less are the same.
_SAME_GAIN = 1e-3


@dataclass(frozen=True)
class Joints:
    """Joints in their order, one value each.

    Attributes:
        names: As the robot's description has them.
        units: Of their positions, ``rad`` or ``m``.
        pose: Where an episode begins, about.
        stiffness: kp of the servos, N m/rad or N/m (None: they have no gains).
        damping: kd of the servos, N m s/rad or N s/m.
    """

    names: tuple[str, ...]
    units: tuple[str, ...]
    pose: tuple[float, ...]
    stiffness: tuple[float, ...] | None = None
    damping: tuple[float, ...] | None = None

    def to_json(self) -> dict[str, Any]:
        """Plain JSON."""
        return {key: None if v is None else list(v) for key, v in vars(self).items()}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Joints:
        """Inverse of `to_json`.

        Raises:
            KeyError: A key is missing.
            TypeError: A value is of another type.
            ValueError: A value is no number, or there are more of one than of another.
        """
        joints = cls(
            names=tuple(str(name) for name in data["names"]),
            units=tuple(str(unit) for unit in data["units"]),
            pose=floats(data["pose"]),
            stiffness=_gains(data.get("stiffness")),
            damping=_gains(data.get("damping")),
        )
        for key, values in vars(joints).items():
            if values is not None and len(values) != len(joints.names):
                raise ValueError(f"{len(values)} values of 'joints.{key}' for {len(joints.names)}")
        return joints


def _gains(values: Any) -> tuple[float, ...] | None:
    return None if values is None else floats(values)


def check_joints(policy: Joints, robot: Joints, where: str, name: str) -> str:
    """Refuse an arm with other joints than the policy's, or with the same in another order.

    Args:
        policy: Of the contract.
        robot: What the robot states.
        where: The policy's, for the message.
        name: The robot's, for the message.

    Returns:
        What a person should know of gains that differ, in one line (empty: none do).

    Raises:
        UserError: A joint is missing, is one too many, stands elsewhere or has another unit.
    """
    cure = "deploy on the robot that the policy was trained on"
    for missing in set(policy.names) - set(robot.names):
        raise UserError(
            f"{where}: the policy was trained on a robot with the joint '{missing}', which {name} "
            f"lacks (it has {', '.join(robot.names)}); {cure}"
        )
    for more in set(robot.names) - set(policy.names):
        raise UserError(
            f"{where}: {name} has the joint '{more}', which the robot that the policy was trained "
            f"on lacks (it had {', '.join(policy.names)}); {cure}"
        )
    for index, (ours, theirs) in enumerate(zip(policy.names, robot.names, strict=True)):
        if ours != theirs:
            raise UserError(
                f"{where}: joint {index} is '{ours}' in the policy but '{theirs}' in {name}, which "
                "has the same joints in another order; put them in the policy's order"
            )
        if policy.units[index] != robot.units[index]:
            raise UserError(
                f"{where}: the joint '{ours}' is in {policy.units[index]} in the policy but in "
                f"{robot.units[index]} in {name}; {cure}"
            )
    return _other_gains(policy, robot, name)


def _other_gains(policy: Joints, robot: Joints, name: str) -> str:
    for gain, ours, theirs in (
        ("kp", policy.stiffness, robot.stiffness),
        ("kd", policy.damping, robot.damping),
    ):
        for joint, mine, its in zip(policy.names, ours or (), theirs or (), strict=False):
            if not math.isclose(mine, its, rel_tol=_SAME_GAIN):
                return (
                    f"gains differ: the {gain} of '{joint}' was {mine:g} in training and is "
                    f"{its:g} in {name}, so that it follows commands otherwise"
                )
    return ""
