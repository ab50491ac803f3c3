"""The guards in C++ do what those in Python do, to the last bit."""

from __future__ import annotations

import math

import numpy as np
import pytest

from ilrobot.control.contract_parts import Limits
from ilrobot.control.guard import Guard
from tests.exports.cpp import CppController
from tests.exports.identity import OBSERVATION, identity_policy

INF = math.inf
MIXED = Limits(
    mode=("absolute", "absolute", "delta", "delta"),
    low=(-1.0, -INF, -0.1, -INF),
    high=(1.5, INF, 0.1, 0.3),
    velocity=(2.0, 1.0, INF, 5.0),
    acceleration=(20.0, INF, 100.0, 50.0),
    jerk=(400.0, INF, INF, 3000.0),
)
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
            np.testing.assert_array_equal(command, expected, err_msg=f"tick {tick}")


@pytest.mark.parametrize("limits", [MIXED, NO_JERK], ids=["jerk", "no jerk"])
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
