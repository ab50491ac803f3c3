"""Rotations behind the guards: within their limits, never held, reversed or led the long way."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ilrobot.control.activation import NOTHING, Activation
from ilrobot.control.contract_guards import Workspace
from ilrobot.control.contract_parts import Limits
from ilrobot.control.limiter import CommandLimiter
from ilrobot.control.rotation_limiter import RotationLimiter, command_limiter
from ilrobot.control.turns import between, in_unit, nearest, quaternion, turned
from ilrobot.rotation_units import ROTATION_UNITS, find_rotations

RATE = 100.0
INF = math.inf
UNITS = list(ROTATION_UNITS)
IDENTITY = (1.0, 0.0, 0.0, 0.0)


def limited(unit, velocity=2.0, acceleration=20.0, jerk=400.0, low=-INF, high=INF, workspace=None):
    """A limiter of one rotation, alike about all axes; its real part is given useless limits."""
    size = ROTATION_UNITS[unit]
    axes = find_rotations([unit] * size)[0].axes

    def each(value):
        values = [0.0] * size
        values[axes] = np.broadcast_to(value, 3).tolist()
        return tuple(values)

    jerks = tuple(x or 1.0 for x in each(jerk))
    bounds = (tuple(np.broadcast_to(x, size).tolist()) for x in (low, high))
    limits = Limits(("absolute",) * size, *bounds, each(velocity), each(acceleration), jerks)
    made = command_limiter(limits, RATE, workspace, find_rotations([unit] * size))
    assert isinstance(made, RotationLimiter)
    return made


def about(axis, angle):
    """The unit quaternion of a turn by an angle in rad."""
    axis = np.asarray(axis, float) / np.linalg.norm(axis)
    return turned(IDENTITY, (angle * axis).tolist())


def told(q, unit, rng=None):
    """A rotation as most software tells it: by at most half a turn, and by q as well as -q."""
    if unit == "rotvec":
        return np.array(between(IDENTITY, q))
    sign = 1.0 if rng is None else rng.choice([-1.0, 1.0])
    return sign * np.array(in_unit(q, unit))


def turns_of(commands, unit):
    """The turn of each tick in rad, shape (T - 1, 3)."""
    rotations = [quaternion(list(values), unit) for values in commands]
    return np.array([between(a, b) for a, b in pairwise(rotations)])


def assert_kept(commands, unit, velocity, acceleration, jerk, start=(), slack=1e-9):
    """Angular velocity, acceleration and jerk about each axis."""
    turns = turns_of([*start, *commands], unit)
    for order, bound in enumerate((velocity, acceleration, jerk)):
        found = np.abs(np.diff(turns, n=order, axis=0)) * RATE ** (order + 1)
        assert (found <= np.asarray(bound) + slack * RATE ** (order + 1)).all(), order


def begin_moving(limiter, unit, before, here):
    """Begin where a robot is that was elsewhere one tick ago; both as they are told to it."""
    values = np.array(in_unit(here, unit))
    came = np.array(nearest(in_unit(before, unit), values.tolist(), unit))
    limiter.reset(values, (values - came) * RATE)
    return [came, values]


@pytest.mark.parametrize("unit", UNITS)
@pytest.mark.parametrize("axis", [(1, 0, 0), (1, 2, -1), (0, -0.3, 1)])
def test_a_turn_at_constant_speed_passes_half_a_turn_as_it_is(unit, axis):
    limiter, rng = limited(unit), np.random.default_rng(0)
    begin_moving(limiter, unit, about(axis, 2.885), about(axis, 2.9))
    commands = []
    for angle in 2.9 + 0.015 * np.arange(1, 700):  # 1.5 rad/s, to more than two turns
        command, activation = limiter.limit(told(about(axis, angle), unit, rng))
        assert activation == NOTHING
        commands.append(command.copy())
        apart = between(quaternion(command.tolist(), unit), about(axis, angle))
        assert np.linalg.norm(apart) < 1e-12
    assert_kept(commands, unit, 2.0, 20.0, 400.0)
    # The numbers do not jump either: a robot that is given them may take them one by one.
    assert np.abs(np.diff(commands, axis=0)).max() < 0.016


@pytest.mark.parametrize("unit", UNITS)
def test_a_turn_faster_than_allowed_is_followed_at_the_greatest_speed_and_never_back(unit):
    limiter, rng = limited(unit, velocity=1.0), np.random.default_rng(1)
    limiter.reset(told(about((0, 0, 1), 2.5), unit))
    commands = [told(about((0, 0, 1), 2.5), unit)]
    for tick in range(120):  # at 1.5 rad/s
        command, _ = limiter.limit(told(about((0, 0, 1), 2.5 + 0.015 * tick), unit, rng))
        commands.append(command.copy())
    turns = turns_of(commands, unit)
    assert turns[:, 2].min() >= 0.0
    np.testing.assert_allclose(turns[30:, 2], 0.01, atol=1e-12)  # 1 rad/s
    np.testing.assert_allclose(turns[:, :2], 0.0, atol=1e-12)


@settings(max_examples=6, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from(UNITS))
def test_turns_at_constant_speed_are_caught_up_with_and_never_turned_back(seed, unit):
    _catch_up(seed, unit)


@pytest.mark.exhaustive
@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from(UNITS))
def test_any_turn_at_constant_speed_is_caught_up_with_and_never_turned_back(seed, unit):
    _catch_up(seed, unit)


def _catch_up(seed, unit):
    rng = np.random.default_rng(seed)
    axis, speed = _unit(rng), 10 ** rng.uniform(-2, 0)  # rad/s
    velocity = np.maximum(np.abs(axis) * speed * rng.uniform(1.2, 5, 3), 1e-3)
    acceleration = velocity * 10 ** rng.uniform(0.5, 2, 3)
    jerk = acceleration * 10 ** rng.uniform(0.5, 2, 3)
    limiter = limited(unit, velocity, acceleration, jerk)
    start = about(rng.normal(size=3), rng.uniform(0, 2 * math.pi))
    begin, step = told(start, unit), (axis * speed / RATE).tolist()
    limiter.reset(begin)
    commands, at = [begin] * 4, start
    for _ in range(3000):
        at = turned(at, step)
        commands.append(limiter.limit(told(at, unit, rng))[0].copy())
    assert_kept(commands, unit, velocity, acceleration, jerk)
    turns = turns_of(commands, unit)
    assert (turns @ axis).min() > -1e-9
    np.testing.assert_allclose(turns[-1], step, atol=1e-9)
    apart = between(quaternion(commands[-1].tolist(), unit), at)
    assert np.linalg.norm(apart) < 1e-6


@st.composite
def wanting(draw):
    """A unit, limits, and rotations that are wanted: still, turning, jumping, and no rotation."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    unit = draw(st.sampled_from(UNITS))
    velocity = 10 ** rng.uniform(-1, 1.5, 3)
    acceleration = velocity * 10 ** rng.uniform(0, 2, 3)
    jerk = acceleration * 10 ** rng.uniform(0, 2, 3) if draw(st.booleans()) else np.full(3, INF)
    wanted = []
    at = about(rng.normal(size=3), rng.uniform(0, 4))
    for kind in draw(st.lists(st.sampled_from(["stay", "turn", "jump", "wild", "none", "hold"]),
                              min_size=3, max_size=7)):  # fmt: skip
        spin = rng.normal(size=3) * 10 ** rng.uniform(-3, 0)
        if kind == "jump":
            at = turned(at, (math.pi * rng.uniform(0.9, 1.0) * _unit(rng)).tolist())
        for _ in range(25):
            if kind == "turn":
                at = turned(at, spin.tolist())
            if kind == "wild":
                at = about(rng.normal(size=3), rng.uniform(0, 7))
            value = told(at, unit, rng)
            bad = np.zeros_like(value) if unit != "rotvec" else np.full(3, INF)
            wanted.append({"none": bad, "hold": None}.get(kind, value))
    return unit, (velocity, acceleration, jerk), wanted


