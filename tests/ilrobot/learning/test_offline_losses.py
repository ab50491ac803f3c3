"""What offline learners minimise, against closed forms, sums and minimisation by numbers."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.optimize import minimize_scalar

from ilrobot.data.episode import Episode, EpisodeInfo, Outcome
from ilrobot.data.memory import MemoryRecordings
from ilrobot.data.transitions import Transitions
from ilrobot.errors import UserError
from ilrobot.learners.offline.cql import CqlMethod
from ilrobot.learners.offline.experience import Experience, fit_normalizers
from ilrobot.learners.offline.iql import IqlMethod, advantage_weights, expectile_loss
from ilrobot.learners.offline.learner import follow
from ilrobot.learners.offline.optimization import Optimization
from ilrobot.learners.offline.td3_bc import Td3BcMethod, balance
from ilrobot.learners.offline.train import offline_config, offline_policy
from ilrobot.learners.offline.weighted_bc import FilteredBcMethod, WeightedBcMethod
from ilrobot.policies.bounded import bounded
from ilrobot.policies.policy import Policy
from ilrobot.spec import Feature, Spec

SPEC = Spec(
    observations=(Feature("observation.state", (2,)), Feature("observation.goal", (1,))),
    action=Feature("action", (2,), low=(-2.0, -1.0), high=(2.0, 3.0)),
    rate=10.0,
)


def transitions(returns=(3.0, 1.0, 2.0), lengths=(4, 6, 10)):
    """Episodes that end by themselves, of these returns and lengths."""
    draw = np.random.default_rng(0)
    episodes = []
    for total, length in zip(returns, lengths, strict=True):
        columns = {
            "observation.state": draw.normal(3, 5, (length, 2)).astype(np.float32),
            "observation.goal": draw.normal(size=(length, 1)).astype(np.float32),
            "action": draw.uniform(-1, 1, (length, 2)).astype(np.float32),
            "next.reward": np.full(length, total / length, dtype=np.float32),
        }
        episodes.append(Episode(EpisodeInfo("toy", 10.0, Outcome.FAILURE), columns))
    return Transitions.of(MemoryRecordings(SPEC, episodes), rewards=True)


def learner(method, data):
    torch.manual_seed(0)
    policy = Policy(SPEC, offline_policy(method, width=16))
    fit_normalizers(policy, data)
    return method.learner(policy, offline_config(steps=10)), Experience(data, policy)


# Data


def test_a_batch_is_standardised_and_its_actions_are_shares_of_their_limits():
    data = transitions()
    made, experience = learner(Td3BcMethod(), data)
    batch = experience.take(torch.arange(len(data)))
    states = batch.condition[:, :2]
    torch.testing.assert_close(states.mean(dim=0), torch.zeros(2), atol=1e-5, rtol=0)
    torch.testing.assert_close(states.std(dim=0, correction=0), torch.ones(2), atol=1e-5, rtol=0)
    shares = (data.actions - [0.0, 1.0]) / [2.0, 2.0]
    torch.testing.assert_close(batch.actions, torch.tensor(shares, dtype=torch.float32))
    assert batch.continues.tolist() == (~data.terminal).astype(float).tolist()
    torch.testing.assert_close(batch.following[0], batch.condition[1])
    physical = made.policy.action_normalizer.inverse(batch.actions)
    torch.testing.assert_close(physical, torch.from_numpy(data.actions))


def test_batches_are_drawn_by_weight():
    data = transitions()
    policy = learner(Td3BcMethod(), data)[0].policy
    weights = np.zeros(len(data))
    weights[[2, 15]] = 1, 3
    experience = Experience(data, policy, weights)
    drawn = experience.sample(4_000, torch.Generator().manual_seed(0)).condition
    either = experience.take(torch.tensor([2, 15])).condition
    shares = [(drawn == row).all(dim=1).float().mean().item() for row in either]
    assert shares == pytest.approx([0.25, 0.75], abs=0.03)


# TD3+BC


def test_the_balance_of_td3_bc_is_alpha_by_the_mean_size_of_values():
    values = torch.tensor([-4.0, 1.0, 7.0], requires_grad=True)
    weight = balance(values, 2.5)
    assert weight.item() == pytest.approx(2.5 / 4)
    assert not weight.requires_grad


def test_the_policy_of_td3_bc_does_not_care_how_large_values_are():
    data = transitions()
    made, experience = learner(Td3BcMethod(), data)
    batch = experience.take(torch.arange(16))
    loss, away = made.policy_loss(batch)
    with torch.no_grad():
        for part in (made._critics.weights[-1], made._critics.biases[-1]):
            part.mul_(1_000)
    torch.testing.assert_close(made.policy_loss(batch)[0], loss)
    acts = made.policy.head(batch.condition)[:, 0]
    torch.testing.assert_close(away, (acts - batch.actions).square().mean())
    values = made._critics.first(torch.cat([batch.condition, acts.clamp(-1, 1)], dim=1))
    expected = away - 2.5 * values.mean() / values.abs().mean()
    torch.testing.assert_close(loss, expected)


def test_nothing_is_worth_anything_after_an_end():
    data = transitions()
    made, experience = learner(Td3BcMethod(discount=0.9), data)
    last = torch.from_numpy(np.flatnonzero(data.terminal))
    batch = experience.take(last)
    target = made.target(batch, torch.Generator().manual_seed(0))
    torch.testing.assert_close(target, batch.rewards)


def test_the_target_is_the_lesser_of_two_values_near_the_slow_policys_action():
    data = transitions()
    made, experience = learner(Td3BcMethod(discount=0.9), data)
    batch = experience.take(torch.from_numpy(np.flatnonzero(~data.terminal)))
    target = made.target(batch, torch.Generator().manual_seed(0))
    noise = torch.empty_like(batch.actions).normal_(generator=torch.Generator().manual_seed(0))
    acts = made._slow_head(batch.following)[:, 0] + (0.2 * noise).clamp(-0.5, 0.5)
    both = made._slow_critics(torch.cat([batch.following, acts.clamp(-1, 1)], dim=1))
    torch.testing.assert_close(target, batch.rewards + 0.9 * both.min(dim=0).values)


def test_a_limit_lets_gradients_lead_inside_only():
    actions = torch.tensor([-3.0, -3.0, 0.2, 3.0, 3.0], requires_grad=True)
    limited = bounded(actions)
    assert limited.tolist() == pytest.approx([-1, -1, 0.2, 1, 1])
    slopes = torch.tensor([-1.0, 1.0, 1.0, 1.0, -1.0])  # descent goes against them
    (gradient,) = torch.autograd.grad(limited, actions, slopes)
    assert gradient.tolist() == [-1, 0, 1, 1, 0]


def test_what_follows_moves_by_its_rate():
    slow, fast = torch.nn.Linear(2, 1), torch.nn.Linear(2, 1)
    expected = 0.9 * slow.weight.detach() + 0.1 * fast.weight.detach()
    follow(slow, fast, 0.1)
    torch.testing.assert_close(slow.weight.detach(), expected)


# IQL


@pytest.mark.parametrize("expectile", [0.5, 0.7, 0.9])
def test_the_expectile_is_what_minimisation_by_numbers_finds(expectile):
    values = torch.from_numpy(np.random.default_rng(0).gamma(2.0, size=500))

    def mean_loss(of: float) -> float:
        return float(expectile_loss(values - of, expectile).mean())

    found = minimize_scalar(mean_loss, bounds=(0, 20), method="bounded", options={"xatol": 1e-8}).x
    start = torch.zeros((), dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS(
        [start], max_iter=100, tolerance_grad=1e-12, line_search_fn="strong_wolfe"
    )

    def closure():
        optimizer.zero_grad()
        loss = expectile_loss(values - start, expectile).mean()
        loss.backward()
        return loss

    optimizer.step(closure)
    assert start.item() == pytest.approx(found, abs=1e-4)
    # Newey and Powell 1987, eq. 2.1: as much above as below, each by its weight.
    away = values.numpy() - start.item()
    above, below = away[away > 0].sum(), -away[away < 0].sum()
    assert expectile * above == pytest.approx((1 - expectile) * below, rel=1e-4)
    if expectile == 0.5:
        assert start.item() == pytest.approx(float(values.mean()), abs=1e-6)


def test_weights_of_advantages_are_exponential_up_to_100():
    weights = advantage_weights(torch.tensor([-1.0, 0.0, 1.0, 50.0]), 3.0)
    assert weights.tolist() == pytest.approx([math.exp(-3), 1, math.exp(3), 100])


@pytest.mark.parametrize("method", [IqlMethod(), Td3BcMethod()])
def test_rewards_are_scaled_by_the_range_of_the_returns(method):
    data = transitions(returns=(3.0, 1.0, 2.0), lengths=(4, 6, 10))
    assert method.reward_scale(data) == pytest.approx(10 / 2)
    alike = transitions(returns=(3.0, 3.0, 3.0))
    assert method.reward_scale(alike) == pytest.approx(10 / 0.3)


def test_iql_that_does_not_care_for_advantages_clones():
    data = transitions()
    batches = []
    for method in (IqlMethod(beta=0.0), FilteredBcMethod()):
        made, experience = learner(method, data)
        batch = experience.take(torch.arange(16))
        for step in range(3):
            found = made.update(batch, step, torch.Generator().manual_seed(0))
        batches.append((found.get("policy_loss", found["loss"]), *made.policy.head.parameters()))
    for own, cloned in zip(*batches, strict=True):
        torch.testing.assert_close(own, cloned)


# How all learn


@pytest.mark.parametrize("method", [IqlMethod(), Td3BcMethod(), CqlMethod(), FilteredBcMethod()])
def test_the_policy_and_it_alone_learns_slower_to_the_end(method):
    made, experience = learner(method, transitions())
    config = offline_config(steps=10, batch_size=8, learning_rate=1e-3)
    before = {name: o.param_groups[0]["lr"] for name, o in made.optimizers.items()}
    rates = []

    def after_step(progress):
        rates.append({name: o.param_groups[0]["lr"] for name, o in made.optimizers.items()})

    Optimization(made, experience, config, None).run(after_step)
    falling = [(1 + math.cos(math.pi * step / 10)) / 2 for step in range(10)]
    assert [one["policy"] for one in rates] == pytest.approx(
        [before["policy"] * share for share in falling]
    )
    others = set(before) - {"policy"}
    assert all(one[name] == before[name] for one in rates for name in others)


# CQL


def test_cqls_critics_are_asked_only_in_the_plane_of_the_data():
    data = transitions()
    still = replace(data, actions=data.actions * np.array([1.0, 0.0], dtype=np.float32))
    found, experience = learner(CqlMethod(), still)
    asked = []
    found._critics.register_forward_pre_hook(lambda _, given: asked.append(given[0].detach()))
    generator = torch.Generator().manual_seed(0)
    found.update(experience.sample(16, generator), 0, generator)
    assert any(len(rows) > 16 for rows in asked)
    assert not any(rows[:, -1].any() for rows in asked)


def test_cqls_temperature_asks_nothing_of_an_action_that_never_moves():
    data = transitions()
    still = replace(data, actions=np.full_like(data.actions, 0.5))
    temperatures = []
    for known in (data, still):
        made, experience = learner(CqlMethod(), known)
        generator = torch.Generator().manual_seed(0)
        batch = experience.sample(16, generator)
        temperatures.append([float(made.update(batch, 1, generator)["temperature"]) for _ in "12"])
    assert temperatures[0][0] != temperatures[0][1]
    assert temperatures[1][0] == temperatures[1][1]


# Cloning the better episodes


@pytest.mark.parametrize(("best", "chosen"), [(1.0, {0}), (21.0, {0, 2}), (100.0, {0, 1, 2})])
def test_the_best_episodes_are_taken_until_there_are_enough_steps(best, chosen):
    data = transitions(returns=(3.0, 1.0, 2.0), lengths=(4, 6, 10))
    weights = FilteredBcMethod(best=best).weights(data)
    assert set(data.episode[weights > 0].tolist()) == chosen
    assert set(weights.tolist()) <= {0.0, 1.0}


def test_an_episode_is_chosen_by_what_its_cut_off_step_brought():
    data = transitions()  # of returns 3, 1 and 2
    last = np.flatnonzero(np.diff(data.episode, append=3))
    cut_off = np.zeros(len(data), dtype=np.float32)
    cut_off[last[1]] = 5.0
    weights = FilteredBcMethod(best=1.0).weights(replace(data, cut_off=cut_off))
    assert set(data.episode[weights > 0].tolist()) == {1}
    late = replace(data, cut_off=100 * cut_off)  # critics do not see it, nor does their scale
    assert IqlMethod().reward_scale(late) == IqlMethod().reward_scale(data)


def test_equal_episodes_are_all_taken_and_the_worst_never_are():
    """As returns of success are: else failures are cloned, and who was recorded late is not."""
    few, many = ((1.0, 0.0, 0.0, 0.0, 0.0, 0.0), (0.0, 1.0, 1.0, 1.0, 1.0, 1.0))
    for returns, chosen in ((few, {0}), (many, {1, 2, 3, 4, 5}), ((1.0,) * 6, set(range(6)))):
        data = transitions(returns=returns, lengths=(5,) * 6)
        method = FilteredBcMethod(best=30.0)
        assert set(data.episode[method.weights(data) > 0].tolist()) == chosen
        assert f"{len(chosen)} of 6 episodes, those of return 1 or more" in method.note(data)
    assert FilteredBcMethod(best=100.0).weights(transitions(few, (5,) * 6)).all()


def test_episodes_are_drawn_by_their_return():
    data = transitions(returns=(3.0, 1.0, 2.0), lengths=(4, 6, 10))
    weights = WeightedBcMethod(temperature=0.5).weights(data)
    expected = np.exp(np.array([0.0, -1.0, -0.5]) / 0.5)
    np.testing.assert_allclose(weights, expected[data.episode], rtol=1e-5)


@pytest.mark.parametrize(
    ("method", "said"),
    [
        (Td3BcMethod(alpha=-1.0), "--alpha must be at least 0, not -1"),
        (Td3BcMethod(discount=1.0), "--discount must be at most 0.99999, not 1"),
        (IqlMethod(expectile=0.2), "--expectile must be at least 0.5, not 0.2"),
        (FilteredBcMethod(best=0.0), "--best must be at least 0.01, not 0"),
        (WeightedBcMethod(temperature=math.nan), "--temperature must be finite and at"),
    ],
)
def test_settings_out_of_range_are_refused(method, said):
    with pytest.raises(UserError, match=said):
        method.check()
