"""A policy's joints beside a robot's."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ilrobot.control.contract_joints import Joints, check_joints
from ilrobot.errors import UserError

ARM = Joints(("a", "b", "c"), ("rad", "rad", "m"), (0.0, 0.1, 0.2), (9.0,) * 3, (1.0,) * 3)


def test_the_same_arm_fits_wherever_it_begins() -> None:
    assert check_joints(ARM, replace(ARM, pose=(1.0, 1.0, 1.0)), "p.onnx", "arm") == ""


@pytest.mark.parametrize(
    ("robot", "words"),
    [
        (replace(ARM, names=("a", "b", "d")), "joint 'c', which arm lacks"),
        (replace(ARM, names=("b", "a", "c")), "joint 0 is 'a' in the policy but 'b' in arm"),
        (replace(ARM, units=("rad", "m", "m")), "joint 'b' is in rad in the policy but in m"),
        (Joints((*ARM.names, "d"), ("rad",) * 4, (0.0,) * 4), "arm has the joint 'd'"),
    ],
)
def test_another_arm_is_refused_by_the_name_of_the_joint(robot: Joints, words: str) -> None:
    with pytest.raises(UserError, match=words):
        check_joints(ARM, robot, "p.onnx", "arm")


def test_other_gains_are_told_where_both_state_them() -> None:
    stiffer = replace(ARM, stiffness=(9.0, 18.0, 9.0))
    assert "kp of 'b' was 9 in training and is 18 in arm" in check_joints(
        ARM, stiffer, "p.onnx", "arm"
    )
    assert "kd of 'a'" in check_joints(ARM, replace(ARM, damping=(2.0, 1.0, 1.0)), "p", "arm")
    assert check_joints(ARM, replace(ARM, stiffness=None, damping=None), "p.onnx", "arm") == ""
