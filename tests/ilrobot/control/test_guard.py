"""The guard's order, its counts and its fallback."""

import math
from dataclasses import replace

import numpy as np
import pytest

from ilrobot.control.activation import Activation
from ilrobot.control.contract_guards import FallbackAfter, Workspace
from ilrobot.control.emergency import EmergencyStop
from ilrobot.control.guard import Guard
from ilrobot.control.observation_watch import Outside
from ilrobot.spec import Feature
from tests.ilrobot.control.contracts import ABSOLUTE_CONTRACT, DELTA_CONTRACT, DISCRETE_CONTRACT


def seen(*values):
    return {"observation.state": np.array(values, np.float32)}


def counted(guard):
    return {kind: count for kind, count in guard.counts.items() if count}


@pytest.fixture
def guard():
    made = Guard(ABSOLUTE_CONTRACT)
    made.reset(np.zeros(2))
    return made


def test_nothing_to_do(guard):
    assert guard.admit(seen(0, 0), 0.01)
    np.testing.assert_array_equal(guard.limit(np.array([0.1, -0.1])), [0.1, -0.1])
    assert counted(guard) == {}


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_an_observation_that_is_not_finite_is_refused(guard, bad):
    assert not guard.admit(seen(0, bad), 0.01)
    assert guard.flags == Activation.OBSERVATION_NOT_FINITE
    guard.hold()
    assert counted(guard) == {"observation_not_finite": 1, "fallback": 1}


@pytest.mark.parametrize("age", [0.3, 10.0, math.inf, math.nan])
def test_a_stale_observation_is_refused(guard, age):
    assert not guard.admit(seen(0, 0), age)
    assert guard.flags == Activation.OBSERVATION_STALE


def test_out_of_the_training_range_is_a_warning(guard):
    assert guard.admit(seen(0, 2.1), 0.01)
    assert guard.admit(seen(-2, 2), 0.01)
    assert counted(guard) == {"observation_out_of_range": 1}


def test_an_action_that_is_not_finite_is_replaced_by_the_fallback(guard):
    guard.admit(seen(0, 0), 0.01)
    guard.limit(np.array([0.1, 0.1]))
    guard.admit(seen(0, 0), 0.01)
    held = guard.limit(np.array([0.1, math.nan]))
    np.testing.assert_allclose(held, [0.1, 0.1])
    assert guard.flags == Activation.ACTION_NOT_FINITE | Activation.FALLBACK


def test_a_late_tick_is_counted_and_acted_on(guard):
    assert guard.admit(seen(0, 0), 0.01, late=True)
    assert counted(guard) == {"deadline_missed": 1}


def test_a_kind_counts_once_per_tick(guard):
    guard.admit(seen(0, 0), 0.01)
    guard.limit(np.array([50.0, -50.0]))
    counts = counted(guard)
    assert counts == {"position_limited": 1, "velocity_limited": 1, "acceleration_limited": 1}


def test_the_counts_go_on_over_episodes_and_the_motion_does_not(guard):
    guard.admit(seen(0, 0), math.inf)
    guard.reset(np.array([0.5, 0.5]))
    guard.admit(seen(0, 0), math.inf)
    np.testing.assert_array_equal(guard.hold(), [0.5, 0.5])
    assert counted(guard)["observation_stale"] == 2


def test_a_delta_command_holds_by_zeros_and_keeps_the_gripper():
    guard = Guard(DELTA_CONTRACT)
    guard.reset()
    assert guard.hold() is None  # what the gripper holds is not known yet
    guard.admit(seen(0, 0), 0.01)
    np.testing.assert_allclose(guard.limit(np.array([0.04, 0.8])), [0.04, 0.8])
    np.testing.assert_allclose(guard.hold(), [0.0, 0.8])


def test_limits_follow_the_rate_of_the_loop():
    def first_step(rate):
        guard = Guard(ABSOLUTE_CONTRACT, rate)
        guard.reset(np.zeros(2))
        guard.admit(seen(0, 0), 0.01)
        return float(guard.limit(np.array([1.0, 1.0]))[0])

    assert first_step(10.0) == pytest.approx(0.2)
    assert first_step(20.0) == pytest.approx(0.05)


