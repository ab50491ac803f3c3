"""What is not finite is for the guard to find, and not for numpy to warn a person of."""

from __future__ import annotations

import warnings

import numpy as np

from exports.runtime.loop import ControlLoop
from ilrobot.control.chunks import ChunkActor
from ilrobot.control.clock import SimulatedClock
from ilrobot.control.drawing import Prediction, Single
from ilrobot.control.execution import TemporalEnsemble
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
