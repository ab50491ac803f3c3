"""Policies that are exported to test with: trained on nothing, fitted to data all the same."""

from pathlib import Path

import numpy as np
import torch

from exports.real_data import observation_windows, taught_actions
from exports.to_onnx import export_policy
from ilrobot.data.windows import Windows
from ilrobot.policies.config import PolicyConfig
from ilrobot.policies.policy import Policy
from tests.ilrobot.policy_tester import CONTINUOUS, recordings

#: One level of a U-Net, as torch takes seconds for each; two are exported by `test_int8`. With 8
#: channels each would be normalised alone over 4 ticks, which magnifies what rounding does.
SMALL = PolicyConfig(
    n_obs=2, horizon=4, execute=2, width=16, blocks=1, layers=1, channels=(16,), sampler_steps=2
)


def make_policy(config=SMALL, spec=CONTINUOUS):
    """Random weights, normalisation from the tester's recordings."""
    data = recordings(spec)
    with torch.random.fork_rng([]):
        torch.manual_seed(0)
        policy = Policy(spec, config).eval()
    policy.fit_normalizers(Windows(data, n_obs=config.n_obs, horizon=config.horizon))
    return policy


def export(policy, path: Path, count=20, **options):
    """Export on the tester's recordings."""
    data = recordings(policy.spec)
    return export_policy(
        policy,
        path,
        windows=observation_windows(data, policy.spec, policy.config.n_obs, count),
        actions=taught_actions(data),
        data_hash="d" * 16,
        **options,
    )


def frames(spec, count, seed=0):
    """Random observations."""
    rng = np.random.default_rng(seed)
    return [
        {f.name: rng.uniform(-1, 1, f.shape).astype(np.float32) for f in spec.observations}
        for _ in range(count)
    ]
