"""Soft actor-critic of stable-baselines3, on a `Policy`.

Haarnoja et al. 2018, "Soft actor-critic algorithms and applications". Its critics, targets,
temperature and updates are stable-baselines3's own; what is tried and the actor are ours. The actor
is a Gaussian without tanh, whose draws are cut off at the limits of the action as they are when it
acts (`ilrobot.policies.bounded`), so that what is exported is what was trained.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from gymnasium import spaces
from numpy.typing import NDArray
from stable_baselines3 import SAC
from stable_baselines3.common.logger import Logger
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor
from stable_baselines3.common.vec_env import VecEnv
from stable_baselines3.sac.policies import SACPolicy
from torch import Tensor, nn

from ilrobot.errors import WorkFailed
from ilrobot.learners.reinforcement.actor_critic import FARTHEST
from ilrobot.learners.reinforcement.collecting import Collecting
from ilrobot.learners.reinforcement.config import SacConfig
from ilrobot.learners.reinforcement.rollouts import RewardFunction, Rollouts
from ilrobot.learners.reinforcement.vector_env import TaskVectorEnv
from ilrobot.policies.bounded import bounded
from ilrobot.policies.density import PolicyDensity
from ilrobot.policies.policy import Policy


class SacReinforcer:
    """See `ilrobot.learners.reinforcement.reinforcer.Reinforcer`, and `make_reinforcer` for args.

    A learnt reward judges transitions once, when they are made. With a `reference` the entropy is
    replaced by -KL(π ‖ π_ref), of fixed weight: what is maximised is Σ r - w log(π / π_ref).
    """

    def __init__(
        self,
        policy: Policy,
        env: TaskVectorEnv,
        config: SacConfig,
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
        self._seed, self._warmed = seed, False
        low, high = PolicyDensity(policy).limits()
        self._limits = low.cpu().numpy(), high.cpu().numpy()
        device = policy.action_normalizer.offset.device
        leashed = reference is not None and kl_weight > 0
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            self._model = SAC(
                _Policy,
                _Normalized(env),
                learning_rate=config.learning_rate,
                buffer_size=config.memory,
                batch_size=config.batch_size,
                tau=config.follow,
                gamma=config.discount,
                ent_coef=kl_weight if leashed else f"auto_{_TEMPERATURE}",
                device=device,
                policy_kwargs={
                    "actor": policy,
                    "reference": reference if leashed else None,
                    "net_arch": [config.critic_width] * 2,
                },
            )
        self._model.set_logger(Logger(None, []))
        self._collecting = Collecting(policy, env, seed, fit_observations=fit_observations)

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
        names = {name: key for name, key in _TOLD.items() if f"train/{key}" in told}
        self.diagnostics = {name: float(told[f"train/{key}"]) for name, key in names.items()}
        self.diagnostics.setdefault("loss", 0.0)  # nothing was learnt yet
        return Rollouts.joined(parts)

    def state(self) -> dict[str, Any]:
        """See `Reinforcer`; what is remembered of the transitions is part of it."""
        model, memory = self._model, self._model.replay_buffer
        assert memory is not None
        warmth, log_temperature = model.ent_coef_optimizer, model.log_ent_coef
        filled = memory.buffer_size if memory.full else memory.pos
        return {
            **self._collecting.state(),
            "warmed": self._warmed,
            "policy": self.policy.state_dict(),
            "critic": model.critic.state_dict(),
            "critic_target": model.critic_target.state_dict(),
            "optimizers": [o.state_dict() for o in (model.actor.optimizer, model.critic.optimizer)],
            "log_temperature": None if log_temperature is None else log_temperature.detach(),
            "temperature_optimizer": None if warmth is None else warmth.state_dict(),
            "memory": {n: torch.from_numpy(getattr(memory, n)[:filled]) for n in _REMEMBERED},
            "place": memory.pos,
        }

    def load_state(self, state: dict[str, Any]) -> None:
        """See `Reinforcer`."""
        model, memory = self._model, self._model.replay_buffer
        assert memory is not None
        self._collecting.load_state(state)
        self._warmed = bool(state["warmed"])
        self.policy.load_state_dict(state["policy"])
        model.critic.load_state_dict(state["critic"])
        model.critic_target.load_state_dict(state["critic_target"])
        for optimizer, kept in zip(
            (model.actor.optimizer, model.critic.optimizer), state["optimizers"], strict=True
        ):
            optimizer.load_state_dict(kept)
        if model.ent_coef_optimizer is not None and model.log_ent_coef is not None:
            with torch.no_grad():
                model.log_ent_coef.copy_(state["log_temperature"])
            model.ent_coef_optimizer.load_state_dict(state["temperature_optimizer"])
        filled = len(state["memory"]["rewards"])
        for name, values in state["memory"].items():
            getattr(memory, name)[:filled] = values.numpy()
        memory.pos = int(state["place"])
        memory.full = filled == memory.buffer_size

    def _once(self, reward: RewardFunction | None) -> Rollouts:
        """A few steps of each copy, and as many updates as there were steps."""
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
        if not first:
            updates = max(1, round(self._config.updates * ticks * self._env.num_envs))
            if self._config.critic_updates and not self._warmed:
                self.policy.requires_grad_(False)
                self._model.train(self._config.critic_updates, self._config.batch_size)
                self.policy.requires_grad_(True)
                self._warmed = True
            self._model.train(updates, self._config.batch_size)
        return made

    def _remember(
        self, drawn: NDArray[np.float32], made: Rollouts, rewards: NDArray[np.float32]
    ) -> None:
        memory, steps = self._model.replay_buffer, made.transitions
        assert memory is not None
        shape = self._env.num_envs, -1
        columns = [
            values.reshape(*shape, *values.shape[1:]).swapaxes(0, 1)
            for values in (
                steps.observations,
                steps.next_observations,
                drawn.clip(*self._limits),
                rewards,
                steps.terminal | steps.timeout,
                steps.timeout,
            )
        ]
        for seen, after, action, reward, end, cut in zip(*columns, strict=True):
            infos = [{"TimeLimit.truncated": bool(one)} for one in cut]
            memory.add(seen, after, action, reward, end, infos)


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


class _Encoded(BaseFeaturesExtractor):
    """Observations as the policy's network reads them."""

    def __init__(self, space: Any, policy: Policy) -> None:
        super().__init__(space, policy.encoder.size)
        self._encode = policy.encoder.encode  # no part of this: it has no weights of its own

    def forward(self, observations: Tensor) -> Tensor:
        """(B, O) to (B, C)."""
        return self._encode(observations[:, None]).clamp(-FARTHEST, FARTHEST)


