"""What SAC and TD3 have in common: a memory of what was tried, and critics that learn from it.

The algorithm is stable-baselines3's own; what is tried, the actor and the memory's contents are
ours. Draws are cut off at the limits of the action as they are when the policy acts
(`ilrobot.policies.bounded`), so that what is exported is what was trained.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import numpy as np
import torch
from gymnasium import spaces
from numpy.typing import NDArray
from stable_baselines3 import SAC, TD3
from stable_baselines3.common.logger import Logger
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor
from stable_baselines3.common.vec_env import VecEnv
from torch import Tensor

from ilrobot.errors import WorkFailed
from ilrobot.learners.reinforcement.actor_critic import FARTHEST
from ilrobot.learners.reinforcement.collecting import Collecting
from ilrobot.learners.reinforcement.config import CRITIC_BOUT, OffPolicyConfig
from ilrobot.learners.reinforcement.rollouts import RewardFunction, Rollouts
from ilrobot.learners.reinforcement.vector_env import TaskVectorEnv
from ilrobot.policies.density import PolicyDensity
from ilrobot.policies.policy import Policy


class OffPolicyReinforcer(ABC):
    """See `ilrobot.learners.reinforcement.reinforcer.Reinforcer`, and `make_reinforcer` for args.

    A learnt reward judges transitions once, when they are made.
    """

    _model: SAC | TD3
    #: What is reported of an update, and what stable-baselines3 calls it.
    told = {"loss": "actor_loss", "value_loss": "critic_loss"}  # noqa: RUF012

    def __init__(
        self,
        policy: Policy,
        env: TaskVectorEnv,
        config: OffPolicyConfig,
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
        self._scratch = fit_observations
        self._seed, self._warmed, self._due = seed, 0, 0.0
        low, high = PolicyDensity(policy).limits()
        self._limits = low.cpu().numpy(), high.cpu().numpy()
        leashed = reference if kl_weight > 0 else None
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            self._model = self._algorithm(leashed, kl_weight)
        self._model.set_logger(Logger(None, []))
        self._collecting = Collecting(policy, env, seed, fit_observations=fit_observations)

    @abstractmethod
    def _algorithm(self, reference: Policy | None, leash: float) -> SAC | TD3:
        """Make stable-baselines3's, by `_common` and, for its policy, by `_critics`.

        Args:
            reference: What the policy is kept close to (None: nothing).
            leash: How much.
        """

    @property
    def steps(self) -> int:
        """See `Reinforcer`."""
        return self._collecting.steps

    def learn(self, steps: int, reward: RewardFunction | None = None) -> Rollouts:
        """See `Reinforcer`."""
        goal, parts = self.steps + steps, []
        with torch.random.fork_rng():
            torch.manual_seed(hash((self._seed, self.steps)) % 2**63)
            np.random.seed((self._seed + self.steps) % 2**32)  # noqa: NPY002 (the replay draws by it)
            while self.steps < goal:
                parts.append(self._once(reward))
        self.policy.check_finite(f"the weights after {self.steps} environment steps")
        told = self._model.logger.name_to_value
        names = {name: key for name, key in self.told.items() if f"train/{key}" in told}
        self.diagnostics = {name: float(told[f"train/{key}"]) for name, key in names.items()}
        if 0 < self._warmed < self._config.critic_updates:
            self.diagnostics["critic_updates"] = float(self._warmed)
        return Rollouts.joined(parts)

    def state(self) -> dict[str, Any]:
        """See `Reinforcer`; what is remembered of the transitions is part of it."""
        memory = self._memory
        filled = memory.buffer_size if memory.full else memory.pos
        return {
            **self._collecting.state(),
            "warmed": self._warmed,
            "due": self._due,
            "policy": self.policy.state_dict(),
            "critic": self._model.critic.state_dict(),
            "critic_target": self._model.critic_target.state_dict(),
            "optimizers": [optimizer.state_dict() for optimizer in self._optimizers],
            "memory": {n: torch.from_numpy(getattr(memory, n)[:filled]) for n in _REMEMBERED},
            "place": memory.pos,
        }

    def load_state(self, state: dict[str, Any]) -> None:
        """See `Reinforcer`."""
        memory = self._memory
        self._collecting.load_state(state)
        warmed = state["warmed"]  # runs of before know only whether
        self._warmed = self._config.critic_updates if warmed is True else int(warmed)
        self._due = float(state.get("due", 0.0))  # runs of before kept no remainder
        self.policy.load_state_dict(state["policy"])
        self._model.critic.load_state_dict(state["critic"])
        self._model.critic_target.load_state_dict(state["critic_target"])
        for optimizer, kept in zip(self._optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(kept)
        filled = len(state["memory"]["rewards"])
        for name, values in state["memory"].items():
            getattr(memory, name)[:filled] = values.numpy()
        memory.pos = int(state["place"])
        memory.full = filled == memory.buffer_size

    @property
    def _common(self) -> dict[str, Any]:
        """What every algorithm of stable-baselines3 is told."""
        config = self._config
        return {
            "env": _Normalized(self._env),
            "learning_rate": config.learning_rate,
            "buffer_size": config.memory,
            "batch_size": config.batch_size,
            "tau": config.follow,
            "gamma": config.discount,
            "device": self.policy.action_normalizer.offset.device,
        }

    @property
    def _critics(self) -> dict[str, Any]:
        """What the policy of every algorithm, our actor and its critics, is told of the critics."""
        return {
            "net_arch": [self._config.critic_width] * 2,
            "features_extractor_class": _Encoded,
            "features_extractor_kwargs": {"policy": self.policy},
            "optimizer_kwargs": {"fused": True},
        }

    @property
    def _optimizers(self) -> tuple[torch.optim.Optimizer, ...]:
        return self._model.actor.optimizer, self._model.critic.optimizer

    @property
    def _memory(self) -> Any:
        memory = self._model.replay_buffer
        assert memory is not None
        return memory

    def _once(self, reward: RewardFunction | None) -> Rollouts:
        """A few steps of each copy, and as many updates as the configuration has for them."""
        first = self.steps < self._config.starts
        ticks = self._config.rollout // self._env.num_envs
        drawn, made = self._collecting.rollout(ticks, uniform=first and self._scratch)
        given = made.transitions.rewards if reward is None else reward(made.transitions)
        rewards = np.asarray(given, dtype=np.float32)
        if not np.isfinite(rewards).all():
            raise WorkFailed(
                f"a reward is no longer finite after {self.steps} environment steps; look at where "
                "it comes from"
            )
        self._remember(drawn, made, rewards)
        self._collecting.normalize(made.transitions.observations)
        if first:
            return made
        left = self._config.critic_updates - self._warmed
        if left > 0:
            self._warm(min(CRITIC_BOUT, left))
        else:
            self._due += self._config.updates * ticks * self._env.num_envs
            updates = int(self._due)
            self._due -= updates
            if updates:
                self._model.train(updates, self._config.batch_size)
        return made

    def _warm(self, updates: int) -> None:
        """Updates of the critics alone."""
        self.policy.requires_grad_(False)
        self._model.train(updates, self._config.batch_size)
        self.policy.requires_grad_(True)
        self._warmed += updates

    def _as_critics_see(self, actions: NDArray[np.float32]) -> NDArray[np.float32]:
        """Normalised actions within their limits, as the policy hands its own to the critics."""
        return actions

    def _remember(
        self, drawn: NDArray[np.float32], made: Rollouts, rewards: NDArray[np.float32]
    ) -> None:
        memory, steps = self._memory, made.transitions
        shape = self._env.num_envs, -1
        columns = [
            values.reshape(*shape, *values.shape[1:]).swapaxes(0, 1)
            for values in (
                steps.observations,
                steps.next_observations,
                self._as_critics_see(drawn.clip(*self._limits)),
                rewards,
                steps.terminal | steps.timeout,
                steps.timeout,
            )
        ]
        for seen, after, action, reward, end, cut in zip(*columns, strict=True):
            infos = [{"TimeLimit.truncated": bool(one)} for one in cut]
            memory.add(seen, after, action, reward, end, infos)


class _Encoded(BaseFeaturesExtractor):
    """Observations as the policy's network reads them."""

    def __init__(self, space: Any, policy: Policy) -> None:
        super().__init__(space, policy.encoder.size)
        self._encode = policy.encoder.encode  # no part of this: it has no weights of its own

    def forward(self, observations: Tensor) -> Tensor:
        """(B, O) to (B, C)."""
        return self._encode(observations[:, None]).clamp(-FARTHEST, FARTHEST)


class _Normalized(VecEnv):
    """What stable-baselines3 is told of a task: normalised actions. It is never stepped there."""

    def __init__(self, env: TaskVectorEnv) -> None:
        size = env.task.action.size
        space = spaces.Box(-1.0, 1.0, (size,), np.float32)
        super().__init__(env.num_envs, env.observation_space, space)

    def _unused(self, *_: Any, **__: Any) -> Any:
        raise NotImplementedError("the copies of the task are stepped by `Collecting`")

    reset = step_async = step_wait = env_method = set_attr = _unused

    def close(self) -> None:
        """There is nothing to free."""

    def get_attr(self, attr_name: str, indices: Any = None) -> list[Any]:
        """See `VecEnv`; they have no attributes."""
        return [None for _ in self._get_indices(indices)]

    def env_is_wrapped(self, wrapper_class: Any, indices: Any = None) -> list[bool]:
        """See `VecEnv`."""
        return [False for _ in self._get_indices(indices)]


_REMEMBERED = ("observations", "next_observations", "actions", "rewards", "dones", "timeouts")
