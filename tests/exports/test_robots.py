"""Simulated robots behind the robot protocol."""

import gymnasium
import numpy as np
import pytest

from exports.robots.gymnasium_robot import GymnasiumRobot, simulated_robot
from ilrobot.env import make_env
from ilrobot.errors import UserError


def test_an_environment_as_a_robot():
    robot = simulated_robot("ilrobot/PointPath-v0", {})
    capabilities = robot.connect()
    env = make_env("ilrobot/PointPath-v0")
    assert capabilities.spec == env.spec
    assert capabilities.time_limit == env.time_limit
    assert capabilities.name == "ilrobot/PointPath-v0"
    assert not capabilities.any_rate
    robot.reset(3)
    expected = env.reset(3)
    reading = robot.read(12.5)
    assert reading.measured == 12.5
    np.testing.assert_array_equal(
        reading.observation["observation.state"], expected["observation.state"]
    )
    action = np.full(env.spec.action.shape, 0.5, np.float32)
    status = robot.write(action)
    step = env.step(action)
    assert (status.ended, status.success) == (step.terminated or step.truncated, step.success)
    np.testing.assert_array_equal(
        robot.read(0).observation["observation.state"], step.observation["observation.state"]
    )
    robot.stop()
    robot.close()
    robot.close()


@pytest.mark.parametrize("engine", ["mujoco", "pybullet"])
def test_the_panda_on_either_engine(engine):
    robot = simulated_robot("ilrobot/PandaLift-v0", {"engine": "mujoco"}, engine=engine)
    capabilities = robot.connect()
    spec = capabilities.spec
    assert spec.task_options["engine"] == engine
    assert capabilities.name == f"ilrobot/PandaLift-v0 on {engine}"
    assert capabilities.joints.names[0] == "panda_joint1"
    robot.reset(0)
    command = np.zeros(spec.action.shape, np.float32)
    assert not robot.write(command).ended
    assert np.isfinite(robot.read(0).observation["observation.state"]).all()
    robot.close()


@pytest.mark.parametrize(
    ("options", "engine"), [({"engine": "pybullet"}, "pybullet"), ({}, "mujoco")]
)
def test_the_engine_is_that_of_the_training_or_the_tasks_own(options, engine):
    robot = simulated_robot("ilrobot/PandaReach-v0", options)
    assert robot.connect().name == f"ilrobot/PandaReach-v0 on {engine}"
    robot.close()


@pytest.mark.parametrize("engine", ["mujoco", "pybullet"])
def test_a_task_without_a_choice_of_engine_takes_none(engine):
    with pytest.raises(UserError, match="no option 'engine'"):
        simulated_robot("ilrobot/PointPath-v0", {}, engine=engine)


def test_a_task_is_made_once_and_on_the_engine_that_it_is_registered_with():
    made = []

    def make(engine="mujoco", render_mode=None):
        made.append(engine)
        return gymnasium.make("CartPole-v1").unwrapped

    gymnasium.register("test/Engine-v0", make, kwargs={"engine": "other"})
    try:
        robot = simulated_robot("test/Engine-v0", {})
        assert made == []
        assert robot.connect().name == "test/Engine-v0 on other"
        robot.close()
    finally:
        gymnasium.registry.pop("test/Engine-v0")
    assert made == ["other"]


def test_an_environment_that_states_no_rate_takes_any():
    def unstated(**_):
        env = gymnasium.make("CartPole-v1").unwrapped
        env.metadata = {"render_modes": []}
        return env

    gymnasium.register("test/Unstated-v0", unstated)
    try:
        capabilities = simulated_robot("test/Unstated-v0", {}).connect()
    finally:
        gymnasium.registry.pop("test/Unstated-v0")
    assert capabilities.any_rate


def test_success_is_unknown_until_the_environment_judges():
    robot = simulated_robot("CartPole-v1", {})
    robot.connect()
    robot.reset(0)
    assert robot.write(np.array(0)).success is None
    robot.close()


def test_an_unknown_task_is_told():
    with pytest.raises(UserError, match="PandaLift"):
        simulated_robot("ilrobot/PandaLfit-v0", {}, engine="pybullet")


def test_a_robot_that_was_not_connected():
    with pytest.raises(RuntimeError, match="connect"):
        GymnasiumRobot("ilrobot/PointPath-v0").reset(0)


def test_a_panda_says_where_its_steps_have_led_to():
    robot = GymnasiumRobot("ilrobot/PandaReach-v0")
    robot.connect()
    robot.reset(0)
    before = robot.read(0.0).pose
    robot.write(np.array([0.01, 0.0, -0.01, 0.0, 0.0, 0.0, 1.0]))
    moved = robot.read(0.0).pose - before
    np.testing.assert_allclose(moved[:3], [0.01, 0.0, -0.01], atol=1e-7)
    assert np.isnan(moved[3:]).all()
    robot.close()
    other = GymnasiumRobot("ilrobot/PointPath-v0")
    other.connect()
    other.reset(0)
    assert other.read(0.0).pose is None
    other.close()