def _unit(rng):
    axis = rng.normal(size=3)
    return axis / np.linalg.norm(axis)


@settings(max_examples=40, deadline=None)
@given(wanting())
def test_whatever_is_wanted_angular_limits_are_kept_and_a_rotation_that_stays_is_reached(case):
    unit, bounds, wanted = case
    limiter, commands = limited(unit, *bounds), []
    begin = told(IDENTITY, unit)
    limiter.reset(begin)
    for values in wanted:
        command, activation = (limiter.hold(), NOTHING) if values is None else limiter.limit(values)
        if Activation.ACTION_NOT_FINITE in activation:
            command = limiter.hold()
        commands.append(command.copy())
    assert_kept(commands, unit, *bounds, start=[begin, begin, begin, begin])
    goal = about((1, -1, 0.5), 3.0)
    for _ in range(20000):
        command, activation = limiter.limit(told(goal, unit))
        if activation == NOTHING and not limiter.moving:
            break
    assert np.linalg.norm(between(quaternion(command.tolist(), unit), goal)) < 1e-9


@pytest.mark.parametrize("unit", UNITS)
def test_it_goes_the_shorter_way_to_a_rotation_beyond_half_a_turn(unit):
    limiter = limited(unit)
    limiter.reset(told(about((0, 1, 0), 3.0), unit))
    commands = [limiter.limit(told(about((0, 1, 0), -3.0), unit))[0].copy() for _ in range(200)]
    turns = turns_of(commands, unit)
    assert turns[:, 1].min() >= -1e-12
    assert turns.sum(axis=0) == pytest.approx([0.0, 2 * math.pi - 6.0, 0.0], abs=1e-2)
    assert not limiter.moving


