"""Policy and robot are held side by side before anything moves."""

from __future__ import annotations

from dataclasses import replace

import pytest

from exports.robots.base import Capabilities
from ilrobot.cli.deploy_fit import fitting_rate
from ilrobot.control.contract_joints import Joints
from ilrobot.errors import UserError
from tests.ilrobot.control.contracts import ABSOLUTE, ABSOLUTE_CONTRACT, RATE

JOINTS = Joints(("a", "b"), ("rad", "rad"), (0.0, 0.0), (9.0, 9.0), (1.0, 1.0))
CONTRACT = replace(ABSOLUTE_CONTRACT, joints=JOINTS)


def robot(joints=None, any_rate=False):
    return Capabilities("arm", ABSOLUTE, any_rate=any_rate, time_limit=None, joints=joints)


def test_a_robot_that_fits_runs_at_the_policys_rate_or_at_the_one_asked_for() -> None:
    assert fitting_rate(CONTRACT, robot(JOINTS), "p.onnx", None) == RATE
    assert fitting_rate(CONTRACT, robot(any_rate=True), "p.onnx", 50.0) == 50.0
    with pytest.raises(UserError, match="--rate 50: arm runs at 10 Hz and at no other rate"):
        fitting_rate(CONTRACT, robot(), "p.onnx", 50.0)


def test_joints_in_another_order_are_refused_by_name() -> None:
    with pytest.raises(UserError, match=r"p\.onnx: joint 0 is 'a' in the policy but 'b' in arm"):
        fitting_rate(CONTRACT, robot(replace(JOINTS, names=("b", "a"))), "p.onnx", None)


def test_other_gains_are_told_and_not_refused(capsys) -> None:
    stiffer = replace(JOINTS, stiffness=(9.0, 18.0))
    assert fitting_rate(CONTRACT, robot(stiffer), "p.onnx", None) == RATE
    assert "the kp of 'b' was 9 in training and is 18 in arm" in capsys.readouterr().err
