"""Commands inside the workspace: absolute targets, and steps that add up."""

import math

import numpy as np
import pytest

from ilrobot.control.activation import NOTHING, Activation
from ilrobot.control.contract_guards import Workspace
from ilrobot.control.contract_parts import Limits
from ilrobot.control.limiter import CommandLimiter
from tests.ilrobot.control.limited import RATE, delta_in_a_box


def test_deltas_add_up_to_the_edge_of_the_workspace():
    made = delta_in_a_box(np.array([0.1]))
    assert not made.workspace_unknown
    sums, flags = 0.1, NOTHING
    for _ in range(40):
        command, activation = made.limit(np.array([0.2]))
        sums, flags = sums + command[0], flags | activation
        assert sums <= 0.5 + 1e-12
    assert sums == pytest.approx(0.5, abs=1e-6)
    assert Activation.WORKSPACE_LIMITED in flags
    assert Activation.POSITION_LIMITED not in flags


def test_a_delta_of_which_nobody_said_where_it_is_keeps_no_workspace():
    made = delta_in_a_box(None)
    assert made.workspace_unknown
    for _ in range(20):
        command, _ = made.limit(np.array([0.2]))
    assert command[0] == pytest.approx(0.2)


def test_the_workspace_of_an_absolute_target_is_where_it_may_be():
    made = CommandLimiter(
        Limits(("absolute",), (-1.0,), (1.0,), (50.0,), (500.0,)), RATE, Workspace((0.0,), (2.0,))
    )
    made.reset(np.zeros(1))
    command, activation = made.limit(np.array([-0.5]))
    assert (command[0], activation) == (0.0, Activation.WORKSPACE_LIMITED)
    made.limit(np.array([1.0]))
    command, activation = made.limit(np.array([1.5]))
    assert (command[0], activation) == (1.0, Activation.POSITION_LIMITED)


def test_a_robot_may_say_at_any_tick_where_its_target_is():
    made = delta_in_a_box(None)
    made.limit(np.array([0.1]))
    made.locate(np.array([0.45]))
    assert not made.workspace_unknown
    command, activation = made.limit(np.array([0.2]))
    assert command[0] < 0.2
    assert Activation.WORKSPACE_LIMITED in activation
    # It was leashed, and is far from the edge again.
    made.locate(np.array([-0.4]))
    for _ in range(4):
        command, _ = made.limit(np.array([0.19]))
    assert command[0] == 0.19
    made.locate(np.array([math.nan]))
    assert made.workspace_unknown


@pytest.mark.parametrize("velocity", [3.0, math.inf])
@pytest.mark.parametrize("jerk", [40.0, math.inf])
@pytest.mark.parametrize("mode", ["absolute", "delta"])
def test_a_single_wall_is_seen_while_every_other_limit_is_kept(mode, jerk, velocity):
    """At 10 Hz the step may change by 0.04, and that change by 0.04 or anything."""
    limits = Limits((mode,), (-math.inf,), (math.inf,), (velocity,), (4.0,), (jerk,))
    for side in (1.0, -1.0):
        room = sorted((0.0, side * math.inf))
        made = CommandLimiter(limits, RATE, Workspace((room[0],), (room[1],)))
        made.reset(np.array([side]), None, np.array([side]))
        at, step, wanted, steps = side, 0.0, side, [0.0, 0.0]
        for _ in range(40):
            step -= side * 0.02 * (abs(step) < 0.13)  # gently, so that nothing else is limited
            wanted += step
            (command,), _ = made.limit(np.array([wanted if mode == "absolute" else step]))
            steps.append(command - at if mode == "absolute" else command)
            at += steps[-1]
            assert side * at >= -1e-12
        assert at == pytest.approx(0.0, abs=1e-5)
        changes = np.diff(steps)
        assert np.abs(changes).max() <= 0.04 + 1e-12
        assert np.abs(np.diff(changes)).max() <= jerk / 1000 + 1e-12
