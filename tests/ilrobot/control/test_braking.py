"""The closed forms of braking, held against braking tick by tick."""

import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from ilrobot.control.braking import (
    brake_change,
    greatest_displacement,
    greatest_root,
    greatest_step,
    release,
    rest_displacement,
    signed_greatest_step,
)


def braked(step, change, most, jerk):
    """Steps and changes of the braking until both are nothing."""
    steps, changes = [], []
    while (abs(step) > 1e-12 or abs(change) > 1e-12) and len(steps) < 20_000:
        change = brake_change(step, change, most, jerk)
        step += change
        steps.append(step)
        changes.append(change)
    return np.array(steps), np.array(changes)


@pytest.mark.parametrize(
    ("distance", "braking", "step"),
    [
        *((0.0, 1.0, 0.0), (-1.0, 1.0, 0.0), (0.5, 1.0, 0.5), (3.0, 1.0, 2.0), (6.0, 1.0, 3.0)),
        (math.inf, 1.0, math.inf),
    ],
)
def test_greatest_step(distance, braking, step):
    assert greatest_step(distance, braking) == pytest.approx(step)


@given(st.floats(1e-6, 1e3), st.floats(1e-6, 1e3))
def test_the_greatest_step_stops_exactly_at_the_distance(distance, braking):
    step = greatest_step(distance, braking)
    covered, ticks = 0.0, 0
    while step > 0 and ticks < 100_000:
        covered += step
        step -= braking
        ticks += 1
    assert covered == pytest.approx(distance, rel=1e-6)
    assert signed_greatest_step(-distance, braking) == -greatest_step(distance, braking)


def test_release_sums_what_is_left_of_a_change():
    assert release(2.5, 1.0) == pytest.approx(1.5 + 0.5)
    assert release(-2.5, 1.0) == pytest.approx(-2.0)
    assert release(0.9, 1.0) == release(3.0, math.inf) == 0.0


def test_a_braking_by_hand():
    # α is reached at once where j is as great: 3, then by 1 each: 2, 1, 0.
    assert rest_displacement(3.0, 0.0, 1.0, 1.0) == pytest.approx(2 + 1 + 0)
    # By j more each: changes -1, -2, -1 from 4.
    assert rest_displacement(4.0, 0.0, math.inf, 1.0) == pytest.approx(3 + 1 + 0)
    # The same with -1 at most: 3, 2, 1, 0.
    assert rest_displacement(4.0, 0.0, 1.0, math.inf) == pytest.approx(3 + 2 + 1 + 0)


states = {
    "jerk": st.floats(0.01, 10.0),
    "most": st.one_of(st.floats(0.05, 20.0), st.just(math.inf)),
    "share": st.floats(-1.0, 1.0),
    "step": st.one_of(st.floats(-20.0, 20.0), st.just(0.0)),
}


@given(**states)
def test_the_closed_forms_are_what_braking_comes_to(jerk, most, share, step):
    change = share * min(most, 10 * jerk)
    assume(abs(step) + abs(change) > 1e-9)
    steps, changes = braked(step, change, most, jerk)
    reached = np.concatenate([[0.0], np.cumsum(steps)])
    rounding = 1e-8 * (1 + len(steps)) * (1 + abs(step))
    assert abs(steps[-1]) <= 1e-12
    assert np.abs(changes).max() <= min(most, 1e300) * (1 + 1e-12)
    assert np.abs(np.diff([change, *changes, 0.0])).max() <= jerk * (1 + 1e-9) + 1e-12
    assert rest_displacement(step, change, most, jerk) == pytest.approx(reached[-1], abs=rounding)
    assert greatest_displacement(step, change, most, jerk) == pytest.approx(
        reached.max(), abs=rounding
    )


@given(other=st.floats(-1.0, 1.0), **states)
def test_a_greater_change_leads_at_least_as_far_at_every_tick(jerk, most, share, other, step):
    bound = min(most, 10 * jerk)
    less, more = sorted((share * bound, other * bound))
    steps = []
    for change in (less, more):
        later, _ = braked(step + change, change, most, jerk)
        steps.append(np.concatenate([[step + change], later]))
    length = max(len(s) for s in steps)
    below, above = (np.pad(s, (0, length - len(s))) for s in steps)
    assert (above - below).min() >= -1e-9 * (1 + abs(step))


def test_a_root_is_approached_from_below():
    found = greatest_root(lambda x: x**3 - 2.0, 0.0, 5.0, 1e-9)
    assert -1e-9 <= found**3 - 2.0 <= 0.0
    stairs = greatest_root(lambda x: math.floor(x) - 2.5, 0.0, 9.0, 0.0)
    assert stairs == pytest.approx(3.0)
    assert stairs < 3.0
