"""log π of executed actions: against torch's own distributions and numeric integration."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from ilrobot.data.windows import Windows
from ilrobot.errors import UserError
from ilrobot.policies.config import PolicyConfig
from ilrobot.policies.density import (
    PolicyDensity,
    as_gaussian,
    gaussian_divergence,
    log_density,
    new_policy,
)
from ilrobot.policies.policy import Policy
from tests.ilrobot.policy_tester import CONTINUOUS, recordings

GAUSSIAN = PolicyConfig(head="gaussian", width=16, blocks=1)


def _fitted(config: PolicyConfig) -> Policy:
    torch.manual_seed(0)
    policy = Policy(CONTINUOUS, config)
    policy.fit_normalizers(Windows(recordings(CONTINUOUS), n_obs=1, horizon=1))
    return policy.eval()


def _observations(count: int = 5) -> torch.Tensor:
    return torch.rand(count, 4, generator=torch.Generator().manual_seed(1))


def _act(policy: Policy, seen: torch.Tensor) -> torch.Tensor:
    named = {"observation.state": seen[:, None, :3], "observation.target": seen[:, None, 3:]}
    with torch.no_grad():
        return policy(named)[:, 0]


def test_a_density_integrates_to_one_in_physical_units():
    policy = _fitted(GAUSSIAN)
    seen = _observations(1)
    middle = _act(policy, seen)[0]
    side = torch.linspace(-12, 12, 801) * policy.action_normalizer.scale[:, None]
    first, second = middle[0] + side[0], middle[1] + side[1]
    grid = torch.cartesian_prod(first, second)
    with torch.no_grad():
        density = log_density(policy, seen.expand(len(grid), 4), grid).exp()
    area = (first[1] - first[0]) * (second[1] - second[0])
    assert float(density.sum() * area) == pytest.approx(1, abs=1e-3)


def test_it_is_highest_where_the_policy_acts():
    policy, seen = _fitted(GAUSSIAN), _observations()
    acted = _act(policy, seen)
    best = log_density(policy, seen, acted)
    assert (log_density(policy, seen, acted + 0.01) < best).all()
    assert best.requires_grad


def test_normalising_an_action_and_back_changes_nothing():
    density, seen = PolicyDensity(_fitted(GAUSSIAN)), _observations()
    drawn = torch.randn(5, 2, generator=torch.Generator().manual_seed(2))
    there = density.normalize(density.physical(drawn, seen), seen)
    assert torch.allclose(there, drawn, atol=1e-5)


def test_a_divergence_is_that_of_torch_and_nil_from_itself():
    policy, seen = _fitted(GAUSSIAN), _observations()
    density = PolicyDensity(policy)
    mean, log_std = density.distribution(seen)
    assert density.divergence(density, density.encode(seen), mean, log_std).abs().max() < 1e-5
    other, spread = mean + 0.3, log_std - 0.2
    made = torch.distributions.Normal
    wanted = torch.distributions.kl_divergence(made(mean, log_std.exp()), made(other, spread.exp()))
    assert torch.allclose(gaussian_divergence(mean, log_std, other, spread), wanted, atol=1e-5)
    assert torch.allclose(
        density.entropy(log_std), made(mean, log_std.exp()).entropy().sum(1), atol=1e-5
    )


def test_a_regressing_clone_acts_the_same_as_a_gaussian():
    clone = _fitted(PolicyConfig(width=16, blocks=1, dropout=0.2, observation_noise=0.1))
    made, seen = as_gaussian(clone, -1.5), _observations()
    assert made.config.head == "gaussian"
    assert made.config.dropout == 0
    assert torch.allclose(_act(made, seen), _act(clone, seen), atol=1e-6)
    _, log_std = PolicyDensity(made).distribution(seen)
    assert torch.allclose(log_std, torch.full_like(log_std, -1.5), atol=1e-5)


def test_a_gaussian_clone_keeps_its_spread_unless_another_is_asked_for():
    clone, seen = _fitted(GAUSSIAN), _observations()
    before = PolicyDensity(clone).distribution(seen)
    after = PolicyDensity(as_gaussian(clone, -1.5)).distribution(seen)
    for one, other in zip(before, after, strict=True):
        assert torch.equal(one, other)
    asked = as_gaussian(clone, -1.5, keep_spread=False)
    mean, log_std = PolicyDensity(asked).distribution(seen)
    assert torch.equal(mean, before[0])
    assert torch.allclose(log_std, torch.full_like(log_std, -1.5), atol=1e-5)


def test_a_new_policy_explores_about_the_middle_of_its_limits():
    action = replace(CONTINUOUS.action, low=(0.0, -1.0), high=(4.0, 3.0))
    policy = new_policy(replace(CONTINUOUS, action=action), GAUSSIAN, -0.5)
    acted = _act(policy, _observations()).numpy()
    np.testing.assert_allclose(acted, np.tile([2.0, 1.0], (5, 1)), atol=0.1)
    _, log_std = PolicyDensity(policy).distribution(_observations())
    assert torch.allclose(log_std, torch.full_like(log_std, -0.5), atol=1e-5)


@pytest.mark.parametrize(
    ("config", "said"),
    [
        (PolicyConfig(head="flow", horizon=4), "chunks of 4"),
        (PolicyConfig(n_obs=2), "history of 2"),
        (PolicyConfig(members=2), "members of 2"),
        (PolicyConfig(head="cvae"), "the head cvae"),
        (PolicyConfig(network="rnn"), "network rnn"),
    ],
)
def test_what_has_no_density_is_refused(config: PolicyConfig, said: str):
    with pytest.raises(UserError, match=said):
        as_gaussian(Policy(CONTINUOUS, config), -1.0)


def test_actions_end_at_the_limits_of_the_task():
    action = replace(CONTINUOUS.action, low=(-0.1, -0.2), high=(0.1, float("inf")))
    policy = new_policy(replace(CONTINUOUS, action=action), GAUSSIAN, -0.5)
    density, seen = PolicyDensity(policy), _observations(2)
    for far, wanted in ((100.0, [0.1, 100.0]), (-100.0, [-0.1, -0.2])):
        acted = density.physical(torch.full((2, 2), far), seen)
        np.testing.assert_allclose(acted.numpy(), [wanted] * 2, atol=1e-6)
