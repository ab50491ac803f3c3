"""What is not finite is for the guard to find, and not for numpy to warn a person of."""

from __future__ import annotations

import warnings
from dataclasses import replace

import numpy as np
import pytest

from exports.runtime.loop import ControlLoop
from ilrobot.control.chunking import Chunking, Predicts
from ilrobot.control.chunks import ChunkActor
from ilrobot.control.clock import SimulatedClock
from ilrobot.control.contract_guards import FallbackAfter
from ilrobot.control.drawing import Guide, Prediction, Single
from ilrobot.control.execution import Receding, TemporalEnsemble
from ilrobot.control.guard import Guard
from tests.exports.looping import FakeRobot
from tests.ilrobot.control.contracts import ABSOLUTE, ABSOLUTE_CONTRACT, RATE


def test_chunks_that_are_infinite_to_and_fro_end_in_the_fallback_without_a_warning() -> None:
    signs = iter([np.inf, -np.inf] * 10)

    def predict(history: object, noise: object, guide: object = None) -> Prediction:
        return Prediction(np.full((3, 2), next(signs), np.float32))

    actor = ChunkActor(
        *(predict, ABSOLUTE),
        history=1,
        execution=TemporalEnsemble(3, (2,), 0.01),
        draw=Single(None),
    )
    robot = FakeRobot(length=8)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        report = ControlLoop(robot, actor, Guard(ABSOLUTE_CONTRACT), SimulatedClock(RATE)).run(
            (0,), max_ticks=8
        )
    assert report.activations["action_not_finite"] == 8
    np.testing.assert_array_equal(robot.written, np.zeros((8, 2)))


@pytest.mark.parametrize("word", ["receding", "ensemble", "realtime:1", "realtime:3", "warm:1"])
def test_one_chunk_that_is_not_finite_does_not_stop_a_policy_for_good(word: str) -> None:
    asked = 0

    def predict(history: object, noise: object, guide: Guide | None = None) -> Prediction:
        nonlocal asked
        asked += 1
        chunk = np.full((8, 2), np.nan if asked == 3 else 0.1, np.float32)
        if guide is not None:
            led = guide.weights.mean(axis=0)[:, None]
            chunk = chunk + led * (guide.prefix - chunk)
        return Prediction(chunk)

    predicts = Predicts(ABSOLUTE, 8, 4, None, None, steps=2)
    execution, draw = Chunking.parse(word).make(predicts)
    actor = ChunkActor(predict, ABSOLUTE, history=1, execution=execution, draw=draw)
    robot = FakeRobot(length=60)
    report = ControlLoop(robot, actor, Guard(ABSOLUTE_CONTRACT), SimulatedClock(RATE)).run(
        (0,), max_ticks=60
    )
    assert report.activations["action_not_finite"] == 1
    assert np.isfinite(robot.written).all()


def test_what_was_planned_before_a_call_for_help_is_not_taken_up_after_it() -> None:
    """The robot has stood still meanwhile: the rest of that plan is for another place."""
    asked = 0

    def predict(history: object, noise: object, guide: Guide | None = None) -> Prediction:
        nonlocal asked
        asked += 1
        ahead = 0.1 * asked + 0.01 * np.arange(1, 9, dtype=np.float32)
        calls = np.array([0, 0, 1, 0, 0, 0, 0, 0], np.float32)
        return Prediction(np.stack([ahead, ahead], axis=1), {"doubt": calls})

    actor = ChunkActor(
        *(predict, ABSOLUTE),
        history=1,
        execution=Receding(8),
        draw=Single(None),
        thresholds={"doubt": 0.5},
    )
    contract = replace(ABSOLUTE_CONTRACT, fallback_after=FallbackAfter(calling=1 / RATE))
    robot = FakeRobot(length=5)
    ControlLoop(robot, actor, Guard(contract), SimulatedClock(RATE)).run((0,), max_ticks=5)
    wanted = [0.11, 0.12, 0.12, 0.21, 0.22]
    np.testing.assert_allclose([command[0] for command in robot.written], wanted, atol=1e-6)
