"""Chunks of rotations: averaged, and compared, as the rotations that they are."""

from __future__ import annotations

import math

import numpy as np
import pytest

from ilrobot.control.chunking import Chunking, Predicts
from ilrobot.control.drawing import Prediction
from ilrobot.control.execution import TemporalEnsemble
from ilrobot.control.turns import between, in_unit, quaternion, turned
from ilrobot.rotation_units import ROTATION_UNITS
from ilrobot.spec import Feature, Spec

UNITS = list(ROTATION_UNITS)
IDENTITY = (1.0, 0.0, 0.0, 0.0)
AXIS = np.array([1.0, -2.0, 2.0]) / 3


def about(angle):
    return turned(IDENTITY, (angle * AXIS).tolist())


def told(angle, unit, sign=1.0):
    """By at most half a turn, and by q as well as -q."""
    if unit == "rotvec":
        return np.float32(between(IDENTITY, about(angle)))
    return sign * np.float32(in_unit(about(angle), unit))


def spec_of(unit, semantics="absolute"):
    size = ROTATION_UNITS[unit]
    action = Feature("action", (1 + size,), units=("m", *[unit] * size))
    return Spec((Feature("observation.state", (1,)),), action, 10.0, semantics=semantics)


def averaged(spec, chunks):
    """What is executed of chunks, one a tick."""
    shape = spec.action.shape
    execution, _ = Chunking.parse("ensemble:0").make(Predicts(spec, 4, 1, None, None, None))
    assert isinstance(execution, TemporalEnsemble)
    given = []
    for chunk in chunks:
        execution.asked()
        execution.take(np.asarray(chunk, np.float32).reshape(4, *shape))
        given.append(execution.next())
    return given


@pytest.mark.parametrize("unit", UNITS)
def test_the_mean_of_rotations_about_half_a_turn_lies_between_them(unit):
    rng = np.random.default_rng(0)
    errors = rng.normal(0, 0.05, 30)
    chunks = [
        [
            np.append(tick + k, told(2.8 + 0.05 * (tick + k) + error, unit, rng.choice([-1, 1])))
            for k in range(4)
        ]
        for tick, error in enumerate(errors)
    ]
    for tick, action in enumerate(averaged(spec_of(unit), chunks)):
        assert action[0] == pytest.approx(tick)
        assert action.dtype == np.float32
        voted = errors[max(0, tick - 3) : tick + 1]
        expected = about(2.8 + 0.05 * tick + voted.mean())
        apart = between(quaternion(action[1:].tolist(), unit), expected)
        assert np.linalg.norm(apart) < 1e-4


def test_what_is_no_rotation_is_none_in_the_mean():
    spec = spec_of("quat_wxyz")
    good, bad = np.append(0.0, told(1.0, "quat_wxyz")), np.zeros(5)
    actions = averaged(spec, [[good] * 4, [bad] * 4, [good] * 4])
    assert np.isfinite(actions[0]).all()
    assert np.isnan(actions[1][1:]).all()
    assert actions[1][0] == 0.0


def test_steps_by_rotation_vectors_are_averaged_as_numbers():
    spec = spec_of("rotvec", "delta")
    actions = averaged(spec, [[[0.0, 0.2, 0, 0]] * 4, [[0.0, 0.0, 0.4, 0]] * 4])
    np.testing.assert_allclose(actions[1][1:], [0.1, 0.2, 0.0], atol=1e-7)


@pytest.mark.parametrize("unit", UNITS)
def test_of_several_chunks_the_nearest_rotation_is_chosen_however_it_is_told(unit):
    spec = spec_of(unit)
    scale = np.ones(spec.action.size)
    _, draw = Chunking.parse("coherent:2").make(Predicts(spec, 4, 1, (1,), scale, None))
    near = np.array([np.append(0.0, told(math.pi + 0.02, unit, -1.0))] * 4)
    far = np.array([np.append(0.0, told(math.pi - 0.5, unit))] * 4)
    plan = np.array([np.append(0.0, told(math.pi - 0.02, unit))] * 3)
    assert np.abs(near - plan[0]).max() > np.abs(far - plan[0]).max()
    candidates = iter((far, near))
    chosen = draw(lambda *_: Prediction(next(candidates)), {}, np.random.default_rng(0), plan)
    np.testing.assert_array_equal(chosen.chunk, near)
