"""Policies that command rotations, in a file: the same commands, of equal answers the same."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from exports.real_data import observation_windows, taught_actions
from exports.runtime.session import OnnxPolicy
from exports.to_onnx import export_policy
from ilrobot.data.windows import Windows
from ilrobot.policies.policy import Policy
from tests.exhaustive import thinned
from tests.exports.exported import SMALL
from tests.ilrobot.learning.rotating import poses

_UNITS = ("rotvec", "quat_wxyz", "quat_xyzw")
_ACTIONS = ("absolute", "relative", "delta")
#: They rotate after the head: one that loops stands for the others, which `test_to_onnx` exports.
_HEADS = ["mse", "gaussian", "mixture", "bins", "vq", "cvae", "flow", "mse", "mse"]
_CASES = [
    *((head, _UNITS[i % 3], _ACTIONS[i // 3 % 3], 1) for i, head in enumerate(_HEADS)),
    ("mse", "rotvec", "delta", 3),
    *(("mse", unit, "absolute", 3) for unit in _UNITS[1:]),
]
#: Each unit and each kind of action, a head that loops and an ensemble.
_KEPT = [
    ("mse", "rotvec", "absolute", 1),
    ("vq", "quat_wxyz", "relative", 1),
    ("flow", "rotvec", "delta", 1),
    ("mse", "quat_xyzw", "absolute", 3),
]


@pytest.mark.parametrize(
    ("head", "unit", "actions", "members"),
    thinned(_CASES, _KEPT),
)
def test_the_same_rotations_are_commanded_from_a_file(head, unit, actions, members, tmp_path):
    data = poses(unit)
    config = replace(SMALL, head=head, actions=actions, members=members)
    with torch.random.fork_rng([]):
        torch.manual_seed(0)
        policy = Policy(data.spec, config).eval()
    policy.fit_normalizers(Windows(data, n_obs=config.n_obs, horizon=config.horizon))
    done = export_policy(
        policy,
        tmp_path / "policy.onnx",
        windows=observation_windows(data, policy.spec, config.n_obs, 20),
        actions=taught_actions(data),
        data_hash="d" * 16,
    )
    assert done.parity.relative <= 1e-5
    loaded = OnnxPolicy(tmp_path / "policy.onnx")
    assert loaded.verify() == 0
    assert loaded.spec == policy.spec
    trained, exported = policy.actor(), loaded.actor()
    trained.reset(3)
    exported.reset(3)
    for tick, state in enumerate(data.column("observation.state")[:8]):
        frame = {"observation.state": state}
        mine, theirs = exported.act(frame, tick).action, trained.act(frame, tick).action
        np.testing.assert_allclose(mine, theirs, rtol=0, atol=5e-5)
