"""The arm behind a task's controller, as far as the task states it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ilrobot.control.contract_parts import floats


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
