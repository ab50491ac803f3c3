"""Under LeRobot's own Python: a subclass of its `Robot`, driven through the adapter.

``python lerobot_arm.py CONFIG.json`` prints what came of it as one line of JSON.
"""

import json
import sys
import types
from dataclasses import dataclass
from pathlib import Path

import lerobot_import  # noqa: F401 (first: it keeps LeRobot off the network)
import numpy as np
from lerobot.robots import Robot, RobotConfig

from exports.robots.lerobot_robot import LerobotRobot, load_device
from ilrobot.errors import UserError
from ilrobot.spec import Feature, Spec

JOINTS = ("shoulder_pan.pos", "elbow_flex.pos", "gripper.pos")


@RobotConfig.register_subclass("mock_arm")
@dataclass
class MockArmConfig(RobotConfig):
    port: str
    width: int = 8


class MockArm(Robot):
    config_class = MockArmConfig
    name = "mock_arm"

    def __init__(self, config):
        super().__init__(config)
        self.config, self.connected = config, False
        self.positions = dict.fromkeys(JOINTS, 0.0) | {"elbow_flex.pos": 5.0}
        self.sent = []

    @property
    def observation_features(self):
        return {**dict.fromkeys(JOINTS, float), "front": (4, self.config.width, 3)}

    @property
    def action_features(self):
        return dict.fromkeys(JOINTS, float)

    is_connected = property(lambda self: self.connected)
    is_calibrated = property(lambda self: True)

    def connect(self, calibrate=True):
        assert not calibrate
        self.connected = True

    def calibrate(self):
        raise AssertionError("nobody asked for that")

    def configure(self):
        pass

    def get_observation(self):
        assert self.connected
        return {**self.positions, "front": np.full((4, self.config.width, 3), 9, np.uint8)}

    def send_action(self, action):
        assert self.connected
        assert set(action) == set(JOINTS)
        self.positions = dict(action)
        self.sent.append(action)
        return action

    def disconnect(self):
        self.connected = False


def main(config):
    # LeRobot finds the class of a configuration beside it, in the module that defines it.
    module = types.ModuleType("lerobot_robot_mock")
    MockArmConfig.__module__ = MockArm.__module__ = module.__name__
    module.MockArmConfig, module.MockArm = MockArmConfig, MockArm
    sys.modules[module.__name__] = module
    order = ("gripper.pos", "shoulder_pan.pos", "elbow_flex.pos")
    wanted = Spec(
        observations=(
            Feature("observation.state", (3,), names=order),
            Feature("observation.images.front", (4, 8, 3), dtype="uint8"),
        ),
        action=Feature("action", (3,), names=order),
        rate=30.0,
    )
    device = load_device(config)
    robot = LerobotRobot(device, wanted)
    capabilities = robot.connect()
    motion = robot.reset(0)
    state = robot.read(0.0).observation["observation.state"].tolist()
    robot.write(np.array([1.0, 2.0, 3.0], np.float32))
    picture = robot.read(0.0).observation["observation.images.front"]
    robot.stop()
    robot.close()
    refusals = []
    for content in ({"type": "nope"}, {"type": "mock_arm"}, {"type": "mock_arm", "x": 1}):
        config.write_text(json.dumps(content))
        try:
            load_device(config)
        except UserError as error:
            refusals.append(str(error))
    return {
        "name": capabilities.name,
        "is_a_lerobot_robot": isinstance(device, Robot),
        "port": device.config.port,
        "motion": motion.command.tolist(),
        "state": state,
        "sent": device.sent,
        "picture": [picture.shape, int(picture.min())],
        "connected": device.is_connected,
        "refusals": refusals,
    }


if __name__ == "__main__":
    print(json.dumps(main(Path(sys.argv[1]))))
