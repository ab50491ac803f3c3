"""Predictions that become slow, stop for ever or die while the arm moves."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from exports.runtime.loop import ControlLoop
from ilrobot.control.activation import Activation
from ilrobot.control.chunks import ChunkActor
from ilrobot.control.clock import SimulatedClock
from ilrobot.control.drawing import Prediction, Single
from ilrobot.control.execution import Execution, Receding, TemporalEnsemble
from ilrobot.control.guard import Guard
from tests.exports.looping import FakeRobot, Kept, flags
from tests.ilrobot.control.contracts import ABSOLUTE, ABSOLUTE_CONTRACT, RATE

HORIZON = 6
#: Of `ABSOLUTE_CONTRACT`, per tick.
STEP, CHANGE = 0.5, 0.2


class Swinging:
    """Wants to be at a slow sine of the calls; answers when it is allowed to."""

    def __init__(self):
        self._allowed = threading.Semaphore(0)
        self.calls, self.dies = 0, False

    def __call__(self, history, noise, guide=None):
        assert self._allowed.acquire(timeout=60)
        if self.dies:
            raise MemoryError("killed")
        self.calls += 1
        phase = 0.3 * (self.calls + np.arange(HORIZON))
        return Prediction(np.stack([np.sin(phase), np.cos(phase)], axis=1).astype(np.float32))

    def allow(self):
        self._allowed.release()


class Noting:
    """Notes whether an answer is awaited."""

    def __init__(self, inference):
        self._inference, self.awaited = inference, False
        self.answer, self.forget = inference.answer, inference.forget

    def ask(self, *question):
        self.awaited = True
        self._inference.ask(*question)

    def wait(self, *how):
        self.awaited = False
        return self._inference.wait(*how)


class Arm(FakeRobot):
    """Lets the policy answer before each tick at which `quick(tick)` says so."""

    def __init__(self, policy, inference, quick, fault):
        super().__init__(fault, length=80)
        self._policy, self._inference, self._quick = policy, inference, quick

    def reset(self, seed):
        self._policy.allow()  # the first chunk, before the clock starts
        return super().reset(seed)

    def read(self, now):
        if self._inference.awaited and self._quick(self._tick):
            self._policy.allow()
            self._inference.wait(60.0)
        return super().read(now)


def run(execution: Execution, quick, dies_at: int | None = None, fault=lambda tick: {}):
    policy = Swinging()
    actor = ChunkActor(
        policy, ABSOLUTE, history=1, execution=execution, draw=Single(None), background=True
    )

    def allowed(tick: int) -> bool:
        policy.dies = dies_at is not None and tick >= dies_at
        return quick(tick)

    actor.inference = Noting(actor.inference)
    robot, kept = Arm(policy, actor.inference, allowed, fault), Kept()
    loop = ControlLoop(robot, actor, Guard(ABSOLUTE_CONTRACT), SimulatedClock(RATE))
    try:
        report = loop.run([0], max_ticks=80, log=kept)
    finally:
        robot.moved = np.array([np.zeros(2), *robot.written])
    report.rows = kept.rows()
    return robot, report, actor


def assert_never_jerked(robot):
    steps = np.diff(robot.moved, axis=0)
    assert np.abs(robot.moved).max() <= 1.0 + 1e-6
    assert np.abs(steps).max() <= STEP + 1e-6
    assert np.abs(np.diff(steps, axis=0, prepend=np.zeros((1, 2)))).max() <= CHANGE + 1e-6


def test_observations_that_are_refused_more_often_than_a_prediction_takes_starve_nobody():
    """An answer is there four ticks after it was asked for, and each fourth tick is refused."""
    robot, report, _ = run(
        Receding(3), lambda tick: tick % 4 == 1, fault=lambda tick: {"age": 9.0 * (tick % 4 == 0)}
    )
    without = np.array([Activation.PLAN_RUN_OUT in bits for bits in flags(report)])
    refused = np.array([Activation.OBSERVATION_STALE in bits for bits in flags(report)])
    assert refused.sum() >= 19
    assert (~(without | refused)).sum() > 80 / 5
    assert_never_jerked(robot)


@pytest.mark.parametrize(
    "make",
    [
        lambda: Receding(3),
        lambda: Receding(3, 2),
        lambda: Receding(HORIZON),
        lambda: TemporalEnsemble(HORIZON, (2,), 0.01),
    ],
)
def test_while_predictions_are_slow_the_arm_holds_and_then_goes_on(make):
    robot, report, actor = run(make(), lambda tick: not 20 <= tick < 50)
    without = np.array([Activation.PLAN_RUN_OUT in bits for bits in flags(report)])
    assert not without[:20].any()
    assert without[20 + HORIZON : 50].all()
    assert not without[55:].any()
    held = robot.moved[1:][35:50]
    assert np.ptp(held, axis=0).max() == 0.0
    assert np.ptp(robot.moved[1:][55:], axis=0).min() > 0.1
    assert_never_jerked(robot)
    assert report.activations["plan_run_out"] == actor.tally.run_out == without.sum()
    assert actor.tally.dropped == 1  # the one that came thirty ticks late


def test_where_predictions_never_come_again_the_arm_holds():
    robot, report, _ = run(Receding(3), lambda tick: tick < 20)
    assert report.activations["plan_run_out"] >= 80 - 20 - HORIZON
    assert np.ptp(robot.moved[-40:], axis=0).max() == 0.0
    assert_never_jerked(robot)


def test_where_the_prediction_dies_the_robot_is_stopped_and_the_run_ends():
    with pytest.raises(MemoryError, match="killed"):
        run(Receding(3), lambda tick: True, dies_at=20)
