"""A sensor that says nan for a while, under a hand that steers."""

from __future__ import annotations

import math
from dataclasses import replace

import gymnasium as gym
import numpy as np
import pytest

from ilrobot.data.episode import EpisodeInfo, MemoryRecorder
from ilrobot.env import make_env
from ilrobot.errors import WorkFailed
from ilrobot.rollout import rollout
from ilrobot.spec import Feature, Spec
from ilrobot.task_env import TaskEnv
from teleop.actor import TeleopActor
from teleop.bindings import Control, TeleopCommand
from teleop.clutch import Clutch
from teleop.devices.base import DeviceState
from teleop.devices.scripted import Scripted
from teleop.mappings.making import make_mapping
from teleop.mappings.target import TargetMapping

FULL = TeleopCommand(twist=(1.0, 1.0, 1.0, 0.0, 0.0, 0.0))
NAN = math.nan


def _spec(*names: str, unit: str) -> Spec:
    bounds = (-3.0,) * len(names), (3.0,) * len(names)
    units = (unit,) * len(names)
    return Spec(
        (Feature("observation.state", (len(names),), names=names, units=units),),
        Feature("action", (len(names),), "float64", names, units, *bounds),
        20.0,
        semantics="absolute",
    )


def _mapping(*names: str, unit: str = "rad") -> TargetMapping:
    mapping = make_mapping(_spec(*names, unit=unit))
    assert isinstance(mapping, TargetMapping)
    return mapping


def _state(*values: float) -> dict[str, np.ndarray]:
    return {"observation.state": np.array(values)}


def test_an_element_that_is_not_measured_keeps_its_target_and_the_others_go_on() -> None:
    mapping = _mapping("shoulder", "elbow")
    first = mapping.action(FULL, _state(0.0, 0.0))
    assert not mapping.unmeasured
    for tick in range(1, 10):
        target = mapping.action(FULL, _state(0.2 * tick, NAN))
        assert target[1] == first[1]
        assert target[0] == pytest.approx((1 + tick) * first[0])
        assert mapping.unmeasured
    after = mapping.action(FULL, _state(2.0, 0.1))
    assert after == pytest.approx([11 * first[0], 2 * first[1]])
    assert not mapping.unmeasured


def test_where_nothing_is_measured_at_a_takeover_the_executed_command_stands() -> None:
    mapping = _mapping("shoulder", "gripper")
    mapping.follow(np.array([0.5, -1.0]))
    assert mapping.action(TeleopCommand(), _state(NAN, NAN)) == pytest.approx([0.5, -1.0])
    # Measured again, it is on its leash as ever.
    assert mapping.action(TeleopCommand(), _state(0.1, -1.0)) == pytest.approx([0.4, -1.0])


def test_a_rotation_of_which_one_number_is_missing_stays_whole() -> None:
    mapping = _mapping("rx", "ry", "rz", unit="rotvec")
    first = mapping.action(FULL, _state(0.1, -0.2, 0.3))
    again = mapping.action(FULL, _state(0.1, NAN, 0.3))
    assert again == pytest.approx(first)


def test_a_first_reading_that_is_not_finite_commands_nothing_made_up() -> None:
    mapping = _mapping("shoulder", "elbow")
    assert np.isnan(mapping.action(TeleopCommand(), _state(0.2, NAN))[1])
    assert mapping.action(TeleopCommand(), _state(0.2, 0.3)) == pytest.approx([0.2, 0.3])


def test_a_tool_whose_pose_is_missing_is_where_it_was() -> None:
    env = make_env("ilrobot/PandaLift-v0")
    observation = env.reset(0)
    env.close()
    broken = {**observation, "observation.state": observation["observation.state"] * np.nan}
    step = make_mapping(env.spec).twist_step
    clutch = Clutch(env.spec, step)
    push = TeleopCommand(twist=(0.3, 0.3, 0.3, 0.0, 0.0, 0.0))
    before = clutch.command(replace(push, controls=(Control.FRAME,)), observation).twist
    assert clutch.frame == "tool"
    assert clutch.command(push, broken).twist == pytest.approx(before)
    assert clutch.unmeasured
    assert clutch.leash < 1.0
    clutch.command(TeleopCommand(), observation)
    assert not clutch.unmeasured
    assert clutch.leash < 1.0


class Arm(gym.Env):
    """Goes where it is told; its elbow is read as nan at one tick."""

    metadata = {"render_fps": 20}  # noqa: RUF012
    feature_metadata = {  # noqa: RUF012
        "state": {"names": ["shoulder", "elbow"], "units": ["rad", "rad"]},
        "action": {
            "names": ["target_shoulder", "target_elbow"],
            "units": ["rad", "rad"],
            "semantics": "absolute",
        },
    }
    observation_space = gym.spaces.Box(-3, 3, (2,), np.float32)
    action_space = gym.spaces.Box(-3, 3, (2,), np.float32)

    def __init__(self, blind_at: int) -> None:
        self._blind_at = blind_at

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self._ticks, self._at = 0, np.zeros(2, np.float32)
        return self._read(), {}

    def step(self, action):
        self._ticks, self._at = self._ticks + 1, np.asarray(action, np.float32)
        return self._read(), 0.0, False, False, {}

    def _read(self):
        blind = self._ticks == self._blind_at
        return np.array([self._at[0], np.nan if blind else self._at[1]], np.float32)


def _demonstrate(blind_at: int) -> tuple[MemoryRecorder, list[str]]:
    env = TaskEnv(Arm(blind_at), "my/Arm-v0", {})
    recorder = MemoryRecorder(env.spec)
    pad = Scripted(lambda now: DeviceState(axes={"leftx": 0.5, "lefty": 0.5}, stamp=now))
    hand = TeleopActor(pad, make_mapping(env.spec))
    told: list[str] = []
    rollout(
        *(env, hand),
        seed=0,
        recorder=recorder,
        info=EpisodeInfo("t", 20.0),
        max_steps=20,
        on_tick=lambda *_: told.append(hand.message),
    )
    return recorder, told


def test_one_bad_reading_ends_no_recording_and_the_person_is_told() -> None:
    recorder, told = _demonstrate(5)
    moved = np.diff(recorder.episodes[0].columns["action"], axis=0)
    full = moved[0]
    assert (full > 0.0).all()
    np.testing.assert_allclose(moved[:4], np.tile(full, (4, 1)), rtol=1e-4)
    np.testing.assert_allclose(moved[4], [full[0], 0.0], rtol=1e-4)
    np.testing.assert_allclose(moved[5:], np.tile(full, (14, 1)), rtol=1e-4)
    assert ["not finite" in message for message in told[:7]] == [False] * 5 + [True] * 2


def test_who_is_blamed_for_a_command_that_is_not_finite_is_the_sensor() -> None:
    with pytest.raises(WorkFailed, match=r"the task's observation.state before it is not") as said:
        _demonstrate(0)
    assert "policy" not in str(said.value)
