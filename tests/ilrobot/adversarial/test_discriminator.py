"""What a discriminator learns, against closed forms."""

from itertools import product

import numpy as np
import pytest
import torch
from torch import nn

from ilrobot.data.transitions import Transitions
from ilrobot.errors import UserError
from ilrobot.learners.adversarial.airl import AirlDiscriminator
from ilrobot.learners.adversarial.discriminator import (
    EXPERT,
    LOGIT_CLIP,
    POLICY,
    DiscriminatorConfig,
)
from ilrobot.learners.adversarial.gail import GailDiscriminator
from ilrobot.learners.adversarial.rows import Rows
from ilrobot.learners.reinforcement.config import SCRATCH
from ilrobot.policies.density import PolicyDensity, new_policy
from ilrobot.rewards.config import RewardConfig
from ilrobot.rewards.model import RewardModel
from ilrobot.spec import Feature, Spec

LINE = Spec((Feature("observation.state", (1,)),), Feature("action", (1,)), 10.0)


def rows(observations, actions=None, following=None, terminal=None, absorbing=None):
    count = len(observations)
    zero = torch.zeros(count)
    return Rows(
        observations,
        torch.zeros(count, 1) if actions is None else actions,
        observations if following is None else following,
        zero if terminal is None else terminal,
        zero if absorbing is None else absorbing,
    )


def gaussian(mean, count, seed):
    draw = torch.Generator().manual_seed(seed)
    return mean + torch.randn(count, 1, generator=draw)


def density(spec=LINE, log_std=-0.5):
    torch.manual_seed(0)
    return PolicyDensity(new_policy(spec, SCRATCH, log_std))


def gail(config=None, regularizer="none"):
    torch.manual_seed(0)
    return GailDiscriminator(RewardModel(LINE, config or RewardConfig("state")), regularizer)


def fit(discriminator, expert, policy, policy_density, steps=600):
    discriminator.reward.fit_normalizers(
        torch.cat([expert.observations, policy.observations]), torch.zeros(2, 1)
    )
    adam = torch.optim.Adam(discriminator.parameters(), lr=3e-3)
    draw = torch.Generator().manual_seed(0)
    for step in range(steps):
        for group in adam.param_groups:
            group["lr"] = 3e-3 * (1 - step / steps)
        drawn = [part.draw(512, draw) for part in (expert, policy)]
        adam.zero_grad()
        discriminator.loss(*drawn, policy_density).loss.backward()
        adam.step()


def test_the_expert_is_one():
    assert (EXPERT, POLICY) == (1.0, 0.0)
    found = gail()
    expert, policy = rows(gaussian(2.0, 500, 0)), rows(gaussian(-2.0, 500, 1))
    fit(found, expert, policy, density(), steps=50)
    with torch.no_grad():
        said = [torch.sigmoid(found.logits(part, density())).mean() for part in (expert, policy)]
    assert said[0] > 0.8
    assert said[1] < 0.2


def test_the_optimum_is_the_share_of_the_experts_density():
    # p_E = N(0, 1), p_π = N(1, 1): log p_E - log p_π = 1/2 - x, and D* = p_E / (p_E + p_π).
    found = gail()
    fit(found, rows(gaussian(0.0, 40_000, 0)), rows(gaussian(1.0, 40_000, 1)), density())
    x = torch.linspace(-1, 2, 31)[:, None]
    with torch.no_grad():
        logits = found.logits(rows(x), density())
    assert (torch.sigmoid(logits) - torch.sigmoid(0.5 - x[:, 0])).abs().max() < 0.04


def test_both_halves_count_alike_whatever_their_number():
    found = gail()
    few, many = rows(gaussian(0.0, 10, 0)), rows(gaussian(1.0, 1000, 1))
    error = found.loss(few, many, density())
    loss, logits = error.loss, error.logits
    softplus = nn.functional.softplus
    by_hand = (softplus(-logits[:10]).mean() + softplus(logits[10:]).mean()) / 2
    torch.testing.assert_close(loss, by_hand)


