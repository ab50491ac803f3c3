"""A person who commands a rotation vector, near half a turn, where what is measured jumps."""

from __future__ import annotations

import math

import numpy as np
import pytest

from ilrobot.control.turns import between, in_unit, quaternion, turned
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
    # Full stick crosses the range of 4π in 1.5 s.
    assert np.diff(targets) == pytest.approx(0.1 * 4 * math.pi / 15, abs=1e-3)


def test_a_stick_turns_about_the_axes_of_the_frame_whatever_the_rotation_is() -> None:
    mapping = make_mapping(SPEC)
    here = turned((1.0, 0.0, 0.0, 0.0), (1.5, -2.0, 1.0))
    there = in_unit(turned(here, (0.0, 0.05, 0.0)), "rotvec")
    observation = {"observation.state": np.array(in_unit(here, "rotvec"))}
    twist = mapping.intent(np.array(there), observation).twist
    assert twist[:3] == pytest.approx((0.0, 0.05 / (4 * math.pi / 15), 0.0))
    taken = mapping.action(TeleopCommand(twist=twist), observation)
    assert taken == pytest.approx(there, abs=1e-6)
    # The robot does not follow: so far does the leash let the rotation go.
    for _ in range(30):
        taken = mapping.action(TeleopCommand(twist=(0, 1.0, 0, 0, 0, 0)), observation)
    led = quaternion([float(x) for x in taken], "rotvec")
    assert led is not None
    assert between(here, led) == pytest.approx((0.0, 0.3, 0.0), abs=1e-5)


def test_a_rotation_that_is_measured_as_not_finite_is_commanded_so() -> None:
    mapping = make_mapping(SPEC)
    broken = {"observation.state": np.array([0.1, math.nan, 0.0])}
    assert np.isnan(mapping.action(TeleopCommand(), broken)).any()
    mapping.follow(np.zeros(3))
    assert np.isfinite(mapping.action(TeleopCommand(), measured(0.1))).all()


def test_a_takeover_beyond_half_a_turn_does_not_lead_the_long_way() -> None:
    person = np.array([3.2 - 2 * math.pi, 0.0, 0.0])
    ramp = Ramp(np.full(3, 0.1), SPEC.target_rotations)
    ramp.begin(np.array([3.1, 0.0, 0.0]))
    commands = [float(ramp.limit(person)[0]) for _ in range(3)]
    assert commands == pytest.approx([3.18 - 2 * math.pi, *[person[0]] * 2])
    plain = Ramp(np.full(3, 0.1))  # three plain numbers do go that way
    plain.begin(np.array([3.1, 0.0, 0.0]))
    assert plain.limit(person)[0] == pytest.approx(3.02)


HEADING = Spec(
    (Feature("observation.state", (1,), names=("heading",), units=("rad",)),),
    Feature("action", (1,), "float32", ("target_heading",), ("rad",), (-math.pi,), (math.pi,)),
    20.0,
    semantics="absolute",
)


def test_an_angle_that_is_measured_beyond_the_end_of_its_turn_moves_no_target() -> None:
    mapping = make_mapping(HEADING)
    assert isinstance(mapping, TargetMapping)
    push, rest = TeleopCommand(twist=(1.0, 0, 0, 0, 0, 0)), TeleopCommand()
    mapping.action(push, _heading(3.1))
    assert mapping.action(push, _heading(3.1)) == pytest.approx([math.pi])
    for at in (3.2, 3.15):
        assert mapping.action(rest, _heading(at)) == pytest.approx([math.pi])
        assert mapping.leash < 0.5
    # Somebody turns the robot on: its target follows on the leash, the shorter way.
    assert mapping.action(rest, _heading(3.1 - 0.5)) == pytest.approx([2.6 + 0.3])
    # Within the turn all is as it was, and the stick never leads through its end.
    assert mapping.intent(np.array([-3.0]), _heading(3.0)).twist[0] == -1.0


def _heading(at: float) -> dict[str, np.ndarray]:
    return {"observation.state": np.array([math.remainder(at, 2 * math.pi)], np.float32)}


def test_a_takeover_at_the_end_of_a_turn_does_not_lead_the_long_way() -> None:
    ramp = Ramp(np.full(1, 0.1), angles=(0,))
    ramp.begin(np.array([3.1]))
    commands = [float(ramp.limit(np.array([-3.0]))[0]) for _ in range(3)]
    assert commands == pytest.approx([3.18 - 2 * math.pi, 3.26 - 2 * math.pi, -3.0])
