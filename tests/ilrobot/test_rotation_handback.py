"""Handing back where a rotation is commanded: the shorter way round, at constant speed."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from ilrobot.blend import Blend
from ilrobot.control.turns import between, in_unit, quaternion, turned
from ilrobot.rotation_units import ROTATION_UNITS
from ilrobot.spec import Feature, Spec

UNITS = list(ROTATION_UNITS)
IDENTITY = (1.0, 0.0, 0.0, 0.0)


def spec_of(unit):
    size = ROTATION_UNITS[unit]
    action = Feature("action", (size + 1,), units=(*[unit] * size, "m"))
    return Spec((), action, 20.0, semantics="absolute")


def told(angle, unit, sign=1.0):
    """About x, by at most half a turn, and by q as well as -q."""
    q = turned(IDENTITY, [angle, 0.0, 0.0])
    values = between(IDENTITY, q) if unit == "rotvec" else sign * np.array(in_unit(q, unit))
    return np.float32([*values, 0.0])


def angles_of(commands, unit, start):
    """How far each has turned about x since where they start."""
    rotations = [quaternion(command[:-1].tolist(), unit) for command in commands]
    turns = [between(quaternion(start[:-1].tolist(), unit), q) for q in rotations]
    np.testing.assert_allclose(np.array(turns)[:, 1:], 0.0, atol=1e-6)
    return np.array(turns)[:, 0]


@pytest.mark.parametrize("unit", UNITS)
def test_a_rotation_is_handed_back_through_half_a_turn(unit):
    blend, start = Blend(spec_of(unit)), told(3.0, unit)
    blend.begin(start)
    policy = told(-2.9, unit, -1.0) + np.float32([*[0.0] * ROTATION_UNITS[unit], 1.0])
    mixed = [blend.mix(policy) for _ in range(5)]
    assert mixed[4] is None
    whole = 2 * np.pi - 5.9
    expected = [k * whole / 5 for k in range(1, 5)]
    assert angles_of(mixed[:4], unit, start) == pytest.approx(expected, abs=1e-6)
    assert [float(m[-1]) for m in mixed[:4]] == pytest.approx([0.2, 0.4, 0.6, 0.8])
    # Nor do the numbers jump.
    assert np.abs(np.diff([start, *mixed[:4]], axis=0)[:, :-1]).max() < 0.1


@pytest.mark.parametrize("unit", UNITS)
def test_it_turns_by_no_more_than_allowed_until_it_has_met_the_policys(unit):
    spec = spec_of(unit)
    size = ROTATION_UNITS[unit]
    most = np.full(size + 1, 0.1 if unit == "rotvec" else 0.05)
    blend, start = Blend(spec, most=most), told(2.8, unit)
    blend.begin(start)
    mixed = []
    while (taken := blend.mix(told(-2.6, unit))) is not None:
        mixed.append(taken)
    turned_by = angles_of(mixed, unit, start)
    assert turned_by[:6] == pytest.approx(0.1 * np.arange(1, 7), abs=1e-5)
    assert 2 * np.pi - 5.4 - turned_by[-1] <= 0.1 + 1e-6


@pytest.mark.parametrize("unit", UNITS)
def test_where_the_policy_passes_the_opposite_it_goes_on_the_same_way(unit):
    blend, start = Blend(spec_of(unit).with_rate(50.0)), told(0.0, unit)
    blend.begin(start)
    mixed = [blend.mix(told(3.0 + 0.05 * tick, unit)) for tick in range(8)]
    assert np.diff(angles_of(mixed, unit, start)).min() > 0.0


def test_what_is_no_rotation_is_left_to_the_guard():
    blend = Blend(spec_of("quat_wxyz"))
    blend.begin(told(1.0, "quat_wxyz"))
    assert np.array_equal(blend.mix(np.zeros(5, np.float32))[:4], np.zeros(4))


def test_steps_by_rotation_vectors_are_averaged_as_numbers():
    blend = Blend(replace(spec_of("rotvec"), semantics="delta"))
    blend.begin(np.float32([0.2, 0.0, 0.0, 0.0]))
    np.testing.assert_allclose(
        blend.mix(np.float32([0.0, 0.1, 0.0, 0.0])), [0.16, 0.02, 0.0, 0.0], atol=1e-7
    )
