"""Which mapping a task has, by its `Spec`."""

from __future__ import annotations

from ilrobot.errors import UserError
from ilrobot.spec import Spec
from teleop.bindings import DIRECTIONS
from teleop.mappings.choice import ChoiceMapping
from teleop.mappings.end_effector import EndEffectorMapping
from teleop.mappings.mapping import Mapping
from teleop.mappings.target import TargetMapping
from teleop.mappings.vector import VectorMapping
from teleop.measured import takes_targets


def make_mapping(spec: Spec) -> Mapping:
    """The mapping for a task.

    Raises:
        UserError: Six axes and a few buttons cannot command its actions.
    """
    if spec.choices is not None:
        return ChoiceMapping(spec)
    if spec.controller == "ee_delta_gripper":
        return EndEffectorMapping(spec)
    if spec.action.size > len(DIRECTIONS):
        raise UserError(
            f"task '{spec.task}' has {spec.action.size} action elements, but a device steers "
            f"{len(DIRECTIONS)}; record it with another program and use: ilrobot import"
        )
    return TargetMapping(spec) if takes_targets(spec) else VectorMapping(spec)