@pytest.mark.parametrize("unit", UNITS)
def test_it_begins_with_the_motion_of_the_robot_and_brakes_it_without_a_jerk(unit):
    limiter = limited(unit, velocity=1.0)
    commands = begin_moving(limiter, unit, about((1, 1, 0), 3.139), about((1, 1, 0), 3.146))
    while limiter.moving:
        commands.append(limiter.hold().copy())
    assert 5 < len(commands) < 30
    assert_kept(commands, unit, 1.0, 20.0, 400.0 + 1e-3)


@pytest.mark.parametrize("unit", UNITS)
def test_the_first_command_is_taken_as_it_is_and_held(unit):
    limiter = limited(unit)
    assert limiter.hold() is None
    assert limiter.retreat(told(IDENTITY, unit)) is None
    wanted = told(about((1, 0, 1), 3.1), unit)
    np.testing.assert_allclose(limiter.limit(wanted)[0], wanted, rtol=1e-12)
    for _ in range(3):
        np.testing.assert_allclose(limiter.hold(), wanted, rtol=1e-12)
    assert not limiter.moving


@pytest.mark.parametrize("unit", UNITS)
def test_it_retreats_to_a_rotation_and_damps_within_the_limits(unit):
    limiter = limited(unit)
    limiter.reset(told(about((0, 0, 1), 3.0), unit))
    commands = [told(about((0, 0, 1), 3.0), unit)]
    goal = about((0.1, 0, 1), -2.5)
    for _ in range(300):
        commands.append(limiter.retreat(told(goal, unit)).copy())
    assert np.linalg.norm(between(quaternion(commands[-1].tolist(), unit), goal)) < 1e-9
    assert not limiter.moving
    for tick in range(20):
        limiter.limit(told(about((0.1, 0, 1), -2.5 - 0.01 * tick), unit))
    commands = [limiter.damp().copy() for _ in range(300)]
    assert_kept(commands, unit, 2.0, 20.0, 400.0)
    assert np.abs(turns_of(commands, unit)[-1]).max() < 1e-5
    unknown = told(goal, unit)
    unknown[0] = math.nan
    at = limiter.retreat(unknown).copy()
    for _ in range(40):
        at, last = limiter.retreat(unknown).copy(), at
    np.testing.assert_array_equal(at, last)  # it holds


