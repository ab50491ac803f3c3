"""The guards in C++ do what those in Python do, to the last bit."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from exports.cpp.binding import CppController
from ilrobot.control.activation import Activation
from ilrobot.control.contract_guards import FallbackAfter
from ilrobot.control.contract_parts import Limits, Range
from ilrobot.control.guard import Guard
from tests.exports.guard_scenarios import replay, scenarios
from tests.exports.identity import OBSERVATION, constant_policy, identity_policy

pytestmark = pytest.mark.usefixtures("cpp_library")

INF = math.inf
MIXED = Limits(
    mode=("absolute", "absolute", "delta", "delta"),
    low=(-1.0, -INF, -0.1, -INF),
    high=(1.5, INF, 0.1, 0.3),
    velocity=(2.0, 1.0, INF, 5.0),
    acceleration=(20.0, INF, 100.0, 50.0),
    jerk=(400.0, INF, INF, 3000.0),
)
#: Two of its steps are velocities.
MOVING = replace(MIXED, mode=("absolute", "velocity", "delta", "velocity"))
NO_JERK = Limits(MIXED.mode, MIXED.low, MIXED.high, MIXED.velocity, MIXED.acceleration)


def wanted(kind, size, ticks, seed=0):
    """Actions that no sane policy gives, float32."""
    rng = np.random.default_rng(seed)
    if kind == "walk":
        actions = np.cumsum(rng.normal(0, 0.01, (ticks, size)), axis=0)
    elif kind == "noise":
        actions = rng.normal(0, 1, (ticks, size))
    elif kind == "flips":
        actions = np.where(np.arange(ticks)[:, None] % 2, 1e9, -1e9) * np.ones(size)
    elif kind == "steps":
        actions = np.repeat(rng.uniform(-3, 3, (-(-ticks // 40), size)), 40, axis=0)[:ticks]
    else:
        actions = np.sin(np.arange(ticks)[:, None] / np.array([5.0, 9.0, 13.0, 40.0])[:size])
    return actions.astype(np.float32)


def assert_alike(guard, cpp, actions, *, rate=100.0, reset=()):
    """Both are given the same actions tick by tick."""
    guard.reset(*reset)
    cpp.reset(0, *reset)
    for tick, action in enumerate(actions):
        now = tick / rate
        admitted = guard.admit({OBSERVATION: action}, 0.0)
        expected = guard.limit(action) if admitted else guard.hold()
        cpp.observe({OBSERVATION: action}, now)
        command = cpp.tick(now)
        assert int(guard.flags) == cpp.flags, tick
        if expected is None:
            assert command is None
        else:
            assert np.array_equal(command, expected), f"tick {tick}: {command}, not {expected}"


@pytest.mark.parametrize("limits", [MIXED, NO_JERK, MOVING], ids=["jerk", "no jerk", "moving"])
@pytest.mark.parametrize("kind", ["walk", "noise", "flips", "steps", "waves"])
def test_the_commands_are_those_of_python_to_the_last_bit(tmp_path, limits, kind):
    contract = identity_policy(tmp_path / "policy.onnx", limits)
    actions = wanted(kind, 4, 600)
    with CppController(tmp_path / "policy.onnx") as cpp:
        assert_alike(Guard(contract), cpp, actions)
        at_rest = (np.array([0.5, -2.0, 0.0, 0.0]),)
        assert_alike(Guard(contract), cpp, actions, reset=at_rest)
        moving = (np.array([0.5, -2.0, 0.0, 0.0]), np.array([1.0, -0.5, 0.0, 2.0]))
        assert_alike(Guard(contract), cpp, actions, reset=moving)
        outside = (np.array([1.9, -2.0, 0.0, 0.9]),)
        assert_alike(Guard(contract), cpp, actions, reset=outside)


def test_a_policy_out_of_its_range_falls_back_and_a_person_does_not(tmp_path):
    range_ = {OBSERVATION: Range((-0.2,) * 4, (0.2,) * 4)}
    plain = identity_policy(tmp_path / "plain.onnx", MIXED)
    after = FallbackAfter(out_of_range=0.1)
    contract = replace(plain, training_range=range_, fallback_after=after, golden=())
    constant_policy(tmp_path / "policy.onnx", contract)
    far = np.full(4, 0.5, np.float32)
    with CppController(tmp_path / "policy.onnx") as cpp:
        for driven in (True, False):
            guard = Guard(contract)
            guard.reset(np.zeros(4))
            cpp.reset(0, np.zeros(4))
            fell_back = []
            for tick in range(30):
                now = tick / 100
                cpp.observe({OBSERVATION: far}, now)
                cpp.override(now, False, far.astype(float)) if driven else cpp.tick(now)
                guard.admit({OBSERVATION: far}, 0.0, driven=driven)
                assert cpp.flags & Activation.OBSERVATION_OUT_OF_RANGE
                fell_back.append(bool(cpp.flags & Activation.FALLBACK))
            assert any(fell_back) is not driven
            assert driven or fell_back == [tick >= 9 for tick in range(30)]


@pytest.mark.parametrize("bad", [math.nan, INF])
def test_from_what_is_no_number_nothing_begins(tmp_path, bad):
    identity_policy(tmp_path / "policy.onnx", MIXED)
    fine = np.zeros(4)
    with CppController(tmp_path / "policy.onnx") as cpp:
        for present, velocity in ((np.array([0, bad, 0, 0]), None), (fine, np.full(4, bad))):
            cpp.reset(0, present, velocity)
            for tick in range(3):
                cpp.observe({OBSERVATION: np.zeros(4, np.float32)}, tick / 100)
                assert cpp.tick(tick / 100) is None
                assert cpp.flags & Activation.FALLBACK
        cpp.reset(0, np.array([0, 0, bad, bad]), fine)  # deltas hold no command
        cpp.observe({OBSERVATION: np.zeros(4, np.float32)}, 1.0)
        assert np.isfinite(cpp.tick(1.0)).all()


@pytest.mark.parametrize("limits", [MIXED, NO_JERK], ids=["jerk", "no jerk"])
def test_an_episode_that_ends_in_motion_comes_to_rest_as_in_python(tmp_path, limits):
    guard = Guard(identity_policy(tmp_path / "policy.onnx", limits))
    actions = wanted("waves", 4, 40)
    with CppController(tmp_path / "policy.onnx") as cpp:
        assert cpp.brake(0.0) is None  # nothing was commanded yet
        for begin in (actions[:40], actions[:7]):
            assert_alike(guard, cpp, begin, reset=(np.zeros(4),))
            braked = 0
            while (expected := guard.brake()) is not None:
                np.testing.assert_array_equal(cpp.brake(1.0), expected)
                assert cpp.flags == int(guard.flags)
                braked += 1
            assert cpp.brake(1.0) is None
            assert braked > 2
        assert cpp.counts == guard.counts


def clock_times(tick, newest):
    """When it was measured and what time it is, so that its age is that of the tick."""
    measured = newest if tick.measured is None else tick.measured
    now = measured + tick.age
    while now - measured < tick.age:  # rounding must not make it younger than it is
        now = math.nextafter(now, math.inf)
    return measured, now


@pytest.mark.parametrize("scenario", scenarios(), ids=lambda scenario: scenario.name)
def test_the_guards_do_what_python_does_tick_by_tick(tmp_path, scenario):
    constant_policy(tmp_path / "policy.onnx", scenario.contract)
    newest = 0.0
    with CppController(tmp_path / "policy.onnx", rate=scenario.rate) as cpp:
        cpp.reset(0, scenario.present, scenario.velocity, scenario.pose)
        for number, (tick, outcome) in enumerate(
            zip(scenario.ticks, replay(scenario), strict=True)
        ):
            if tick.press:
                cpp.stop()
            measured, now = clock_times(tick, newest)
            newest = max(newest, measured)
            cpp.observe({OBSERVATION: tick.observation}, measured)
            command = cpp.override(now, tick.late, tick.action)
            at = f"tick {number}"
            assert Activation(cpp.flags) == Activation(outcome.flags), at
            if outcome.command is None:
                assert command is None, at
            else:
                np.testing.assert_array_equal(command, np.ravel(outcome.command), err_msg=at)


@pytest.mark.parametrize("operator", ["Sqrt", "Exp"])
def test_an_action_that_is_not_finite_never_leaves(tmp_path, operator):
    """The square root of -1 is NaN, and exp(1000) is infinite."""
    limits = Limits(("absolute",) * 2, (-5.0,) * 2, (5.0,) * 2, (10.0,) * 2, (1e3,) * 2)
    path = tmp_path / "policy.onnx"
    identity_policy(path, limits, operator=operator)
    good, bad = np.float32([0.25, 0.25]), np.float32([0.25, -1.0 if operator == "Sqrt" else 1e3])
    with CppController(path) as cpp:
        cpp.reset(0, [0.5, 0.5])
        for tick in range(60):
            cpp.observe({OBSERVATION: bad if tick % 3 else good}, tick / 100)
            command = cpp.tick(tick / 100)
            assert np.isfinite(command).all()
            failed = bool(cpp.flags & Activation.ACTION_NOT_FINITE)
            assert failed == bool(tick % 3)
            assert failed == bool(cpp.flags & Activation.FALLBACK)


def test_without_an_observation_there_is_nothing_to_send(tmp_path):
    limits = Limits(("absolute",), (-1.0,), (1.0,), (1.0,), (10.0,))
    identity_policy(tmp_path / "policy.onnx", limits)
    with CppController(tmp_path / "policy.onnx") as cpp:
        cpp.reset()
        assert cpp.tick(0.0) is None
        assert cpp.flags == Activation.OBSERVATION_NOT_FINITE | Activation.FALLBACK


def test_an_emergency_stop_lasts_over_episodes_until_it_is_released(tmp_path):
    limits = Limits(("absolute",), (-1.0,), (1.0,), (1.0,), (10.0,))
    identity_policy(tmp_path / "policy.onnx", limits)
    with CppController(tmp_path / "policy.onnx") as cpp:
        cpp.stop()
        for _ in range(2):
            cpp.reset(0, [0.25])
            cpp.observe({OBSERVATION: np.float32([0.5])}, 0.0)
            assert cpp.tick(0.0) == 0.25
            assert cpp.flags & Activation.EMERGENCY_STOP
        cpp.release()
        assert cpp.tick(0.0) > 0.25
        assert cpp.flags == Activation.VELOCITY_LIMITED | Activation.ACCELERATION_LIMITED
