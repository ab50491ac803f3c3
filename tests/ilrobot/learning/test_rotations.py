"""Rotations in six numbers and back, against numpy; and what of equal answers is given."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ilrobot.control.turns import nearest_rows
from ilrobot.errors import UserError
from ilrobot.policies.rotations import (
    along,
    in_unit,
    matrices,
    nearest,
    of_matrices,
    orthonormal,
    quaternions,
    running_product,
    six,
)
from ilrobot.rotation_units import ROTATION_UNITS, Rotation
from ilrobot.spec import Feature

UNITS = list(ROTATION_UNITS)
NO_TURN = torch.tensor([1.0, 0.0, 0.0, 0.0])


def turn(axis, angle):
    """Rodrigues' formula: I + sin K + (1 - cos) K²."""
    x, y, z = np.asarray(axis) / np.linalg.norm(axis)
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    return np.eye(3) + math.sin(angle) * cross + (1 - math.cos(angle)) * cross @ cross


def stated(axis, angle, unit):
    """The same turn in a unit."""
    axis = np.asarray(axis) / np.linalg.norm(axis)
    vector, w = math.sin(angle / 2) * axis, math.cos(angle / 2)
    return {
        "rotvec": angle * axis,
        "quat_wxyz": np.array([w, *vector]),
        "quat_xyzw": np.array([*vector, w]),
    }[unit]


ANGLES = [0.0, 1e-6, 1e-4, 1e-3, 1.0, math.pi - 1e-3, math.pi - 1e-6, math.pi, math.pi + 1e-3, 5.0]


@pytest.mark.parametrize("unit", UNITS)
@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), angle=st.sampled_from(ANGLES) | st.floats(0, 6))
def test_six_numbers_are_the_first_columns_and_lead_back(unit, seed, angle):
    axis = np.random.default_rng(seed).normal(size=3)
    values = torch.tensor(stated(axis, angle, unit), dtype=torch.float32)
    matrix = turn(axis, angle)
    sixes = six(matrices(values, unit))
    np.testing.assert_allclose(sixes, matrix[:, :2].T.reshape(6), atol=1e-6)
    np.testing.assert_allclose(orthonormal(sixes), matrix, atol=2e-6)
    back = in_unit(along(of_matrices(orthonormal(sixes))[None], NO_TURN)[0], unit)
    np.testing.assert_allclose(matrices(back, unit), matrix, atol=3e-6)
    if unit == "rotvec":
        assert float(back.norm()) <= math.pi + 1e-5
    else:
        assert float(back[0 if unit == "quat_wxyz" else 3]) >= -1e-6


@pytest.mark.parametrize("unit", UNITS)
@pytest.mark.parametrize("axis", [[1, 0, 0], [0, 1, 0], [0, 0, 1], [-1, 1, 0], [0, -1, 1]])
def test_half_a_turn_about_any_axis_leads_back(unit, axis):
    matrix = turn(axis, math.pi)
    given = torch.tensor(stated(axis, math.pi, unit), dtype=torch.float32)
    back = in_unit(of_matrices(orthonormal(six(matrices(given, unit)))), unit)
    np.testing.assert_allclose(matrices(back, unit), matrix, atol=2e-6)


@pytest.mark.parametrize(
    "given",
    [[0.0] * 6, [1, 0, 0, 2, 0, 0], [0, 1, 0, 0, 1e-9, 0], [1e-9] * 6, [3, 1, -2, 0.1, 0.1, 5]],
)
def test_whatever_a_head_says_is_a_rotation(given):
    matrix = orthonormal(torch.tensor(given))
    np.testing.assert_allclose(matrix.T @ matrix, np.eye(3), atol=1e-6)
    assert float(torch.linalg.det(matrix)) == pytest.approx(1, abs=1e-6)
    assert float(of_matrices(matrix).norm()) == pytest.approx(1, abs=1e-6)


