"""A person who commands a rotation vector, near half a turn, where what is measured jumps."""

from __future__ import annotations

import math

import numpy as np
import pytest

from ilrobot.spec import Feature, Spec
from teleop.bindings import TeleopCommand
from teleop.clutch import Ramp
from teleop.mappings.making import make_mapping
from teleop.mappings.target import TargetMapping

NAMES = ("rx", "ry", "rz")
LIMITS = ((-2 * math.pi,) * 3, (2 * math.pi,) * 3)
SPEC = Spec(
    (Feature("observation.state", (3,), names=NAMES, units=("rotvec",) * 3),),
    Feature("action", (3,), "float32", NAMES, ("rotvec",) * 3, *LIMITS),
    10.0,
    semantics="absolute",
)


def measured(x: float) -> dict[str, np.ndarray]:
    at = [math.remainder(x, 2 * math.pi), 0.0, 0.0]
    return {"observation.state": np.array(at, np.float32)}


def test_a_stick_leads_a_rotation_on_through_half_a_turn() -> None:
    mapping = make_mapping(SPEC)
    assert isinstance(mapping, TargetMapping)
    at, targets = 2.8, []
    for _ in range(20):
        command = TeleopCommand(twist=(0.1, 0, 0, 0, 0, 0))
        targets.append(float(mapping.action(command, measured(at))[0]))
        at = targets[-1] - 0.02  # the robot follows, and tells it within half a turn
    assert targets[-1] > 3.3
    assert np.diff(targets) == pytest.approx(0.1 * 4 * math.pi / 15, abs=1e-3)


def test_a_takeover_beyond_half_a_turn_does_not_lead_the_long_way() -> None:
    person = np.array([3.2 - 2 * math.pi, 0.0, 0.0])
    ramp = Ramp(np.full(3, 0.1), SPEC.target_rotations)
    ramp.begin(np.array([3.1, 0.0, 0.0]))
    commands = [float(ramp.limit(person)[0]) for _ in range(3)]
    assert commands == pytest.approx([3.18 - 2 * math.pi, *[person[0]] * 2])
    plain = Ramp(np.full(3, 0.1))  # three plain numbers do go that way
    plain.begin(np.array([3.1, 0.0, 0.0]))
    assert plain.limit(person)[0] == pytest.approx(3.02)