def test_what_lasted_in_an_episode_has_not_in_the_next():
    after = FallbackAfter(late=2, calling=0.3, out_of_range=0.3)
    guard = guard_that(fallback_after=after)
    for _ in range(2):
        guard.reset(np.zeros(2))
        for tick in range(2):
            assert guard.admit(seen(0, 9), 0.01, late=tick > 0)
            assert guard.limit(np.zeros(2), calling=True) is not None
            assert Activation.FALLBACK not in guard.flags


def test_discrete_actions():
    guard = Guard(DISCRETE_CONTRACT)
    guard.reset()
    assert guard.hold() == 0
    guard.admit(seen(0, 0), 0.01)
    assert guard.limit(np.array(5)) == 2
    assert guard.hold() == 2


def guard_that(**changes):
    """Of the absolute contract, at 10 Hz and moving, with some things stated otherwise."""
    made = Guard(replace(ABSOLUTE_CONTRACT, **changes))
    made.reset(np.zeros(2))
    return made


def test_a_measurement_older_than_the_newest_is_refused_and_a_repeated_one_is_not(guard):
    assert guard.admit(seen(0, 0), 0.01, measured=5.0)
    assert guard.admit(seen(0, 0), 0.11, measured=5.0)
    assert guard.admit(seen(0, 0), 0.15, measured=4.95)
    assert not guard.admit(seen(0, 0), 0.2, measured=4.8)
    assert guard.flags == Activation.OBSERVATION_REORDERED
    assert not guard.admit(seen(0, 0), 0.2, measured=math.nan)
    assert guard.admit(seen(0, 0), 0.01, measured=5.1)
    guard.reset(np.zeros(2))
    assert guard.admit(seen(0, 0), 0.01, measured=0.0)


def test_a_measurement_of_the_future_is_of_another_clock(guard):
    assert guard.admit(seen(0, 0), -0.01)
    assert not guard.admit(seen(0, 0), -0.4)
    assert guard.flags == Activation.OBSERVATION_STALE


def test_one_measurement_of_the_future_does_not_make_the_next_ones_reordered(guard):
    assert guard.admit(seen(0, 0), 0.01, measured=1.0)
    assert not guard.admit(seen(0, 0), -99.0, measured=100.0)
    assert guard.admit(seen(0, 0), 0.01, measured=1.2)


def test_it_knows_which_elements_were_out_of_range_and_how_far(guard):
    for x, y in ((0, 3), (1, 4), (-2.5, 3.5), (0, 0), (math.nan, 9)):
        guard.admit(seen(x, y), 0.01)
    of_y, of_x = guard.outside
    assert of_y == Outside("observation.state 'y'", 3, 3.0, 4.0, -2.0, 2.0)
    assert of_x == Outside("observation.state 'x'", 1, -2.5, -2.5, -2.0, 2.0)
    guard.reset()
    assert len(guard.outside) == 2  # of the whole run


def test_out_of_range_falls_back_once_it_has_lasted():
    guard = guard_that(fallback_after=FallbackAfter(out_of_range=0.3))
    assert [guard.admit(seen(3, 0), 0.01) for _ in range(4)] == [True, True, False, False]
    assert guard.admit(seen(1, 0), 0.01)
    assert guard.admit(seen(3, 0), 0.01)
    assert counted(guard) == {"observation_out_of_range": 5}


def test_frozen_is_what_does_not_change_while_the_target_moves():
    guard = guard_that(fallback_after=FallbackAfter(frozen=0.3))
    moving = iter(np.arange(1, 100) * 0.05)

    def admitted(state, action=None):
        said = guard.admit(seen(*state), 0.01)
        if said:
            guard.limit(np.full(2, next(moving) if action is None else action))
        else:
            guard.hold()
        return said

    # The first is new, and then it must have been seen at three ticks after a motion.
    assert [admitted((1, 1)) for _ in range(5)] == [True, True, True, False, False]
    assert Activation.OBSERVATION_FROZEN in guard.flags
    # It is held now, and stays frozen until a bit changes.
    assert not any(admitted((1, 1)) for _ in range(20))
    assert admitted((1, 1.0000001))
    still = guard_that(fallback_after=FallbackAfter(frozen=0.3))
    for _ in range(20):
        assert still.admit(seen(1, 1), 0.01)
        still.limit(np.zeros(2))


