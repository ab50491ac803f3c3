"""Whatever type demonstrations were kept in, what the robot measures is taken as it is."""

from dataclasses import replace

import numpy as np
import pytest

from exports.runtime.tick_layout import layout
from ilrobot.control.activation import Activation
from ilrobot.control.chunks import ObservationHistory
from ilrobot.control.guard import Guard
from ilrobot.spec import Feature, Spec
from tests.ilrobot.control.contracts import ABSOLUTE, ABSOLUTE_CONTRACT

TYPES = ["bool", "uint8", "int64", "float64"]


@pytest.mark.parametrize("length", [1, 2])
@pytest.mark.parametrize("dtype", TYPES)
def test_a_gripper_nearly_closed_is_not_seen_open(dtype, length):
    """It was recorded as whole numbers, and the robot gives 0.99."""
    spec = Spec((Feature("observation.gripper", (1,), dtype),), Feature("action", (1,)), 10.0)
    history = ObservationHistory(spec, length)
    for _ in range(2):
        history.push({"observation.gripper": np.array([0.99], np.float32)})
        np.testing.assert_array_equal(
            history.windows["observation.gripper"], np.full((length, 1), 0.99, np.float32)
        )


def _kept_as(dtype):
    return replace(ABSOLUTE, observations=(replace(ABSOLUTE.observations[0], dtype=dtype),))


@pytest.mark.parametrize("dtype", TYPES)
def test_a_vector_of_bytes_is_no_picture_and_is_guarded(dtype):
    guard = Guard(replace(ABSOLUTE_CONTRACT, spec=_kept_as(dtype)))
    guard.reset(np.zeros(2))
    assert not guard.admit({"observation.state": np.array([np.nan, 0.0], np.float32)}, 0.01)
    assert guard.flags == Activation.OBSERVATION_NOT_FINITE
    assert guard.admit({"observation.state": np.array([9.0, 0.0], np.float32)}, 0.01)
    assert guard.flags == Activation.OBSERVATION_OUT_OF_RANGE


@pytest.mark.parametrize("dtype", TYPES)
def test_a_vector_of_bytes_is_logged(dtype):
    assert "observation.state" in layout(_kept_as(dtype), 10.0, None, {}).row.names
