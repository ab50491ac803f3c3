"""PPO on our policies: what it returns, what it learns, and that it goes on where it was."""

import copy
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
import torch

from ilrobot.data.transitions import Transitions
from ilrobot.env import make_env
from ilrobot.errors import UserError, WorkFailed
from ilrobot.evaluate import evaluate
from ilrobot.learners.reinforcement import ppo
from ilrobot.learners.reinforcement.advantages import generalized_advantages
from ilrobot.learners.reinforcement.config import INITIAL_LOG_STD, SCRATCH, PpoConfig
from ilrobot.learners.reinforcement.ppo import PpoReinforcer
from ilrobot.learners.reinforcement.rollouts import Rollouts
from ilrobot.learners.reinforcement.running import RewardScale, RunningStatistics
from ilrobot.learners.reinforcement.vector_env import TaskVectorEnv
from ilrobot.policies.density import PolicyDensity, new_policy
from ilrobot.policies.policy import Policy
from tests.ilrobot.learning import line_world

QUICK = PpoConfig(rollout=256, batch_size=64, epochs=4, learning_rate=1e-3, discount=0.9)


@pytest.fixture
def env() -> Iterator[TaskVectorEnv]:
    env = TaskVectorEnv(lambda: make_env(line_world.TASK), 4, seed=0)
    yield env
    env.close()


def _policy(env: TaskVectorEnv) -> Policy:
    torch.manual_seed(0)
    return new_policy(env.task, SCRATCH, INITIAL_LOG_STD)


def _distance(policy: Policy) -> float:
    """How far from the middle a step ends that begins at ±0.4."""
    seen = torch.tensor([[0.4, 45.0], [-0.4, -35.0]])
    with torch.no_grad():
        action = policy({"observation.state": seen[:, None]})[:, 0].clamp(-2, 2)
    return float((seen[:, 0] + action[:, 0] / 4).abs().mean())


def test_transitions_are_the_worlds_own(env: TaskVectorEnv):
    made = PpoReinforcer(_policy(env), env, QUICK, seed=0).learn(300)
    steps = made.transitions
    assert len(steps) == 512  # whole rollouts
    x, after = steps.observations[:, 0], steps.next_observations[:, 0]
    assert np.abs(steps.actions).max() <= 2
    np.testing.assert_allclose(after, x + steps.actions[:, 0] / 4, atol=1e-5)
    assert steps.rewards is not None
    np.testing.assert_allclose(steps.rewards, 1 - np.abs(after), atol=1e-5)
    np.testing.assert_array_equal(steps.terminal, np.abs(after) > line_world.EDGE)
    assert steps.timeout.any()
    assert not (steps.terminal & steps.timeout).any()
    assert (np.diff(steps.episode) >= 0).all()
    same = np.diff(steps.episode) == 0
    np.testing.assert_array_equal(same & (steps.terminal | steps.timeout)[:-1], False)
    np.testing.assert_allclose(x[1:][same], after[:-1][same])
    assert max(end.length for end in made.ended) <= line_world.LIMIT
    assert all(end.success is not None for end in made.ended)


def test_it_learns_the_tasks_reward_and_is_measured_like_any_policy(env: TaskVectorEnv):
    policy = _policy(env)
    assert _distance(policy) > 0.3
    PpoReinforcer(policy, env, QUICK, seed=0).learn(5_000)
    assert _distance(policy) < 0.2
    measured = evaluate(lambda: (make_env(line_world.TASK), policy.actor()), range(20))
    assert measured.to_json()["return_mean"] > 0.7 * line_world.LIMIT


def test_a_reward_takes_the_place_of_the_tasks(env: TaskVectorEnv):
    policy = _policy(env)
    asked: list[int] = []

    def reward(steps: Transitions) -> np.ndarray:
        asked.append(len(steps))
        return -np.abs(steps.actions[:, 0] - 1)

    made = PpoReinforcer(policy, env, QUICK, seed=0).learn(2_560, reward)
    assert asked == [256] * 10
    assert made.transitions.actions[-256:].mean() > 0.3
    assert made.transitions.rewards is not None
    after = made.transitions.next_observations[:, 0]
    np.testing.assert_allclose(made.transitions.rewards, 1 - np.abs(after), atol=1e-5)


