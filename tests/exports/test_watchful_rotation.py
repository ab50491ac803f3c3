"""A robot that is commanded a rotation and keeps its angular limits by itself."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from exports.robots.execution_log import ExecutionLog, read_executed
from exports.robots.watchful import WatchfulRobot
from ilrobot.control.contract_parts import Limits
from tests.exports.plant import Plant

INF = math.inf
LIMITS = Limits(("absolute",) * 3, (-9.0,) * 3, (9.0,) * 3, (1.0,) * 3, (10.0,) * 3)


class Wrist(Plant):
    """Its three numbers are a rotation vector."""

    def __init__(self):
        super().__init__()
        self.spec = replace(self.spec, action=replace(self.spec.action, units=("rotvec",) * 3))


def test_beyond_half_a_turn_it_turns_on_within_its_angular_limits(tmp_path):
    plant = Wrist()
    robot = WatchfulRobot(plant, plant.connect(), 0.1, ExecutionLog(tmp_path / "log.jsonl"))
    robot.begin(1, 7, LIMITS)
    for tick in range(800):  # at 0.8 rad/s, told within half a turn
        angle = math.remainder(0.008 * tick, 2 * math.pi)
        robot.command(np.array([0.0, 0.0, angle]), tick, 0.01 * tick)
        robot.tick(0.01 * tick)
    (executed,) = read_executed(tmp_path / "log.jsonl")
    assert executed.velocity.min() > -1e-9
    assert (executed.velocity <= 1.0 + 1e-9).all()
    assert (np.abs(executed.acceleration) <= 10.0 + 1e-6).all()
    assert executed.command[-1, 2] == pytest.approx(0.008 * 799)  # by more than a turn


def test_a_rotation_that_is_half_a_step_is_refused():
    plant = Wrist()
    robot = WatchfulRobot(plant, plant.connect(), 0.1, ExecutionLog(None))
    mixed = replace(LIMITS, mode=("absolute", "delta", "delta"))
    with pytest.raises(ValueError, match="both modes in the rotation from action element 0"):
        robot.begin(1, 7, mixed)
