"""Policy and robot are held side by side before anything moves."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from exports.limits import derive_limits, guessed_targets
from exports.robots.base import Capabilities
from exports.stated_guards import with_guards
from ilrobot.cli.deploy_fit import fitting_rate
from ilrobot.control.contract_joints import Joints
from ilrobot.errors import UserError
from ilrobot.spec import Feature, Spec
from tests.ilrobot.control.contracts import ABSOLUTE, ABSOLUTE_CONTRACT, RATE, contract_for

JOINTS = Joints(("a", "b"), ("rad", "rad"), (0.0, 0.0), (9.0, 9.0), (1.0, 1.0))
CONTRACT = replace(ABSOLUTE_CONTRACT, joints=JOINTS)


def robot(joints=None, any_rate=False):
    return Capabilities("arm", ABSOLUTE, any_rate=any_rate, time_limit=None, joints=joints)


STEPS = Feature("action", (2,), names=("dx", "dy"), low=(-1.0, -1.0), high=(1.0, 1.0))
SEEN = Feature("observation.state", (2,), names=("x", "y"))
UNSAID = Spec((SEEN,), STEPS, RATE)


@pytest.mark.parametrize(
    ("meant", "simulated", "why"),
    [
        ("unknown", False, "nobody says what they are"),
        ("delta", False, "takes steps"),
        ("delta", True, "takes steps"),
        ("unknown", True, None),
        ("absolute", False, None),
    ],
)
def test_what_may_be_a_step_is_not_taken_for_a_target(meant, simulated, why):
    runs = [np.sin(np.arange(30.0)[:, None] / [5.0, 7.0])]
    contract = contract_for(UNSAID, derive_limits(UNSAID, runs))
    capabilities = Capabilities("an arm", replace(UNSAID, semantics=meant), False, None)
    told = (contract, capabilities, "p.onnx", None)
    if why is None:
        assert fitting_rate(*told, simulated=simulated) == RATE
        return
    with pytest.raises(UserError, match=why) as refused:
        fitting_rate(*told, simulated=simulated)
    assert "--guards" in str(refused.value)


def test_a_person_may_say_what_it_is():
    runs = [np.sin(np.arange(30.0)[:, None] / [5.0, 7.0])]
    contract = contract_for(UNSAID, derive_limits(UNSAID, runs))
    capabilities = Capabilities("an arm", UNSAID, False, None)
    for mode in ("absolute", "delta"):
        stated = with_guards(contract, {"limits": {"mode": [mode] * 2}}, "arm.json")
        assert stated.spec.semantics == mode
        assert fitting_rate(stated, capabilities, "p.onnx", None) == RATE
    rolling = replace(UNSAID, action=replace(STEPS, names=("shoulder", "x.vel")))
    contract = contract_for(rolling, derive_limits(rolling, runs))
    assert guessed_targets(contract) == ("shoulder",)
    modes = {"limits": {"mode": ["absolute", "velocity"]}}
    stated = with_guards(contract, modes, "arm.json")
    assert stated.spec.semantics == "absolute"
    assert fitting_rate(stated, replace(capabilities, spec=rolling), "p.onnx", None) == RATE
    named = replace(UNSAID, action=replace(STEPS, names=("x", "y")))
    assert guessed_targets(contract_for(named, derive_limits(named, runs))) == ()


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
