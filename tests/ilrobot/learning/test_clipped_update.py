"""The update of PPO is that of stable-baselines3, on the same rollout in the same minibatches."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from gymnasium import spaces
from stable_baselines3 import PPO
from stable_baselines3.common.buffers import RolloutBuffer
from stable_baselines3.common.logger import Logger
from stable_baselines3.common.policies import ActorCriticPolicy
from stable_baselines3.common.type_aliases import RolloutBufferSamples
from torch import Tensor

from ilrobot.learners.reinforcement.actor_critic import ActorCritic, Critic, Samples
from ilrobot.learners.reinforcement.advantages import generalized_advantages
from ilrobot.learners.reinforcement.clipped_update import AutogradGradient, clipped_update
from ilrobot.learners.reinforcement.config import INITIAL_LOG_STD, PpoConfig
from ilrobot.learners.reinforcement.explicit_density import ExplicitDensity
from ilrobot.learners.reinforcement.explicit_gradient import ExplicitGradient
from ilrobot.policies.config import PolicyConfig
from ilrobot.policies.density import PolicyDensity, new_policy
from ilrobot.policies.policy import Policy
from ilrobot.spec import Feature, Spec

COPIES, TICKS, OBSERVED, ACTED = 4, 25, 3, 2
CONFIG = PpoConfig(rollout=COPIES * TICKS, batch_size=32, epochs=3, learning_rate=3e-3)


class _Policy(ActorCriticPolicy):
    """Ours as stable-baselines3 asks it; its entropy, of weight 1 there, is all our bonus."""

    def __init__(self, *arguments: Any, ours: ActorCritic, nets: Any, **keywords: Any) -> None:
        self._given = ours, nets
        super().__init__(*arguments, **keywords)

    def _build(self, lr_schedule: Any) -> None:
        self.ours, nets = self._given
        self.actor, self.critic = nets
        self.optimizer = self.ours.optimizer

    def evaluate_actions(self, obs: Any, actions: Tensor) -> Any:
        values, log_probabilities, bonus = self.ours.evaluate(obs, actions)
        return values, log_probabilities, torch.zeros(()) if bonus is None else bonus


class _Ppo(PPO):
    def _update_learning_rate(self, optimizers: Any) -> None:
        """The groups of the optimiser keep their own."""


class _Ordered(RolloutBuffer):
    """Its minibatches come in the order of a given generator."""

    def __init__(self, *arguments: Any, draw: np.random.Generator, **keywords: Any) -> None:
        super().__init__(*arguments, **keywords)
        self._draw = draw

    def get(self, batch_size: int | None = None) -> Iterator[RolloutBufferSamples]:
        if not self.generator_ready:
            for name in ("observations", "actions", "values", "log_probs", "advantages", "returns"):
                setattr(self, name, self.swap_and_flatten(getattr(self, name)))
            self.generator_ready = True
        order = self._draw.permutation(COPIES * TICKS)
        assert batch_size is not None
        for start in range(0, len(order), batch_size):
            yield self._get_samples(order[start : start + batch_size])


def _model(
    config: PpoConfig, leash: float, still: bool = False
) -> tuple[ActorCritic, tuple[Policy, Critic]]:
    spec = Spec(
        task="test",
        task_options={},
        rate=10.0,
        observations=(Feature("observation.state", (OBSERVED,)),),
        action=Feature("action", (ACTED,), low=(-1.0,) * ACTED, high=(1.0,) * ACTED),
    )
    torch.manual_seed(0)
    made = PolicyConfig(head="gaussian", width=16, blocks=1)
    policy = new_policy(spec, made, INITIAL_LOG_STD).eval()
    if still:  # the last element of the action has one value
        normalizer = policy.action_normalizer
        normalizer.spread[-1] = 0.0
    critic, reference = Critic(policy, 16), copy.deepcopy(policy)
    model = ActorCritic(policy, critic, config, reference=reference, leash=leash)
    return model, (policy, critic)


def _rollout(model: ActorCritic) -> tuple[dict[str, np.ndarray], Samples]:
    """As stable-baselines3 keeps it, tick by tick, and as we do, copy by copy."""
    draw = np.random.default_rng(1)
    shape = COPIES, TICKS
    observations = draw.normal(size=(*shape, OBSERVED)).astype(np.float32)
    actions = draw.normal(size=(*shape, ACTED)).astype(np.float32)
    rewards = draw.normal(size=shape).astype(np.float32)
    ends = draw.random(shape) < 0.1
    last = draw.normal(size=COPIES).astype(np.float32)
    conditions, drawn = (
        torch.from_numpy(x.reshape(-1, x.shape[2])) for x in (observations, actions)
    )
    with torch.no_grad():
        values, log_probabilities, _ = model.evaluate(conditions, drawn)
    known = values.numpy().reshape(shape)
    advantages = generalized_advantages(
        rewards, known, ends, last, discount=CONFIG.discount, trace=CONFIG.trace
    )
    columns = {
        "observations": observations,
        "actions": actions,
        "rewards": rewards,
        "ends": ends,
        "values": known,
        "log_probs": log_probabilities.numpy().reshape(shape),
    }
    samples = Samples(
        conditions,
        drawn,
        log_probabilities,
        torch.from_numpy(advantages.reshape(-1)),
        torch.from_numpy((advantages + known).reshape(-1)),
    )
    return {name: x.swapaxes(0, 1) for name, x in columns.items()} | {"last": last}, samples


def _oracle(
    model: ActorCritic, nets: Any, config: PpoConfig, columns: dict[str, np.ndarray]
) -> dict[str, float]:
    """stable-baselines3's update of a model; what it reports."""
    learner = _Ppo.__new__(_Ppo)
    observed = spaces.Box(-np.inf, np.inf, (OBSERVED,), np.float32)
    acted = spaces.Box(-1.0, 1.0, (ACTED,), np.float32)
    learner.policy = _Policy(observed, acted, lambda _: 0.0, ours=model, nets=nets)
    learner.action_space = acted
    learner.n_epochs, learner.batch_size = config.epochs, config.batch_size
    learner.clip_range, learner.clip_range_vf = lambda _: config.clip, None
    learner.normalize_advantage, learner.target_kl = True, config.target_kl
    learner.ent_coef, learner.vf_coef, learner.max_grad_norm = 1.0, config.value, config.gradient
    learner._current_progress_remaining, learner._n_updates, learner.verbose = 1.0, 0, 0
    learner.set_logger(Logger(None, []))
    buffer = _Ordered(
        TICKS,
        observed,
        acted,
        "cpu",
        config.trace,
        config.discount,
        COPIES,
        draw=np.random.default_rng(2),
    )
    for name in ("observations", "actions", "rewards", "values", "log_probs"):
        getattr(buffer, name)[:] = columns[name]
    buffer.episode_starts[1:] = columns["ends"][:-1]
    buffer.pos, buffer.full = TICKS, True
    buffer.compute_returns_and_advantage(torch.from_numpy(columns["last"]), columns["ends"][-1])
    learner.rollout_buffer = buffer
    learner.train()
    return learner.logger.name_to_value


