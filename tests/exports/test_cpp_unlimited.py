"""Guards in C++ where the contract limits nothing."""

import math

import numpy as np
import pytest

from exports.cpp.binding import CppController
from ilrobot.control.activation import Activation
from ilrobot.control.contract_parts import Limits
from tests.exports.identity import OBSERVATION, identity_policy

UNLIMITED = Limits(("absolute", "delta"), (-math.inf,) * 2, *[(math.inf,) * 2] * 4)


@pytest.mark.usefixtures("cpp_library")
@pytest.mark.parametrize("bad", [math.inf, -math.inf])
def test_infinity_is_no_command(tmp_path, bad):
    identity_policy(tmp_path / "policy.onnx", UNLIMITED)
    with CppController(tmp_path / "policy.onnx") as cpp:
        cpp.reset(0, np.zeros(2))
        cpp.observe({OBSERVATION: np.zeros(2, np.float32)}, 0.0)
        command = cpp.override(0.0, False, np.array([bad, bad]))
        assert cpp.flags & Activation.ACTION_NOT_FINITE
        np.testing.assert_array_equal(command, [0.0, 0.0])
