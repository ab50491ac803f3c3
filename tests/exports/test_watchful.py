"""A robot that holds by itself, within its limits, whatever its commands do."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exports.robots.execution_log import ExecutionLog, read_executed
from exports.robots.messages import State
from exports.robots.watchful import WatchfulRobot
from ilrobot.control.contract_guards import Workspace
from ilrobot.control.contract_parts import Limits
from tests.exports.plant import LIMITS, TIMEOUT, Plant

PERIOD = 0.01


class Bench:
    """A watchful plant at 100 Hz on a clock of our own."""

    def __init__(self, path=None, limits=LIMITS, **plant):
        self.plant = Plant(**plant)
        self.log = ExecutionLog(path)
        self.robot = WatchfulRobot(self.plant, self.plant.connect(), TIMEOUT, self.log)
        self.robot.begin(1, 7, limits)
        self.now, self.seq = 0.0, 0

    def command(self, *values):
        self.seq += 1
        self.robot.command(np.array(values), self.seq, self.now)

    def tick(self, count=1):
        for _ in range(count):
            self.robot.tick(self.now)
            self.now += PERIOD


def assert_within_limits(executed, limits=LIMITS):
    assert np.all(executed.command >= np.array(limits.low) - 1e-6)
    assert np.all(executed.command <= np.array(limits.high) + 1e-6)
    assert np.all(np.abs(executed.velocity) <= np.array(limits.velocity) * (1 + 1e-4))
    assert np.all(np.abs(executed.acceleration) <= np.array(limits.acceleration) * (1 + 1e-2))


def test_nothing_moves_before_the_first_command():
    bench = Bench()
    bench.tick(50)
    assert bench.robot.state is State.HOLDING
    assert bench.plant.written == []
    assert bench.plant.seeds == [7]


def test_a_tick_without_a_command_goes_on_to_the_last_target():
    bench = Bench()
    bench.command(0.01, 0.0, -0.01)
    bench.tick(9)
    assert bench.robot.state is State.MOVING
    assert len(bench.plant.written) == 9
    np.testing.assert_allclose(bench.plant.written[-1], [0.01, 0.0, -0.01], atol=1e-4)


def test_it_brakes_and_holds_when_commands_cease_and_moves_again_with_the_next():
    bench = Bench()
    for step in range(30):
        bench.command(0.01 * step, 0.0, 0.0)
        bench.tick()
    bench.tick(100)
    assert bench.robot.state is State.HOLDING
    assert bench.robot.held == 1
    stays = [float(joints[0]) for joints in bench.plant.written[-50:]]
    assert len(set(stays)) == 1
    bench.command(stays[0] + 0.001, 0.0, 0.0)
    bench.tick(3)
    assert bench.robot.state is State.MOVING
    assert bench.plant.written[-1][0] > stays[0]


def test_a_command_of_the_last_episode_is_not_executed_in_the_next():
    bench = Bench()
    bench.command(0.5, 0.0, 0.0)
    bench.robot.begin(2, 8, LIMITS)
    bench.tick(20)
    assert bench.plant.written == []
    assert bench.robot.state is State.HOLDING


def test_a_stop_brakes_within_the_limits(tmp_path):
    bench = Bench(tmp_path / "log.jsonl")
    for step in range(40):
        bench.command(0.01 * step, -0.01 * step, 0.0)
        bench.tick()
    bench.robot.hold()
    bench.tick(60)
    assert bench.plant.stops == 1
    (executed,) = read_executed(tmp_path / "log.jsonl")
    assert_within_limits(executed)
    assert executed.state[-1] is State.HOLDING
    np.testing.assert_array_equal(executed.velocity[-1], 0.0)


def test_a_delta_command_counts_once():
    deltas = Limits(
        ("delta",) * 3, (-0.1,) * 3, (0.1,) * 3, (float("inf"),) * 3, (float("inf"),) * 3
    )
    bench = Bench(limits=deltas)
    bench.command(0.05, 0.0, 0.0)
    bench.tick(4)
    assert [float(command[0]) for command in bench.plant.written] == pytest.approx([0.05, 0, 0, 0])


def test_a_velocity_goes_on_until_the_commands_cease():
    inf = (float("inf"),) * 3
    modes = ("velocity", "velocity", "delta")
    bench = Bench(limits=Limits(modes, (-0.1,) * 3, (0.1,) * 3, inf, inf))
    bench.command(0.05, 0.02, 0.01)
    bench.tick(round(2 * TIMEOUT / PERIOD))
    first, second, last = (bench.plant.written[i].tolist() for i in (0, 1, -1))
    assert first == pytest.approx([0.05, 0.02, 0.01])
    assert second == pytest.approx([0.05, 0.02, 0.0])
    assert last == [0.0, 0.0, 0.0]


def test_without_limits_each_command_is_executed_once_and_then_it_stands():
    bench = Bench(limits=None)
    bench.command(1.0, 2.0, 3.0)
    bench.tick(30)
    assert len(bench.plant.written) == 1
    assert bench.robot.state is State.HOLDING


def test_an_episode_that_is_over_takes_no_more_commands():
    bench = Bench(time_limit=2)
    bench.command(0.0, 0.0, 0.0)
    bench.tick(2)
    assert bench.robot.state is State.ENDED
    assert bench.robot.success is True
    bench.command(0.1, 0.0, 0.0)
    bench.tick(5)
    assert len(bench.plant.written) == 2
    bench.robot.begin(2, 8, LIMITS)
    assert bench.robot.state is State.HOLDING
    assert bench.robot.success is None


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ({"mode": ("delta",)}, "mode for 1 elements; the action has 3"),
        ({"low": (0.0,) * 2}, "low for 2 elements"),
        ({"acceleration": ()}, "acceleration for 0 elements"),
        ({"mode": ("torque",) * 3}, "none of absolute, delta, velocity"),
        ({"low": (2.0,) * 3}, "above the upper one"),
        ({"velocity": (-1.0,) * 3}, "negative"),
    ],
)
def test_limits_that_do_not_fit_are_refused_before_it_is_reset(change, line):
    bench = Bench()
    with pytest.raises(ValueError, match=line):
        bench.robot.begin(2, 8, replace(LIMITS, **change))
    assert bench.plant.seeds == [7]


@pytest.mark.parametrize(
    ("workspace", "line"),
    [
        (Workspace((0.0,) * 2, (1.0,) * 2), "2 values of 'workspace.low' for 3"),
        (Workspace((1.0,) * 3, (0.0,) * 3), "workspace"),
    ],
)
def test_a_workspace_that_is_none_is_refused_before_it_is_reset(workspace, line):
    bench = Bench()
    with pytest.raises(ValueError, match=line):
        bench.robot.begin(2, 8, LIMITS, workspace)
    assert bench.plant.seeds == [7]


def test_a_command_that_no_float32_holds_is_limited_as_any_other():
    bench = Bench()
    bench.command(1e300, -1e300, 0.0)
    bench.tick(5)
    assert bench.plant.written[-1][0] > 0.01
    assert bench.plant.written[-1][1] < -0.01


@settings(max_examples=50, deadline=None)
@given(
    st.lists(
        st.none()  # no command came
        | st.just("stop")
        | st.tuples(*[st.floats(-1e9, 1e9) | st.sampled_from([-1.0, 1.0])] * 3),
        max_size=60,
    )
)
def test_no_sequence_of_commands_losses_and_stops_exceeds_a_limit(tmp_path_factory, events):
    path = tmp_path_factory.mktemp("watchful") / "log.jsonl"
    bench = Bench(path)
    for event in events:
        if event == "stop":
            bench.robot.hold()
        elif event is not None:
            bench.command(*event)
        bench.tick()
    bench.tick(40)
    bench.log.close()
    (executed,) = read_executed(path)
    assert_within_limits(executed)


def test_a_log_that_a_kill_cut_short_is_read_up_to_there(tmp_path):
    path = tmp_path / "log.jsonl"
    bench = Bench(path)
    bench.command(0.01, 0.0, 0.0)
    bench.tick(3)
    text = path.read_text()
    path.write_text(text[:-20])
    (executed,) = read_executed(path)
    assert len(executed.command) == 2
    assert executed.seq.tolist() == [1, 1]


def test_it_is_told_to_stop_when_it_has_braked_and_not_before():
    bench = Bench()
    bench.command(1.0, 0.0, 0.0)
    bench.tick(8)
    bench.robot.hold()
    assert bench.robot.braking
    assert bench.plant.stops == 0
    bench.tick()
    assert bench.plant.stops == 0
    bench.tick(50)
    assert not bench.robot.braking
    assert bench.plant.stops == 1


def test_one_that_is_commanded_anew_while_it_brakes_is_not_told_to_stop():
    bench = Bench()
    bench.command(1.0, 0.0, 0.0)
    bench.tick(8)
    bench.robot.hold()
    bench.tick(1)
    bench.command(0.05, 0.0, 0.0)
    bench.tick(9)
    for _ in range(60):
        bench.command(0.05, 0.0, 0.0)
        bench.tick()
    np.testing.assert_allclose(bench.plant.written[-1], [0.05, 0.0, 0.0], atol=1e-6)
    assert bench.robot.state is State.MOVING
    assert bench.plant.stops == 0
