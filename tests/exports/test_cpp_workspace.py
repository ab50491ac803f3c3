"""The workspace of delta elements in C++ is kept from where the robot says that they are."""

from __future__ import annotations

import json
import math
import subprocess

import numpy as np
import pytest

from exports.cpp.binding import CppController
from exports.cpp.building import built
from exports.robots.base import Reading, Status
from exports.robots.messages import Reset
from exports.robots.wire import decode
from ilrobot.control.activation import Activation
from ilrobot.control.contract_guards import Workspace
from ilrobot.control.contract_parts import Limits
from ilrobot.control.guard import Guard
from ilrobot.spec import Feature, Spec
from tests.exports.identity import OBSERVATION, identity_policy
from tests.exports.plant import Plant, Served

pytestmark = pytest.mark.usefixtures("cpp_library")

INF, NAN = math.inf, math.nan
PUSHER = Spec(
    observations=(Feature(OBSERVATION, (1,)),),
    action=Feature("action", (1,)),
    rate=100.0,
    semantics="delta",
)


@pytest.mark.parametrize(
    ("high", "pose"),
    [
        ((1.0, 1.0), None),
        ((1.0, 1.0), (NAN, 0.5)),
        ((1.0, 1.0), (0.5, NAN)),
        ((1.0, INF), None),
        ((INF, 1.0), (NAN, NAN)),
    ],
)
def test_it_says_as_python_does_that_a_workspace_is_not_kept(tmp_path, high, pose):
    limits = Limits(("absolute", "delta"), (-2.0, -0.1), (2.0, 0.1), (INF,) * 2, (INF,) * 2)
    workspace = Workspace((-INF, -INF), high)
    guard = Guard(identity_policy(tmp_path / "policy.onnx", limits, workspace=workspace))
    with CppController(tmp_path / "policy.onnx") as cpp:
        guard.reset(None, None, None)
        assert cpp.workspace_unknown is guard.workspace_unknown
        guard.reset(np.zeros(2), None, None if pose is None else np.array(pose))
        cpp.reset(0, np.zeros(2), None, pose)
        assert cpp.workspace_unknown is guard.workspace_unknown


@pytest.mark.parametrize("jerk", [INF, 40.0], ids=["no jerk", "jerk"])
def test_what_the_robot_says_at_a_tick_corrects_the_place_as_in_python(tmp_path, jerk):
    """To the last bit, also where one element's place is lost and found again."""
    limits = Limits(
        *(("absolute", "delta", "delta"), (-2.0, -0.1, -0.1), (2.0, 0.1, 0.1)),
        *((2.0, 8.0, INF), (20.0, 90.0, 50.0), (INF, jerk * 100, jerk * 100)),
    )
    workspace = Workspace((-1.0, -0.5, -INF), (1.0, 0.5, 0.4))
    guard = Guard(identity_policy(tmp_path / "policy.onnx", limits, workspace=workspace))
    rng = np.random.default_rng(0)
    wanted = np.repeat(rng.uniform(-0.1, 0.1, (60, 3)), 10, axis=0).astype(np.float32)
    slipped, kept = np.zeros(3), 0
    with CppController(tmp_path / "policy.onnx") as cpp:
        guard.reset(np.zeros(3))
        cpp.reset(0, np.zeros(3))
        for tick, action in enumerate(wanted):
            if tick % 3:
                pose = slipped.copy()
                pose[1 + tick // 50 % 2] += NAN if tick // 100 % 2 else 0.0
                guard.locate(pose)
                cpp.locate(pose)
            assert cpp.workspace_unknown is guard.workspace_unknown
            guard.admit({OBSERVATION: action}, 0.0)
            expected = guard.limit(action).copy()
            cpp.observe({OBSERVATION: action}, tick / 100)
            np.testing.assert_array_equal(cpp.tick(tick / 100), expected, err_msg=f"{tick}")
            assert cpp.flags == int(guard.flags), tick
            kept += bool(cpp.flags & Activation.WORKSPACE_LIMITED)
            slipped += expected * rng.uniform(0.2, 1.0)  # the robot does less than it is told
    assert 0 < kept < len(wanted)


class Pusher(Plant):
    """What it sees makes the policy push it a step further with each command.

    Args:
        says: Whether it says where its target is.
        does: Share of each command that it executes.
    """

    def __init__(self, says, does=1.0):
        super().__init__(time_limit=100)
        self.spec, self.says, self.does, self.place, self.farthest = PUSHER, says, does, 0.5, 0.5

    def reset(self, seed):
        return None

    def read(self, now):
        place = np.array([self.place]) if self.says else None
        return Reading({OBSERVATION: np.float32([0.02])}, now, place)

    def write(self, command):
        self.place += self.does * float(command[0])
        self.farthest = max(self.farthest, self.place)
        self.written.append(command)
        return Status(ended=len(self.written) >= self.time_limit)


@pytest.mark.parametrize("says", [True, False])
def test_a_robot_is_told_of_the_workspace_and_kept_in_it_where_it_says_where_it_is(tmp_path, says):
    limits = Limits(("delta",), (-0.1,), (0.1,), (INF,), (INF,))
    workspace, told = Workspace((-INF,), (0.6,)), []
    path = tmp_path / "policy.onnx"
    identity_policy(path, limits, spec=PUSHER, workspace=workspace, stale_after=2.0)

    class Listening:
        def __init__(self, link):
            self._link, self.address = link, link.address

        def __getattr__(self, name):
            return getattr(self._link, name)

        def receive(self):
            arrived = self._link.receive()
            if arrived is not None and isinstance(body := decode(arrived[1])[1], Reset):
                told.append(body.workspace)
            return arrived

    with Served(plant=Pusher(says), wrap=Listening) as served:
        words = [built("udp_controller"), path, served.address.removeprefix("udp://")]
        done = subprocess.run(words, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert told[0] == workspace.to_json()
    assert json.loads(done.stdout)["workspace_unknown"] is not says
    if says:
        assert done.stderr == ""
        assert 0.55 < served.plant.farthest <= 0.6 + 1e-9
    else:
        assert "the workspace is NOT kept" in done.stderr
        assert served.plant.farthest > 0.6


@pytest.mark.parametrize("does", [0.5, 1.5])
def test_a_robot_that_does_less_or_more_than_it_is_told_is_kept_in_the_box(tmp_path, does):
    """By where it says at each tick that its target is, and not by the sum of the commands."""
    limits = Limits(("delta",), (-0.1,), (0.1,), (INF,), (INF,))
    path = tmp_path / "policy.onnx"
    workspace = Workspace((-INF,), (0.6,))
    identity_policy(path, limits, spec=PUSHER, workspace=workspace, stale_after=2.0)
    with Served(plant=Pusher(True, does)) as served:
        words = [built("udp_controller"), path, served.address.removeprefix("udp://")]
        done = subprocess.run(words, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    # The sum alone would have let it come to 0.55, or to 0.65.
    assert 0.59 < served.plant.farthest < 0.62
