"""Proximal policy optimisation of stable-baselines3, on a `Policy`.

Its buffer, advantages, loss and updates are stable-baselines3's own. Rollouts are ours, for speed
and for the sake of learnt rewards: while the copies of a task are stepped, only the actor is asked;
values, log-probabilities and rewards of a whole rollout are computed at once afterwards.
"""

from __future__ import annotations

import copy
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
from ilrobot.learners.reinforcement.config import PpoConfig
from ilrobot.learners.reinforcement.rollout_tensors import RolloutTensors
from ilrobot.learners.reinforcement.rollouts import RewardFunction, Rollouts
from ilrobot.learners.reinforcement.running import RewardScale, RunningStatistics
from ilrobot.learners.reinforcement.vector_env import Ended, TaskVectorEnv
from ilrobot.policies.density import PolicyDensity
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
        self.policy, self.steps = policy.eval(), 0
        self.diagnostics: dict[str, float] = {}
        self._env, self._config = env, config
        self._device = policy.action_normalizer.offset.device
        self._seed, self._draw = seed, np.random.default_rng(seed)
        self._generator = torch.Generator().manual_seed(seed)
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            critic = Critic(policy, config.critic_width).to(self._device)
        self._critic = critic
        self._model = PPO(
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
            policy_kwargs={
                "actor": policy,
                "critic": critic,
                "entropy": config.entropy,
                "reference": reference,
                "leash": kl_weight,
            },
        )
        self._model.set_logger(Logger(None, []))
        self._acting = policy
        if self._device.type != "cpu":
            self._acting = copy.deepcopy(policy).cpu()
        size = env.observation_space.shape[0]  # type: ignore[index]
        self._seen = RunningStatistics(size) if fit_observations else None
        self._scale = RewardScale(env.num_envs, config.discount) if config.scale_rewards else None
        self._rollouts = 0
        self._observations: NDArray[np.float32] | None = None

    def learn(self, steps: int, reward: RewardFunction | None = None) -> Rollouts:
        """See `Reinforcer`."""
        parts = []
        for _ in range(-(-steps // self._config.rollout)):
            parts.append(self._once(reward))
        return Rollouts.joined(parts)

    def state(self) -> dict[str, Any]:
        """See `Reinforcer`."""
        return {
            "steps": self.steps,
            "rollouts": self._rollouts,
            "policy": self.policy.state_dict(),
            "critic": self._critic.state_dict(),
            "optimizer": self._model.policy.optimizer.state_dict(),
            "seen": None if self._seen is None else self._seen.state(),
            "scale": None if self._scale is None else self._scale.state(),
            "generator": self._generator.get_state(),
        }

    def load_state(self, state: dict[str, Any]) -> None:
        """See `Reinforcer`."""
        self.steps, self._rollouts = int(state["steps"]), int(state["rollouts"])
        self.policy.load_state_dict(state["policy"])
        self._critic.load_state_dict(state["critic"])
        self._model.policy.optimizer.load_state_dict(state["optimizer"])
        if self._seen is not None:
            self._seen.load_state(state["seen"])
        if self._scale is not None:
            self._scale.load_state(state["scale"])
        self._generator.set_state(state["generator"])
        self._draw = np.random.default_rng((self._seed, self.steps))
        self._env.reseed(int(self._draw.integers(2**31)))
        self._observations = None

    def _once(self, reward: RewardFunction | None) -> Rollouts:
        """One rollout and what is learnt from it."""
        if self._observations is None:
            self._observations = self._env.reset()
            if self._seen is not None and not self._seen.count:
                self._look_around()
        actions, made = self._collect()
        rewards = made.transitions.rewards if reward is None else reward(made.transitions)
        self._update(made.transitions, actions, np.asarray(rewards, dtype=np.float32))
        if self._seen is not None:
            self._seen.update(made.transitions.observations)
            self._seen.write(self.policy.encoder.normalizer)
        self.policy.check_finite(f"the weights after {self.steps} environment steps")
        return made

    def _look_around(self) -> None:
        """Fit the normalisation to where a policy that knows nothing comes."""
        assert self._seen is not None
        assert self._observations is not None
        density = PolicyDensity(self._acting)
        seen = [self._observations]
        for _ in range(_LOOKS):
            actions = torch.randn(self._shape, generator=self._generator)
            with torch.inference_mode():
                physical = density.physical(actions, torch.from_numpy(seen[-1])).numpy()
            seen.append(self._env.advance(physical).observations)
        self._seen.update(np.concatenate(seen))
        self._seen.write(self.policy.encoder.normalizer)
        self._observations = self._env.reset()

    @property
    def _shape(self) -> tuple[int, int]:
        return self._env.num_envs, self._env.task.action.size

    def _collect(self) -> tuple[NDArray[np.float32], Rollouts]:
        """Normalised actions drawn, copy by copy (N, A), and what they led to."""
        if self._acting is not self.policy:
            self._acting.load_state_dict(self.policy.state_dict())
        density = PolicyDensity(self._acting)
        ticks, (copies, size) = self._config.rollout // self._env.num_envs, self._shape
        observed = np.empty((ticks, copies, len(self._observed[0])), dtype=np.float32)
        after = np.empty_like(observed)
        drawn = np.empty((ticks, copies, size), dtype=np.float32)
        executed = np.empty_like(drawn)
        rewards = np.empty((ticks, copies), dtype=np.float32)
        terminal, timeout = np.empty((2, ticks, copies), dtype=bool)
        noise = torch.randn((ticks, copies, size), generator=self._generator)
        ended: list[Ended] = []
        for tick in range(ticks):
            observed[tick] = self._observed
            with torch.inference_mode():
                seen = torch.from_numpy(self._observed)
                mean, log_std = density.distribution(seen)
                action = mean + log_std.exp() * noise[tick]
                physical = density.physical(action, seen).numpy()
            drawn[tick] = action.numpy()
            executed[tick] = np.clip(physical, *self._env.limits)
            step = self._env.advance(executed[tick])
            self._observations = step.observations
            after[tick], rewards[tick] = step.after, step.rewards
            terminal[tick], timeout[tick] = step.terminal, step.timeout
            ended.extend(step.ended)
        self.steps += ticks * copies
        transitions = Transitions(
            observations=_by_copy(observed),
            actions=_by_copy(executed),
            rewards=_by_copy(rewards),
            next_observations=_by_copy(after),
            terminal=_by_copy(terminal),
            timeout=_by_copy(timeout),
            episode=_numbered(terminal | timeout),
        )
        return _by_copy(drawn), Rollouts(transitions, tuple(ended))

    @property
    def _observed(self) -> NDArray[np.float32]:
        assert self._observations is not None
        return self._observations

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
            rewards = _by_copy(self._scale(rewards.reshape(shape).T, ends.reshape(shape).T))
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


def _by_copy(values: NDArray[Any]) -> NDArray[Any]:
    """(ticks, copies, ...) to (copies · ticks, ...)."""
    return np.ascontiguousarray(values.swapaxes(0, 1)).reshape(-1, *values.shape[2:])


def _numbered(ends: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Number of the episode of each step, copy by copy, from where they end, (ticks, copies)."""
    begins = np.zeros(ends.shape, dtype=bool)
    begins[1:] = ends[:-1]
    begins[0] = True
    return np.cumsum(_by_copy(begins), dtype=np.int64) - 1


#: What is reported of an update, and what stable-baselines3 calls it.
_TOLD = {
    "loss": "loss",
    "value_loss": "value_loss",
    "moved": "approx_kl",
    "explained": "explained_variance",
}
#: Steps of each copy at random, before anything is learnt.
_LOOKS = 64
