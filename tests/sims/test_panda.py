"""The Panda's tasks: the contract of an environment, on both engines."""

import itertools
import subprocess
import sys
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

import sims  # noqa: F401  registers the environments
from sims.experts import make_expert
from tests.exhaustive import thinned
from tests.sims.panda_worlds import (
    COMMANDED_POSITION,
    ENGINES,
    IDS,
    STILL,
    WORLDS,
    assert_same,
    demonstrate,
    make,
)

_ON_MUJOCO = [world for world in WORLDS if world[1] == "mujoco"]


@pytest.mark.parametrize(
    ("environment_id", "engine"),
    thinned(
        WORLDS,
        [
            *_ON_MUJOCO,
            ("ilrobot/PandaReach-v0", "pybullet"),
            ("ilrobot/PandaPegInsert-v0", "pybullet"),
        ],
    ),
)
@pytest.mark.filterwarnings("error")
def test_gymnasium_accepts_the_environment(environment_id: str, engine: str) -> None:
    check_env(make(environment_id, engine), skip_render_check=True)


@pytest.mark.parametrize("environment_id", IDS)
def test_the_metadata_names_every_number(environment_id: str) -> None:
    env = make(environment_id)
    spaces = {**env.observation_space.spaces, "action": env.action_space}
    assert set(env.feature_metadata) == set(spaces)
    for key, space in spaces.items():
        described = env.feature_metadata[key]
        assert space.dtype == np.float32
        assert len(described["names"]) == len(set(described["names"])) == space.shape[0]
        assert len(described["units"]) == space.shape[0]
        # Nothing here wraps; a learner may treat every number as one on a line.
        assert "rad" not in described["units"]
        assert np.isfinite(space.low).all()
        assert np.isfinite(space.high).all()


@pytest.mark.parametrize(
    ("environment_id", "engine"),
    thinned(
        WORLDS,
        [*_ON_MUJOCO, ("ilrobot/PandaLift-v0", "pybullet")],
    ),
)
def test_a_seed_gives_the_same_episode_bit_for_bit(environment_id: str, engine: str) -> None:
    used, fresh = make(environment_id, engine), make(environment_id, engine)
    demonstrate(used, seed=8, ticks=21)
    actions, _, states = demonstrate(used, seed=3, ticks=25)
    fresh.reset(seed=3)
    np.testing.assert_array_equal(fresh.get_state(), states[0])
    for action, state in zip(actions, states[1:], strict=True):
        fresh.step(action)
        np.testing.assert_array_equal(fresh.get_state(), state)


@pytest.mark.parametrize("engine", ENGINES)
def test_seeds_differ(engine: str) -> None:
    env = make("ilrobot/PandaLift-v0", engine)
    first, _ = env.reset(seed=1)
    second, _ = env.reset(seed=2)
    assert not np.array_equal(first["state"], second["state"])
    assert not np.array_equal(first["environment_state"], second["environment_state"])


@pytest.mark.parametrize(
    ("environment_id", "engine"),
    thinned(
        WORLDS,
        [*_ON_MUJOCO, ("ilrobot/PandaStack-v0", "pybullet")],
    ),
)
def test_a_saved_state_continues_bit_for_bit(environment_id: str, engine: str) -> None:
    """On the way, where something is held or pushed, and where one thing stands on another."""
    env, other = make(environment_id, engine), make(environment_id, engine)
    actions, observations, states = demonstrate(env, seed=5, ticks=88)
    assert states[0].dtype == np.float64
    other.reset(seed=6)
    for continued, back_to in itertools.product((env, other), (80, 20)):
        continued.set_state(states[back_to])
        np.testing.assert_array_equal(continued.get_state(), states[back_to])
        for tick in range(back_to, back_to + 8):
            assert_same(continued.step(actions[tick])[0], observations[tick + 1])
            np.testing.assert_array_equal(continued.get_state(), states[tick + 1])


def test_a_state_of_another_task_is_refused() -> None:
    reach, lift = make(IDS[0]), make(IDS[2])
    reach.reset(seed=0)
    lift.reset(seed=0)
    with pytest.raises(ValueError, match="PandaLiftEnv has a state of shape"):
        lift.set_state(reach.get_state())


@pytest.mark.parametrize("engine", ENGINES)
def test_a_command_against_the_table_does_not_wind_up(engine: str) -> None:
    env = make("ilrobot/PandaReach-v0", engine)
    observation, _ = env.reset(seed=0)
    tilt_then_press = np.array([0, 0, -0.02, 0, 0.05, 0, 1], dtype=np.float32)
    for _ in range(60):
        before = observation["state"][:3]
        observation = env.step(tilt_then_press)[0]
        target = env.get_state()[COMMANDED_POSITION]
        assert np.linalg.norm(target - before) <= 0.05 + 1e-6
    low = observation["state"][2]
    up = np.array([0, 0, 0.02, 0, 0, 0, 1], dtype=np.float32)
    for _ in range(6):
        observation = env.step(up)[0]
    assert observation["state"][2] > low + 0.03


