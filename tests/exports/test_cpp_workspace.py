"""The workspace of delta elements in C++ is kept from where the robot says that they begin."""

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


class Pusher(Plant):
    """What it sees makes the policy push it a step further with each command."""

    def __init__(self, says):
        super().__init__(time_limit=100)
        self.spec, self.says, self.place, self.farthest = PUSHER, says, 0.5, 0.5

    def reset(self, seed):
        return None

    def read(self, now):
        place = np.array([self.place]) if self.says else None
        return Reading({OBSERVATION: np.float32([0.02])}, now, place)

    def write(self, command):
        self.place += float(command[0])
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
    assert done.returncode == 0
    assert told[0] == workspace.to_json()
    assert json.loads(done.stdout)["workspace_unknown"] is not says
    if says:
        assert done.stderr == ""
        assert 0.55 < served.plant.farthest <= 0.6 + 1e-9
    else:
        assert "the workspace is NOT kept" in done.stderr
        assert served.plant.farthest > 0.6