def test_the_gradient_penalty_is_that_of_a_line():
    found = gail(RewardConfig("state", layers=1, width=1))
    weight = 3.0

    class Slope(nn.Module):
        def forward(self, x):
            return weight * x

    found.reward.network = Slope()
    draw = rows(gaussian(0.0, 100, 0)), rows(gaussian(1.0, 100, 1))
    penalty = found.gradient_penalty(*draw, torch.rand(100, 1))
    assert float(penalty) == pytest.approx((weight - 1) ** 2)


def test_a_normalised_spectrum_stretches_nothing():
    found = gail(RewardConfig("state", width=32), "spectral-norm")
    with torch.no_grad():
        for layer in found.reward.network:
            if isinstance(layer, nn.Linear):
                layer.parametrizations.weight.original.mul_(50)
    for _ in range(30):  # each pass in training mode is a step of the power iteration
        found.logits(rows(gaussian(0.0, 2, 0)), density())
    x = torch.linspace(-3, 3, 200)[:, None]
    with torch.no_grad():
        slopes = found.logits(rows(x), density()).diff() / x[:, 0].diff()
    assert slopes.abs().max() < 1.01
    plain = gail(RewardConfig("state", width=32))
    with torch.no_grad():
        for parameter in plain.parameters():
            parameter.mul_(50)
        steep = plain.logits(rows(x), density()).diff() / x[:, 0].diff()
    assert steep.abs().max() > 10


def test_clipped_logits_are_no_surer_than_said():
    found = gail(regularizer="logit-clip")
    with torch.no_grad():
        found.reward.network[-1].bias.fill_(100.0)
    assert (found.logits(rows(gaussian(0.0, 5, 0)), density()) == LOGIT_CLIP).all()


def test_log_pi_is_that_of_the_policy_of_now_for_both_halves():
    torch.manual_seed(0)
    found = AirlDiscriminator(RewardModel(LINE, RewardConfig("state-action")), "none", 0.9)
    part = rows(gaussian(0.0, 20, 0), 0.3 * gaussian(0.0, 20, 1), gaussian(0.0, 20, 2))
    energy = found.energy(found.features(part))
    for log_std in (-0.5, -1.5):
        policy = density(log_std=log_std)
        expected = energy - policy.log_density(part.observations, part.actions)
        torch.testing.assert_close(found.logits(part, policy), expected)
        loss_logits = found.loss(part, part, policy).logits
        torch.testing.assert_close(loss_logits, torch.cat([expected, expected]))


def test_airl_at_its_optimum_knows_the_experts_policy():
    # With the same states, z* = log π_E - log π, so f* = log π_E(a | s), here N(x / 2, 0.3²).
    torch.manual_seed(0)
    found = AirlDiscriminator(RewardModel(LINE, RewardConfig("state-action")), "none", 0.9)
    policy, count = density(log_std=0.0), 40_000
    seen = [gaussian(0.0, count, seed).clamp(-2, 2) for seed in (0, 1)]
    acted = seen[0] / 2 + 0.3 * gaussian(0.0, count, 2)
    with torch.no_grad():
        mean, log_std = policy.distribution(seen[1])
        tried = policy.physical(mean + log_std.exp() * gaussian(0.0, count, 3), seen[1])
    expert, other = (
        rows(s, a, torch.zeros(count, 1)) for s, a in zip(seen, (acted, tried), strict=True)
    )
    found.reward.action_norm.update(torch.cat([acted, tried]))
    fit(found, expert, other, policy, steps=500)
    grid = torch.tensor(list(product(np.linspace(-1, 1, 5), np.linspace(-0.5, 0.5, 5))))
    x, way = grid.float().split(1, dim=1)
    part = rows(x, x / 2 + way * 0.6, torch.zeros(len(x), 1))
    with torch.no_grad():
        f = found.energy(found.features(part))
    expected = torch.distributions.Normal(x / 2, 0.3).log_prob(part.actions)[:, 0]
    assert (f - expected).abs().max() < 0.5


