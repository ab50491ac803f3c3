"""Commands that come to rest inside limits: held, damped, retreating, and on from there."""

import math

import numpy as np
import pytest

from ilrobot.control.activation import Activation
from ilrobot.control.choice_limiter import ChoiceLimiter
from ilrobot.control.contract_parts import Limits
from ilrobot.control.limiter import CommandLimiter
from tests.ilrobot.control.limited import RATE, delta_in_a_box, drive, limiter


def test_hold_brakes_an_absolute_target_and_then_repeats_it():
    made = limiter(velocity=100.0, low=-10.0, high=10.0)
    drive(made, [9.0] * 3)  # steps 0.2, 0.4, 0.6: at 1.2
    held = [float(made.hold()[0]) for _ in range(5)]
    steps = np.diff([1.2, *held])
    assert np.abs(np.diff([0.6, *steps])).max() <= 0.2 + 1e-6
    assert held[-1] == held[-2]


def test_hold_brings_a_delta_to_zero():
    made = limiter(mode="delta", velocity=10.0, acceleration=20.0)
    drive(made, [0.2, 0.4])
    np.testing.assert_allclose([made.hold()[0] for _ in range(3)], [0.2, 0.0, 0.0], atol=1e-7)


def test_before_the_first_absolute_command_there_is_nothing_to_hold():
    made = CommandLimiter(Limits(("absolute",), (-1.0,), (1.0,), (5.0,), (20.0,)), RATE)
    made.reset()
    assert made.hold() is None
    command, activation = made.limit(np.array([7.0], np.float32))
    assert command[0] == 1.0
    assert activation == Activation.POSITION_LIMITED
    assert made.hold()[0] == 1.0


def test_a_moving_target_is_braked_from_the_speed_it_has():
    made = limiter(velocity=10.0, low=-10.0, high=10.0)
    made.reset(np.zeros(1), np.array([8.0]))  # 0.8 a tick
    np.testing.assert_allclose(drive(made, [0.0] * 2), [0.6, 1.0], atol=1e-6)
    made.reset(np.zeros(1), np.array([8.0]))
    np.testing.assert_allclose([made.hold()[0] for _ in range(5)], [0.6, 1, 1.2, 1.2, 1.2])


def test_damping_lets_the_velocity_decay():
    made = CommandLimiter(
        Limits(("absolute",), (-99.0,), (99.0,), (10.0,), (900.0,), (math.inf,)), 100.0
    )
    made.reset(np.zeros(1), np.array([8.0]))
    commands = np.array([0.0, *(float(made.damp()[0]) for _ in range(400))])
    velocity = np.diff(commands) * 100
    assert velocity[24] == pytest.approx(8 / math.e, rel=1e-6)  # after 0.25 s
    assert abs(velocity[-1]) < 1e-5
    assert (np.diff(velocity) < 0).all()


def test_retreat_comes_to_rest_at_the_pose_and_elements_without_one_hold():
    limits = Limits(("absolute", "absolute", "delta"), *((x,) * 3 for x in (-2.0, 2.0, 5.0, 20.0)))
    made = CommandLimiter(limits, RATE)
    made.reset(np.array([1.0, 1.0, 0.0]), np.array([3.0, 0.0, 0.0]))
    for _ in range(30):
        command = made.retreat(np.array([-0.5, math.nan, 0.4]))
    np.testing.assert_allclose(command, [-0.5, 1.0, 0.0], atol=1e-9)


def test_a_delta_that_was_located_retreats_too():
    made = delta_in_a_box(np.array([0.4]))
    total = 0.4 + sum(float(made.retreat(np.array([-0.3]))[0]) for _ in range(40))
    assert total == pytest.approx(-0.3, abs=1e-6)


def test_after_a_fallback_the_policy_goes_on_from_where_it_ended():
    made = limiter()
    drive(made, [0.1, 0.2])
    for _ in range(5):
        made.hold()
    start = float(made.hold()[0])
    assert drive(made, [start + 0.1]) == pytest.approx([start + 0.1])


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_what_is_held_must_be_a_number(bad):
    held, velocity = np.array([0.5, -0.5]), np.array([0.1, 0.2])
    limits = Limits(("absolute", "delta"), *((-1.0,) * 2, (1.0,) * 2, (1.0,) * 2, (10.0,) * 2))
    limiter = CommandLimiter(limits, 10.0)
    with pytest.raises(ValueError, match="finite"):
        limiter.reset(np.array([bad, 0.0]))
    with pytest.raises(ValueError, match="finite"):
        limiter.reset(held, np.array([0.1, bad]))
    with pytest.raises(ValueError, match="finite"):
        ChoiceLimiter(3).reset(np.array(bad))
    limiter.reset(np.array([0.5, bad]), velocity)  # a delta holds no command
    assert np.isfinite(limiter.hold()).all()