@pytest.mark.parametrize(
    ("changes", "leash"),
    [
        ({}, 0.0),
        ({"entropy": 0.01, "critic_learning_rate": 1e-2}, 0.0),
        ({"entropy": 0.01}, 0.5),
        ({"target_kl": 1e-3, "learning_rate": 1e-2}, 0.0),
        ({"batch_size": 33}, 0.0),  # the last minibatch is of one step
        ({"clip": 0.01}, 0.0),
    ],
)
def test_an_update_is_that_of_stable_baselines3(changes: dict[str, Any], leash: float):
    config = replace(CONFIG, **changes)
    model, _ = _model(config, leash)
    columns, samples = _rollout(model)
    before = [parameter.detach().clone() for parameter in model.parameters]
    said = clipped_update(model, samples, config, np.random.default_rng(2))

    other, theirs = _model(config, leash)
    told = _oracle(other, theirs, config, columns)
    for first, second in zip(model.parameters, other.parameters, strict=True):
        torch.testing.assert_close(first, second, rtol=1e-4, atol=1e-5)
    moved = max(
        float((p.detach() - b).abs().max()) for p, b in zip(model.parameters, before, strict=True)
    )
    assert moved > 1e-3
    for name, key in (("loss", "loss"), ("value_loss", "value_loss"), ("moved", "approx_kl")):
        assert said[name] == pytest.approx(float(told[f"train/{key}"]), rel=1e-3, abs=1e-5)


def test_an_update_ends_once_it_has_gone_far():
    went = []
    for target in (None, 1e-3):
        config = replace(CONFIG, target_kl=target, learning_rate=1e-2)
        model, _ = _model(config, 0.0)
        went.append(clipped_update(model, _rollout(model)[1], config, np.random.default_rng(2)))
    assert went[1]["moved"] < went[0]["moved"]


@pytest.mark.parametrize("still", [False, True])
@pytest.mark.parametrize("learns", [True, False])
@pytest.mark.parametrize(
    ("changes", "leash"), [({}, 0.0), ({"entropy": 0.1}, 0.0), ({"entropy": 0.1}, 0.5)]
)
def test_the_explicit_gradient_is_that_of_autograd(
    changes: dict[str, Any], leash: float, learns: bool, still: bool
):
    config = replace(CONFIG, **changes)
    model, (policy, _) = _model(config, leash, still)
    _, samples = _rollout(model)
    with torch.no_grad():  # away from the policy of the rollout, some ratios beyond the clip
        for parameter in model.parameters:
            parameter += 0.1 * torch.randn_like(parameter)
    policy.requires_grad_(learns)
    told, gradients = [], []
    for method in (AutogradGradient, ExplicitGradient):
        told.append(method(model, config)(samples))
        gradients.append([None if p.grad is None else p.grad.clone() for p in model.parameters])
    torch.testing.assert_close(*told, rtol=1e-4, atol=1e-5)
    assert sum(g is None for g in gradients[1]) == (0 if learns else len([*policy.parameters()]))
    for first, second in zip(*gradients, strict=True):
        torch.testing.assert_close(first, second, rtol=1e-3, atol=1e-5)


def test_the_explicit_density_is_that_of_the_policy():
    _, (policy, _) = _model(CONFIG, 0.0)
    seen = torch.randn(7, OBSERVED)
    expected = PolicyDensity(policy).given(seen)
    for one, other in zip(ExplicitDensity(policy).given(seen.numpy()), expected, strict=True):
        np.testing.assert_allclose(one, other.detach(), rtol=1e-4, atol=1e-5)
    with torch.no_grad():
        policy.head.network.enter.weight.mul_(2)  # type: ignore[operator, union-attr]
    assert not np.allclose(ExplicitDensity(policy).given(seen.numpy())[0], expected[0].detach())
