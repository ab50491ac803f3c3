"""Commands inside limits: closed forms, and whatever comes in."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ilrobot.control.activation import NOTHING, Activation
from ilrobot.control.braking import greatest_step
from ilrobot.control.choice_limiter import ChoiceLimiter
from ilrobot.control.contract_parts import Limits
from ilrobot.control.limiter import CommandLimiter
from tests.ilrobot.control.limited import RATE, drive, limiter


def test_a_target_without_a_position_limit_still_has_the_others():
    made = limiter(low=-math.inf, high=math.inf)
    np.testing.assert_allclose(drive(made, [9.0] * 4), [0.2, 0.6, 1.1, 1.6], atol=1e-6)


def test_a_command_inside_all_limits_passes_unchanged():
    made = limiter()
    command, activation = made.limit(np.array([0.15], np.float32))
    assert command[0] == np.float32(0.15)
    assert activation is NOTHING


def test_acceleration_then_velocity_bound_a_far_target():
    # Steps 0.2, 0.4, then 0.5 at most; 1.0 is reached by braking 0.2 per tick.
    made = limiter(low=-10.0, high=10.0)
    np.testing.assert_allclose(drive(made, [9.0] * 4), [0.2, 0.6, 1.1, 1.6], atol=1e-6)


def test_a_target_beyond_the_limit_is_approached_so_that_braking_ends_at_it():
    made = limiter(velocity=math.inf)
    commands = drive(made, [50.0] * 8)
    steps = np.diff([0.0, *commands])
    assert commands[-1] == pytest.approx(1.0, abs=1e-6)
    assert max(commands) <= 1.0
    assert np.abs(np.diff([0.0, *steps])).max() <= 0.2 + 1e-6


def test_what_was_limited_is_told():
    def limited(made, target):
        return made.limit(np.array([target], np.float32))[1]

    assert limited(limiter(velocity=math.inf, acceleration=math.inf), 1.5) == (
        Activation.POSITION_LIMITED
    )
    assert limited(limiter(acceleration=math.inf), 0.9) == Activation.VELOCITY_LIMITED
    assert limited(limiter(velocity=math.inf), 0.3) == Activation.ACCELERATION_LIMITED
    assert limited(limiter(), 3.0) == (
        Activation.POSITION_LIMITED | Activation.VELOCITY_LIMITED | Activation.ACCELERATION_LIMITED
    )


def test_a_commanded_velocity_goes_on_from_what_the_robot_does():
    def from_motion(changes=None):
        # At 10 Hz it may change by 0.06 a tick.
        made = CommandLimiter(Limits(("velocity",), (-0.5,), (0.5,), (0.5,), (0.6,)), RATE)
        made.reset(np.array([0.3]), changes)
        return made

    made = from_motion()
    assert made.moving
    np.testing.assert_allclose(drive(made, [0.3] * 3), 0.3, atol=1e-6)
    held = [float(from_motion(np.array([0.3])).hold()[0])]
    made = from_motion()
    held += [float(made.hold()[0]) for _ in range(6)]
    np.testing.assert_allclose(held, [0.24, 0.24, 0.18, 0.12, 0.06, 0.0, 0.0], atol=1e-9)


@pytest.mark.parametrize("wanted", [None, -1.0, 0.3, 2.0])
@pytest.mark.parametrize(("low", "present"), [(-0.5, 0.62), (-0.5, 0.9), (0.0, -0.3)])
def test_a_base_outside_of_its_range_is_not_thrown_inside(low, present, wanted):
    made = CommandLimiter(Limits(("velocity",), (low,), (0.5,), (0.5,), (0.6,)), RATE)
    made.reset(np.array([present]))
    told = [present]
    for _ in range(40):
        held = made.hold() if wanted is None else made.limit(np.array([wanted]))[0]
        told.append(float(held[0]))
    assert np.abs(np.diff(told)).max() <= 0.06 + 1e-9
    inside = [low <= value <= 0.5 for value in told]
    assert all(inside[inside.index(True) :])  # once there, it stays
    assert told[-1] == pytest.approx(0.0 if wanted is None else min(max(wanted, low), 0.5))


def test_a_commanded_velocity_goes_on_from_how_it_changes():
    """The jerk lets its change differ by 0.01 from one tick to the next."""
    limits = Limits(("velocity",), (-0.5,), (0.5,), (0.5,), (0.6,), (1.0,))
    for change in (0.0, 0.3):
        made = CommandLimiter(limits, RATE)
        made.reset(np.array([0.1]), np.array([change]))
        assert made.limit(np.array([0.5]))[0][0] == pytest.approx(0.1 + change / RATE + 0.01)


def test_a_delta_starts_from_rest_without_being_told():
    made = CommandLimiter(Limits(("delta",), (-1.0,), (1.0,), (10.0,), (20.0,)), RATE)
    made.reset()
    assert made.hold()[0] == 0.0
    command, activation = made.limit(np.array([0.9], np.float32))
    assert command[0] == pytest.approx(0.2)
    assert activation == Activation.ACCELERATION_LIMITED


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_what_is_not_finite_is_told_and_changes_nothing(bad):
    made = limiter()
    drive(made, [0.1])
    assert made.limit(np.array([bad], np.float32))[1] == Activation.ACTION_NOT_FINITE
    assert made.hold()[0] == pytest.approx(0.1)


def test_limits_are_never_rounded_outwards():
    made = limiter(velocity=math.inf, acceleration=math.inf, low=-0.05, high=0.05)
    high, low = drive(made, [1.0, -1.0])
    assert -0.05 <= low < high <= 0.05


values = st.one_of(st.floats(width=32), st.floats(-2.0, 2.0, width=32))


@settings(deadline=None, max_examples=300)
@given(
    mode=st.sampled_from(["absolute", "delta"]),
    span=st.floats(0.01, 10.0),
    velocity=st.floats(0.01, 100.0),
    acceleration=st.floats(0.01, 1000.0),
    start=st.floats(-1.0, 1.0),
    moving=st.floats(-1.0, 1.0),
    wanted=st.lists(st.one_of(values, st.none()), max_size=60),
)
def test_no_limit_is_exceeded_whatever_comes_in(
    mode, span, velocity, acceleration, start, moving, wanted
):
    made = CommandLimiter(Limits((mode,), (-span,), (span,), (velocity,), (acceleration,)), RATE)
    # As fast as it may be and still stop before its limit.
    room = span - start * span * np.sign(moving) if mode == "absolute" else math.inf
    step = moving * min(velocity / RATE, greatest_step(room, acceleration / RATE**2), span)
    made.reset(np.array([start * span]), np.array([step * RATE]))
    previous, last_step = (start * span if mode == "absolute" else 0.0), step
    rounding = 1e-12 * (1 + span)
    for value in wanted:
        command, activation = (
            (made.hold(), NOTHING) if value is None else made.limit(np.array([value], np.float32))
        )
        if Activation.ACTION_NOT_FINITE in activation:
            command = made.hold()
        assert command is not None
        now = float(command[0])
        step = now - previous if mode == "absolute" else now
        assert abs(now) <= span
        assert abs(step) <= velocity / RATE + rounding
        assert abs(step - last_step) <= acceleration / RATE**2 + rounding
        previous, last_step = now, step


def test_a_delta_that_is_under_way_goes_on():
    made = limiter(mode="delta", velocity=10.0)
    made.reset(np.zeros(1), np.array([8.0]))
    command, activation = made.limit(np.array([0.9], np.float32))
    assert (command[0], activation) == (np.float32(0.9), NOTHING)
    made.reset(np.zeros(1))
    assert made.limit(np.array([0.9], np.float32))[1] == Activation.ACCELERATION_LIMITED


def test_choices():
    made = ChoiceLimiter(3)
    made.reset()
    assert made.hold() == 0
    assert made.limit(np.array(2)) == (2, NOTHING)
    assert made.hold() == 2
    command, activation = made.limit(np.array(7))
    assert (command, activation) == (2, Activation.POSITION_LIMITED)
    assert made.limit(np.array(-1))[0] == 0
    assert made.limit(np.array(math.nan))[1] == Activation.ACTION_NOT_FINITE


def test_jerk_bounds_how_an_acceleration_begins():
    # Per tick: changes of 0.2 at most, by 0.1 more each.
    made = CommandLimiter(
        Limits(("absolute",), (-10.0,), (10.0,), (100.0,), (20.0,), (100.0,)), RATE
    )
    made.reset(np.zeros(1))
    np.testing.assert_allclose(drive(made, [9.0] * 4), [0.1, 0.4, 0.9, 1.6], atol=1e-12)


@pytest.mark.parametrize("jerk", [math.inf, 100.0, 9.0])
@pytest.mark.parametrize("mode", ["absolute", "delta"])
def test_a_target_that_jumps_is_reached_without_passing_it(mode, jerk):
    made = CommandLimiter(Limits((mode,), (-1.0,), (1.0,), (3.0,), (4.0,), (jerk,)), RATE)
    made.reset(np.zeros(1))
    commands = [float(made.limit(np.array([0.25]))[0][0]) for _ in range(60)]
    assert max(commands) <= 0.25 + 1e-9
    assert commands[-20:] == [0.25] * 20


@pytest.mark.parametrize("jerk", [math.inf, 100.0])
def test_a_moving_target_is_caught_up_with(jerk):
    made = CommandLimiter(Limits(("absolute",), (-9.0,), (9.0,), (5.0,), (20.0,), (jerk,)), RATE)
    made.reset(np.zeros(1))
    wanted = [1.0 + 0.1 * tick for tick in range(40)]
    met = [float(made.limit(np.array([w]))[0][0]) == w for w in wanted]
    assert not met[0]
    assert all(met[20:])


def test_of_what_is_wanted_nothing_is_changed_that_jerk_allows():
    made = CommandLimiter(Limits(("absolute",), (-1.0,), (1.0,), (5.0,), (20.0,), (300.0,)), RATE)
    made.reset(np.zeros(1))
    for tick in range(100):
        wanted = 0.6 * math.sin(0.1 * tick) * min(1.0, tick / 20)
        assert made.limit(np.array([wanted])) == (wanted, NOTHING)


def test_what_is_slowed_down_without_a_limit_exceeded_is_told_too():
    made = CommandLimiter(Limits(("absolute",), (-9.0,), (9.0,), (9.0,), (20.0,), (20.0,)), RATE)
    made.reset(np.zeros(1))
    for _ in range(40):
        command, activation = made.limit(np.array([0.3]))
        assert (command[0] == 0.3) == (activation is NOTHING)


def test_a_target_that_begins_outside_comes_in_within_the_other_limits():
    made = limiter()
    made.reset(np.array([1.5]))
    commands = [1.5, 1.5, *drive(made, [0.0] * 12)]
    steps = np.diff(commands)
    assert np.abs(steps).max() <= 0.5 + 1e-12
    assert np.abs(np.diff(steps)).max() <= 0.2 + 1e-12
    assert commands[-1] == 0.0
    made.reset(np.array([1.5]))
    assert max(drive(made, [9.0] * 5)) <= 1.5


@pytest.mark.parametrize("mode", ["absolute", "delta"])
def test_infinity_is_no_command_even_where_nothing_is_limited(mode):
    limiter = CommandLimiter(Limits((mode,), (-math.inf,), *[(math.inf,)] * 4), 10.0)
    limiter.reset(np.zeros(1))
    for bad in (math.inf, -math.inf):
        assert limiter.limit(np.array([bad]))[1] == Activation.ACTION_NOT_FINITE
    command, told = limiter.limit(np.array([1e9]))
    assert (command.tolist(), told) == ([1e9], NOTHING)