class _Actor(nn.Module):
    """A `Policy` in the place of stable-baselines3's actor."""

    optimizer: torch.optim.Optimizer

    def __init__(self, policy: Policy, reference: Policy | None) -> None:
        super().__init__()
        self.policy = policy
        self._density = PolicyDensity(policy)
        self._limits = self._density.limits()
        self._reference = None if reference is None else PolicyDensity(reference)

    def action_log_prob(self, observations: Tensor) -> tuple[Tensor, Tensor]:
        """A drawn action within ±1, (B, A), and log π, with a leash log(π / π_ref), (B,)."""
        mean, log_std = self._density.distribution(observations)
        drawn = mean + log_std.exp() * torch.randn_like(mean)
        worth = self._density.log_normalized(drawn, mean, log_std)
        if self._reference is not None:
            other = self._reference.distribution(observations)
            worth = worth - self._reference.log_normalized(drawn, *other)
        return bounded(drawn, *self._limits), worth

    def set_training_mode(self, mode: bool) -> None:
        """There is only one mode: a density must not change by what is dropped out."""


class _Policy(SACPolicy):
    """stable-baselines3's critics beside our actor."""

    def __init__(
        self,
        observation_space: spaces.Space[Any],
        action_space: spaces.Box,
        lr_schedule: Any,
        *,
        actor: Policy,
        reference: Policy | None,
        net_arch: list[int],
        use_sde: bool = False,
    ) -> None:
        self._ours = (actor, reference)
        super().__init__(
            observation_space,
            action_space,
            lr_schedule,
            net_arch,
            features_extractor_class=_Encoded,
            features_extractor_kwargs={"policy": actor},
            optimizer_kwargs={"fused": True},
        )

    def make_actor(self, features_extractor: Any = None) -> Any:
        """See `SACPolicy`."""
        return _Actor(*self._ours)

    def set_training_mode(self, mode: bool) -> None:
        """The critics have only one mode, too."""


#: At first. A Gaussian without tanh gains entropy from any spread, beyond the limits as well, and
#: with stable-baselines3's 1 it does little else until the temperature has fallen.
_TEMPERATURE = 0.1
_REMEMBERED = ("observations", "next_observations", "actions", "rewards", "dones", "timeouts")
#: What is reported of an update, and what stable-baselines3 calls it.
_TOLD = {"loss": "actor_loss", "value_loss": "critic_loss", "temperature": "ent_coef"}
