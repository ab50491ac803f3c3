"""A sampler that is told what its chunk begins with, and goes on from there."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from ilrobot.data.episode import Episode, EpisodeInfo, Outcome
from ilrobot.data.memory import MemoryRecordings
from ilrobot.errors import UserError
from ilrobot.learners.config import TrainConfig
from ilrobot.learners.distillation import Teacher
from ilrobot.learners.fitting import fit_policy
from ilrobot.policies.config import PolicyConfig
from ilrobot.policies.heads.guidance import Guidance
from ilrobot.policies.heads.prefix import Prefix
from ilrobot.policies.policy import Policy
from ilrobot.spec import Feature, Spec
from tests.ilrobot.policy_tester import CONTINUOUS, example

SMALL = PolicyConfig(
    n_obs=2, horizon=6, execute=3, width=16, blocks=1, sampler_steps=3, prefix_delay=2
)


def test_as_many_labels_are_told_as_there_is_delay_and_the_others_count():
    torch.manual_seed(0)
    prefix, count = Prefix(3, 2), 4000
    actions, mask = torch.rand(count, 5, 2) + 1, torch.ones(count, 5, dtype=torch.bool)
    condition, left = prefix.drawn(torch.full((count, 1), 7.0), actions, mask)
    assert condition.shape == (count, 1 + prefix.features) == (count, 10)
    seen, known, told = condition.split([1, 3, 6], dim=1)
    assert (seen == 7).all()
    delay = known.sum(dim=1).long()
    assert torch.bincount(delay).tolist() == pytest.approx([count / 4] * 4, rel=0.1)
    for tick in range(5):
        assert torch.equal(left[:, tick], tick >= delay)
    expected = actions[:, :3] * (torch.arange(3) < delay[:, None])[:, :, None]
    assert torch.equal(told, expected.flatten(1))


def test_what_is_no_label_is_not_told_and_something_is_always_left():
    torch.manual_seed(0)
    rows = [[1, 1, 0, 0], [1, 0, 1, 1], [0, 1, 1, 1], [1, 0, 0, 0]]
    mask = torch.tensor(rows, dtype=torch.bool).repeat(50, 1)
    condition, left = Prefix(3, 1).drawn(torch.zeros(200, 0), torch.ones(200, 4, 1), mask)
    known = condition[:, :3].bool()
    assert not (known & ~mask[:, :3]).any()
    assert (left | torch.nn.functional.pad(known, (0, 1))).equal(mask)
    assert left.any(dim=1).all()
    assert known.sum(dim=1).reshape(50, 4).amax(dim=0).tolist() == [1, 1, 0, 0]


def test_told_is_what_no_step_may_move_and_the_rest_is_free_then():
    prefix = Prefix(2, 1)
    plan = torch.tensor([3.0, 4.0, 5.0, 6.0]).reshape(1, 4, 1)
    nothing = torch.zeros(1, 0)
    soft = torch.tensor([1.0, 0.6, 0.2, 0.0]).expand(1, 3, 4)
    condition, led = prefix.given(nothing, Guidance(plan, soft))
    assert condition.tolist() == [[1.0, 0.0, 3.0, 0.0]]
    assert led.weights[0].tolist() == [[1.0, 0.0, 0.0, 0.0]] * 3
    beyond = torch.tensor([1.0, 1.0, 1.0, 0.3]).expand(1, 3, 4)
    condition, led = prefix.given(nothing, Guidance(plan, beyond))
    assert condition.tolist() == [[1.0, 1.0, 3.0, 4.0]]
    assert led.weights[0, 0].tolist() == [1.0, 1.0, 1.0, 0.0]
    warm = torch.tensor([[1.0, 1.0, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0]])[None]
    condition, led = prefix.given(nothing, Guidance(plan, warm))
    assert not condition.any()
    assert torch.equal(led.weights, warm)
    condition, led = prefix.given(nothing, None)
    assert condition.tolist() == [[0.0] * 4]
    assert led is None


@pytest.mark.parametrize("head", ["diffusion", "flow"])
def test_a_chunk_goes_on_as_it_is_told_to_begin(head):
    """Always -1 or always +1 over a chunk; untold, either is right."""
    spec = Spec((Feature("x", (1,)),), Feature("action", (1,), low=(-1.0,), high=(1.0,)), 10.0)
    info = EpisodeInfo("", 10.0, outcome=Outcome.SUCCESS)
    ones = np.ones((6, 1), np.float32)
    episodes = [Episode(info, {"x": 0 * ones, "action": s * ones}) for s in (-1, 1) * 20]
    config = PolicyConfig(
        head=head,
        prediction="sample",
        flow_prediction="sample",
        horizon=4,
        execute=2,
        width=32,
        blocks=1,
        diffusion_steps=20,
        prefix_delay=1,
    )
    training = TrainConfig(
        steps=300, batch_size=64, warmup=0, learning_rate=3e-3, held_out=0.0, patience=0
    )
    policy = fit_policy(MemoryRecordings(spec, episodes), config, replace(training, device="cpu"))
    observations = {"x": torch.zeros(200, 1, 1)}
    noise = torch.randn(200, 4, 1, generator=torch.Generator().manual_seed(0))
    weights = torch.zeros(200, 10, 4)
    weights[:, :, 0] = 1
    with torch.no_grad():
        free = policy(observations, noise)
        for side in (-1.0, 1.0):
            told = policy(observations, noise, torch.full((200, 4, 1), side), weights)
            assert ((told[:, 0] - side).abs() < 1e-5).all()
            assert ((told - side).abs() < 0.3).float().mean() > 0.95
    assert 0.2 < (free > 0).float().mean() < 0.8


@pytest.mark.parametrize("head", ["diffusion", "flow", "mip"])
@pytest.mark.parametrize("network", ["mlp", "unet", "transformer", "rnn"])
@torch.no_grad()
def test_every_sampler_can_be_told_on_every_network(head, network):
    torch.manual_seed(0)
    config = replace(SMALL, head=head, network=network, channels=(8, 16))
    policy = Policy(CONTINUOUS, config).eval()
    observations, noise = example(policy, batch=2)
    plan, weights = torch.rand(2, 6, 2), torch.zeros(2, policy.sampler_steps, 6)
    weights[:, :, :2] = 1
    chunk = policy(observations, noise, plan, weights)
    torch.testing.assert_close(chunk[:, :2], plan[:, :2])
    without = replace(config, prefix_delay=0)
    untold = sum(p.numel() for p in Policy(CONTINUOUS, without).parameters())
    assert sum(p.numel() for p in policy.parameters()) > untold


def test_what_cannot_be_told_is_refused():
    for config, words in [
        (replace(SMALL, head="flow", prefix_delay=4), r"--prefix-delay must be within 0 and 3"),
        (replace(SMALL, head="flow", execute=5), r"within 0 and 1, not 2: .*--execute 5"),
        (replace(SMALL, head="flow", prefix_delay=-1), "not -1"),
    ]:
        with pytest.raises(UserError, match=words):
            config.check(CONTINUOUS)
    teacher = Teacher.of(Policy(CONTINUOUS, replace(SMALL, head="flow", prefix_delay=0)))
    with pytest.raises(UserError, match="leave --prefix-delay out"):
        teacher.check(replace(SMALL, head="flow"), CONTINUOUS)