def test_two_columns_at_an_angle_are_made_orthonormal_by_gram_and_schmidt():
    rng = np.random.default_rng(0)
    for _ in range(20):
        a1, a2 = rng.normal(size=(2, 3))
        b1 = a1 / np.linalg.norm(a1)
        b2 = a2 - (b1 @ a2) * b1
        b2 /= np.linalg.norm(b2)
        columns = np.stack([b1, b2, np.cross(b1, b2)], axis=1)
        np.testing.assert_allclose(orthonormal(torch.tensor([*a1, *a2])), columns, atol=1e-12)


def test_a_quaternion_of_another_length_is_the_same_rotation_and_one_of_none_is_no_turn():
    given = torch.tensor([2.0, 0.0, 0.0, 2.0])
    np.testing.assert_allclose(
        matrices(given, "quat_wxyz"), turn([0, 0, 1], math.pi / 2), atol=1e-6
    )
    assert matrices(torch.zeros(4), "quat_xyzw").equal(torch.eye(3))


@pytest.mark.parametrize("unit", UNITS)
def test_a_motion_past_half_a_turn_does_not_jump(unit):
    angles = np.linspace(2.5, 4.0, 16)
    wanted = np.stack([stated([1, 2, -1], angle, unit) for angle in angles])
    turned = of_matrices(torch.tensor(np.stack([turn([1, 2, -1], angle) for angle in angles])))
    start = quaternions(torch.tensor(wanted[:1]), unit)
    np.testing.assert_allclose(in_unit(along(turned, start), unit), wanted, atol=1e-6)
    other = in_unit(along(turned, -start), unit)
    if unit != "rotvec":
        np.testing.assert_allclose(other, -wanted, atol=1e-6)
    else:  # the same rotations, all told the other way round
        axis = np.array([1, 2, -1]) / math.sqrt(6)
        np.testing.assert_allclose(other, wanted - 2 * math.pi * axis, atol=1e-6)


@pytest.mark.parametrize("horizon", [1, 2, 3, 8, 13])
def test_a_running_product_keeps_the_order(horizon):
    given = torch.randn(2, horizon, 3, 3, generator=torch.Generator().manual_seed(0)).double()
    product, wanted = torch.eye(3).double().expand(2, 3, 3), []
    for tick in range(horizon):
        product = product @ given[:, tick]
        wanted.append(product)
    torch.testing.assert_close(running_product(given), torch.stack(wanted, dim=1))


def test_rotations_are_told_by_units():
    units = ("m", *["rotvec"] * 6, *["quat_xyzw"] * 4, "rad")
    feature = Feature("action", (12,), units=units)
    assert feature.rotations == ((1, "rotvec"), (4, "rotvec"), (7, "quat_xyzw"))
    assert feature.angles == (11,)
    assert Feature.from_json(feature.to_json()) == feature


@pytest.mark.parametrize("units", [["rotvec"] * 4, ["m", *["quat_wxyz"] * 3], ["quat_xyzw"] * 5])
def test_a_part_of_a_rotation_is_refused(units):
    described = {"name": "action", "shape": [len(units)], "dtype": "float32", "units": units}
    with pytest.raises(UserError, match=r"'action' has \d elements in a row of unit '\w+', of whi"):
        Feature.from_json(described)


@pytest.mark.parametrize("unit", UNITS)
def test_of_equal_answers_the_nearest_is_that_of_the_control_loop(unit):
    rng = np.random.default_rng(0)
    values, to = rng.normal(scale=4.0, size=(2, 50, ROTATION_UNITS[unit]))
    values[:2] = 0.0
    values[2:5] *= 1e-6
    expected = nearest_rows(values, to, [Rotation(0, unit)])
    found = nearest(torch.from_numpy(values), torch.from_numpy(to), unit).numpy()
    np.testing.assert_allclose(found, expected, atol=1e-12)
    assert not np.allclose(expected, values)