def test_a_leash_keeps_the_policy_where_it_was(env: TaskVectorEnv):
    moved = []
    for weight in (0.0, 10.0):
        policy, reference = _policy(env), _policy(env)
        learner = PpoReinforcer(
            policy,
            env,
            QUICK,
            seed=0,
            reference=reference,
            kl_weight=weight,
            fit_observations=False,
        )
        made = learner.learn(1_500)
        seen = torch.from_numpy(made.transitions.observations)
        density = PolicyDensity(policy)
        with torch.no_grad():
            given = density.encode(seen)
            away = density.divergence(PolicyDensity(reference), given, *density.given(given))
        moved.append(float(away.mean()))
    assert moved[1] < 0.1 * moved[0]


def test_the_policy_learns_nothing_while_its_value_warms_up(env: TaskVectorEnv):
    policy = _policy(env)
    before = {name: value.clone() for name, value in policy.head.state_dict().items()}
    config = PpoConfig(**{**vars(QUICK), "critic_rollouts": 2})
    learner = PpoReinforcer(policy, env, config, seed=0)
    learner.learn(512)
    assert all(torch.equal(value, before[n]) for n, value in policy.head.state_dict().items())
    learner.learn(256)
    assert not all(torch.equal(value, before[n]) for n, value in policy.head.state_dict().items())


def test_the_value_learns_at_a_rate_of_its_own(env: TaskVectorEnv):
    policy = _policy(env)
    before = copy.deepcopy(policy.head.state_dict())
    config = replace(QUICK, critic_learning_rate=1e-12)
    learner = PpoReinforcer(policy, env, config, seed=0)
    critic = copy.deepcopy(learner.state()["critic"])
    learner.learn(256)
    for name, value in learner.state()["critic"].items():
        torch.testing.assert_close(value, critic[name], rtol=0, atol=1e-8)
    assert not all(torch.equal(value, before[n]) for n, value in policy.head.state_dict().items())


def test_advantages_look_ahead_by_their_trace_until_an_episode_ends():
    values = np.array([[10.0, 20.0, 30.0]], dtype=np.float32)

    def advantages(trace: float, *ends: bool) -> list[float]:
        return generalized_advantages(
            np.array([[1.0, 2.0, 4.0]], dtype=np.float32),
            values,
            np.array([ends]),
            np.array([40.0], dtype=np.float32),
            discount=0.5,
            trace=trace,
        ).tolist()[0]

    assert advantages(0.0, False, False, False) == [1.0, -3.0, -6.0]  # r + γ V(o') - V(o)
    whole = np.array(advantages(1.0, False, False, False)) + values[0]
    assert whole.tolist() == [8.0, 14.0, 24.0]  # Σ γ^k r, and what comes after
    assert advantages(1.0, False, True, False) == [-8.0, -18.0, -6.0]


def test_the_same_seed_learns_the_same_and_a_state_goes_on(env: TaskVectorEnv):
    def learnt(steps: int) -> PpoReinforcer:
        fresh = TaskVectorEnv(lambda: make_env(line_world.TASK), 4, seed=0)
        learner = PpoReinforcer(_policy(env), fresh, QUICK, seed=3)
        learner.learn(steps)
        fresh.close()
        return learner

    first, second = learnt(512), learnt(512)
    for one, other in zip(first.policy.parameters(), second.policy.parameters(), strict=True):
        assert torch.equal(one, other)

    state = first.state()
    resumed = []
    for _ in range(2):
        learner = PpoReinforcer(_policy(env), env, QUICK, seed=3)
        learner.load_state(copy.deepcopy(state))
        assert learner.steps == 512
        np.testing.assert_array_equal(
            learner.policy.encoder.normalizer.offset, first.policy.encoder.normalizer.offset
        )
        learner.learn(256)
        resumed.append(learner.policy.state_dict())
    assert all(torch.equal(resumed[0][name], resumed[1][name]) for name in resumed[0])


def test_a_reward_that_is_not_finite_is_told(env: TaskVectorEnv):
    learner = PpoReinforcer(_policy(env), env, QUICK, seed=0)
    with pytest.raises(WorkFailed, match="no longer finite after 256 environment steps"):
        learner.learn(1, lambda steps: np.full(len(steps), np.nan))


def test_a_policy_that_diverged_says_what_to_change(env: TaskVectorEnv):
    policy = _policy(env)
    learner = PpoReinforcer(policy, env, QUICK, seed=0)
    learner.learn(1)
    with torch.no_grad():
        for weight in policy.parameters():
            weight.fill_(float("nan"))
    with pytest.raises(WorkFailed, match=r"after 256 environment steps; .* --learning-rate, into"):
        learner.learn(1)


