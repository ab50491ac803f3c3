"""Chunks are predicted and executed in C++ as in Python, however late or damaged they come."""

from __future__ import annotations

import math
import threading
import time
from dataclasses import replace

import numpy as np
import pytest

from exports.cpp.binding import CppController
from exports.runtime.session import OnnxPolicy
from ilrobot.control.activation import Activation
from ilrobot.control.chunking import Chunking
from ilrobot.control.drawing import noise_generator
from ilrobot.control.guard import Guard
from tests.exports.exported import frames
from tests.exports.handmade import HORIZON, SPEC, write_policy

pytestmark = pytest.mark.usefixtures("cpp_library")


@pytest.mark.parametrize(
    ("word", "units"),
    [
        *((word, ()) for word in ("receding", "warm:1", "realtime:1", "realtime:2")),
        *(
            (word, units)
            for word in ("ensemble:0.1", "coherent:3")
            for units in ((), ["m"] + ["rotvec"] * 3, ["quat_wxyz"] * 4, ["quat_xyzw"] * 4)
        ),
    ],
)
def test_chunks_are_executed_as_in_python(tmp_path, word, units):
    """The same noise and observations give the same commands to the last bit."""
    spec = SPEC
    if units:
        action = replace(SPEC.action, shape=(len(units),), units=tuple(units))
        spec = replace(SPEC, action=action)
    path = write_policy(tmp_path / "policy.onnx", spec=spec)
    policy = OnnxPolicy(path)
    actor, guard = policy.actor(Chunking.parse(word)), Guard(policy.contract)
    drawn = noise_generator(5)

    def noise(into):
        drawn.standard_normal(dtype=np.float32, out=into)

    with CppController(path, chunking=word, noise=noise) as cpp:
        actor.reset(5)
        guard.reset()
        cpp.reset(5)
        for tick, frame in enumerate(frames(policy.spec, 40)):
            now = tick / policy.spec.rate
            if 20 <= tick < 22:  # a sensor fails for two ticks
                frame["observation.state"][0] = math.nan
            if guard.admit(frame, 0.0, False, now):
                expected = guard.limit(actor.act(frame, now).action)
                seen = frame
            else:
                expected = guard.hold()
                actor.flush()
                actor.observe(seen)
            cpp.observe(frame, now)
            np.testing.assert_array_equal(cpp.tick(now), expected, err_msg=f"{tick}")
            assert cpp.flags == int(guard.flags)
        assert cpp.counts == guard.counts


@pytest.mark.parametrize("word", ["receding", "ensemble:0.1", "realtime:1", "warm:1"])
def test_one_chunk_that_is_not_finite_does_not_stop_it_for_good(tmp_path, word):
    path = write_policy(tmp_path / "policy.onnx")
    policy = OnnxPolicy(path)
    drawn, asked = np.random.default_rng(5), 0

    def noise(into):
        nonlocal asked
        asked += 1
        drawn.standard_normal(dtype=np.float32, out=into)
        if asked == 3:
            into[:] = math.nan

    with CppController(path, chunking=word, noise=noise) as cpp:
        cpp.reset(5)
        for tick, frame in enumerate(frames(policy.spec, 40)):
            now = tick / policy.spec.rate
            cpp.observe(frame, now)
            assert np.isfinite(cpp.tick(now)).all()
        assert cpp.counts["action_not_finite"] == cpp.counts["fallback"] == 1


def run(cpp, ticks, frame, first=0, pause=0.0):
    """Commands and flags of some ticks of 100 ms, of which no time passes in earnest."""
    outcomes = []
    for tick in range(first, first + ticks):
        cpp.observe(frame, 0.1 * tick)
        command = cpp.tick(0.1 * tick)
        outcomes.append((command, cpp.flags))
        time.sleep(pause)
    return outcomes


def test_a_slow_inference_never_stops_the_loop_and_is_recovered_from(tmp_path):
    """While a prediction hangs, the plan is executed to its end, and then the fallback acts."""
    gate = threading.Event()
    gate.set()

    def noise(into):
        gate.wait(60)
        into[:] = 0.1

    path = write_policy(tmp_path / "policy.onnx")
    with CppController(path, chunking="receding", wait=False, noise=noise) as cpp:
        cpp.reset(1, [0.0, 0.0])
        frame = frames(SPEC, 1)[0]
        cpp.observe(frame, 0.0)
        assert cpp.prepare()
        gate.clear()
        began = time.monotonic()
        outcomes = run(cpp, 30, frame)
        assert time.monotonic() - began < 30  # the gate alone would take 60 s
        ran_out = [bool(flags & Activation.PLAN_RUN_OUT) for _, flags in outcomes]
        assert ran_out == [False] * HORIZON + [True] * (30 - HORIZON)
        held = [command for command, _ in outcomes[12:]]
        np.testing.assert_allclose(held, [held[0]] * len(held), atol=1e-6)
        gate.set()
        later = run(cpp, 40, frame, first=30, pause=0.02)
        assert not later[-1][1] & Activation.PLAN_RUN_OUT


def test_a_first_chunk_that_is_late_is_waited_for_and_not_asked_for_again(tmp_path):
    """What the thread of the inference reads is not written while it reads it."""
    gate, draws = threading.Event(), []

    def noise(into):
        draws.append(1)
        gate.wait(60)
        into[:] = 0.1

    path = write_policy(tmp_path / "policy.onnx")
    first, second = frames(SPEC, 2)
    commands = []
    for in_time in (True, False):
        (gate.set if in_time else gate.clear)()
        with CppController(path, chunking="receding", wait=False, noise=noise) as cpp:
            cpp.reset(1, [0.0, 0.0])
            draws.clear()
            cpp.observe(first, 0.0)
            assert cpp.prepare(60.0 if in_time else 0.1) is in_time
            cpp.observe(second, 0.0)
            if not in_time:
                assert not cpp.prepare(0.0)
                gate.set()
            assert cpp.prepare(60.0)
            assert len(draws) == 1
            commands.append(cpp.tick(0.0))
    np.testing.assert_array_equal(*commands)


def test_nothing_is_predicted_from_an_observation_that_is_not_finite(tmp_path):
    path = write_policy(tmp_path / "policy.onnx")
    good = frames(SPEC, 1)[0]
    bad = good | {"observation.target": np.float32([math.nan])}
    with CppController(path, chunking="receding", wait=False) as cpp:
        cpp.reset(1, [0.0, 0.0])
        cpp.observe(bad, 0.0)
        assert not cpp.prepare()
        cpp.observe(good, 0.0)
        assert cpp.prepare()
        assert np.isfinite(cpp.tick(0.0)).all()
        assert not cpp.flags & Activation.ACTION_NOT_FINITE
