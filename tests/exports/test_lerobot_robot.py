"""LeRobot's robots behind the robot protocol, by their own `Robot` API."""

import json
import os
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from exports.robots.lerobot_robot import LerobotRobot, load_device
from ilrobot.compatibility import check_policy_fits
from ilrobot.errors import UserError, WorkFailed
from ilrobot.spec import Feature, Spec

ROOT = Path(__file__).parents[2]
PEERS = ROOT / ".venv-peers" / "bin" / "python"
ORDER = ("gripper.pos", "pan.pos", "lift.pos")


class Arm:
    """What the adapter uses of LeRobot's `Robot`, and nothing more."""

    name = "arm"
    is_calibrated = True

    def __init__(self):
        self.observation_features = {
            **dict.fromkeys(("pan.pos", "lift.pos", "gripper.pos"), float),
            "front": (4, 6, 3),
        }
        self.action_features = dict.fromkeys(("pan.pos", "lift.pos", "gripper.pos"), float)
        self.is_connected = False
        self.measured = {"pan.pos": 1.0, "lift.pos": 2.0, "gripper.pos": 3.0}
        self.measured["front"] = np.full((4, 6, 3), 7, np.uint8)
        self.sent = []

    def connect(self, calibrate=True):
        assert not calibrate
        self.is_connected = True

    def get_observation(self):
        return dict(self.measured)

    def send_action(self, action):
        self.sent.append(dict(action))
        return action

    def disconnect(self):
        self.is_connected = False


def wanted(state=ORDER, action=ORDER, size=3):
    return Spec(
        observations=(
            Feature("observation.state", (size,), names=state),
            Feature("observation.images.front", (4, 6, 3), dtype="uint8"),
        ),
        action=Feature("action", (size,), names=action),
        rate=30.0,
    )


def test_elements_come_and_go_by_name_in_the_policys_order():
    arm = Arm()
    robot = LerobotRobot(arm, wanted(), clock=lambda: 12.0)
    capabilities = robot.connect()
    assert capabilities.any_rate
    assert capabilities.spec.action.names == ORDER
    assert capabilities.spec.semantics == "absolute"
    np.testing.assert_array_equal(robot.reset(0).command, [3.0, 1.0, 2.0])
    reading = robot.read(12.5)
    assert reading.measured == 12.0
    np.testing.assert_array_equal(reading.observation["observation.state"], [3.0, 1.0, 2.0])
    assert reading.observation["observation.images.front"].max() == 7
    status = robot.write(np.array([0.3, 0.1, 0.2], np.float32))
    assert (status.ended, status.success) == (False, None)
    assert arm.sent[-1] == pytest.approx({"gripper.pos": 0.3, "pan.pos": 0.1, "lift.pos": 0.2})
    robot.close()
    assert not arm.is_connected
    robot.close()


def test_without_names_the_robots_order_counts():
    robot = LerobotRobot(Arm(), wanted(state=(), action=()))
    assert robot.connect().spec.action.names == ("pan.pos", "lift.pos", "gripper.pos")
    np.testing.assert_array_equal(robot.read(0.0).observation["observation.state"], [1.0, 2.0, 3.0])


def test_a_stop_keeps_positions_and_ends_velocities():
    arm = Arm()
    arm.action_features = {"pan.pos": float, "base.vel": float}
    robot = LerobotRobot(arm, wanted(action=("pan.pos", "base.vel")))
    assert robot.connect().spec.semantics == "absolute"
    robot.stop()
    assert arm.sent == []
    assert robot.reset(0) is None  # the base's velocity is not measured
    robot.write(np.array([5.0, 0.5]))
    robot.stop()
    assert arm.sent[-1] == {"pan.pos": 5.0, "base.vel": 0.0}


