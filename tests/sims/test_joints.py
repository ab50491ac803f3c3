"""What the Panda's tasks say of their arm is what the simulated arm is."""

import gymnasium
import numpy as np
import pytest

import sims  # noqa: F401  registers the environments
from ilrobot.control.contract_joints import Joints
from ilrobot.env import make_env
from ilrobot.env_spec import stated_joints


def test_the_stated_gains_and_names_are_those_of_the_servos() -> None:
    env = gymnasium.make("ilrobot/PandaReach-v0").unwrapped
    model = env.engine.model  # type: ignore[attr-defined]
    joints = Joints.from_json(env.joint_metadata)  # type: ignore[attr-defined]
    actuators = [model.actuator(name) for name in joints.names]
    assert [actuator.id for actuator in actuators] == list(range(model.nu))
    assert joints.stiffness == pytest.approx([a.gainprm[0] for a in actuators])
    assert joints.damping == pytest.approx([-a.biasprm[2] for a in actuators])
    env.reset(seed=0)
    near = np.abs(env.engine.data.qpos[:7] - joints.pose[:7])  # type: ignore[attr-defined]
    assert np.all(near < 1.0)
    assert env.engine.data.qpos[7] == pytest.approx(joints.pose[7])  # type: ignore[attr-defined]
    env.close()


def test_what_an_engine_has_not_is_not_stated() -> None:
    env = make_env("ilrobot/PandaReach-v0", {"engine": "pybullet"})
    stated = stated_joints(env.env)
    env.close()
    assert stated is not None
    joints = Joints.from_json(stated)
    assert (joints.stiffness, joints.damping) == (None, None)
    assert len(joints.names) == len(joints.pose) == 9
    env = make_env("ilrobot/PointPath-v0")
    assert stated_joints(env.env) is None
    env.close()
