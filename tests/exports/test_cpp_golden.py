"""What the C++ library makes of golden vectors, and what their errors are shares of."""

from __future__ import annotations

import math

import numpy as np
import pytest

from exports.cpp.binding import CppController, Refused
from exports.runtime.session import OnnxPolicy
from ilrobot.control.contract_golden import Golden
from ilrobot.control.contract_parts import Limits
from ilrobot.errors import UserError, WorkFailed
from tests.exports.handmade import write_policy
from tests.exports.identity import OBSERVATION, identity_policy
from tests.exports.resealed import sealed

pytestmark = pytest.mark.usefixtures("cpp_library")

UNLIMITED = Limits(("absolute",) * 2, (-math.inf,) * 2, *[(math.inf,) * 2] * 3)


@pytest.mark.parametrize("place", [0, 1])
@pytest.mark.parametrize("most", [1.0, math.inf], ids=["limited", "unlimited"])
def test_a_golden_action_that_comes_out_as_nan_is_refused_wherever_it_stands(tmp_path, most, place):
    limits = Limits(("absolute",) * 2, (-most,) * 2, (most,) * 2, (1.0,) * 2, (1.0,) * 2)
    good, bad = np.full((1, 2), 0.25, np.float32), np.full((1, 2), 0.25, np.float32)
    bad[0, place] = -1.0  # of which there is no root
    action = np.full((1, 2), 0.5, np.float32)
    golden = tuple(Golden({OBSERVATION: seen}, None, action) for seen in (bad, good))
    path = tmp_path / "policy.onnx"
    identity_policy(path, limits, operator="Sqrt", golden=golden, tolerance=1e-5)
    with pytest.raises(Refused, match="golden inputs give other actions"):
        CppController(path)
    identity_policy(path, limits, operator="Sqrt", golden=golden[1:], tolerance=1e-5)
    with CppController(path) as cpp:
        assert cpp.golden_error == 0


@pytest.mark.parametrize(
    ("demonstrated", "error"),
    [
        ({"low": [-2.0, 0.0], "high": [2.0, 0.5]}, 0.25),  # 0.5 of 4, and 0.125 of 0.5
        ({"low": [3.0, 0.0], "high": [3.0, 1e-3]}, 125.0),  # 0.5 of nothing, and 0.125 of 0.001
        (None, 0.5),
    ],
    ids=["a range each", "one without a range", "none known"],
)
def test_golden_errors_of_what_is_not_limited_are_shares_of_what_was_demonstrated(
    tmp_path, demonstrated, error
):
    seen = np.float32([[0.0, 0.0]])
    golden = (Golden({OBSERVATION: seen}, None, np.float32([[0.5, 0.125]])),)
    path = tmp_path / "policy.onnx"
    identity_policy(path, UNLIMITED, golden=golden, tolerance=200.0)

    def stated(data):
        if demonstrated is not None:
            data["training_range"]["action"] = demonstrated

    with CppController(sealed(path, path, stated)) as cpp:
        assert cpp.golden_error == OnnxPolicy(path).golden_error() == pytest.approx(error)

    def strict(data):
        stated(data)
        data["tolerance"] = 1e-5

    with pytest.raises(Refused, match="golden inputs give other actions"):
        CppController(sealed(path, path, strict))


def test_limits_too_wide_to_bound_anything_let_no_error_pass(tmp_path):
    seen = np.float32([[0.0, 0.0]])
    golden = (Golden({OBSERVATION: seen}, None, np.float32([[0.5, 0.125]])),)
    path = tmp_path / "policy.onnx"
    wide = Limits(("absolute",) * 2, (-1e9,) * 2, (1e9,) * 2, *[(math.inf,) * 2] * 2)

    def stated(data, tolerance=1e-5):
        data["training_range"]["action"] = {"low": [-2.0, 0.0], "high": [2.0, 0.5]}
        data["tolerance"] = tolerance

    identity_policy(path, wide, golden=golden, tolerance=1e-5)
    strict = sealed(path, tmp_path / "strict.onnx", stated)
    with pytest.raises(WorkFailed, match="golden inputs give other actions"):
        OnnxPolicy(strict).verify()
    with pytest.raises(Refused, match="golden inputs give other actions"):
        CppController(strict)
    lax = sealed(path, tmp_path / "lax.onnx", lambda data: stated(data, 1.0))
    with CppController(lax) as cpp:  # 0.5 of ten times 4, and 0.125 of ten times 0.5
        assert cpp.golden_error == OnnxPolicy(lax).golden_error() == pytest.approx(0.025)


def test_a_range_of_other_actions_is_refused(tmp_path):
    exported = write_policy(tmp_path / "exported.onnx")

    def change(data):
        data["training_range"]["action"] = {"low": [0.0], "high": [1.0]}

    path = sealed(exported, tmp_path / "policy.onnx", change)
    said = "has a training range of 'action' of the wrong length"
    with pytest.raises(Refused, match=said):
        CppController(path)
    with pytest.raises(UserError, match=said):
        OnnxPolicy(path)