@pytest.mark.parametrize(
    ("commands", "semantics"),
    [
        (("pan.pos", "base.vel"), "absolute"),
        (("base.vel", "turn.vel"), "unknown"),
        (("pan.pos", "grip"), "unknown"),
    ],
)
def test_steps_are_no_positions_to_go_to(commands, semantics):
    """A step of 0.01 would be taken for the place 0.01."""
    arm = Arm()
    arm.action_features = dict.fromkeys(commands, float)
    policy = wanted(action=commands, size=2)
    offered = LerobotRobot(arm, replace(policy, observations=())).connect().spec
    assert offered.semantics == semantics
    steps = replace(policy, observations=(), semantics="delta")
    if semantics == "absolute":
        with pytest.raises(UserError, match="delta"):
            check_policy_fits(steps, offered, "policy.onnx")


@pytest.mark.parametrize(
    ("spec", "line"),
    [
        (wanted(state=("elbow.pos", "pan.pos", "lift.pos")), "measures no 'elbow.pos'"),
        (wanted(action=("elbow.pos", "pan.pos", "lift.pos")), "takes no 'elbow.pos'"),
        (wanted(state=(), action=(), size=4), "measures 3 numbers"),
    ],
)
def test_what_the_robot_lacks_is_named_before_it_is_touched(spec, line):
    arm = Arm()
    with pytest.raises(UserError, match=line):
        LerobotRobot(arm, spec).connect()
    assert not arm.is_connected


def test_one_that_is_not_calibrated_is_let_go():
    arm = Arm()
    arm.is_calibrated = False
    with pytest.raises(UserError, match="not calibrated; run lerobot-calibrate"):
        LerobotRobot(arm, wanted()).connect()
    assert not arm.is_connected


def test_a_driver_that_fails_is_one_line():
    arm = Arm()
    robot = LerobotRobot(arm, wanted())
    arm.connect = lambda calibrate: 1 / 0
    with pytest.raises(UserError, match="arm cannot be reached: division by zero"):
        robot.connect()
    arm = Arm()
    robot = LerobotRobot(arm, wanted())
    robot.connect()
    arm.measured["front"] = np.zeros((6, 4, 3), np.uint8)
    with pytest.raises(WorkFailed, match=r"arm failed: a picture of \(6, 4, 3\)"):
        robot.read(0.0)
    arm.get_observation = lambda: (_ for _ in ()).throw(OSError("no status\npacket"))
    with pytest.raises(WorkFailed, match="arm failed: no status packet; look at it"):
        robot.read(0.0)


def test_a_configuration_that_is_none(tmp_path):
    with pytest.raises(UserError, match="no configuration of a LeRobot robot"):
        load_device(tmp_path / "none.json")
    (tmp_path / "text.json").write_text("so101_follower")
    with pytest.raises(UserError, match="no configuration of a LeRobot robot"):
        load_device(tmp_path / "text.json")


def test_a_subclass_of_lerobots_robot_under_lerobot_itself(tmp_path):
    if not PEERS.exists():
        pytest.skip("no .venv-peers; benchmarks/peers/setup.sh makes it")
    config = tmp_path / "arm.json"
    config.write_text(json.dumps({"type": "mock_arm", "port": "/dev/mock"}))
    done = subprocess.run(
        [PEERS, Path(__file__).with_name("lerobot_arm.py"), config],
        env={
            **os.environ,
            "PYTHONPATH": f"{ROOT}:{ROOT / 'benchmarks' / 'peers'}",
            "HF_LEROBOT_HOME": str(tmp_path / "lerobot"),
        },
        capture_output=True,
        text=True,
        timeout=170,
    )
    assert done.returncode == 0, done.stderr
    came = json.loads(done.stdout.splitlines()[-1])
    sent = {"gripper.pos": 1.0, "shoulder_pan.pos": 2.0, "elbow_flex.pos": 3.0}
    refusals = came.pop("refusals")
    assert came == {
        "name": "LeRobot's mock_arm",
        "is_a_lerobot_robot": True,
        "port": "/dev/mock",
        "motion": [0.0, 0.0, 5.0],
        "state": [0.0, 0.0, 5.0],
        "sent": [sent, sent],
        "picture": [[4, 8, 3], 9],
        "connected": False,
    }
    assert ["nope" in refusals[0], "port" in refusals[1], "`x`" in refusals[2]] == [True] * 3