@pytest.mark.parametrize("engine", ENGINES)
def test_a_step_moves_by_what_was_commanded(engine: str) -> None:
    env = make("ilrobot/PandaReach-v0", engine)
    start, _ = env.reset(seed=0)
    action = np.array([0.005, -0.01, 0.004, 0, 0, 0.03, 0.5], dtype=np.float32)
    for _ in range(10):
        env.step(action)
    still = np.array([0, 0, 0, 0, 0, 0, 0.5], dtype=np.float32)
    for _ in range(20):
        end = env.step(still)[0]
    np.testing.assert_allclose(end["state"][:3] - start["state"][:3], [0.05, -0.1, 0.04], atol=1e-3)
    yaw = np.arctan2(end["state"][4], end["state"][3])
    np.testing.assert_allclose(yaw, 0.3, atol=5e-3)
    np.testing.assert_allclose(end["state"][9], 0.5, atol=0.01)


def test_both_engines_follow_the_same_actions_alike() -> None:
    mujoco, pybullet = (make("ilrobot/PandaLift-v0", engine) for engine in ENGINES)
    actions, observations, _ = demonstrate(mujoco, seed=11, ticks=30)
    pybullet.reset(seed=11)
    for action, expected in zip(actions, observations[1:], strict=True):
        observation = pybullet.step(action)[0]
        apart = observation["state"][:3] - expected["state"][:3]
        assert np.linalg.norm(apart) < 5e-3
    assert observation["environment_state"][2] > 0.1


@pytest.mark.parametrize(
    ("element", "value", "message"),
    [(2, np.nan, r"action\[2\] \(dz\) is nan"), (6, np.inf, r"action\[6\] \(gripper_opening\)")],
)
def test_an_action_that_is_not_finite_is_named(element: int, value: float, message: str) -> None:
    env = make("ilrobot/PandaLift-v0")
    env.reset(seed=0)
    before = env.get_state()
    action = STILL.copy()
    action[element] = value
    with pytest.raises(ValueError, match=message):
        env.step(action)
    np.testing.assert_array_equal(env.get_state(), before)


def test_an_action_of_another_shape_is_refused() -> None:
    env = make("ilrobot/PandaLift-v0")
    env.reset(seed=0)
    with pytest.raises(ValueError, match=r"shape \(7,\), got \(6,\)"):
        env.step(STILL[:6])


def test_options_are_checked() -> None:
    with pytest.raises(ValueError, match="'mujoco' or 'pybullet', got 'bullet'"):
        make("ilrobot/PandaLift-v0", "bullet")
    with pytest.raises(ValueError, match=r"no scripted expert; these have one: .*PandaLift"):
        make_expert(gymnasium.make("CartPole-v1"))


@pytest.mark.skipif(sys.platform != "linux", reason="other systems always have a display")
@pytest.mark.parametrize("engine", ENGINES)
def test_a_window_without_a_display_is_refused(
    engine: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    with pytest.raises(ValueError, match="needs a display"):
        gymnasium.make("ilrobot/PandaLift-v0", engine=engine, render_mode="human")


def test_the_state_path_on_mujoco_loads_neither_pybullet_nor_pictures() -> None:
    program = (
        "import sys, sims\n"
        "assert not {'mujoco', 'pybullet', 'sims.panda'} & set(sys.modules)\n"
        "import gymnasium, numpy\n"
        "env = gymnasium.make('ilrobot/PandaLift-v0')\n"
        "env.reset(seed=0)\n"
        "env.step(numpy.zeros(7, dtype=numpy.float32))\n"
        "env.unwrapped.set_state(env.unwrapped.get_state())\n"
        "unwanted = {'pybullet', 'OpenGL', 'sims.panda.picture', 'torch'} & set(sys.modules)\n"
        "assert not unwanted, unwanted\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_pybullet_draws_without_gl() -> None:
    env = gymnasium.make("ilrobot/PandaPush-v0", engine="pybullet", render_mode="rgb_array")
    env.reset(seed=0)
    picture: Any = env.render()
    assert picture.shape == (240, 320, 3)
    assert picture.dtype == np.uint8
    red = (picture[..., 0] > 120) & (picture[..., 1] < 80)
    green = (picture[..., 1] > 100) & (picture[..., 0] < 90)
    assert red.sum() > 20
    assert green.sum() > 20
    env.close()


@pytest.mark.gl
def test_mujoco_draws_cube_and_goal() -> None:
    env = gymnasium.make("ilrobot/PandaPush-v0", render_mode="rgb_array")
    env.reset(seed=0)
    try:
        picture: Any = env.render()
    except RuntimeError as error:
        pytest.skip(str(error))
    assert picture.shape == (240, 320, 3)
    red = (picture[..., 0] > 120) & (picture[..., 1] < 80)
    green = (picture[..., 1] > 100) & (picture[..., 0] < 90)
    assert red.sum() > 20
    assert green.sum() > 20
    env.close()
