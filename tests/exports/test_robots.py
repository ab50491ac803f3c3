"""Simulated robots behind the robot protocol."""

import numpy as np
import pytest

from exports.robots.gymnasium_robot import GymnasiumRobot, simulated_robot
from ilrobot.env import make_env
from ilrobot.errors import UserError


def test_an_environment_as_a_robot():
    robot = simulated_robot("mujoco", "ilrobot/PointPath-v0", {})
    capabilities = robot.connect()
    env = make_env("ilrobot/PointPath-v0")
    assert capabilities.spec == env.spec
    assert capabilities.time_limit == env.time_limit
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
    robot = simulated_robot(engine, "ilrobot/PandaLift-v0", {"engine": "mujoco"})
    spec = robot.connect().spec
    assert spec.task_options["engine"] == engine
    robot.reset(0)
    command = np.zeros(spec.action.shape, np.float32)
    assert not robot.write(command).ended
    assert np.isfinite(robot.read(0).observation["observation.state"]).all()
    robot.close()


def test_a_task_without_a_choice_of_engine_does_not_run_on_another():
    with pytest.raises(UserError, match="no option 'engine'"):
        simulated_robot("pybullet", "ilrobot/PointPath-v0", {})


def test_an_unknown_task_is_told():
    with pytest.raises(UserError, match="PandaLift"):
        simulated_robot("pybullet", "ilrobot/PandaLfit-v0", {})


def test_a_robot_that_was_not_connected():
    with pytest.raises(RuntimeError, match="connect"):
        GymnasiumRobot("ilrobot/PointPath-v0").reset(0)
