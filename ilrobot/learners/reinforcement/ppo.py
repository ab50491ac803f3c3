"""Proximal policy optimisation on a `Policy`.

While the copies of a task are stepped, only the actor is asked; values, log-probabilities and
rewards of a whole rollout, which a learnt reward judges at once, are computed afterwards.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ilrobot.data.transitions import Transitions
from ilrobot.errors import WorkFailed
from ilrobot.learners.reinforcement.actor_critic import ActorCritic, Critic
from ilrobot.learners.reinforcement.advantages import generalized_advantages
from ilrobot.learners.reinforcement.clipped_update import Samples, clipped_update
from ilrobot.learners.reinforcement.collecting import Collecting, by_copy
from ilrobot.learners.reinforcement.config import PpoConfig
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
        self._model = ActorCritic(policy, critic, config, reference=reference, leash=kl_weight)
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
            "critic": self._model.critic.state_dict(),
            "optimizer": self._model.optimizer.state_dict(),
            "scale": None if self._scale is None else self._scale.state(),
        }

    def load_state(self, state: dict[str, Any]) -> None:
        """See `Reinforcer`."""
        self._collecting.load_state(state)
        self._rollouts = int(state["rollouts"])
        self.policy.load_state_dict(state["policy"])
        self._model.critic.load_state_dict(state["critic"])
        self._model.optimizer.load_state_dict(state["optimizer"])
        if self._scale is not None:
            self._scale.load_state(state["scale"])
        self._draw = np.random.default_rng((self._seed, self.steps))

    def _once(self, reward: RewardFunction | None) -> Rollouts:
        """One rollout and what is learnt from it."""
        actions, made = self._collecting.rollout(self._config.rollout // self._env.num_envs)
        rewards = made.transitions.rewards if reward is None else reward(made.transitions)
        # What is learnt of an end may be an absorbing state's worth, 1 / (1 - γ) times a step's.
        whole = made.transitions.terminal & (reward is not None)
        self._update(made.transitions, actions, np.asarray(rewards, dtype=np.float32), whole)
        self._collecting.normalize(made.transitions.observations)
        self.policy.check_finite(f"the weights after {self.steps} environment steps")
        return made

    def _update(
        self,
        made: Transitions,
        actions: NDArray[np.float32],
        rewards: NDArray[np.float32],
        whole: NDArray[np.bool_],
    ) -> None:
        """Learn from a rollout, all copy by copy; `whole`: see `RewardScale`."""
        if not np.isfinite(rewards).all():
            raise WorkFailed(
                f"a reward is no longer finite after {self.steps} environment steps; look at where "
                "it comes from"
            )
        copies = self._env.num_envs
        ticks = len(made) // copies
        ends = (made.terminal | made.timeout).reshape(copies, ticks)
        if self._scale is not None:
            by_tick = rewards.reshape(copies, ticks).T
            rewards = by_copy(self._scale(by_tick, ends.T, whole.reshape(copies, ticks).T))
        cut = np.flatnonzero(made.timeout)
        drawn = torch.from_numpy(actions).to(self._device)
        with torch.no_grad():
            conditions = self._encoded(made.observations)
            known, log_probabilities, _ = self._model.evaluate(conditions, drawn)
            rewards = rewards.copy()
            rewards[cut] += self._config.discount * self._value(made.next_observations[cut])
            last = self._value(made.next_observations[ticks - 1 :: ticks])
        values = known.cpu().numpy().reshape(copies, ticks)
        advantages, looking = (
            generalized_advantages(
                rewards.reshape(copies, ticks),
                values,
                ends,
                last,
                discount=self._config.discount,
                trace=self._config.trace if trace is None else trace,
            )
            for trace in (None, self._config.critic_trace)
        )
        targets = looking + values
        samples = Samples(
            conditions,
            drawn,
            log_probabilities,
            *(torch.from_numpy(x.reshape(-1)).to(self._device) for x in (advantages, targets)),
        )
        learns = self._rollouts >= self._config.critic_rollouts
        self.policy.requires_grad_(learns)
        self.diagnostics = clipped_update(self._model, samples, self._config, self._draw)
        self.policy.requires_grad_(True)
        self._rollouts += 1
        self.diagnostics["explained"] = _explained(values, targets)

    def _value(self, observations: NDArray[np.float32]) -> NDArray[np.float32]:
        """V(o), (n, O) to (n,)."""
        value: NDArray[np.float32] = (
            self._model.critic(self._encoded(observations))[:, 0].cpu().numpy()
        )
        return value

    def _encoded(self, observations: NDArray[np.float32]) -> Tensor:
        """As the policy's network reads them, (n, O) to (n, C), on its device."""
        rows = torch.from_numpy(np.ascontiguousarray(observations)).to(self._device)
        return self.policy.encoder.encode(rows[:, None])


def _explained(values: NDArray[np.float32], targets: NDArray[np.float32]) -> float:
    """Share of the targets' variance that the values knew (NaN: they have none)."""
    variance = float(targets.var())
    return 1 - float((targets - values).var()) / variance if variance else float("nan")
