"""Proximal policy optimisation of stable-baselines3, on a `Policy`.

Its buffer, advantages, loss and updates are stable-baselines3's own. Rollouts are ours, for speed
and for the sake of learnt rewards: while the copies of a task are stepped, only the actor is asked;
values, log-probabilities and rewards of a whole rollout are computed at once afterwards.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from stable_baselines3 import PPO
from stable_baselines3.common.logger import Logger
from torch import Tensor

from ilrobot.data.transitions import Transitions
from ilrobot.errors import WorkFailed
from ilrobot.learners.reinforcement.actor_critic import ActorCritic, Critic
from ilrobot.learners.reinforcement.collecting import Collecting, by_copy
from ilrobot.learners.reinforcement.config import PpoConfig
from ilrobot.learners.reinforcement.rollout_tensors import RolloutTensors
from ilrobot.learners.reinforcement.rollouts import RewardFunction, Rollouts
from ilrobot.learners.reinforcement.running import RewardScale
from ilrobot.learners.reinforcement.vector_env import TaskVectorEnv
from ilrobot.policies.policy import Policy


class PpoReinforcer:
    """See `ilrobot.learners.reinforcement.reinforcer.Reinforcer`, and `make_reinforcer` for args.

    Observations are normalised by what was seen up to the rollout before.
    """

    def __init__(
        self,
        policy: Policy,
        env: TaskVectorEnv,
        config: PpoConfig,
        seed: int,
        *,
        reference: Policy | None = None,
        kl_weight: float = 0.0,
        fit_observations: bool = True,
    ) -> None:
        config.check(env.num_envs)
        self.policy = policy.eval()
        self.diagnostics: dict[str, float] = {}
        self._env, self._config = env, config
        self._device = policy.action_normalizer.offset.device
        self._seed, self._draw = seed, np.random.default_rng(seed)
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            critic = Critic(policy, config.critic_width).to(self._device)
        self._critic = critic
        self._model = _Ppo(
            ActorCritic,
            env,
            n_steps=config.rollout // env.num_envs,
            batch_size=min(config.batch_size, config.rollout),
            n_epochs=config.epochs,
            learning_rate=config.learning_rate,
            gamma=config.discount,
            gae_lambda=config.trace,
            clip_range=config.clip,
            ent_coef=1.0,
            vf_coef=config.value,
            max_grad_norm=config.gradient,
            target_kl=config.target_kl,
            device=self._device,
            rollout_buffer_class=RolloutTensors,
            rollout_buffer_kwargs={"critic_trace": config.critic_trace},
            policy_kwargs={
                "actor": policy,
                "critic": critic,
                "entropy": config.entropy,
                "reference": reference,
                "leash": kl_weight,
                "critic_learning_rate": config.critic_learning_rate,
            },
        )
        self._model.set_logger(Logger(None, []))
        self._collecting = Collecting(policy, env, seed, fit_observations=fit_observations)
        self._scale = RewardScale(env.num_envs, config.discount) if config.scale_rewards else None
        self._rollouts = 0

    @property
    def steps(self) -> int:
        """See `Reinforcer`."""
        return self._collecting.steps

    def learn(self, steps: int, reward: RewardFunction | None = None) -> Rollouts:
        """See `Reinforcer`."""
        parts = []
        for _ in range(-(-steps // self._config.rollout)):
            parts.append(self._once(reward))
        return Rollouts.joined(parts)

    def state(self) -> dict[str, Any]:
        """See `Reinforcer`."""
        return {
            **self._collecting.state(),
            "rollouts": self._rollouts,
            "policy": self.policy.state_dict(),
            "critic": self._critic.state_dict(),
            "optimizer": self._model.policy.optimizer.state_dict(),
            "scale": None if self._scale is None else self._scale.state(),
        }

    def load_state(self, state: dict[str, Any]) -> None:
        """See `Reinforcer`."""
        self._collecting.load_state(state)
        self._rollouts = int(state["rollouts"])
        self.policy.load_state_dict(state["policy"])
        self._critic.load_state_dict(state["critic"])
        self._model.policy.optimizer.load_state_dict(state["optimizer"])
        if self._scale is not None:
            self._scale.load_state(state["scale"])
        self._draw = np.random.default_rng((self._seed, self.steps))

    def _once(self, reward: RewardFunction | None) -> Rollouts:
        """One rollout and what is learnt from it."""
        actions, made = self._collecting.rollout(self._config.rollout // self._env.num_envs)
        rewards = made.transitions.rewards if reward is None else reward(made.transitions)
        self._update(made.transitions, actions, np.asarray(rewards, dtype=np.float32))
        self._collecting.normalize(made.transitions.observations)
        self.policy.check_finite(f"the weights after {self.steps} environment steps")
        return made

    def _update(
        self, made: Transitions, actions: NDArray[np.float32], rewards: NDArray[np.float32]
    ) -> None:
        """Let stable-baselines3 learn from a rollout, all copy by copy."""
        if not np.isfinite(rewards).all():
            raise WorkFailed(
                f"a reward is no longer finite after {self.steps} environment steps; look at where "
                "it comes from"
            )
        ticks, copies = len(made) // self._env.num_envs, self._env.num_envs
        ends = made.terminal | made.timeout
        if self._scale is not None:
            shape = copies, ticks
            rewards = by_copy(self._scale(rewards.reshape(shape).T, ends.reshape(shape).T))
        buffer, cut = self._model.rollout_buffer, np.flatnonzero(made.timeout)
        assert isinstance(buffer, RolloutTensors)
        with torch.no_grad():
            conditions = self._encoded(made.observations)
            values, log_probabilities, _ = self._model.policy.evaluate_actions(
                conditions, torch.from_numpy(actions).to(self._device)
            )
            rewards = rewards.copy()
            after = self._critic(self._encoded(made.next_observations[cut]))[:, 0]
            rewards[cut] += self._config.discount * after.cpu().numpy()
            last = self._critic(self._encoded(made.next_observations[ticks - 1 :: ticks]))[:, 0]
        buffer.fill(conditions, actions, rewards, ends, values[:, 0], log_probabilities, last)
        learns = self._rollouts >= self._config.critic_rollouts
        self.policy.requires_grad_(learns)
        np.random.seed(int(self._draw.integers(2**31)))  # noqa: NPY002 (the buffer shuffles by it)
        self._model.train()
        self.policy.requires_grad_(True)
        self._rollouts += 1
        told = self._model.logger.name_to_value
        self.diagnostics = {name: float(told[f"train/{key}"]) for name, key in _TOLD.items()}

    def _encoded(self, observations: NDArray[np.float32]) -> Tensor:
        """As the policy's network reads them, (n, O) to (n, C), on its device."""
        rows = torch.from_numpy(np.ascontiguousarray(observations)).to(self._device)
        return self.policy.encoder.encode(rows[:, None])


class _Ppo(PPO):
    """PPO whose learning rates stay what the policy's optimiser was made with."""

    def _update_learning_rate(self, optimizers: Any) -> None:
        """There is no schedule, and the value may have a rate of its own."""


#: What is reported of an update, and what stable-baselines3 calls it.
_TOLD = {
    "loss": "loss",
    "value_loss": "value_loss",
    "moved": "approx_kl",
    "explained": "explained_variance",
}
