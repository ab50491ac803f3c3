"""The clocks of controller and robot, compared by messages alone."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exports.robots.peer_clock import DRIFT, FORGOTTEN_AFTER, ClockOffset


def test_nothing_is_known_before_the_first_message():
    assert ClockOffset().least == -math.inf


@settings(deadline=None)
@given(
    offset=st.floats(-1e6, 1e6),
    travels=st.lists(st.floats(0.0, 1.0), min_size=1, max_size=50),
)
def test_the_offset_errs_by_the_shortest_travel_alone(offset, travels):
    clock = ClockOffset()
    for number, travel in enumerate(travels):
        robot_time = 0.01 * number
        clock.add(robot_time + offset - travel, robot_time)
    assert clock.least <= offset + 1e-6
    assert clock.least == pytest.approx(offset - min(travels), abs=1e-6)


def test_an_old_comparison_is_forgotten_so_that_drift_does_not_add_up():
    clock = ClockOffset()
    clock.add(100.0, 0.0)  # travelled for no time at all
    time = 0.0
    while time < 2 * FORGOTTEN_AFTER:
        time += 0.1
        clock.add(time + 100.0 - 0.02, time)
    assert clock.least == pytest.approx(99.98)


def test_a_recent_comparison_is_kept():
    clock = ClockOffset()
    clock.add(100.0, 0.0)
    for tenths in range(1, int(10 * FORGOTTEN_AFTER / 2)):
        clock.add(tenths / 10 + 99.0, tenths / 10)
    assert clock.least == 100.0


def test_what_waited_through_a_silence_is_known_to_be_old():
    clock = ClockOffset()
    clock.add(100.0, 0.0)
    clock.add(101.0, 60.0)  # sent a second later, and received when somebody listened again
    assert clock.least == pytest.approx(100.0 - 60.0 * DRIFT)
    for second in range(61, 66):  # from there on those that travel fast replace it
        clock.add(second + 99.99, float(second))
    assert clock.least == pytest.approx(99.99)


def test_a_robots_clock_that_was_set_back_begins_anew():
    clock = ClockOffset()
    clock.add(1000.0, 900.0)
    clock.add(1000.1, 5.0)
    assert clock.least == pytest.approx(995.1)
