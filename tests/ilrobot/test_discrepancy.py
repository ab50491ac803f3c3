"""How far two actions are apart: in any unit, of rotations, and where it cannot be said."""

import math

import numpy as np
import pytest

from ilrobot.errors import UserError
from ilrobot.gates.discrepancy import Discrepancy, action_ranges, discrepancies
from ilrobot.gates.gate import GateContext
from ilrobot.spec import Feature, Spec


def test_discrepancy_is_the_same_in_any_unit() -> None:
    def apart(scale: float) -> float:
        novice, expert = np.array([0.02, 0.5]), np.array([0.01, 0.5])
        context = GateContext({}, 0.0, False, scale * novice, scale * expert)
        return Discrepancy(scale * np.array([0.04, 1.0]))(context)

    assert apart(1.0) == pytest.approx(0.25**2 / 2)
    assert apart(1_000.0) == pytest.approx(apart(1.0))


@pytest.mark.parametrize("unit", ["rotvec", "quat_xyzw"])
def test_discrepancy_is_none_between_equal_rotations(unit: str) -> None:
    size = 3 if unit == "rotvec" else 4
    action = Feature("action", (size,), units=(unit,) * size)
    turning = Spec((), action, rate=10.0, semantics="absolute").target_rotations
    half = np.array([math.pi, 0.0, 0.0]) if unit == "rotvec" else np.array([1.0, 0.0, 0.0, 0.0])
    pairs = np.stack([1.01 * half, half]), np.stack([-0.99 * half, np.full(size, math.nan)])
    ranges = np.full(size, 2 * math.pi)
    apart = discrepancies(*pairs, ranges, turning)
    assert apart[0] == pytest.approx(0.0 if unit == "rotvec" else 0.02**2 / ranges[0] ** 2 / 4)
    assert math.isnan(apart[1])
    context = GateContext({}, 0.0, False, pairs[0][0], pairs[1][0])
    assert Discrepancy(ranges, turning)(context) == apart[0]
    assert discrepancies(*pairs, ranges)[0] > 0.02


def test_angles_are_compared_by_the_shorter_way() -> None:
    full = 2 * math.pi
    pairs = np.array([[0.1, 3.14], [0.0, 7.0], [0.0, math.nan]]), np.array([[0.1, -3.14]] * 3)
    ranges, short = np.array([1.0, full]), full - 6.28
    apart = discrepancies(*pairs, ranges, angles=(1,))
    assert apart[0] == pytest.approx((short / full) ** 2 / 2)
    assert apart[1] == pytest.approx((0.1**2 + ((7.0 + 3.14 - 2 * full) / full) ** 2) / 2)
    assert math.isnan(apart[2])
    context = GateContext({}, 0.0, False, pairs[0][0], pairs[1][0])
    assert Discrepancy(ranges, angles=(1,))(context) == apart[0]
    assert Discrepancy(ranges)(context) > 0.4
    units, low, high = ("m", "rad"), (0.0, -math.pi), (1.0, math.pi)
    action = Feature("action", (2,), units=units, low=low, high=high)
    spec = Spec((), action, rate=10.0, semantics="absolute")
    assert Discrepancy.of(spec)(context) == apart[0]


def test_an_action_that_is_a_choice_or_without_a_range_is_told() -> None:
    def spec(low: tuple[float, ...] | None, high: tuple[float, ...], choices=None) -> Spec:
        action = Feature("action", (len(high),), low=low, high=high)
        return Spec((), action, rate=10.0, choices=choices)

    assert action_ranges(spec((-1.0, 0.0), (1.0, 3.0))) == pytest.approx([2.0, 3.0])
    still, choices = spec((1.0,), (1.0,)), spec((0.0,), (3.0,), choices=4)
    nominal = spec((-1e6,), (1e6,))
    for bad in (spec(None, (1.0,)), spec((-math.inf,), (1.0,)), nominal, still, choices):
        with pytest.raises(UserError):
            action_ranges(bad)
