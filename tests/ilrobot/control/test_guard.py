"""The guard's order, its counts and its fallback."""

import math

import numpy as np
import pytest

from ilrobot.control.activation import Activation
from ilrobot.control.guard import Guard
from tests.ilrobot.control.contracts import ABSOLUTE_CONTRACT, DELTA_CONTRACT, DISCRETE_CONTRACT


def seen(*values):
    return {"observation.state": np.array(values, np.float32)}


def counted(guard):
    return {kind: count for kind, count in guard.counts.items() if count}


@pytest.fixture
def guard():
    made = Guard(ABSOLUTE_CONTRACT)
    made.reset(np.zeros(2))
    return made


def test_nothing_to_do(guard):
    assert guard.admit(seen(0, 0), 0.01)
    np.testing.assert_array_equal(guard.limit(np.array([0.1, -0.1])), [0.1, -0.1])
    assert counted(guard) == {}


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_an_observation_that_is_not_finite_is_refused(guard, bad):
    assert not guard.admit(seen(0, bad), 0.01)
    assert guard.flags == Activation.OBSERVATION_NOT_FINITE
    guard.hold()
    assert counted(guard) == {"observation_not_finite": 1, "fallback": 1}


@pytest.mark.parametrize("age", [0.3, 10.0, math.inf, math.nan])
def test_a_stale_observation_is_refused(guard, age):
    assert not guard.admit(seen(0, 0), age)
    assert guard.flags == Activation.OBSERVATION_STALE


def test_out_of_the_training_range_is_a_warning(guard):
    assert guard.admit(seen(0, 2.1), 0.01)
    assert guard.admit(seen(-2, 2), 0.01)
    assert counted(guard) == {"observation_out_of_range": 1}


def test_an_action_that_is_not_finite_is_replaced_by_the_fallback(guard):
    guard.admit(seen(0, 0), 0.01)
    guard.limit(np.array([0.1, 0.1]))
    guard.admit(seen(0, 0), 0.01)
    held = guard.limit(np.array([0.1, math.nan]))
    np.testing.assert_allclose(held, [0.1, 0.1])
    assert guard.flags == Activation.ACTION_NOT_FINITE | Activation.FALLBACK


def test_a_late_tick_is_counted_and_acted_on(guard):
    assert guard.admit(seen(0, 0), 0.01, late=True)
    assert counted(guard) == {"deadline_missed": 1}


def test_a_kind_counts_once_per_tick(guard):
    guard.admit(seen(0, 0), 0.01)
    guard.limit(np.array([50.0, -50.0]))
    counts = counted(guard)
    assert counts == {"position_limited": 1, "velocity_limited": 1, "acceleration_limited": 1}


def test_the_counts_go_on_over_episodes_and_the_motion_does_not(guard):
    guard.admit(seen(0, 0), math.inf)
    guard.reset(np.array([0.5, 0.5]))
    guard.admit(seen(0, 0), math.inf)
    np.testing.assert_array_equal(guard.hold(), [0.5, 0.5])
    assert counted(guard)["observation_stale"] == 2


def test_a_delta_command_holds_by_zeros_and_keeps_the_gripper():
    guard = Guard(DELTA_CONTRACT)
    guard.reset()
    assert guard.hold() is None  # what the gripper holds is not known yet
    guard.admit(seen(0, 0), 0.01)
    np.testing.assert_allclose(guard.limit(np.array([0.04, 0.8])), [0.04, 0.8])
    np.testing.assert_allclose(guard.hold(), [0.0, 0.8])


def test_limits_follow_the_rate_of_the_loop():
    def first_step(rate):
        guard = Guard(ABSOLUTE_CONTRACT, rate)
        guard.reset(np.zeros(2))
        guard.admit(seen(0, 0), 0.01)
        return float(guard.limit(np.array([1.0, 1.0]))[0])

    assert first_step(10.0) == pytest.approx(0.2)
    assert first_step(20.0) == pytest.approx(0.05)


def test_discrete_actions():
    guard = Guard(DISCRETE_CONTRACT)
    guard.reset()
    assert guard.hold() == 0
    guard.admit(seen(0, 0), 0.01)
    assert guard.limit(np.array(5)) == 2
    assert guard.hold() == 2
