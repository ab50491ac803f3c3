"""What turns is in its training range by any of its equal answers, which a policy reads alike."""

import math
from dataclasses import replace

import numpy as np
import pytest

from ilrobot.control.activation import Activation
from ilrobot.control.contract_parts import Range
from ilrobot.control.guard import Guard
from ilrobot.spec import Feature
from tests.ilrobot.control.contracts import ABSOLUTE_CONTRACT


def guard_of(units, low, high):
    feature = Feature("observation.state", (len(units),), units=units)
    spec = replace(ABSOLUTE_CONTRACT.spec, observations=(feature,))
    ranges = {feature.name: Range(tuple(low), tuple(high))}
    return Guard(replace(ABSOLUTE_CONTRACT, spec=spec, training_range=ranges))


def is_outside(guard, *values, dtype=np.float32):
    guard.admit({"observation.state": np.array(values, dtype)}, 0.0)
    return Activation.OBSERVATION_OUT_OF_RANGE in guard.flags


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_an_angle_is_where_it_is_whole_turns_on(dtype):
    guard = guard_of(("rad", "m"), (2.0, -1.0), (4.0, 1.0))
    for turns in (-3, -1, 0, 2):
        on = 2 * math.pi * turns
        assert not is_outside(guard, 2.5 + on, 0.0, dtype=dtype)
        assert is_outside(guard, 1.5 + on, 0.0, dtype=dtype)
        assert is_outside(guard, 2.5 + on, 1.5, dtype=dtype)  # what does not turn beside it
    assert is_outside(guard, 1e30, 0.0)
    whole = guard_of(("rad",), (-math.pi,), (math.pi,))
    assert not is_outside(whole, 3.5)
    assert {outside.element for outside in guard.outside} == {
        "observation.state[0]",
        "observation.state[1]",
    }


@pytest.mark.parametrize("unit", ["quat_wxyz", "quat_xyzw"])
def test_a_quaternion_of_either_sign_is_the_same(unit):
    guard = guard_of(("m", *[unit] * 4), (0.0, 0.5, -0.5, 0.1, 0.1), (1.0, 1.0, 0.5, 0.6, 0.6))
    q = np.array([0.7, -0.1, 0.5, 0.5])
    assert not is_outside(guard, 0.5, *q)
    assert not is_outside(guard, 0.5, *-q)
    assert is_outside(guard, 1.5, *-q)
    assert is_outside(guard, 0.5, *-q[::-1])


def test_a_rotation_vector_is_the_same_a_whole_turn_on():
    guard = guard_of(("rotvec",) * 3, (-1.0, -1.0, -1.0), (1.0, 1.0, 1.0))
    axis = np.array([0.6, 0.0, 0.8])
    for turns in (-1, 0, 1):
        assert not is_outside(guard, *axis * (0.5 + 2 * math.pi * turns))
        assert is_outside(guard, *axis * (2.0 + 2 * math.pi * turns))
    assert not is_outside(guard, 0.0, 0.0, 0.0)


def test_what_is_not_finite_is_told_as_that():
    guard = guard_of(("rad", "m"), (0.0, -1.0), (1.0, 1.0))
    for bad in (math.nan, math.inf):
        guard.admit({"observation.state": np.array([bad, 0.0], np.float32)}, 0.0)
        assert guard.flags == Activation.OBSERVATION_NOT_FINITE