def test_a_position_limit_bounds_what_is_aimed_at_by_its_nearest_equal_answer():
    tool_down = limited("rotvec", low=(2.8, -0.3, -0.3), high=(3.5, 0.3, 0.3))
    tool_down.reset(np.array([3.1, 0.0, 0.0]))
    for tick in range(20):  # 3.1 to 3.29, told within half a turn
        command, activation = tool_down.limit(told(about((1, 0, 0), 3.1 + 0.01 * tick), "rotvec"))
    assert activation == NOTHING or Activation.POSITION_LIMITED not in activation
    for _ in range(100):
        command, activation = tool_down.limit(told(about((1, 0, 0), 3.9), "rotvec"))
    assert Activation.POSITION_LIMITED in activation
    np.testing.assert_allclose(command, [3.5, 0.0, 0.0], atol=1e-6)

    box = Workspace((-INF, -INF, -0.2), (INF, INF, 0.2))
    boxed = limited("rotvec", workspace=box)
    boxed.reset(np.zeros(3))
    for _ in range(100):
        command, activation = boxed.limit(np.array([0.0, 0.1, 0.5]))
    assert activation == Activation.WORKSPACE_LIMITED
    np.testing.assert_allclose(command, [0.0, 0.1, 0.2], atol=1e-6)

    upright = limited("quat_wxyz", low=0.0, high=1.0)  # as where the real part was never negative
    upright.reset(np.array([1.0, 0.0, 0.0, 0.0]))
    q = np.array(about((1, 1, 1), 0.3))
    for _ in range(100):
        command, activation = upright.limit(-q)
    assert activation == NOTHING
    np.testing.assert_allclose(command, q, atol=1e-12)


def test_a_quaternion_that_is_clipped_is_still_a_rotation():
    narrow = limited("quat_wxyz", low=(-1, -0.1, -0.1, -0.1), high=(1, 0.1, 0.1, 0.1))
    narrow.reset(np.array([1.0, 0.0, 0.0, 0.0]))
    for _ in range(400):
        command, activation = narrow.limit(np.array(about((1, 0, 0), 1.0)))
        assert abs(np.linalg.norm(command) - 1) < 1e-12
    assert Activation.POSITION_LIMITED in activation
    clipped = np.array([np.cos(0.5), 0.1, 0.0, 0.0])
    np.testing.assert_allclose(command, clipped / np.linalg.norm(clipped), atol=1e-9)


def test_other_elements_are_limited_as_ever_beside_a_rotation():
    units = ["m", "rotvec", "rotvec", "rotvec", "1"]
    limits = Limits(
        ("absolute",) * 5, (-1.0,) * 5, (1.0,) * 5, (0.5,) * 5, (INF,) * 5, (INF,) * 5
    )  # fmt: skip
    beside = command_limiter(limits, RATE, None, find_rotations(units))
    alone = CommandLimiter(
        Limits(("absolute",) * 2, (-1.0,) * 2, (1.0,) * 2, (0.5,) * 2, (INF,) * 2), RATE
    )
    beside.reset(np.zeros(5))
    alone.reset(np.zeros(2))
    rng = np.random.default_rng(0)
    for _ in range(200):
        wanted = rng.normal(0, 0.02, 5)
        command, _ = beside.limit(wanted)
        np.testing.assert_array_equal(command[[0, 4]], alone.limit(wanted[[0, 4]])[0])


@pytest.mark.parametrize(
    ("unit", "bad"),
    [
        *((unit, bad) for unit in UNITS for bad in (math.nan, INF, 1e300)),
        *(("quat_wxyz", bad) for bad in (0.0, 1e-5)),
    ],
)
def test_what_is_no_rotation_is_refused_and_changes_nothing(unit, bad):
    limiter, values = limited(unit), np.full(ROTATION_UNITS[unit], bad)
    limiter.reset(told(IDENTITY, unit))
    assert limiter.limit(values)[1] == Activation.ACTION_NOT_FINITE
    np.testing.assert_array_equal(limiter.hold(), told(IDENTITY, unit))
    with pytest.raises(ValueError, match="is no rotation"):
        limiter.reset(values)


def test_steps_by_a_rotation_vector_are_limited_as_numbers():
    limits = Limits(("delta",) * 3, (-0.1,) * 3, (0.1,) * 3, (INF,) * 3, (INF,) * 3)
    made = command_limiter(limits, RATE, None, find_rotations(["rotvec"] * 3))
    assert isinstance(made, CommandLimiter)
