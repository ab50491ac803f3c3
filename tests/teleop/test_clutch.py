"""Clutch, leash and ramp: with numbers, and with the arm and the pusher."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from ilrobot.actors import Decision, Observation, Source
from ilrobot.env import make_env
from ilrobot.task_env import TaskEnv
from sims.panda.model import CAMERAS
from teleop.actor import TeleopActor
from teleop.bindings import REST, Control, TeleopCommand
from teleop.clutch import Clutch, Ramp, leashed, rotation, rotation_vector
from teleop.devices.base import Device, DeviceState, Feedback, Pose
from teleop.engagement import HoldToEngage
from teleop.mappings.making import make_mapping

STEP = np.array([0.02, 0.02, 0.02, 0.1, 0.1, 0.1])
LEVEL = (1.0, 0.0, 0.0, 0.0)


class Script(Device):
    """Polls what a function of the tick says; keeps its feedback."""

    name = "script"

    def __init__(self, state: Callable[[int], DeviceState]) -> None:
        self._state, self._tick = state, -1
        self.felt: list[Feedback] = []

    def poll(self, now: float) -> DeviceState:
        state = self._state(max(self._tick, 0))
        self._tick += 1
        return replace(state, stamp=now)

    def close(self) -> None:
        """Nothing is held."""

    def feedback(self, feedback: Feedback) -> None:
        self.felt.append(feedback)


@pytest.fixture(scope="module")
def lift() -> TaskEnv:
    return make_env("ilrobot/PandaLift-v0")


def _turned_tool(observation: Observation, vector: list[float]) -> Observation:
    """The same with the tool turned by this rotation vector."""
    state = observation["observation.state"].copy()
    turn = rotation(np.array(vector))
    state[3:9] = (turn @ state[3:9].reshape(2, 3).T).T.reshape(-1)
    return {**observation, "observation.state": state}


def test_a_leash_holds_at_its_length_and_leaves_alone_what_is_within() -> None:
    achieved = np.array([1.0, 2.0, 3.0])
    near, share = leashed(achieved + np.array([0.0, 0.03, 0.0]), achieved, 0.05)
    assert near == pytest.approx([1.0, 2.03, 3.0])
    assert share == pytest.approx(0.6)
    far, share = leashed(achieved + np.array([3.0, 4.0, 0.0]), achieved, 0.05)
    assert (far, share) == (pytest.approx([1.03, 2.04, 3.0]), 1.0)


@pytest.mark.parametrize("vector", [[0, 0, 0], [1e-9, 0, 0], [0.1, -0.2, 0.3], [0, 0, 3.1]])
def test_rotations_and_their_vectors(vector: list[float]) -> None:
    matrix = rotation(np.array(vector, float))
    assert matrix @ matrix.T == pytest.approx(np.eye(3), abs=1e-12)
    assert rotation_vector(matrix) == pytest.approx(vector, abs=1e-9)


def test_a_stick_in_the_base_frame_passes_unchanged(lift: TaskEnv) -> None:
    clutch, observation = Clutch(lift.spec, STEP), lift.reset(0)
    command = TeleopCommand(twist=(0.3, -0.123456789, 1.0, 0.1, 0.0, -1.0), toggles=1)
    assert clutch.command(command, observation) == command


def test_frames_follow_each_other_and_turn_what_the_stick_means(lift: TaskEnv) -> None:
    clutch, observation = Clutch(lift.spec, STEP), lift.reset(0)
    forward = TeleopCommand(twist=(1.0, 0.0, 0.0, 0.0, 0.0, 0.0))
    after = replace(forward, controls=(Control.FRAME,))
    quarter = _turned_tool(observation, [0.0, 0.0, np.pi / 2])
    assert clutch.frames == ("base", "tool")
    assert clutch.command(after, quarter).twist == pytest.approx((0, 1, 0, 0, 0, 0), abs=1e-3)
    assert clutch.frame == "tool"
    clutch.heading = -np.pi / 2
    assert clutch.frames == ("base", "camera", "tool")
    clutch.frame = "base"
    assert clutch.command(after, quarter).twist == pytest.approx((0, -1, 0, 0, 0, 0), abs=1e-6)
    assert clutch.frame == "camera"


def test_a_tracked_hand_leads_from_where_both_were(lift: TaskEnv) -> None:
    clutch, observation = Clutch(lift.spec, STEP), lift.reset(0)

    def move(x: float, speed: float = 1.0) -> tuple[float, ...]:
        pose = Pose((5.0 + x, -3.0, 1.0), LEVEL)
        return clutch.command(TeleopCommand(pose=pose, speed=speed), observation).twist

    assert move(0.0) == pytest.approx(REST)
    assert move(0.01) == pytest.approx((0.5, 0, 0, 0, 0, 0))
    # Faster than the arm may go: it catches up.
    assert move(0.04)[0] == pytest.approx(1.0)
    assert move(0.04)[0] == pytest.approx(0.5)
    clutch.release()
    assert move(0.5) == pytest.approx(REST)
    assert move(0.51, speed=0.5)[0] == pytest.approx(0.25)


def test_a_tracked_hand_turns_the_tool(lift: TaskEnv) -> None:
    clutch, observation = Clutch(lift.spec, STEP), lift.reset(0)
    for angle, expected in ((0.0, 0.0), (0.05, 0.5), (0.05, 0.0)):
        pose = Pose((0.0, 0.0, 0.0), (np.cos(angle / 2), 0.0, 0.0, np.sin(angle / 2)))
        twist = clutch.command(TeleopCommand(pose=pose), observation).twist
        assert twist == pytest.approx((0, 0, 0, 0, 0, expected), abs=1e-6)


def test_a_ramp_meets_the_person_in_steps_and_then_lets_go() -> None:
    ramp = Ramp(np.array([1.0, np.inf]))
    assert ramp.limit(np.array([-1.0, 0.0])) == pytest.approx([-1.0, 0.0])
    ramp.begin(np.array([1.0, 1.0]))
    steps = [ramp.limit(np.array([-1.0, 0.0]))[0] for _ in range(4)]
    assert steps == pytest.approx([0.2, -0.6, -1.0, -1.0])
    assert ramp.limit(np.array([1.0, 0.0])) == pytest.approx([1.0, 0.0])
    ramp.begin(np.array([1.0, 1.0]))
    assert ramp.limit(np.array([0.5, 0.0])) == pytest.approx([0.5, 0.0])


def _push_and_reverse(task: str, device: Callable[[float], DeviceState], place: slice) -> float:
    """Seconds until what was pushed 1 m (or its range) too far moves back by a hundredth."""
    env = make_env(task)
    rate = env.spec.rate
    beyond = int(4.0 * rate)

    def state(tick: int) -> DeviceState:
        seconds = tick / rate
        return device(seconds if tick < beyond else 2 * beyond / rate - seconds)

    hand = TeleopActor(Script(state), make_mapping(env.spec))
    observation = env.reset(0)
    hand.reset(0)
    rested = None
    for tick in range(beyond + int(4.0 * rate)):
        observation = env.step(hand.act(observation, tick / rate).action).observation
        at = observation["observation.state"][place]
        if tick == beyond - 1:
            rested = at.copy()
        elif rested is not None and np.abs(at - rested).max() > (0.002 if "Lift" in task else 2.0):
            return (tick - beyond + 1) / rate
    return float("inf")


@pytest.mark.parametrize("task", ["ilrobot/PandaLift-v0", "ilrobot/PushT-v0"])
@pytest.mark.parametrize("held", ["stick", "hand"])
def test_after_pushing_far_past_the_workspace_it_comes_back_at_once(task: str, held: str) -> None:
    """The hand goes on for 4 s, that is 1.6 m, and turns round."""
    before = [0.0]

    def stick(seconds: float) -> DeviceState:
        sign = 1.0 if seconds > before[0] else -1.0
        before[0] = seconds
        return DeviceState(axes={"leftx": sign})

    def hand(seconds: float) -> DeviceState:
        sideways = 0.4 * seconds
        place = (0.0, -sideways, 0.0) if "Lift" in task else (sideways, 0.0, 0.0)
        return DeviceState(pose=Pose(place, LEVEL))

    device = stick if held == "stick" else hand
    place = slice(1, 2) if "Lift" in task else slice(0, 1)
    assert _push_and_reverse(task, device, place) <= 0.25


def test_taking_over_begins_where_the_policy_was_and_is_felt(lift: TaskEnv) -> None:
    def state(tick: int) -> DeviceState:
        held = frozenset({"rightshoulder"}) if tick >= 2 else frozenset()
        return DeviceState(axes={"lefty": 1.0}, held=held)

    device = Script(state)
    hand = TeleopActor(device, make_mapping(lift.spec), engagement=HoldToEngage())
    observation = lift.reset(0)
    hand.reset(0)
    policy = np.array([0.02, 0, 0, 0, 0, 0, 0.0], np.float32)
    commands = []
    for tick in range(6):
        decision = hand.act(observation, tick / 20)
        spoken = decision.human_action is not None
        assert spoken is (tick >= 2)
        executed = decision.action if spoken else policy
        hand.watch(Decision(executed, Source.HUMAN if spoken else Source.POLICY))
        commands.append(float(executed[0]))
    assert commands == pytest.approx([0.02, 0.02, 0.004, -0.012, -0.02, -0.02])
    assert device.felt.count(Feedback.TAKEOVER) == 1


def test_steering_as_one_sees_it_moves_the_tool_so_in_the_picture(lift: TaskEnv) -> None:
    """In the picture of ``front``, which faces the robot, stick right is right: base -y turned."""
    clutch, observation = Clutch(lift.spec, STEP), lift.reset(0)
    clutch.heading = lift.camera_heading("front")
    clutch.frame = "camera"
    right = TeleopCommand(twist=(0.0, -1.0, 0.0, 0.0, 0.0, 0.0))
    moved = np.array(clutch.command(right, observation).twist[:3])
    assert moved == pytest.approx(CAMERAS["front"].axes()[:, 0], abs=1e-6)
    assert lift.camera_heading("wrist") is None
    assert lift.camera_heading("none") is None
