"""Shadow mode: what the policy only thinks is compared with what somebody else does."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from exports.robots.base import Capabilities, Reading
from exports.runtime.shadow import Disagreement, MeasuredCommand, ShadowActor
from exports.runtime.watching import watch
from ilrobot.actors import Actor, Decision, LateAnswer, Source
from ilrobot.control.chunks import ChunkActor
from ilrobot.control.clock import SimulatedClock
from ilrobot.control.contract_parts import Limits
from ilrobot.control.drawing import Prediction, Single
from ilrobot.control.execution import Receding
from ilrobot.control.guard import Guard
from ilrobot.errors import UserError
from ilrobot.spec import Feature
from tests.ilrobot.control.contracts import ABSOLUTE, ABSOLUTE_CONTRACT, RATE

MEASURES_ITSELF = replace(
    ABSOLUTE,
    observations=(replace(ABSOLUTE.observations[0], names=("b", "a")),),
    action=replace(ABSOLUTE.action, names=("a", "b")),
)
CONTRACT = replace(ABSOLUTE_CONTRACT, spec=MEASURES_ITSELF)


class Led:
    """An arm that somebody else moves by 0.01 a tick; touching it fails the test."""

    def __init__(self, bad=()):
        self._tick, self._bad = 0, bad

    def connect(self):
        return Capabilities("led", MEASURES_ITSELF, any_rate=True, time_limit=None, led=True)

    def read(self, now):
        self._tick += 1
        state = np.array([-0.01, 0.01], np.float32) * self._tick
        if self._tick in self._bad:
            state[0] = np.nan
        return Reading({"observation.state": state}, now)

    def reset(self, seed):
        raise AssertionError("it was reset")

    def write(self, command):
        raise AssertionError("it was commanded")

    def stop(self):
        raise AssertionError("it was stopped")

    def close(self):
        pass


class Wants(Actor):
    """What the arm does next, and half the range more of the second element."""

    def __init__(self, error=None):
        self.error, self.ticks = error, 0

    def act(self, observation, now):
        self.ticks += 1
        if self.error is not None:
            raise self.error
        b, a = observation["observation.state"]
        return Decision(np.array([a + 0.01, b - 0.01 + 1.0], np.float32), Source.POLICY)


def shadow(robot, policy, ticks=20):
    disagreement = Disagreement(CONTRACT)
    report = watch(
        *(robot, policy, Guard(CONTRACT), SimulatedClock(RATE)),
        *(MeasuredCommand(CONTRACT), disagreement),
        max_ticks=ticks,
    )
    return report.to_json(), disagreement.to_json()


def test_nothing_is_sent_and_what_was_wanted_is_compared_with_what_came():
    report, apart = shadow(Led(), Wants())
    assert (report["ticks"], apart["ticks"]) == (20, 19)
    assert apart["mean"] == {"a": pytest.approx(0.0, abs=1e-6), "b": pytest.approx(0.5, rel=1e-6)}
    assert apart["max"] == pytest.approx(0.5, rel=1e-6)


@pytest.mark.parametrize("background", [False, True])
def test_a_policy_of_chunks_is_asked_what_it_would_do_now(background):
    """What it planned for later, somebody else has not done."""

    def predict(history, noise, guide=None):
        b, a = history["observation.state"][-1]
        led = np.outer(np.arange(1, 9), [0.01, -0.01])
        return Prediction((np.array([a, b]) + led).astype(np.float32))

    policy = ChunkActor(
        *(predict, MEASURES_ITSELF),
        history=1,
        execution=Receding(8),
        draw=Single(None),
        background=background,
    )

    class Patient(Led):
        def read(self, now):
            policy.inference.wait(0.1)  # what a robot's period leaves it
            return super().read(now)

    _, apart = shadow(Patient(), policy)
    assert apart["ticks"] >= (5 if background else 19)
    # In the background an answer is as old as it took: what it says of now lies further on.
    assert apart["max"] <= 1e-6


def test_a_measurement_that_is_not_finite_is_compared_with_nothing():
    policy = Wants()
    report, apart = shadow(Led(bad={5}), policy)
    assert report["guard"]["observation_not_finite"] == 1
    assert apart["ticks"] == 17  # neither what led there nor what was not thought there
    assert policy.ticks == 19


def test_a_policy_without_an_answer_disagrees_with_nobody():
    _, apart = shadow(Led(), Wants(LateAnswer()))
    assert apart["ticks"] == 0
    assert apart["p50"] is None
    assert apart["mean"] == {"a": None, "b": None}


@pytest.mark.parametrize(
    "contract",
    [
        replace(
            CONTRACT, spec=replace(ABSOLUTE, action=replace(ABSOLUTE.action, names=("x", "u")))
        ),
        replace(CONTRACT, limits=replace(CONTRACT.limits, mode=("velocity", "delta"))),
        replace(CONTRACT, limits=None),
    ],
)
def test_what_is_measured_nowhere_is_refused(contract):
    with pytest.raises(UserError, match="--device"):
        MeasuredCommand(contract)


def test_a_late_or_mad_policy_keeps_nobody_from_driving():
    class Driver(Actor):
        def act(self, observation, now):
            return Decision(np.array([0.25], np.float32), Source.DEMO)

    class Mad(Actor):
        def act(self, observation, now):
            return Decision(np.array([np.nan], np.float32), Source.POLICY)

    for policy in (Wants(LateAnswer()), Mad()):
        decision = ShadowActor(policy, Driver()).act({}, 0.0)
        assert decision.action == 0.25
        assert decision.source is Source.DEMO
        assert decision.policy_action is None


def test_choices_agree_or_not():
    disagreement = Disagreement(replace(CONTRACT, limits=None))
    for wanted, done in ((1, 1), (2, 0), (3, 3), (0, 1)):
        disagreement.add(np.array(wanted), np.array(done))
    assert disagreement.to_json()["mean"] == {"choice": 0.5}
    assert disagreement.to_json()["max"] == 1.0


class LedLate(Led):
    """Every second observation is stale."""

    def __init__(self, before_read=lambda: None):
        super().__init__()
        self._before_read = before_read

    def read(self, now):
        self._before_read()
        reading = super().read(now)
        return replace(reading, measured=now - 9.0 * (self._tick % 2 == 0))


def test_a_refused_tick_loses_no_answer_and_leaves_no_gap_in_the_history():
    seen = []

    def predict(history, noise, guide=None):
        seen.append(np.diff(history["observation.state"][:, 1]))
        b, a = history["observation.state"][-1]
        return Prediction(np.full((8, 2), (a, b), np.float32))

    policy = ChunkActor(
        *(predict, MEASURES_ITSELF),
        history=3,
        execution=Receding(8),
        draw=Single(None),
        background=True,
    )
    led = LedLate(lambda: policy.inference.wait(0.1))
    report, apart = shadow(led, policy)
    assert report["guard"]["observation_stale"] == 10
    assert apart["ticks"] > 0
    np.testing.assert_allclose(seen[2:], 0.01, rtol=1e-4)


@pytest.mark.parametrize(
    ("units", "wanted", "done"),
    [
        (("quat_wxyz",) * 4, (0.7, 0.1, 0.5, 0.5), (-0.7, -0.1, -0.5, -0.4)),
        (
            ("rotvec", "rotvec", "rotvec", "m"),
            (0.0, 0.0, 3.1, 0.2),
            (0.0, 0.0, 3.2 - 2 * np.pi, 0.2),
        ),
        (("m", "m", "m", "rad"), (0.1, 0.0, 0.0, 3.1), (0.1, 0.0, 0.0, 3.2 - 2 * np.pi)),
    ],
)
def test_what_turns_is_apart_by_the_shorter_way(units, wanted, done):
    spec = replace(ABSOLUTE, action=Feature("action", (4,), units=units))
    limits = Limits(("absolute",) * 4, (-4.0,) * 4, (4.0,) * 4, (9.0,) * 4, (9.0,) * 4)
    disagreement = Disagreement(replace(CONTRACT, spec=spec, limits=limits))
    disagreement.add(np.array(wanted, np.float32), np.array(done))
    found = disagreement.to_json()
    assert found["max"] == pytest.approx(0.1 / 8, rel=1e-3)
    assert sum(found["mean"].values()) == pytest.approx(0.1 / 8, rel=1e-3)
