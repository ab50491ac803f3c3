"""A policy's signals are in C++ what they are in Python, and so is a call for help."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from exports.cpp.binding import CppController, Refused
from exports.runtime.session import OnnxPolicy
from ilrobot.control.activation import Activation
from ilrobot.control.chunking import Chunking
from ilrobot.control.contract_guards import FallbackAfter
from ilrobot.control.contract_parts import Limits
from ilrobot.control.contract_signals import CriticScale, DoubtScale
from ilrobot.control.drawing import noise_generator
from ilrobot.control.guard import Guard
from ilrobot.control.model_file import seal
from tests.exports.exported import frames
from tests.exports.handmade import write_policy
from tests.exports.identity import OBSERVATION, identity_policy

pytestmark = pytest.mark.usefixtures("cpp_library")

LIMITS = Limits(("absolute",) * 2, (-5.0,) * 2, (5.0,) * 2, (10.0,) * 2, (1e3,) * 2)
RISKY = {"risk": CriticScale(0.1, 0.5), "unsafe": CriticScale(0.1, None)}
CALLS = Activation.CALLS_FOR_HELP


@pytest.mark.parametrize("calling", [None, 0.05], ids=["a warning", "after 50 ms"])
def test_a_call_for_help_does_what_it_does_in_python(tmp_path, calling):
    path = tmp_path / "policy.onnx"
    after = FallbackAfter(calling=calling)
    contract = identity_policy(path, LIMITS, critics=RISKY, fallback_after=after)
    rng = np.random.default_rng(0)
    seen = np.cumsum(rng.normal(0, 0.2, (400, 2)), axis=0).astype(np.float32) % 1.0
    actor, guard = OnnxPolicy(path).actor(), Guard(contract)
    with CppController(path) as cpp:
        actor.reset(0)
        guard.reset(np.zeros(2))
        cpp.reset(0, [0.0, 0.0])
        for tick, state in enumerate(seen):
            now = tick / 100
            assert guard.admit({OBSERVATION: state}, 0.0, False, now)
            decision = actor.act({OBSERVATION: state}, now)
            expected = guard.limit(decision.action, decision.calls_for_help)
            said = {n: s[0] for n, s in actor.signals.items()}
            if guard.flags & Activation.FALLBACK:
                actor.flush()
            cpp.observe({OBSERVATION: state}, now)
            np.testing.assert_array_equal(cpp.tick(now), expected, err_msg=f"{tick}")
            assert cpp.flags == int(guard.flags), tick
            assert cpp.signals == said
            assert bool(cpp.flags & CALLS) is bool(cpp.signals["risk"] > 0.5)
        assert cpp.counts == guard.counts
    assert 0 < guard.counts["calls_for_help"] < 400
    assert (guard.counts["fallback"] > 0) is (calling is not None)


def test_while_a_person_acts_nobody_calls(tmp_path):
    path = tmp_path / "policy.onnx"
    after = FallbackAfter(calling=0.02)
    identity_policy(path, LIMITS, critics=RISKY, fallback_after=after)
    with CppController(path) as cpp:
        cpp.reset(0, [0.9, 0.9])
        for tick, person in enumerate([False, False, True, False, False]):
            cpp.observe({OBSERVATION: np.float32([0.9, 0.9])}, tick / 100)
            if person:
                cpp.override(tick / 100, False, [0.9, 0.9])
                assert cpp.flags == 0
                assert all(math.isnan(said) for said in cpp.signals.values())
            else:
                cpp.tick(tick / 100)
                assert bool(cpp.flags & Activation.FALLBACK) is (tick in (1, 4))


@pytest.mark.parametrize("word", ["receding", "coherent:3", "ensemble:0.1"])
def test_the_doubt_is_about_the_chunk_that_is_executed(tmp_path, word):
    """Of several samples it is that of the one that was chosen."""
    path = write_policy(tmp_path / "policy.onnx", doubt=DoubtScale((1.0, 1.0), 0.0, 0.1))
    policy = OnnxPolicy(path)
    actor = policy.actor(Chunking.parse(word))
    drawn = noise_generator(5)

    def noise(into):
        drawn.standard_normal(dtype=np.float32, out=into)

    with CppController(path, chunking=word, noise=noise) as cpp:
        actor.reset(5)
        cpp.reset(5)
        calls = 0
        for tick, frame in enumerate(frames(policy.spec, 30)):
            now = tick / policy.spec.rate
            decision = actor.act(frame, now)
            cpp.observe(frame, now)
            cpp.tick(now)
            assert cpp.signals == {"doubt": actor.doubt(frame), "novelty": actor.novelty(frame)}
            assert bool(cpp.flags & CALLS) is decision.calls_for_help
            calls += decision.calls_for_help
        assert 0 < calls < 30


def test_a_graph_without_the_critic_of_its_contract_is_refused(tmp_path):
    path = tmp_path / "policy.onnx"
    contract = identity_policy(path, LIMITS)
    lying = replace(contract, critics=RISKY)
    content = path.read_bytes()
    model = content[: content.rindex(b"\x72", 0, content.rindex(b"\n\x10ilrobot.contract"))]
    path.write_bytes(seal(model, lying))
    with pytest.raises(Refused, match="another number of outputs"):
        CppController(path)