def test_discrete_actions_are_refused():
    with pytest.raises(UserError, match=r"the actions of CartPole-v1 are 2 choices"):
        TaskVectorEnv(lambda: make_env("CartPole-v1"), 1, seed=0)


def test_a_rollout_that_copies_cannot_share_is_refused(env: TaskVectorEnv):
    with pytest.raises(UserError, match="--rollout 257 cannot be shared"):
        PpoReinforcer(_policy(env), env, PpoConfig(rollout=257), seed=0)


def test_success_can_be_the_reward_and_the_end():
    env = TaskVectorEnv(lambda: make_env(line_world.TASK), 1, seed=0, success_only=True)
    observations = env.reset()
    for _ in range(3):
        step = env.advance(-4 * observations[:, :1])
        observations = step.observations
        if step.terminal[0]:
            break
    assert step.terminal[0]
    assert step.ended[0].success
    assert step.ended[0].ret == 1
    env.close()


def test_success_is_no_reward_where_nobody_judges():
    options = {"max_episode_steps": 1}
    env = TaskVectorEnv(lambda: make_env("Pendulum-v1", options), 1, seed=0, success_only=True)
    env.reset()
    with pytest.raises(UserError, match="Pendulum-v1 does not say whether it succeeded"):
        env.advance(np.zeros((1, 1), dtype=np.float32))
    env.close()


def test_running_statistics_are_those_of_all_at_once():
    values = np.random.default_rng(0).normal(3, 2, (100, 2))
    seen = RunningStatistics(2)
    for part in np.split(values, [3, 50, 51]):
        seen.update(part)
    np.testing.assert_allclose(seen.mean, values.mean(axis=0))
    np.testing.assert_allclose(seen.std, values.std(axis=0))


def test_a_scaled_reward_keeps_its_sign_and_gives_returns_of_one():
    rng = np.random.default_rng(0)
    scale = RewardScale(2, 0.9)
    for _ in range(50):
        scaled = scale(100 * rng.normal(size=(40, 2)), np.zeros((40, 2), dtype=bool))
    total = np.zeros(2)
    returns = [total := 0.9 * total + reward for reward in scaled]
    assert np.std(returns) == pytest.approx(1, abs=0.4)
    assert (scale(np.ones((4, 2)), np.zeros((4, 2), dtype=bool)) > 0).all()


def test_what_a_learnt_reward_says_of_an_end_is_not_cut(env: TaskVectorEnv, monkeypatch):
    """It is worth what the absorbing state is for ever, which may be far more than a step."""
    given = []

    def seen(rewards, *rest, **settings):
        given.append(rewards)
        return generalized_advantages(rewards, *rest, **settings)

    monkeypatch.setattr(ppo, "generalized_advantages", seen)

    def one_end(steps: Transitions) -> np.ndarray:
        return np.where(steps.terminal & (np.cumsum(steps.terminal) == 1), -1e3, 0.0)

    PpoReinforcer(_policy(env), env, QUICK, seed=0).learn(256, one_end)
    assert given[0].min() < -12
    rewards, over = np.zeros((256, 1)), np.zeros((256, 1), bool)
    rewards[100], over[100] = -1e3, True
    assert RewardScale(1, 0.9)(rewards, over).min() == -10
    assert RewardScale(1, 0.9)(rewards, over, over).min() == pytest.approx(-16, abs=0.1)


def test_a_scale_that_goes_on_begins_new_episodes():
    running = np.zeros((40, 1), dtype=bool)
    first, again = RewardScale(1, 0.9), RewardScale(1, 0.9)
    first(np.random.default_rng(0).normal(size=(40, 1)) + 3, running)
    again.load_state(first.state())
    over = running.copy()
    over[-1] = True
    whole = RewardScale(1, 0.9)
    whole(np.random.default_rng(0).normal(size=(40, 1)) + 3, over)
    later = np.random.default_rng(1).normal(size=(40, 1))
    np.testing.assert_array_equal(again(later, running), whole(later, running))
    assert (first(later, running) != whole(later, running)).any()


def test_joined_rollouts_number_their_episodes_anew(env: TaskVectorEnv):
    learner = PpoReinforcer(_policy(env), env, QUICK, seed=0)
    one, two = learner.learn(256), learner.learn(256)
    both = Rollouts.joined([one, two])
    assert len(both) == 512
    assert (np.diff(both.transitions.episode) >= 0).all()
    assert len(both.ended) == len(one.ended) + len(two.ended)
