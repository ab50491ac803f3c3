"""Limits from the task and from the demonstrations."""

from dataclasses import replace

import numpy as np
import pytest

from exports.limits import DYNAMIC_MARGIN, derive_limits
from exports.real_data import taught_actions
from ilrobot.control.guard import Guard
from ilrobot.control.limiter import CommandLimiter
from ilrobot.errors import UserError
from ilrobot.rotation_units import find_rotations
from tests.ilrobot.control.contracts import ABSOLUTE, ABSOLUTE_CONTRACT, DELTA, DISCRETE, RATE
from tests.ilrobot.learning.rotating import poses


def test_absolute_targets_are_limited_by_what_was_demonstrated():
    actions = np.array([[0.0, 0.0], [0.1, 0.0], [0.3, 0.0], [0.2, 0.0]])
    limits = derive_limits(ABSOLUTE, [actions])
    assert limits.mode == ("absolute", "absolute")
    assert (limits.low, limits.high) == ((-1, -1), (1, 1))
    np.testing.assert_allclose(limits.velocity[0], DYNAMIC_MARGIN * 0.2 * RATE)
    np.testing.assert_allclose(limits.acceleration[0], DYNAMIC_MARGIN * 0.3 * RATE**2)
    assert limits.velocity[1] > 0  # what never moved may still be rounded


def test_jerk_is_limited_by_what_was_demonstrated_and_reaches_the_acceleration_in_one_tick():
    smooth = np.cumsum([0.0, 0.01, 0.03, 0.06, 0.09, 0.11, 0.12])  # Δ²a by 0.01 a tick at most
    bang = np.cumsum([0.0, 0.1, -0.1, 0.1, -0.1, 0.1, -0.1])  # Δa 0.1, Δ²a 0.2, Δ³a 0.4
    limits = derive_limits(ABSOLUTE, [np.stack([smooth, bang], axis=1)])
    np.testing.assert_allclose(limits.jerk[0] / RATE, limits.acceleration[0])
    np.testing.assert_allclose(limits.jerk[1], DYNAMIC_MARGIN * 0.4 * RATE**3)
    steps = np.stack([bang, np.zeros(7)], axis=1)  # of a delta they are velocities
    jerk = derive_limits(DELTA, [steps]).jerk
    np.testing.assert_allclose(jerk[0], DYNAMIC_MARGIN * 0.2 * RATE**3)
    assert np.isinf(derive_limits(ABSOLUTE, [np.zeros((3, 2))]).jerk).all()


def test_an_absolute_target_may_reach_its_greatest_velocity_in_one_tick():
    ramp = np.array([[0.0, 0.0], [0.1, 0.0], [0.2, 0.0], [0.3, 0.0]])
    limits = derive_limits(ABSOLUTE, [ramp])
    np.testing.assert_allclose(limits.acceleration[0] / RATE**2, limits.velocity[0] / RATE)


def test_nothing_is_derived_across_episodes():
    apart = [np.zeros((3, 2)), np.ones((3, 2))]
    together = derive_limits(ABSOLUTE, [np.concatenate(apart)])
    assert derive_limits(ABSOLUTE, apart).velocity[0] < together.velocity[0]


def test_a_delta_moves_at_its_range_and_its_gripper_is_a_target():
    actions = np.array([[0.0, 0.0], [0.05, 1.0], [0.0, 1.0]])
    limits = derive_limits(DELTA, [actions])
    assert limits.mode == ("delta", "absolute")
    np.testing.assert_allclose(limits.velocity[0], 0.1 * RATE)
    np.testing.assert_allclose(limits.acceleration[0], DYNAMIC_MARGIN * 0.05 * RATE**2)
    np.testing.assert_allclose(limits.velocity[1], DYNAMIC_MARGIN * RATE)


def test_an_unbounded_action_is_bounded_by_the_demonstrations():
    spec = replace(ABSOLUTE, action=replace(ABSOLUTE.action, low=None, high=(np.inf, 1.0)))
    limits = derive_limits(spec, [np.array([[0.0, -0.5], [10.0, 0.5]])])
    np.testing.assert_allclose(limits.low, (-1.0, -0.6))
    np.testing.assert_allclose(limits.high, (11.0, 1.0))


@pytest.mark.parametrize("far", [1e6, float(np.finfo(np.float32).max)])
def test_a_range_that_bounds_nothing_is_none(far):
    """A share of it, as the least velocity, would let anything through."""
    nominal = replace(ABSOLUTE.action, low=(-far, -1.0), high=(far, 1.0))
    actions = np.array([[0.0, 0.0], [0.1, 0.0], [0.3, 0.0], [0.2, 0.0]])
    limits = derive_limits(replace(ABSOLUTE, action=nominal), [actions])
    np.testing.assert_allclose((limits.low, limits.high), [[-0.03, -1.0], [0.33, 1.0]])
    assert limits.velocity == derive_limits(ABSOLUTE, [actions]).velocity