@pytest.mark.parametrize("absorbing", [False, True])
def test_shaping_leaves_the_optimal_policy(absorbing):
    """r and r + γΦ(s') - Φ(s) of a random world have the same greedy policy and other values."""
    states, choices, discount, draw = 12, 3, 0.9, np.random.default_rng(3)
    spec = Spec((Feature("observation.state", (states,)),), LINE.action, 10.0)
    torch.manual_seed(1)
    config = RewardConfig("state-action", absorbing=absorbing)
    found = AirlDiscriminator(RewardModel(spec, config), "none", discount)
    with torch.no_grad():  # a potential that matters
        found.potential[-1].weight.mul_(20)
    moves = draw.dirichlet(np.full(states, 0.3), (states, choices))
    over = states - 1  # the episode ends where this is entered
    s, a, after = (torch.tensor(i) for i in np.indices(moves.shape).reshape(3, -1))
    each = rows(
        torch.eye(states)[s],
        a[:, None].float() - 1,
        torch.eye(states)[after],
        terminal=(after == over).float(),
    )
    with torch.no_grad():
        shaped = found.energy(found.features(each)).numpy().reshape(moves.shape)
        inputs = found.reward.inputs(each.observations, each.actions, each.next_observations)
        plain = found.reward.score(inputs).numpy().reshape(moves.shape)
        nowhere = rows(
            torch.zeros(1, states),
            torch.zeros(1, 1),
            torch.zeros(1, states),
            torch.ones(1),
            torch.ones(1),
        )
        rest = float(found.energy(found.features(nowhere)))
        rest_plain = float(found.reward.score(found.features(nowhere)[:, : inputs.shape[1]]))

    def plan(rewards, resting):
        final = resting / (1 - discount) if absorbing else 0.0
        values = np.zeros(states)
        for _ in range(500):
            quality = (moves * (rewards + discount * values)).sum(axis=2)
            values = quality.max(axis=1)
            values[over] = final
        return quality[:over]

    before, with_shaping = plan(plain, rest_plain), plan(shaped, rest)
    assert np.abs(before - with_shaping).max() > 1
    np.testing.assert_array_equal(before.argmax(1), with_shaping.argmax(1))
    gaps = [q - q.max(axis=1, keepdims=True) for q in (before, with_shaping)]
    np.testing.assert_allclose(*gaps, atol=1e-3)


def test_each_end_enters_an_absorbing_state():
    terminal = np.array([False, True, False, True])
    numbers = np.arange(4, dtype=np.float32)[:, None]
    made = Transitions(
        numbers, numbers, None, numbers + 1, terminal, ~terminal, np.zeros(4, np.int64)
    )
    tensor = lambda array: torch.as_tensor(array, dtype=torch.float32)  # noqa: E731
    plain = Rows.of(made, tensor, absorbing=False)
    # A recording knows nothing of what was observed after an end.
    assert plain.next_observations[:, 0].tolist() == [1, 1, 3, 3]
    found = Rows.of(made, tensor, absorbing=True)
    assert found.next_observations[:, 0].tolist() == [1, 1, 3, 3, 1, 3]
    assert found.absorbing.tolist() == [0, 0, 0, 0, 1, 1]
    assert found.terminal.tolist() == [0, 1, 0, 1, 1, 1]


def test_settings_out_of_range_are_one_line():
    with pytest.raises(UserError, match="--batch-size must be at least 1, not 0"):
        DiscriminatorConfig(batch_size=0)
    for rate in (-1, 0, 2, float("inf"), float("nan")):
        with pytest.raises(UserError, match="--discriminator-learning-rate must be above 0"):
            DiscriminatorConfig(learning_rate=rate)
    with pytest.raises(UserError, match="--penalty must be finite"):
        DiscriminatorConfig(penalty=float("inf"))
