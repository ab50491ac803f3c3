"""Samplers that are led: kept exactly where they must be, free where they may be."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
import torch

from ilrobot.control.chunking import Chunking
from ilrobot.control.drawing import warm_weights
from ilrobot.data.windows import Windows
from ilrobot.errors import UserError
from ilrobot.policies.config import PolicyConfig
from ilrobot.policies.heads.guidance import Guidance
from ilrobot.policies.policy import Policy
from tests.ilrobot.policy_tester import CONTINUOUS, example, recordings

SMALL = PolicyConfig(
    n_obs=2, horizon=5, execute=2, width=16, blocks=1, channels=(8, 16), sampler_steps=3
)
SAMPLERS = [
    replace(SMALL, head="diffusion"),
    replace(SMALL, head="diffusion", solver="ddpm"),
    replace(SMALL, head="diffusion", solver="dpm", prediction="sample"),
    replace(SMALL, head="flow"),
    replace(SMALL, head="mip"),
    replace(SMALL, head="flow", members=2),
]


def make(config: PolicyConfig) -> Policy:
    data = recordings(CONTINUOUS)
    with torch.random.fork_rng([]):
        torch.manual_seed(0)
        policy = Policy(CONTINUOUS, config).eval()
    policy.fit_normalizers(Windows(data, n_obs=config.n_obs, horizon=config.horizon))
    return policy


def plan_of(policy: Policy) -> torch.Tensor:
    """Actions that it might have planned, far from what it would do: shape (2, 5, 2)."""
    low, high = policy.training_range["action"]
    share = torch.linspace(0.1, 0.9, 5)[None, :, None]
    return (torch.from_numpy(low) + share * torch.from_numpy(high - low)).expand(2, -1, -1)


@pytest.mark.parametrize("config", SAMPLERS, ids=lambda c: f"{c.head}-{c.solver}-{c.members}")
@torch.inference_mode()
def test_what_is_frozen_is_kept_and_what_has_no_weight_is_free(config: PolicyConfig) -> None:
    policy = make(config)
    steps = policy.sampler_steps
    assert steps == (2 if config.head == "mip" else 3)
    observations, noise = example(policy, seed=1)
    plan = plan_of(policy)[: len(next(iter(observations.values())))]
    weights = torch.zeros(len(plan), steps, 5)
    free = policy(observations, noise)
    torch.testing.assert_close(policy(observations, noise, plan, weights), free, rtol=0, atol=0)
    weights[:, :, :2] = 1.0
    led = policy(observations, noise, plan, weights)
    torch.testing.assert_close(led[:, :2], plan[:, :2], rtol=0, atol=1e-5)
    assert not torch.allclose(free[:, :2], plan[:, :2], atol=1e-2)


@torch.inference_mode()
def test_a_warm_start_goes_on_from_the_plan_with_noise_on_it() -> None:
    policy = make(replace(SMALL, head="flow", sampler_steps=4, noise_scale=1.0))
    head = policy.head
    condition = torch.zeros(1, policy.encoder.size)
    generator = torch.Generator().manual_seed(0)
    noise, plan = torch.randn(2, 1, 5, 2, generator=generator).unbind(0)
    weights = torch.from_numpy(warm_weights(4, horizon=5, execute=0, kept=3))[None]
    led = head(condition, noise, Guidance(plan, weights))
    _, tables = head.begin(condition, noise)
    state = (torch.lerp(noise, plan, 0.75),)
    (expected,) = head.step(state, tuple(table[3] for table in tables), condition)
    torch.testing.assert_close(led, expected, rtol=0, atol=1e-5)


def test_a_head_that_cannot_be_led_has_no_sampler_steps() -> None:
    assert make(replace(SMALL, head="mse")).sampler_steps is None
    with pytest.raises(UserError, match="cannot be led"):
        make(replace(SMALL, head="mixture")).actor(Chunking.parse("realtime"))


@pytest.mark.parametrize("config", SAMPLERS, ids=lambda c: f"{c.head}-{c.solver}-{c.members}")
def test_the_frozen_actions_of_each_chunk_are_those_of_the_last(config: PolicyConfig) -> None:
    """So the seam between two chunks is where the sampler joined them, not where they meet."""
    policy = make(config)
    chunks = []
    actor = policy.actor(Chunking.parse("realtime:2"))
    take = actor._execution.take
    actor._execution.take = lambda chunk: (chunks.append(chunk), take(chunk))[1]
    actor.reset(0)
    rng = np.random.default_rng(0)
    for _ in range(12):
        frame = {
            f.name: rng.uniform(-1, 1, f.shape).astype(np.float32) for f in policy.spec.observations
        }
        actor.act(frame, 0.0)
    assert len(chunks) > 4
    for last, new in itertools.pairwise(chunks):
        np.testing.assert_allclose(new[:2], last[config.execute :][:2], rtol=0, atol=1e-5)
