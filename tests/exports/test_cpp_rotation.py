"""Rotations in the C++ library: turned through half a turn without a jerk, and refused alike."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from exports.cpp.binding import CppController, Refused
from exports.runtime.session import OnnxPolicy
from ilrobot.control.activation import NOTHING, Activation
from ilrobot.control.contract_parts import Limits
from ilrobot.control.guard import Guard
from ilrobot.control.turns import between, in_unit, quaternion, turned
from ilrobot.errors import UserError
from tests.exports.guard_scenarios import STATE, Scenario, Tick, contract_of, replay
from tests.exports.identity import OBSERVATION, constant_policy

pytestmark = pytest.mark.usefixtures("cpp_library")

RATE = 50.0
UNITS = {
    "rotvec": ("rotvec", "rotvec", "rotvec", "m"),
    "quat_wxyz": ("quat_wxyz",) * 4,
    "quat_xyzw": ("quat_xyzw",) * 4,
}
LIMITS = Limits(("absolute",) * 4, (-9.0,) * 4, (9.0,) * 4, (2.0,) * 4, (20.0,) * 4, (2000.0,) * 4)


def contract(units, limits=LIMITS):
    made = contract_of(limits, RATE)
    action = replace(made.spec.action, units=tuple(units))
    return replace(made, spec=replace(made.spec, action=action))


def told(angle, unit, sign):
    """About an axis of no feature, by at most half a turn, and by q as well as -q."""
    q = turned((1.0, 0.0, 0.0, 0.0), [angle / 3, -2 * angle / 3, 2 * angle / 3])
    if unit == "rotvec":
        return np.array([*between((1.0, 0.0, 0.0, 0.0), q), 0.0])
    return sign * np.array(in_unit(q, unit))


@pytest.mark.parametrize("unit", list(UNITS))
def test_a_turn_at_constant_speed_goes_on_through_half_a_turn(tmp_path, unit):
    made = contract(UNITS[unit])
    constant_policy(tmp_path / "policy.onnx", made)
    rng, size = np.random.default_rng(0), 3 if unit == "rotvec" else 4
    wanted = [told(2.5 + 0.03 * tick, unit, rng.choice([-1.0, 1.0])) for tick in range(300)]
    seen = np.zeros(STATE, np.float32)
    ticks = [Tick(seen, 0.0, False, tick / RATE, values) for tick, values in enumerate(wanted)]
    outcomes = replay(Scenario("turn", made, RATE, wanted[0], None, None, tuple(ticks)))
    last, turns = None, []
    with CppController(tmp_path / "policy.onnx") as cpp:
        cpp.reset(0, wanted[0])
        for tick, outcome in zip(ticks, outcomes, strict=True):
            cpp.observe({OBSERVATION: tick.observation}, tick.measured)
            command = cpp.override(tick.measured, False, tick.action)
            np.testing.assert_array_equal(command, outcome.command)
            assert cpp.flags == outcome.flags
            now = quaternion(command[:size].tolist(), unit)
            turns.append((0, 0, 0) if last is None else between(last, now))
            last = now
        assert Activation(cpp.flags) == NOTHING  # it has caught up with a turn of 1.5 rad/s
    along = np.array(turns) @ np.array([1, -2, 2]) / 3
    assert along.min() >= -1e-12
    assert (np.abs(turns) * RATE <= 2.0 + 1e-9).all()
    assert (np.abs(np.diff(turns, axis=0)) * RATE**2 <= 20.0 + 1e-6).all()
    np.testing.assert_allclose(along[-100:], 0.03, atol=1e-9)


@pytest.mark.parametrize("unit", list(UNITS))
def test_what_is_clipped_is_the_same_rotation(tmp_path, unit):
    sides = {"low": (-1.0, -0.3, -0.2, -0.3), "high": (1.0, 0.2, 0.3, 1.0)}
    made = contract(UNITS[unit], replace(LIMITS, **sides))
    constant_policy(tmp_path / "policy.onnx", made)
    begins = np.zeros(4) if unit == "rotvec" else np.array(in_unit((1.0, 0, 0, 0), unit))
    wanted = [told(0.02 * tick, unit, 1.0) for tick in range(150)]
    seen = np.zeros(STATE, np.float32)
    ticks = [Tick(seen, 0.0, False, tick / RATE, values) for tick, values in enumerate(wanted)]
    outcomes = replay(Scenario("clip", made, RATE, begins, None, None, tuple(ticks)))
    with CppController(tmp_path / "policy.onnx") as cpp:
        cpp.reset(0, begins)
        for tick, outcome in zip(ticks, outcomes, strict=True):
            cpp.observe({OBSERVATION: tick.observation}, tick.measured)
            command = cpp.override(tick.measured, False, tick.action)
            np.testing.assert_array_equal(command, outcome.command)
            assert cpp.flags == outcome.flags
            if unit != "rotvec":
                assert abs(np.linalg.norm(command) - 1) < 1e-9
    assert Activation.POSITION_LIMITED in Activation(cpp.flags)


@pytest.mark.parametrize(
    ("units", "mode", "high", "said"),
    [
        (["quat_wxyz"] * 3 + ["1"], ["absolute"] * 4, 1, "3 elements in a row of unit 'quat_wxyz'"),
        (["rotvec"] * 4, ["absolute"] * 4, 1, "4 elements in a row of unit 'rotvec', of which 3"),
        (["quat_xyzw"] * 4, ["delta"] * 4, 1, "steps by a quaternion from action element 0 on"),
        (UNITS["rotvec"], ["delta", *["absolute"] * 3], 1, "both modes in the rotation from"),
        (["quat_wxyz"] * 4, ["absolute"] * 4, 0.4, "0 on that no quaternion of length 1 keeps"),
    ],
)
def test_what_is_no_rotation_is_refused_in_both_languages(tmp_path, units, mode, high, said):
    path = tmp_path / "policy.onnx"
    sides = {"low": (-high,) * 4, "high": (high,) * 4}
    made = contract(UNITS["rotvec"], replace(LIMITS, mode=tuple(mode), **sides))
    action = replace(made.spec.action, units=tuple(units))
    constant_policy(path, replace(made, spec=replace(made.spec, action=action)))
    for read, refusal in ((CppController, Refused), (OnnxPolicy, UserError)):
        with pytest.raises(refusal, match=said) as refused:
            read(path)
        assert "\n" not in str(refused.value)


@pytest.mark.parametrize("unit", ["quat_wxyz", "quat_xyzw"])
def test_from_a_quaternion_of_no_length_nothing_begins(tmp_path, unit):
    made = contract(UNITS[unit])
    constant_policy(tmp_path / "policy.onnx", made)
    with CppController(tmp_path / "policy.onnx") as cpp:
        assert cpp.reset(0, np.zeros(4)) == (
            "present of action element 0 and those after it is no rotation; no episode begins"
        )
        assert cpp.override(0.0, False, np.full(4, 0.5)) is None
        assert cpp.reset(0, np.full(4, 0.5)) == ""
    with pytest.raises(ValueError, match="is no rotation"):
        Guard(made).reset(np.zeros(4))
    assert math.isfinite(Guard(made).limit(np.full(4, 0.5))[0])