def test_a_camera_that_stands_still_is_frozen_though_the_joints_are_measured_afresh():
    cameras = tuple(Feature(f"observation.images.{c}", (2, 2, 3), "uint8") for c in ("a", "b"))
    spec = replace(
        ABSOLUTE_CONTRACT.spec, observations=ABSOLUTE_CONTRACT.spec.observations + cameras
    )
    guard = guard_that(spec=spec, fallback_after=FallbackAfter(frozen=0.3))

    def admitted(tick, a, b):
        pictures = {
            c.name: np.full(c.shape, v, np.uint8) for c, v in zip(cameras, (a, b), strict=True)
        }
        said = guard.admit({**seen(tick / 100, 0), **pictures}, 0.01)
        if said:
            guard.limit(np.full(2, tick * 0.02))
        else:
            guard.hold()
        return said

    # A camera that is half as fast as the loop is well.
    assert all(admitted(tick, tick, tick // 2) for tick in range(1, 12))
    assert [admitted(tick, tick, 6) for tick in range(12, 17)] == [True, True, True, False, False]
    assert Activation.OBSERVATION_FROZEN in guard.flags
    assert admitted(17, 17, 7)


def test_too_many_late_ticks_are_an_overrun_until_as_many_were_in_time():
    guard = guard_that(fallback_after=FallbackAfter(late=2))
    late = [True, True, True, False, True, False, False, True, False]
    admitted = [guard.admit(seen(0, 0), 0.01, tick) for tick in late]
    assert admitted == [True, False, False, False, False, False, True, True, True]
    assert counted(guard) == {"deadline_missed": 5, "overrun": 5}


def test_an_emergency_stop_brakes_as_hard_as_it_may_whatever_the_fallback():
    stop = EmergencyStop()
    limits = replace(ABSOLUTE_CONTRACT.limits, jerk=(900.0, 900.0))
    contract = replace(ABSOLUTE_CONTRACT, fallback="damp", limits=limits)
    guard = Guard(contract, emergency=stop)
    guard.reset(np.full(2, -0.5), np.full(2, 4.0))
    assert guard.admit(seen(0, 0), 0.01)
    stop.press("a test")
    assert not guard.admit(seen(0, 0), 0.01)
    np.testing.assert_allclose(guard.hold(), -0.5 + 0.2, atol=1e-12)
    assert guard.flags == Activation.EMERGENCY_STOP | Activation.FALLBACK
    assert not guard.has_stopped
    for _ in range(5):
        guard.hold()
    assert guard.has_stopped
    guard.reset(np.zeros(2))
    assert not guard.admit(seen(0, 0), 0.01)
    stop.release()
    assert guard.admit(seen(0, 0), 0.01)


def test_what_is_not_finite_is_told_beside_an_emergency_stop():
    stop = EmergencyStop()
    stop.press("a test")
    guard = Guard(ABSOLUTE_CONTRACT, emergency=stop)
    guard.reset(np.zeros(2))
    assert not guard.admit(seen(0, math.nan), 0.01)
    assert guard.flags == Activation.EMERGENCY_STOP | Activation.OBSERVATION_NOT_FINITE


def test_damp_decays_and_retreat_goes_to_its_pose():
    damping = guard_that(fallback="damp")
    damping.reset(np.full(2, -0.5), np.full(2, 1.0))
    step = damping.hold() + 0.5
    np.testing.assert_allclose(step, 0.1 * math.exp(-0.1 / 0.25), rtol=1e-6)
    retreating = guard_that(fallback="retreat", retreat=(0.5, math.nan))
    for _ in range(20):
        retreating.admit(seen(0, math.nan), 0.01)
        command = retreating.hold()
    np.testing.assert_allclose(command, [0.5, 0.0], atol=1e-9)


def test_a_workspace_that_cannot_be_kept_is_known():
    guard = Guard(replace(DELTA_CONTRACT, workspace=Workspace((-1.0, 0.0), (1.0, 1.0))))
    guard.reset(np.zeros(2))
    assert guard.workspace_unknown
    guard.reset(np.zeros(2), None, np.zeros(2))
    assert not guard.workspace_unknown
    assert not Guard(DELTA_CONTRACT).workspace_unknown
    assert not Guard(DISCRETE_CONTRACT).workspace_unknown


def test_what_is_never_reached_is_no_number_of_ticks():
    guard = guard_that(fallback_after=FallbackAfter(out_of_range=1e308))
    for _ in range(50):
        assert guard.admit(seen(9, 9), 0.0)