def test_an_angle_that_was_demonstrated_across_the_end_of_its_turn_is_refused():
    action = replace(ABSOLUTE.action, units=("rad", "m"), low=(-np.pi,) * 2, high=(np.pi,) * 2)
    spec = replace(ABSOLUTE, action=action)
    turning = np.linspace(2.0, 4.0, 50)
    wrapped = np.stack([(turning + np.pi) % (2 * np.pi) - np.pi, turning], axis=1)
    with pytest.raises(UserError, match="the angle x of the action was demonstrated across"):
        derive_limits(spec, [wrapped])
    for other in (replace(spec, action=replace(action, units=("m", "m"))), spec):
        runs = [wrapped[:20], wrapped[40:]] if other is spec else [wrapped]
        assert derive_limits(other, runs) is not None


def test_a_single_action_limits_no_motion():
    limits = derive_limits(ABSOLUTE, [np.zeros((1, 2))])
    assert np.isinf(limits.velocity).all()


def test_discrete_actions_have_none():
    assert derive_limits(DISCRETE, [np.zeros(5, int)]) is None


@pytest.mark.parametrize("unit", ["rotvec", "quat_wxyz", "quat_xyzw"])
def test_a_rotation_is_limited_in_its_angular_velocity_wherever_its_numbers_jump(unit):
    data = poses(unit, about=(0.0, 0.0, 1.0))  # by 0.2 rad a tick, told within half a turn
    runs = taught_actions(data)
    jumps = np.concatenate([np.abs(np.diff(run, axis=0)).max(axis=1) for run in runs])
    assert jumps.max() > 1.5
    limits = derive_limits(data.spec, runs)
    (rotation,) = find_rotations(data.spec.action.units)
    rate = data.spec.rate
    np.testing.assert_allclose(limits.velocity[rotation.axes][2], 2 * 0.2 * rate, rtol=1e-4)
    # What never turned may still be rounded: by a hundredth of 4.8 rad a tick.
    np.testing.assert_allclose(limits.velocity[rotation.axes][:2], 0.048 * rate, rtol=1e-3)
    if unit != "rotvec":
        real = set(rotation.elements) - set(range(99)[rotation.axes])
        assert [limits.velocity[i] for i in real] == [np.inf]


@pytest.mark.parametrize("mode", ["delta", "velocity"])
def test_what_a_person_calls_a_step_or_a_velocity_is_limited_as_one(mode):
    """As a target it would be let through at how fast its numbers change, not at what they are."""
    named = {"delta": ("dx", "dy"), "velocity": ("x.vel", "y.vel")}[mode]
    action = replace(ABSOLUTE.action, names=named, low=(-0.05, -0.05), high=(0.05, 0.05))
    known = replace(ABSOLUTE, action=action, semantics="delta" if mode == "delta" else "unknown")
    unknown = replace(
        known, action=replace(action, names=("shoulder", "elbow")), semantics="unknown"
    )
    slow = 0.04 * np.sin(0.05 * np.arange(200))[:, None] * np.ones(2)
    limits = derive_limits(unknown, [slow], (mode, mode))
    assert limits == derive_limits(known, [slow])
    assert derive_limits(unknown, [slow]) != limits


def test_a_velocity_comes_to_rest_where_a_target_stays():
    """A base that repeats its last command drives on."""
    names = ("arm.pos", "x.vel", "turn")
    action = replace(
        ABSOLUTE.action, shape=(3,), names=names, units=("rad", "", "rad/s"), low=None, high=None
    )
    spec = replace(ABSOLUTE, action=action)
    driven = np.minimum(np.linspace(0, 1.5, 50), 0.3)
    limits = derive_limits(spec, [np.stack([driven, driven, driven], axis=1)])
    assert limits.mode == ("absolute", "velocity", "velocity")
    # In its own units, which do not become less in a shorter tick.
    assert limits.velocity[1] == pytest.approx(limits.high[1])
    for rate in (RATE / 2, RATE, 2 * RATE):
        limiter = CommandLimiter(limits, rate)
        limiter.reset(np.zeros(3))
        for _ in range(100):
            command, _ = limiter.limit(np.full(3, 0.3))
        assert command[1:] == pytest.approx(0.3)
    guard = Guard(replace(ABSOLUTE_CONTRACT, spec=spec, limits=limits))
    guard.reset(np.zeros(3))
    for tick in range(20):
        seen = {"observation.state": np.zeros(2, np.float32)}
        assert guard.admit(seen, 0.0, False, tick / RATE)
        np.testing.assert_allclose(guard.limit(driven[tick] * np.ones(3)), driven[tick], atol=1e-6)
    held = [guard.hold().copy() for _ in range(20)]
    np.testing.assert_allclose(held[-1], [driven[19], 0, 0], atol=0.05)
    assert not np.any(held[-1][1:])
    assert (
        np.abs(np.diff([command[1] for command in held])).max() <= 2 * np.diff(driven).max() + 1e-9
    )
